-- name: add_act
-- in:  act_id, staff_id uuid (null: at the machine), actor, door, act, target, reason, refused text (null: done), before, after text (JSON)
-- row: none
insert into gateway.act (act_id, staff_id, actor, door, act, target, reason, refused, before, after)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9::jsonb, $10::jsonb);

-- name: acts
-- The record, newest first.
-- in:  before timestamptz, before_id uuid (null: from the newest), actor, target, act text (null: any), row_count integer
-- row: act_id uuid; acted_at timestamptz; actor, door, act, target, reason, refused text; before, after text (JSON)
-- act_by_time
select act_id, acted_at, actor, door, act, target, reason, refused, before::text as before, after::text as after
  from gateway.act
 where ($1::timestamptz is null or (acted_at, act_id) < ($1, $2)) and ($3::text is null or actor = $3)
   and ($4::text is null or target = $4) and ($5::text is null or act = $5)
 order by acted_at desc, act_id desc limit $6;

-- name: add_staff
-- in:  staff_id uuid, login, name text, roles text[], password_hash text, totp_sealed bytea, upstream_subject text
-- row: none
insert into gateway.staff (staff_id, login, name, roles, password_hash, totp_sealed, upstream_subject)
values ($1, $2, $3, $4, $5, $6, $7);

-- name: staff
-- Everybody who has not ended, by login, with when they were last seen.
-- row: staff_id uuid; login, name text; roles text[]; has_password, has_totp, has_passkey boolean; upstream_subject text;
--      confidentiality_accepted_at, created_at, ended_at, last_seen_at, last_acted_at timestamptz
select s.staff_id, s.login, s.name, s.roles, s.password_hash is not null as has_password, s.totp_sealed is not null as has_totp,
       exists (select from gateway.staff_passkey k where k.staff_id = s.staff_id) as has_passkey, s.upstream_subject,
       s.confidentiality_accepted_at, s.created_at, s.ended_at,
       greatest((select max(n.seen_at) from gateway.staff_session n where n.staff_id = s.staff_id),
                (select max(t.last_used_at) from gateway.staff_token t where t.staff_id = s.staff_id)) as last_seen_at,
       (select max(a.acted_at) from gateway.act a where a.staff_id = s.staff_id) as last_acted_at
  from gateway.staff s order by s.ended_at nulls first, s.login;

-- name: staff_of_login
-- in:  login text
-- row: staff_id uuid, login, name text, roles text[], password_hash text, totp_sealed bytea, totp_step bigint, has_accepted boolean
-- staff_login_key
select staff_id, login, name, roles, password_hash, totp_sealed, totp_step, confidentiality_sha256 is not null as has_accepted
  from gateway.staff where login = $1 and ended_at is null;

-- name: staff_by_id
-- in:  staff_id uuid
-- row: as staff_of_login
-- staff_pkey
select staff_id, login, name, roles, password_hash, totp_sealed, totp_step, confidentiality_sha256 is not null as has_accepted
  from gateway.staff where staff_id = $1 and ended_at is null;

-- name: change_roles
-- in:  staff_id uuid, roles text[]
-- row: none
update gateway.staff set roles = $2 where staff_id = $1;

-- name: change_credentials
-- Whoever may have the old ones is out.
-- in:  staff_id uuid, password_hash text, totp_sealed bytea
-- row: none
with sessions as (update gateway.staff_session set ended_at = clock_timestamp() where staff_id = $1 and ended_at is null)
update gateway.staff set password_hash = $2, totp_sealed = $3 where staff_id = $1;

-- name: end_staff
-- With everything that opens a door for them.
-- in:  staff_id uuid
-- row: none
with ended as (update gateway.staff set ended_at = clock_timestamp() where staff_id = $1),
     tokens as (update gateway.staff_token set revoked_at = clock_timestamp() where staff_id = $1 and revoked_at is null)
update gateway.staff_session set ended_at = clock_timestamp() where staff_id = $1 and ended_at is null;

-- name: accept_confidentiality
-- in:  staff_id uuid, text_sha256 bytea
-- row: none
update gateway.staff set confidentiality_sha256 = $2, confidentiality_accepted_at = clock_timestamp() where staff_id = $1;

-- name: take_totp_step
-- Each step counts once, whoever is quicker (RFC 6238 5.2).
-- in:  staff_id uuid, step bigint
-- row: staff_id uuid; none: this step or a later one has been taken
update gateway.staff set totp_step = $2 where staff_id = $1 and totp_step < $2 returning staff_id;

