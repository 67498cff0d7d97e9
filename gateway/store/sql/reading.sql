-- name: partners
-- Every partner, by name, as it stands, with what it may use now.
-- row: name, legal_name, contact, role, kind, processing_location, cross_border_mechanism, agreement_sha256 (hexadecimal) text;
--      agreement_starts_at, agreement_ends_at timestamptz; duties, notice_contacts text[]; retention_days integer;
--      registered_only boolean; status text; clients, scopes text[]
-- partner_name_key, client_by_partner, partner_grant_by_partner
select p.name, p.legal_name, p.contact, p.role, p.kind, p.processing_location, p.cross_border_mechanism,
       encode(p.agreement_sha256, 'hex') as agreement_sha256, p.agreement_starts_at, p.agreement_ends_at, p.duties,
       p.notice_contacts, floor(extract(epoch from p.retention) / 86400)::integer as retention_days, p.registered_only, p.status,
       array(select c.client_id from gateway.client c where c.partner_id = p.partner_id and c.status <> 'ended'
              order by c.client_id) as clients,
       array(select distinct g.scope from gateway.partner_grant g
              where g.partner_id = p.partner_id and g.revoked_at is null and g.starts_at <= statement_timestamp()
                and g.ends_at > statement_timestamp() order by g.scope) as scopes
  from gateway.partner p order by p.name;

-- name: clients
-- row: client_id, partner, status text, is_contract_runner boolean, created_at timestamptz, metadata text (JSON; public keys only)
-- client_pkey
select c.client_id, p.name as partner, c.status, c.is_contract_runner, c.created_at, c.metadata::text as metadata
  from gateway.client c join gateway.partner p using (partner_id) order by p.name, c.client_id;

-- name: grants
-- Every grant, those that stand before those that do not.
-- row: grant_id uuid; partner, scope text; starts_at, ends_at timestamptz; retention_days integer; revoked_at timestamptz;
--      is_live boolean; change_id uuid
-- partner_grant_pkey
select g.grant_id, p.name as partner, g.scope, g.starts_at, g.ends_at,
       floor(extract(epoch from g.retention) / 86400)::integer as retention_days, g.revoked_at,
       g.revoked_at is null and g.starts_at <= statement_timestamp() and g.ends_at > statement_timestamp() as is_live, g.change_id
  from gateway.partner_grant g join gateway.partner p using (partner_id)
 order by g.revoked_at is not null or g.ends_at <= statement_timestamp(), p.name, g.scope, g.starts_at;

-- name: answered_by_day
-- in:  day_count integer (today is one of them)
-- row: day date (UTC), disclosures bigint, subjects bigint
select (d.disclosed_at at time zone 'UTC')::date as day, count(*) as disclosures, sum(d.subject_count)::bigint as subjects
  from gateway.disclosure d
 where d.disclosed_at >= date_trunc('day', statement_timestamp(), 'UTC') - ($1 - 1) * interval '1 day' and not d.contract_run
 group by 1;

-- name: refused_by_day
-- in:  day_count integer
-- row: day date (UTC), code text, refusals bigint
select (r.refused_at at time zone 'UTC')::date as day, r.code, count(*) as refusals
  from gateway.refusal r
 where r.refused_at >= date_trunc('day', statement_timestamp(), 'UTC') - ($1 - 1) * interval '1 day'
   and not exists (select from gateway.client c where c.client_id = r.client_id and c.is_contract_runner)
 group by 1, 2;

-- name: consented_by_day
-- in:  day_count integer
-- row: day date (UTC), kind text, events bigint
select (e.recorded_at at time zone 'UTC')::date as day, e.kind, count(*) as events
  from gateway.consent_event e
 where e.recorded_at >= date_trunc('day', statement_timestamp(), 'UTC') - ($1 - 1) * interval '1 day'
   and not exists (select from gateway.subject s where s.subject_id = e.subject_id and s.is_synthetic)
 group by 1, 2;

-- name: days
-- in:  day_count integer
-- row: day date (UTC), oldest first
select (date_trunc('day', statement_timestamp(), 'UTC') at time zone 'UTC')::date - n as day
  from generate_series($1 - 1, 0, -1) n;

-- name: disclosures
-- A page of the record, newest first: ids are UUIDv7, so their order is that of time and the key gives it in every partition.
-- in:  before_id uuid (the last row seen; null: from the newest), partner, purpose text, since, until timestamptz,
--      subject_id uuid (each null: any), row_count integer
-- row: disclosure_id uuid, disclosed_at timestamptz, partner, client_id, purpose text, scope_versions, roots text[], fields text (JSON),
--      subject_count integer, is_contract_run boolean
-- disclosure_pkey, disclosure_by_partner, disclosure_subject_by_subject
select d.disclosure_id, d.disclosed_at, p.name as partner, d.client_id, d.purpose, j.scope_versions, j.roots,
       j.fields::text as fields, d.subject_count, d.contract_run as is_contract_run
  from gateway.disclosure d join gateway.partner p using (partner_id) join gateway.projection j using (projection_id)
 where ($1::uuid is null or d.disclosure_id < $1)
   and ($2::text is null or d.partner_id = (select partner_id from gateway.partner where name = $2))
   and ($3::text is null or d.purpose = $3)
   and d.disclosed_at >= coalesce($4::timestamptz, '-infinity') and d.disclosed_at < coalesce($5::timestamptz, 'infinity')
   and ($6::uuid is null or (d.disclosed_at, d.disclosure_id) in
        (select s.disclosed_at, s.disclosure_id from gateway.disclosure_subject s where s.subject_id = $6))
 order by d.disclosure_id desc limit $7;

-- name: outcomes
-- How many data subjects of some disclosures had the same cover for the same reasons.
-- in:  disclosed_at timestamptz[], disclosure_id uuid[], subject_id uuid (null: all)
-- row: disclosure_id uuid, roots smallint, covered bigint, reasons smallint[], subjects bigint
-- disclosure_subject_by_time, disclosure_subject_by_subject
select s.disclosure_id, s.roots, s.covered, s.reasons, count(*) as subjects
  from gateway.disclosure_subject s
 where s.disclosed_at = any($1) and s.disclosure_id = any($2) and ($3::uuid is null or s.subject_id = $3)
 group by 1, 2, 3, 4;

-- name: is_subject
-- in:  subject_id uuid
-- row: boolean
-- subject_pkey
select exists (select from gateway.subject where subject_id = $1);

-- name: used
-- When each client last got something under each scope, in the last days.
-- in:  day_count integer
-- row: client_id, scope text, last_at timestamptz
-- disclosure_pkey
select u.client_id, s.scope, max(u.last_at) as last_at
  from (select d.client_id, d.projection_id, max(d.disclosed_at) as last_at from gateway.disclosure d
         where d.disclosed_at >= statement_timestamp() - $1 * interval '1 day' group by 1, 2) u
  join gateway.projection j using (projection_id)
 cross join lateral (select distinct split_part(v, '@', 1) as scope from unnest(j.scope_versions) v) s
 group by 1, 2;
