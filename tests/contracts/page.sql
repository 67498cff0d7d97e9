with caller as materialized (
  select case when t.revoked_at is not null or c.status <> 'active' then 'TOKEN_REVOKED'
              when t.expires_at <= statement_timestamp() then 'TOKEN_EXPIRED'
              when exists (select from gateway.halt h where h.lifted_at is null
                            and (h.target = 'all' or h.partner_id = p.partner_id or h.scope = any($5::text[]))) then 'HALTED'
              when p.view_version <> $3::bigint or statement_timestamp() >= $4::timestamptz then 'STALE'
              else 'OK' end as verdict,
         t.client_id, t.token_id, t.subject_id, t.contract_run, p.partner_id, p.basis_version
    from gateway.access_token t join gateway.client c on c.client_id = t.client_id
    join gateway.partner p on p.partner_id = c.partner_id
   where t.token_id = $1::uuid and p.partner_id = $2::uuid),
page_0 as materialized (
  select s.subject_id, s.pseudonym, case when s.settled_until > statement_timestamp() then s.covered else gateway.covered_at(s.cover_until, statement_timestamp()) end as covered, s.reasons
    from gateway.consent_state s
   where s.partner_id = $2::uuid and s.purpose = $6::text and s.basis_version = (select basis_version from caller) and s.is_synthetic = (select contract_run from caller) and s.visible_until > statement_timestamp() and (select verdict = 'OK' from caller) and s.pseudonym > $7::uuid
   order by s.pseudonym limit $8::integer + 1),
shown_0 as (select * from page_0 order by pseudonym limit $8::integer),
node_0 as materialized (
  select c.subject_id, c.pseudonym, c.covered, c.reasons, null as others, json_object(array['id', 'city', 'email'], array[c.pseudonym::text, case when (c.covered & 64) <> 0 then case when length(x.city) between 1 and 64 then x.city end end, case when (c.covered & 8) <> 0 then case when (x.email collate "C") like '_%@_%.%' and length(x.email) <= 254 and position('@' in x.email) <= 65 and octet_length(rtrim(textsend(x.email), decode('636f6d6165716e2e696c7873677572313633747064687966626b76776a7a2d303234353738394142434445464748494a4b4c4d4e4f505152535455565758595a', 'hex'))) = position(decode('40', 'hex') in textsend(x.email)) and (x.email collate "C") not like '% %' and (x.email collate "C") not like '%@.%' and (x.email collate "C") not like '%.' then x.email end end]::text[])::text as node0
    from shown_0 c join platform.account x on x.subject_id = c.subject_id
   order by c.pseudonym),
seen as not materialized (select subject_id, covered, reasons, 1::smallint as roots from node_0),
counted as (select count(*) as subjects from seen),
header as (
  insert into gateway.disclosure (disclosure_id, disclosed_at, partner_id, client_id, token_id, purpose, projection_id,
                                  subject_count, contract_run)
  select $9::uuid, statement_timestamp(), partner_id, client_id, token_id, $6::text, $10::bytea,
         (select subjects from counted), contract_run
    from caller where verdict = 'OK'),
recorded as (
  insert into gateway.disclosure_subject (disclosed_at, disclosure_id, subject_id, roots, covered, reasons)
  select statement_timestamp(), $9::uuid, s.subject_id, s.roots, s.covered, case when (s.covered & 72) <> 72 then s.reasons end from seen s)
select (select verdict from caller) as verdict, (select subjects from counted)::integer as subjects, (select array[count(*) filter (where covered & 64 = 0), count(*) filter (where covered & 8 = 0)] from seen where covered & 72 <> 72) as withheld,
  (select textsend(string_agg(('"' || n.pseudonym || '"') || ',"node":' || n.node0, '},{"cursor":')) from node_0 n) as root_0_0,
  textsend(('{"endCursor":' || coalesce((select '"' || pseudonym || '"' from (select pseudonym from page_0 order by pseudonym limit $8::integer) p order by pseudonym desc limit 1), 'null') || '}')) as root_0_1