-- name: add_token
-- in:  token_id uuid, token_sha256 bytea, staff_id uuid, label text, lifetime interval
-- row: expires_at timestamptz
insert into gateway.staff_token (token_id, token_sha256, staff_id, label, expires_at)
values ($1, $2, $3, $4, clock_timestamp() + $5::interval) returning expires_at;

-- name: staff_of_token
-- Last use is written once a minute.
-- in:  token_sha256 bytea
-- row: staff_id uuid, login, name text, roles text[], has_accepted boolean
-- staff_token_token_sha256_key
with found as (
    select t.token_id, s.staff_id, s.login, s.name, s.roles, s.confidentiality_sha256 is not null as has_accepted
      from gateway.staff_token t join gateway.staff s using (staff_id)
     where t.token_sha256 = $1 and t.revoked_at is null and t.expires_at > statement_timestamp() and s.ended_at is null
), used as (
    update gateway.staff_token set last_used_at = statement_timestamp()
     where token_id in (select token_id from found)
       and (last_used_at is null or last_used_at < statement_timestamp() - interval '1 minute')
)
select staff_id, login, name, roles, has_accepted from found;

-- name: tokens_of_staff
-- in:  staff_id uuid
-- row: token_id uuid, label text, created_at, last_used_at, expires_at timestamptz
-- staff_token_by_staff
select token_id, label, created_at, last_used_at, expires_at from gateway.staff_token
 where staff_id = $1 and revoked_at is null and expires_at > statement_timestamp() order by created_at;

-- name: token_counts
-- row: staff_id uuid, tokens bigint (those that open a door now)
select staff_id, count(*) as tokens from gateway.staff_token
 where revoked_at is null and expires_at > statement_timestamp() group by staff_id;

-- name: revoke_token
-- in:  token_id, staff_id uuid
-- row: label text
update gateway.staff_token set revoked_at = clock_timestamp()
 where token_id = $1 and staff_id = $2 and revoked_at is null returning label;

-- name: begin_session
-- in:  session_id uuid, token_sha256 bytea, staff_id uuid, acr text, lifetime interval
-- row: none
insert into gateway.staff_session (session_id, token_sha256, staff_id, acr, expires_at)
values ($1, $2, $3, $4, clock_timestamp() + $5::interval);

-- name: staff_of_session
-- in:  token_sha256 bytea[], idle interval
-- row: session_id, staff_id uuid, login, name text, roles text[], has_accepted boolean, acr text, token_sha256 bytea,
--      is_fresh boolean (signed in within ten minutes)
-- staff_session_token_sha256_key
with found as (
    select n.session_id, n.acr, n.token_sha256, n.authenticated_at > statement_timestamp() - interval '10 minutes' as is_fresh, s.staff_id, s.login, s.name, s.roles,
           s.confidentiality_sha256 is not null as has_accepted
      from gateway.staff_session n join gateway.staff s using (staff_id)
     where n.token_sha256 = any($1) and n.ended_at is null and n.expires_at > statement_timestamp()
       and n.seen_at > statement_timestamp() - $2::interval and s.ended_at is null
), seen as (
    update gateway.staff_session set seen_at = statement_timestamp()
     where session_id in (select session_id from found) and seen_at < statement_timestamp() - interval '1 minute'
)
select * from found limit 1;

-- name: staff_of_upstream
-- in:  upstream_subject text
-- row: as staff_of_login
-- staff_upstream_subject_key
select staff_id, login, name, roles, password_hash, totp_sealed, totp_step, confidentiality_sha256 is not null as has_accepted
  from gateway.staff where upstream_subject = $1 and ended_at is null;

-- name: staff_passkeys
-- in:  staff_id uuid
-- row: credential_id bytea, label text, created_at, last_used_at timestamptz
-- staff_passkey_by_staff
select credential_id, label, created_at, last_used_at from gateway.staff_passkey
 where staff_id = $1 order by created_at, credential_id;

-- name: add_staff_passkey
-- in:  credential_id bytea, staff_id uuid, public_key bytea, sign_count bigint, label text, how many there may be integer
-- row: credential_id bytea; none: there are as many as there may be
-- staff_passkey_by_staff
insert into gateway.staff_passkey (credential_id, staff_id, public_key, sign_count, label)
select $1, $2, $3, $4, $5 where (select count(*) from gateway.staff_passkey where staff_id = $2) < $6
returning credential_id;

