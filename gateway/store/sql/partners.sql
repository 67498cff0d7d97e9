-- name: register
-- in:  partner_id uuid, name, legal_name, contact, role, kind, processing_location, cross_border_mechanism text,
--      agreement_sha256 bytea, agreement_starts_at, agreement_ends_at timestamptz
-- row: none
insert into gateway.partner (partner_id, name, legal_name, contact, role, kind, processing_location, cross_border_mechanism,
                             agreement_sha256, agreement_starts_at, agreement_ends_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- name: register_client
-- in:  client_id text, partner_id uuid, metadata text (JSON), is_contract_runner boolean
-- row: none
insert into gateway.client (client_id, partner_id, metadata, is_contract_runner) values ($1, $2, $3::text::jsonb, $4);

-- name: find
-- in:  name text
-- row: partner_id uuid
-- partner_name_key
select partner_id from gateway.partner where name = $1;

-- name: status_of
-- in:  partner_id uuid
-- row: status text
select status from gateway.partner where partner_id = $1;

-- name: list
-- Every partner, by name, with what it may use now.
-- row: partner_id uuid; name, legal_name, contact, role, kind, processing_location, cross_border_mechanism, status text;
--      agreement_starts_at, agreement_ends_at timestamptz; clients, grants json
select p.partner_id, p.name, p.legal_name, p.role, p.kind, p.processing_location, p.cross_border_mechanism, p.status,
       p.contact, p.agreement_starts_at, p.agreement_ends_at,
       (select coalesce(json_agg(c.client_id order by c.client_id), '[]') from gateway.client c
         where c.partner_id = p.partner_id)::text as clients,
       (select coalesce(json_agg(json_build_object('grant_id', g.grant_id, 'scope', g.scope, 'starts_at', g.starts_at,
                                                  'ends_at', g.ends_at) order by g.scope, g.starts_at), '[]')
          from gateway.partner_grant g
         where g.partner_id = p.partner_id and g.revoked_at is null and g.ends_at > statement_timestamp())::text as grants
  from gateway.partner p order by p.name;

-- name: set_status
-- What has ended stays ended.
-- in:  partner_id uuid, status text
-- row: partner_id uuid
update gateway.partner set status = $2 where partner_id = $1 and (status <> 'ended' or $2 = 'ended') returning partner_id;

-- name: lock_everybody
-- Waits until every writer that has begun (each registers its data subject first) is done, and holds new ones up till the commit.
-- row: none
lock table gateway.subject in share mode;

-- name: basis_of
-- in:  partner_id uuid
-- row: role, processing_location, cross_border_mechanism, kind text
select role, processing_location, cross_border_mechanism, kind from gateway.partner where partner_id = $1 for no key update;

-- name: change_basis
-- Rows folded before this are not read until they are folded again.
-- in:  partner_id uuid, role, processing_location, cross_border_mechanism text
-- row: none
update gateway.partner
   set role = $2, processing_location = $3, cross_border_mechanism = $4, basis_version = basis_version + 1
 where partner_id = $1;

-- name: purposes_of
-- in:  partner_id uuid
-- row: purpose text
select purpose from gateway.consent_state where partner_id = $1
union
select s.purpose from gateway.partner_grant g join gateway.scope_version s using (scope) where g.partner_id = $1;
