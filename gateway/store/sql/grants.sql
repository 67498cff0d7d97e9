-- name: lock_scope
-- Writers of one scope come one after another.
-- in:  scope text
-- row: none
select pg_advisory_xact_lock(hashtextextended('gateway.scope:' || $1, 0));

-- name: lock_partners
-- Those whose view a change of this scope will change, in order: two scopes changed at once cannot wait for each other.
-- in:  scope text
-- row: none
select from gateway.partner p
 where exists (select from gateway.partner_grant g where g.partner_id = p.partner_id and g.scope = $1)
 order by p.partner_id for no key update;

-- name: latest_version
-- in:  scope text
-- row: version integer, purpose text
-- scope_version_pkey
select version, purpose from gateway.scope_version where scope = $1 order by version desc limit 1;

-- name: add_version
-- in:  scope text, version integer, purpose text
-- row: none
insert into gateway.scope_version (scope, version, purpose) values ($1, $2, $3);

-- name: add_fields
-- in:  scope text, version integer; path, redaction (JSON), justification, justification_en text[], of one length
-- row: none
insert into gateway.scope_field (scope, version, path, redaction, justification, justification_en)
select $1, $2, f.path, f.redaction::jsonb, f.justification, f.justification_en
  from unnest($3::text[], $4::text[], $5::text[], $6::text[]) f (path, redaction, justification, justification_en);

-- name: version
-- in:  scope text, version integer
-- row: purpose text, active_from timestamptz, fields json
-- scope_version_pkey, scope_field_pkey
select s.purpose, s.active_from,
       (select coalesce(json_agg(json_build_object('path', f.path, 'redaction', f.redaction, 'justification', f.justification,
                                                   'justification_en', f.justification_en)
                                 order by f.path), '[]')
          from gateway.scope_field f where f.scope = s.scope and f.version = s.version)::text as fields
  from gateway.scope_version s where s.scope = $1 and s.version = $2;

-- name: instant_of
-- That instant, or now where it has passed; but after whatever begins within a minute, should the clock have been set back a little.
-- in:  scope text, at timestamptz (null: now)
-- row: timestamptz
select greatest($2::timestamptz, clock_timestamp(),
                (select max(active_from) from gateway.scope_version
                  where scope = $1 and active_from < clock_timestamp() + interval '1 minute'));

-- name: cut
-- Whatever version is active at that instant is so until then.
-- in:  scope text, at timestamptz
-- row: version integer
-- scope_version_pkey
update gateway.scope_version set retired_at = $2
 where scope = $1 and active_from <= $2 and (retired_at is null or retired_at > $2) returning version;

-- name: call_off
-- Versions that would begin after that instant never do.
-- in:  scope text, at timestamptz
-- row: version integer
-- scope_version_pkey
update gateway.scope_version set retired_at = active_from where scope = $1 and active_from > $2 returning version;

-- name: activate
-- Until the next one that is to begin, if there is one.
-- in:  scope text, version integer, at timestamptz
-- row: none
update gateway.scope_version v
   set active_from = $3, retired_at = (select min(n.active_from) from gateway.scope_version n
                                        where n.scope = $1 and n.active_from > $3 and n.retired_at is distinct from n.active_from)
 where scope = $1 and version = $2;

-- name: give
-- in:  grant_id, partner_id uuid, scope text, starts_at, ends_at timestamptz, retention interval
-- row: none
insert into gateway.partner_grant (grant_id, partner_id, scope, starts_at, ends_at, retention) values ($1, $2, $3, $4, $5, $6);

-- name: revoke
-- in:  grant_id uuid
-- row: grant_id uuid
update gateway.partner_grant set revoked_at = clock_timestamp() where grant_id = $1 and revoked_at is null returning grant_id;

-- name: list
-- row: scope text, version integer, purpose text, active_from, retired_at timestamptz, is_active, is_coming boolean, fields json
select s.scope, s.version, s.purpose, s.active_from, s.retired_at,
       coalesce(s.active_from <= statement_timestamp() and (s.retired_at is null or s.retired_at > statement_timestamp()), false)
           as is_active,
       coalesce(s.active_from > statement_timestamp() and s.retired_at is distinct from s.active_from, false) as is_coming,
       (select coalesce(json_agg(json_build_object('path', f.path, 'redaction', f.redaction, 'justification', f.justification,
                                                   'justification_en', f.justification_en)
                                 order by f.path), '[]')
          from gateway.scope_field f where f.scope = s.scope and f.version = s.version)::text as fields
  from gateway.scope_version s order by s.scope, s.version desc;