-- name: find_staff_passkey
-- in:  credential_id bytea
-- row: staff_id uuid, public_key bytea, sign_count bigint; none: nobody has it, or its holder has ended
-- staff_passkey_pkey
select k.staff_id, k.public_key, k.sign_count from gateway.staff_passkey k join gateway.staff s using (staff_id)
 where k.credential_id = $1 and s.ended_at is null;

-- name: staff_passkey_used
-- in:  credential_id bytea, sign_count bigint
-- row: none
-- staff_passkey_pkey
update gateway.staff_passkey set sign_count = $2, last_used_at = clock_timestamp() where credential_id = $1;

-- name: remove_staff_passkey
-- in:  credential_id bytea, staff_id uuid
-- row: label text; none: it was not there, or is somebody else's
-- staff_passkey_pkey
delete from gateway.staff_passkey where credential_id = $1 and staff_id = $2 returning label;

-- name: end_session
-- in:  session_id uuid
-- row: none
update gateway.staff_session set ended_at = clock_timestamp() where session_id = $1 and ended_at is null;

-- name: rules_in_force
-- row: version integer, content text (JSON)
select version, content::text as content from gateway.rules order by version desc limit 1;

-- name: add_rules
-- in:  content text (JSON), change_id uuid
-- row: version integer
insert into gateway.rules (version, content, change_id)
select coalesce(max(version), 0) + 1, $1::jsonb, $2 from gateway.rules returning version;

-- name: lock_rules
-- row: none
select pg_advisory_xact_lock(hashtextextended('gateway.rules', 0));

-- name: propose
-- in:  change_id uuid, kind, target, content text (JSON), base text (JSON), reason text, proposed_by uuid
-- row: none
insert into gateway.change (change_id, kind, target, content, base, reason, proposed_by)
values ($1, $2, $3, $4::jsonb, $5::jsonb, $6, $7);

-- name: change
-- in:  change_id uuid
-- row: change_id uuid, kind, target, content, base (JSON), reason text, proposed_by uuid, proposer text, proposed_at timestamptz, state text,
--      decided_by uuid, decider text, decided_at timestamptz, decision text, takes_effect_at timestamptz
-- change_pkey
select c.change_id, c.kind, c.target, c.content::text as content, c.base::text as base, c.reason, c.proposed_by, p.login as proposer,
       c.proposed_at, c.state, c.decided_by, d.login as decider, c.decided_at, c.decision, c.takes_effect_at
  from gateway.change c join gateway.staff p on p.staff_id = c.proposed_by left join gateway.staff d on d.staff_id = c.decided_by
 where c.change_id = $1;

-- name: lock_change
-- in:  change_id uuid
-- row: state text, proposed_by uuid
select state, proposed_by from gateway.change where change_id = $1 for update;

-- name: changes
-- Newest first, the ones that wait before all others.
-- in:  state text (null: any), target text (null: any), after uuid (the last row seen; null: from the first), row_count integer
-- row: as change
select c.change_id, c.kind, c.target, c.content::text as content, c.base::text as base, c.reason, c.proposed_by, p.login as proposer,
       c.proposed_at, c.state, c.decided_by, d.login as decider, c.decided_at, c.decision, c.takes_effect_at
  from gateway.change c join gateway.staff p on p.staff_id = c.proposed_by left join gateway.staff d on d.staff_id = c.decided_by
 where ($1::text is null or c.state = $1) and ($2::text is null or c.target = $2)
   and ($3::uuid is null or exists (
        select from gateway.change l
         where l.change_id = $3
           and (c.state <> 'proposed', l.proposed_at, l.change_id) > (l.state <> 'proposed', c.proposed_at, c.change_id)))
 order by c.state <> 'proposed', c.proposed_at desc, c.change_id desc limit $4;

-- name: decide
-- in:  change_id uuid, state text, decided_by uuid, decision text, takes_effect_at timestamptz
-- row: none
update gateway.change set state = $2, decided_by = $3, decision = $4, decided_at = clock_timestamp(), takes_effect_at = $5
 where change_id = $1;

