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
   where s.partner_id = $2::uuid and s.purpose = $6::text and s.basis_version = (select basis_version from caller) and s.is_synthetic = (select contract_run from caller) and s.visible_until > statement_timestamp() and (select verdict = 'OK' from caller) and false),
shown_0 as (select * from page_0),
node_0 as materialized (
  select c.subject_id, c.pseudonym, c.covered, c.reasons, null as others, json_object(array['id', 'birthDate'], array[c.pseudonym::text, case when (c.covered & 32) <> 0 then case when x.birth_date > date '0001-01-01' and x.birth_date < date '9999-12-31' then to_char(x.birth_date::timestamp, 'YYYY') end end]::text[])::text as node0
    from shown_0 c join platform.account x on x.subject_id = c.subject_id
   order by c.pseudonym),
page_1 as materialized (
  select s.subject_id, s.pseudonym, case when s.settled_until > statement_timestamp() then s.covered else gateway.covered_at(s.cover_until, statement_timestamp()) end as covered, s.reasons
    from gateway.consent_state s
   where s.partner_id = $2::uuid and s.purpose = $6::text and s.basis_version = (select basis_version from caller) and s.is_synthetic = (select contract_run from caller) and s.visible_until > statement_timestamp() and (select verdict = 'OK' from caller) and s.pseudonym > $8::uuid
   order by s.pseudonym limit $9::integer + 1),
shown_1 as (select * from page_1 order by pseudonym limit $9::integer),
node_1 as materialized (
  select c.subject_id, c.pseudonym, c.covered, c.reasons, null as others, ('{"serviceEvents":' || case when (c.covered & 65536) <> 0 then '[' || coalesce(l0.items, '') || ']' else 'null' end || '}') as node0
    from shown_1 c join platform.account x on x.subject_id = c.subject_id
    cross join lateral (
      select string_agg(i.item, ',') as items
        from (select json_object(array['ipAddress'], array[case when (c.covered & 65536) <> 0 then case when x.ip_address is not null then network(set_masklen(x.ip_address, case family(x.ip_address) when 4 then 24 else 48 end))::text end end]::text[])::text as item from platform.service_event x
               where x.subject_id = c.subject_id and (c.covered & 65536) <> 0 order by x.occurred_at desc, x.event_id limit $7::integer) i) l0
   order by c.pseudonym),
seen as materialized (
  select subject_id, covered, reasons, bit_or(root)::smallint as roots
    from (select subject_id, covered, reasons, 1 as root from node_0 union all select subject_id, covered, reasons, 2 as root from node_1) u group by subject_id, covered, reasons),
counted as (select count(*) as subjects from seen),
header as (
  insert into gateway.disclosure (disclosure_id, disclosed_at, partner_id, client_id, token_id, purpose, projection_id,
                                  subject_count, contract_run)
  select $10::uuid, statement_timestamp(), partner_id, client_id, token_id, $6::text, $11::bytea,
         (select subjects from counted), contract_run
    from caller where verdict = 'OK'),
recorded as (
  insert into gateway.disclosure_subject (disclosed_at, disclosure_id, subject_id, roots, covered, reasons)
  select statement_timestamp(), $10::uuid, s.subject_id, s.roots, s.covered, case when (s.covered & 65568) <> 65568 then s.reasons end from seen s)
select (select verdict from caller) as verdict, (select subjects from counted)::integer as subjects, (select array[count(*) filter (where covered & 32 = 0 and roots & 1 <> 0), count(*) filter (where covered & 65536 = 0 and roots & 2 <> 0)] from seen where covered & 65568 <> 65568) as withheld,
  (select textsend(node0) from node_0) as root_0_0,
  (select textsend(string_agg(n.node0, '},{"node":')) from node_1 n) as root_1_0
