-- What the serving process may: append to ledgers and records, read and write state, own nothing.
-- It logs in as a member of this role and takes it on for the session; new partitions are reached through their parents only.
do $$
begin
    if not exists (select from pg_roles where rolname = 'gateway') then
        begin
            create role gateway nologin;
        exception when duplicate_object or unique_violation then
            null;  -- roles belong to the whole cluster: another database's migration was first
        end;
    end if;
    -- From 16 on, whoever creates a role may grant it, but not take it on before having done so
    if not pg_has_role(current_user, 'gateway', case when current_setting('server_version_num')::int < 160000 then 'member' else 'set' end) then
        execute format('grant gateway to %I', current_user);
    end if;
end $$;

grant usage on schema gateway to gateway;

-- What code and staff settle, and the process only reads
grant select on gateway.category, gateway.purpose, gateway.basis_rule to gateway;

-- Ledgers of what data subjects and the controller said: read and appended to
grant select, insert on gateway.policy_version, gateway.policy_acceptance, gateway.consent_event, gateway.setting_event to gateway;

-- Records of what went out and what was refused: read and appended to
grant select, insert on gateway.projection, gateway.disclosure, gateway.disclosure_subject, gateway.refusal to gateway;

-- Registers: a row is ended or revoked, never deleted
grant select, insert, update on gateway.partner, gateway.client, gateway.scope_version, gateway.partner_grant, gateway.halt,
    gateway.signing_key, gateway.subject to gateway;
grant select, insert on gateway.scope_field to gateway;  -- a changed rule is a new version

-- State that is derived or expires
grant select, insert, update, delete on gateway.consent_state, gateway.access_token, gateway.assertion_replay, gateway.rate_bucket
    to gateway;

-- So that a process that may not migrate can still see whether somebody has to
grant usage on schema gateway_migration to gateway;
grant select on gateway_migration.applied to gateway;
