-- name: lock_scope
-- Writers of one scope come one after another.
-- in:  scope text
-- row: none
select pg_advisory_xact_lock(hashtextextended('gateway.scope:' || $1, 0));

-- name: next_version
-- in:  scope text
-- row: version integer
select coalesce(max(version), 0) + 1 from gateway.scope_version where scope = $1;

-- name: add_version
-- in:  scope text, version integer, purpose text
-- row: none
insert into gateway.scope_version (scope, version, purpose) values ($1, $2, $3);

-- name: add_field
-- in:  scope text, version integer, path text, redaction text (JSON), justification text
-- row: none
insert into gateway.scope_field (scope, version, path, redaction, justification) values ($1, $2, $3, $4::text::jsonb, $5);

-- name: version
-- in:  scope text, version integer
-- row: purpose text, active_from timestamptz, fields json
select s.purpose, s.active_from,
       (select coalesce(json_agg(json_build_object('path', f.path, 'redaction', f.redaction, 'justification', f.justification)
                                 order by f.path), '[]')
          from gateway.scope_field f where f.scope = s.scope and f.version = s.version)::text as fields
  from gateway.scope_version s where s.scope = $1 and s.version = $2;

-- name: retire
-- in:  scope text
-- row: version integer
update gateway.scope_version set retired_at = statement_timestamp()
 where scope = $1 and active_from is not null and retired_at is null returning version;

-- name: activate
-- One statement, so that the one ends at the very instant at which the other begins.
-- in:  scope text, version integer
-- row: none
with retired as (
    update gateway.scope_version set retired_at = statement_timestamp()
     where scope = $1 and active_from is not null and retired_at is null
)
update gateway.scope_version set active_from = statement_timestamp() where scope = $1 and version = $2;

-- name: purpose_of
-- in:  scope text
-- row: purpose text
select purpose from gateway.scope_version where scope = $1 order by version desc limit 1;

-- name: give
-- in:  grant_id, partner_id uuid, scope text, starts_at, ends_at timestamptz, retention interval
-- row: none
insert into gateway.partner_grant (grant_id, partner_id, scope, starts_at, ends_at, retention) values ($1, $2, $3, $4, $5, $6);

-- name: revoke
-- in:  grant_id uuid
-- row: grant_id uuid
update gateway.partner_grant set revoked_at = now() where grant_id = $1 and revoked_at is null returning grant_id;

-- name: list
-- row: scope text, version integer, purpose text, active_from, retired_at timestamptz, fields json
select s.scope, s.version, s.purpose, s.active_from, s.retired_at,
       (select coalesce(json_agg(json_build_object('path', f.path, 'redaction', f.redaction, 'justification', f.justification)
                                 order by f.path), '[]')
          from gateway.scope_field f where f.scope = s.scope and f.version = s.version)::text as fields
  from gateway.scope_version s order by s.scope, s.version desc;
