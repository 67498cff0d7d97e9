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

-- name: flaws
-- Disclosures that contradict themselves; at most a thousand.
-- row: disclosure_id uuid, flaw text
(select s.disclosure_id, 'data subject without a disclosure' as flaw
   from gateway.disclosure_subject s
  where not exists (select from gateway.disclosure d where d.disclosure_id = s.disclosure_id and d.disclosed_at = s.disclosed_at)
  limit 1000)
union
(select d.disclosure_id, 'another number of data subjects than it says'
   from gateway.disclosure d
   left join (select disclosure_id, disclosed_at, count(*) filter (where roots <> 0) as counted
                from gateway.disclosure_subject group by disclosure_id, disclosed_at) s using (disclosure_id, disclosed_at)
  where d.subject_count <> coalesce(s.counted, 0) limit 1000)
union
(select d.disclosure_id, 'no projection' from gateway.disclosure d
  where not exists (select from gateway.projection p where p.projection_id = d.projection_id) limit 1000)
union
(select d.disclosure_id, 'in the future' from gateway.disclosure d where d.disclosed_at > statement_timestamp() limit 1000)
order by 1, 2 limit 1000;
