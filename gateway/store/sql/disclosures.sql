-- name: add_projection
-- Keeps what an operation selects; the same projection is kept once.
-- in:  projection_id bytea, document_sha256 bytea, purpose text, scope_versions text[], roots text[], fields jsonb
-- row: none
-- projection_pkey
insert into gateway.projection (projection_id, document_sha256, purpose, scope_versions, roots, fields)
values ($1, $2, $3, $4, $5, $6) on conflict (projection_id) do nothing;

-- name: add_refusal
-- Keeps that an operation of an authenticated client was refused as a whole.
-- in:  refusal_id uuid, partner_id uuid, client_id text, token_id uuid, code text, document_sha256 bytea
-- row: none
insert into gateway.refusal (refusal_id, partner_id, client_id, token_id, code, document_sha256)
values ($1, $2, $3, $4, $5, $6);
