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
   where s.partner_id = $2::uuid and s.purpose = $6::text and s.basis_version = (select basis_version from caller) and s.is_synthetic = (select contract_run from caller) and s.visible_until > statement_timestamp() and (select verdict = 'OK' from caller) and s.pseudonym = $7::uuid),
shown_0 as (select * from page_0),
node_0 as materialized (
  select c.subject_id, c.pseudonym, c.covered, c.reasons, null as others, json_object(array['id', 'realName', 'mobileNumber'], array[c.pseudonym::text, case when (c.covered & 1) <> 0 then case when length(x.real_name) between 1 and 64 then left(x.real_name, least(1, length(x.real_name) / 2)) || '**' end end, case when (c.covered & 2) <> 0 then case when (x.mobile_number collate "C") like '1__________' and ltrim(textsend(x.mobile_number), decode('30313233343536373839', 'hex')) = ''::bytea then overlay(x.mobile_number placing '****' from 4 for 4) when length(x.mobile_number) between 1 and 32 and ltrim(textsend(x.mobile_number), decode('393837363534333231302d2b292820', 'hex')) = ''::bytea and length(translate(x.mobile_number, '+-() ', '')) between 1 and 17 and (length(x.mobile_number) <> 15 or left(x.mobile_number, 1) = '0' or not ltrim(textsend(x.mobile_number), decode('30313233343536373839', 'hex')) = ''::bytea) then left(x.mobile_number, least(3, length(x.mobile_number) / 4)) || repeat('*', length(x.mobile_number) - least(3, length(x.mobile_number) / 4) - least(4, length(x.mobile_number) / 4)) || right(x.mobile_number, least(4, length(x.mobile_number) / 4)) end end]::text[])::text as node0
    from shown_0 c join platform.account x on x.subject_id = c.subject_id
   order by c.pseudonym),
seen as not materialized (select subject_id, covered, reasons, 1::smallint as roots from node_0),
counted as (select count(*) as subjects from seen),
header as (
  insert into gateway.disclosure (disclosure_id, disclosed_at, partner_id, client_id, token_id, purpose, projection_id,
                                  subject_count, contract_run)
  select $8::uuid, statement_timestamp(), partner_id, client_id, token_id, $6::text, $9::bytea,
         (select subjects from counted), contract_run
    from caller where verdict = 'OK'),
recorded as (
  insert into gateway.disclosure_subject (disclosed_at, disclosure_id, subject_id, roots, covered, reasons)
  select statement_timestamp(), $8::uuid, s.subject_id, s.roots, s.covered, case when (s.covered & 3) <> 3 then s.reasons end from seen s)
select (select verdict from caller) as verdict, (select subjects from counted)::integer as subjects, (select array[count(*) filter (where covered & 1 = 0), count(*) filter (where covered & 2 = 0)] from seen where covered & 3 <> 3) as withheld,
  (select textsend(node0) from node_0) as root_0_0
