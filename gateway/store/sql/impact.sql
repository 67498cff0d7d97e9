-- name: holders
-- The partners that a scope is granted to, now or later.
-- in:  scope text
-- row: partner_id uuid
-- partner_grant_by_scope
select p.partner_id from gateway.partner p
 where exists (select from gateway.partner_grant g where g.partner_id = p.partner_id and g.scope = $1
                  and g.revoked_at is null and g.ends_at > statement_timestamp())
 order by p.name;

-- name: versions
-- The versions of a scope that have not ended, the coming ones among them.
-- in:  scope text
-- row: scopes text (JSON, as `view` has them)
-- scope_version_pkey, scope_field_pkey
select coalesce(json_agg(json_build_object(
           'scope', s.scope, 'version', s.version, 'purpose', s.purpose, 'active_from', s.active_from, 'retired_at', s.retired_at,
           'fields', (select coalesce(json_agg(json_build_object(
                                 'path', f.path, 'redaction', f.redaction, 'justification', f.justification,
                                 'justification_en', f.justification_en) order by f.path), '[]')
                        from gateway.scope_field f where f.scope = s.scope and f.version = s.version))), '[]')::text as scopes
  from gateway.scope_version s
 where s.scope = $1 and s.active_from is not null and (s.retired_at is null or s.retired_at > statement_timestamp());

-- name: clients
-- A partner's own clients; not those of contract runs, and no resource servers, which read nothing.
-- in:  partner_id uuid
-- row: client_id, status, scope text (RFC 7591 2; null: not narrowed)
-- client_by_partner
select client_id, status, metadata->>'scope' as scope from gateway.client
 where partner_id = $1 and not is_contract_runner and not is_resource_server order by client_id;

-- name: covered
-- The real data subjects with live evidence towards a partner and purpose, each by what it covers. Counted from, never read out.
-- in:  partner_id uuid, purpose text
-- row: before, after bigint (the same: a bit for each category's ordinal)
-- consent_state_page
select c.covered as before, c.covered as after
  from (select case when s.settled_until > statement_timestamp() then s.covered
                    else gateway.covered_at(s.cover_until, statement_timestamp()) end as covered
          from gateway.consent_state s
         where s.partner_id = $1 and s.purpose = $2 and not s.is_synthetic and s.visible_until > statement_timestamp()
           and s.basis_version = (select basis_version from gateway.partner where partner_id = $1)) c;

-- name: covered_otherwise
-- The same, beside what a fold by the partner's role and place as this transaction has them would give.
-- in:  partner_id uuid, purpose text, basis_version integer (as it was before)
-- row: before, after bigint (null: no live evidence)
-- consent_state_page
select b.covered as before, a.covered as after
  from (select s.subject_id, case when s.settled_until > statement_timestamp() then s.covered
                                  else gateway.covered_at(s.cover_until, statement_timestamp()) end as covered
          from gateway.consent_state s
         where s.partner_id = $1 and s.purpose = $2 and not s.is_synthetic and s.basis_version = $3
           and s.visible_until > statement_timestamp()) b
  full join (select f.subject_id, f.covered from gateway.folded($1, $2, null, '', '') f
              where not f.is_synthetic and f.visible_until > statement_timestamp()) a using (subject_id);

-- name: basis_version
-- in:  partner_id uuid
-- row: basis_version integer
-- partner_pkey
select basis_version from gateway.partner where partner_id = $1;

-- name: is_folded
-- Whether everybody has been folded for the purpose: the first grant does that.
-- in:  partner_id uuid, purpose text
-- row: boolean
-- partner_grant_by_partner, scope_version_pkey
select exists (select from gateway.partner_grant g join gateway.scope_version v using (scope)
                where g.partner_id = $1 and v.purpose = $2);