-- name: partner_now
-- in:  name text
-- row: content text (JSON): what a change of kind `partner` would replace
-- partner_name_key
select json_build_object('name', name, 'legal_name', legal_name, 'contact', contact, 'role', role, 'kind', kind,
           'processing_location', processing_location, 'cross_border_mechanism', cross_border_mechanism,
           'agreement_sha256', encode(agreement_sha256, 'hex'), 'agreement_starts_at', agreement_starts_at,
           'agreement_ends_at', agreement_ends_at, 'duties', duties, 'notice_contacts', notice_contacts,
           'retention_days', floor(extract(epoch from retention) / 86400)::integer, 'registered_only', registered_only,
           'status', status)::text as content
  from gateway.partner where name = $1;

-- name: describe_partner
-- in:  partner_id uuid, legal_name, contact, kind text, agreement_sha256 bytea, agreement_starts_at, agreement_ends_at timestamptz,
--      duties, notice_contacts text[], retention interval, registered_only boolean
-- row: none
update gateway.partner
   set legal_name = $2, contact = $3, kind = $4, agreement_sha256 = $5, agreement_starts_at = $6, agreement_ends_at = $7,
       duties = $8, notice_contacts = $9, retention = $10, registered_only = $11
 where partner_id = $1;

-- name: client_now
-- in:  client_id text
-- row: partner, content (JSON) text, status text
-- client_pkey
select p.name as partner, c.metadata::text as content, c.status
  from gateway.client c join gateway.partner p using (partner_id) where c.client_id = $1;

-- name: change_client
-- in:  client_id text, metadata text (JSON), status text
-- row: none
update gateway.client set metadata = $2::text::jsonb, status = $3 where client_id = $1;

-- name: grant_now
-- in:  grant_id uuid
-- row: partner, scope text, starts_at, ends_at timestamptz, retention_days integer
-- partner_grant_pkey
select p.name as partner, g.scope, g.starts_at, g.ends_at, floor(extract(epoch from g.retention) / 86400)::integer as retention_days
  from gateway.partner_grant g join gateway.partner p using (partner_id)
 where g.grant_id = $1 and g.revoked_at is null and g.ends_at > statement_timestamp();

-- name: grants_now
-- in:  partner, scope text
-- row: grant_id uuid, starts_at, ends_at timestamptz
select g.grant_id, g.starts_at, g.ends_at from gateway.partner_grant g join gateway.partner p using (partner_id)
 where p.name = $1 and g.scope = $2 and g.revoked_at is null and g.ends_at > statement_timestamp() order by g.starts_at, g.grant_id;

-- name: came_of
-- in:  scope text, version integer, change_id uuid
-- row: none
update gateway.scope_version set change_id = $3 where scope = $1 and version = $2;

-- name: grant_came_of
-- in:  grant_id, change_id uuid
-- row: none
update gateway.partner_grant set change_id = $2 where grant_id = $1;

-- name: scope_now
-- in:  scope text
-- row: version integer of the one that is active, or will be next; none: there is none
-- scope_version_active
select version from gateway.scope_version where scope = $1 and active_from is not null
   and (retired_at is null or retired_at > statement_timestamp()) order by version desc limit 1;

-- name: lock_applying
-- Whoever applies files comes one after another.
-- row: none
select pg_advisory_xact_lock(hashtextextended('gateway.applying', 0));

-- name: add_initial_token
-- in:  token_id uuid, token_sha256 bytea, partner_id, issued_by uuid, lifetime interval
-- row: expires_at timestamptz
insert into gateway.initial_token (token_id, token_sha256, partner_id, issued_by, expires_at)
values ($1, $2, $3, $4, clock_timestamp() + $5::interval) returning expires_at;

-- name: lock_initial_token
-- Two who bring the same one come one after the other, and the second finds none.
-- in:  token_sha256 bytea
-- row: token_id uuid, partner text, now timestamptz, staff_id uuid, login text, roles text[], has_accepted boolean; none: it does not stand
-- initial_token_token_sha256_key
select t.token_id, p.name as partner, clock_timestamp() as now, s.staff_id, s.login, s.roles,
       s.confidentiality_sha256 is not null as has_accepted
  from gateway.initial_token t join gateway.partner p using (partner_id) join gateway.staff s on s.staff_id = t.issued_by
 where t.token_sha256 = $1 and t.used_at is null and t.expires_at > clock_timestamp() and p.status <> 'ended' and s.ended_at is null
   for update of t;

-- name: use_initial_token
-- in:  token_id, change_id uuid
-- row: none
update gateway.initial_token set used_at = clock_timestamp(), change_id = $2 where token_id = $1;
