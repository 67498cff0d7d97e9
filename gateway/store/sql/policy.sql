-- name: announce
-- in:  policy_version text, effective_at timestamptz, text_sha256 bytea
-- row: none
insert into gateway.policy_version (policy_version, effective_at, text_sha256) values ($1, $2, $3);

-- name: make_stale
-- Rows folded before this are not read until they are folded again.
-- row: none
update gateway.partner set basis_version = basis_version + 1 where role = 'processor';

-- name: resting_on_acceptance
-- row: partner_id uuid, purpose text
select distinct c.partner_id, c.purpose
  from gateway.consent_state c join gateway.partner p using (partner_id) where p.role = 'processor';
