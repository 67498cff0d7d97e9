-- A page of data subjects, eight fields each.
-- in:  partner_id uuid, after uuid, first integer, disclosure_id uuid, token_id uuid, projection_id bytea
-- row: nodes bytea (JSON objects with the edges' brackets between them), has_next boolean, end_cursor uuid, subjects integer,
--      withheld bigint[]
-- consent_state_page, account_pkey
with page as materialized (
    select s.subject_id, s.pseudonym, s.reasons,
           case when s.settled_until > statement_timestamp() then s.covered
                else gateway.covered_at(s.cover_until, statement_timestamp()) end as covered
      from gateway.consent_state s
     where s.partner_id = $1 and s.purpose = 'service_delivery' and s.pseudonym > $2
       and not s.is_synthetic and s.visible_until > statement_timestamp()
     order by s.pseudonym limit $3::integer + 1
), shown as materialized (
    select * from page order by pseudonym limit $3
), header as (
    insert into gateway.disclosure (disclosure_id, disclosed_at, partner_id, client_id, token_id, purpose, projection_id,
                                    subject_count, contract_run)
    values ($4, statement_timestamp(), $1, 'bench', $5, 'service_delivery', $6, (select count(*) from shown), false)
), recorded as (
    insert into gateway.disclosure_subject (disclosed_at, disclosure_id, subject_id, roots, covered, reasons)
    select statement_timestamp(), $4, s.subject_id, 1, s.covered,
           case when s.covered & {all_eight} <> {all_eight} then s.reasons end
      from shown s
)
select (select textsend(string_agg({subject} :: text, '}},{{"node":' order by c.pseudonym))
          from shown c join platform.account x on x.subject_id = c.subject_id) as nodes,
       (select count(*) > $3 from page) as has_next,
       (select pseudonym from shown order by pseudonym offset (select greatest(count(*) - 1, 0) from shown) limit 1) as end_cursor,
       (select count(*) from shown)::integer as subjects, {withheld_eight} as withheld
