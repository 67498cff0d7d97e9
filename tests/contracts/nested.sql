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
   where s.partner_id = $2::uuid and s.purpose = $6::text and s.basis_version = (select basis_version from caller) and s.is_synthetic = (select contract_run from caller) and s.visible_until > statement_timestamp() and (select verdict = 'OK' from caller) and s.pseudonym > $11::uuid
   order by s.pseudonym limit $12::integer + 1),
shown_0 as (select * from page_0 order by pseudonym limit $12::integer),
node_0 as materialized (
  select c.subject_id, c.pseudonym, c.covered, c.reasons, coalesce(l1.others || ',', '') || coalesce(l2.others || ',', '') as others, ('{"addresses":' || case when (c.covered & 512) <> 0 then '[' || coalesce(l0.items, '') || ']' else 'null' end || ',"posts":' || case when (c.covered & 1024) <> 0 then '[' || coalesce(l1.items, '') || ']' else 'null' end || ',"mentions":' || case when (c.covered & 4096) <> 0 then '[' || coalesce(l2.items, '') || ']' else 'null' end || '}') as node0
    from shown_0 c join platform.account x on x.subject_id = c.subject_id
    cross join lateral (
      select string_agg(i.item, ',') as items
        from (select json_object(array['street'], array[case when (c.covered & 512) <> 0 then case when length(x.street) between 1 and 256 then x.street end end]::text[])::text as item from platform.address x
               where x.subject_id = c.subject_id and (c.covered & 512) <> 0 order by x.address_id limit $7::integer) i) l0
    cross join lateral (
      select string_agg(i.item, ',') as items, string_agg(array_to_string(array_remove(i.persons, c.subject_id), ','), ',')
               filter (where cardinality(i.persons) > 0) as others
        from (select json_object(array['id', 'text'], array[case when (c.covered & 1024) <> 0 then case when x.post_id is not null then encode(substr(sha256($9::bytea || sha256($8::bytea || decode('6964656e74696669657200', 'hex') || convert_to(x.post_id::text, 'UTF8'))), 1, 16), 'hex') end end, case when (c.covered & 1024) <> 0 then case when length(x.text) between 1 and 20000 then x.text end end]::text[])::text as item, coalesce(x.depicted_ids, '{}') as persons from platform.post x
               where x.subject_id = c.subject_id and (c.covered & 1024) <> 0 and x.deleted_at is null and x.is_shared and (cardinality(x.depicted_ids) = 0 or not exists (
      select from unnest(x.depicted_ids) o (id) where not exists (
        select from gateway.consent_state s
         where s.partner_id = $2::uuid and s.purpose = $6::text and s.subject_id = o.id and s.basis_version = (select basis_version from caller) and s.is_synthetic = (select contract_run from caller) and s.visible_until > statement_timestamp()
           and ((case when s.settled_until > statement_timestamp() then s.covered else gateway.covered_at(s.cover_until, statement_timestamp()) end) & 4096) <> 0))) order by x.posted_at desc, x.post_id limit $10::integer) i) l1
    cross join lateral (
      select string_agg(i.item, ',') as items, string_agg(array_to_string(array_remove(i.persons, c.subject_id), ','), ',')
               filter (where cardinality(i.persons) > 0) as others
        from (select coalesce(to_json(case when (c.covered & 4096) <> 0 then case when length(x.text) between 1 and 20000 then x.text end end)::text, 'null') as item, coalesce(array[x.subject_id], '{}') || coalesce(x.depicted_ids, '{}') as persons from platform.mention m join platform.post x on x.post_id = m.post_id
               where m.depicted_id = c.subject_id and (c.covered & 4096) <> 0 and x.deleted_at is null and x.is_shared and (cardinality(array[x.subject_id]) = 0 or not exists (
      select from unnest(array[x.subject_id]) o (id) where not exists (
        select from gateway.consent_state s
         where s.partner_id = $2::uuid and s.purpose = $6::text and s.subject_id = o.id and s.basis_version = (select basis_version from caller) and s.is_synthetic = (select contract_run from caller) and s.visible_until > statement_timestamp()
           and ((case when s.settled_until > statement_timestamp() then s.covered else gateway.covered_at(s.cover_until, statement_timestamp()) end) & 1024) <> 0))) and (cardinality(x.depicted_ids) = 0 or not exists (
      select from unnest(x.depicted_ids) o (id) where not exists (
        select from gateway.consent_state s
         where s.partner_id = $2::uuid and s.purpose = $6::text and s.subject_id = o.id and s.basis_version = (select basis_version from caller) and s.is_synthetic = (select contract_run from caller) and s.visible_until > statement_timestamp()
           and ((case when s.settled_until > statement_timestamp() then s.covered else gateway.covered_at(s.cover_until, statement_timestamp()) end) & 4096) <> 0))) order by x.posted_at desc, x.post_id limit $7::integer) i) l2
   order by c.pseudonym),
seen as not materialized (select subject_id, covered, reasons, 1::smallint as roots from node_0),
counted as (select count(*) as subjects from seen),
header as (
  insert into gateway.disclosure (disclosure_id, disclosed_at, partner_id, client_id, token_id, purpose, projection_id,
                                  subject_count, contract_run)
  select $13::uuid, statement_timestamp(), partner_id, client_id, token_id, $6::text, $14::bytea,
         (select subjects from counted), contract_run
    from caller where verdict = 'OK'),
recorded as (
  insert into gateway.disclosure_subject (disclosed_at, disclosure_id, subject_id, roots, covered, reasons)
  select statement_timestamp(), $13::uuid, s.subject_id, s.roots, s.covered, case when (s.covered & 5632) <> 5632 then s.reasons end from seen s),
recorded_others as (
  insert into gateway.disclosure_subject (disclosed_at, disclosure_id, subject_id, roots, covered)
  select statement_timestamp(), $13::uuid, s.subject_id, 0, case when s.settled_until > statement_timestamp() then s.covered else gateway.covered_at(s.cover_until, statement_timestamp()) end
    from (select distinct id::uuid as id
            from (select others from node_0 where others <> '') l, unnest(string_to_array(rtrim(l.others, ','), ',')) id where id <> '') o
    join gateway.consent_state s on s.partner_id = $2::uuid and s.purpose = $6::text and s.subject_id = o.id
   where s.basis_version = (select basis_version from caller) and s.is_synthetic = (select contract_run from caller) and s.visible_until > statement_timestamp())
select (select verdict from caller) as verdict, (select subjects from counted)::integer as subjects, (select array[count(*) filter (where covered & 512 = 0), count(*) filter (where covered & 1024 = 0), count(*) filter (where covered & 4096 = 0)] from seen where covered & 5632 <> 5632) as withheld,
  (select textsend(string_agg(n.node0, '},{"node":')) from node_0 n) as root_0_0
