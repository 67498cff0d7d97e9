-- One data subject, eight fields: consent, redaction, record and JSON in one statement, written by hand for this one work.
-- in:  partner_id uuid, pseudonym uuid, disclosure_id uuid, token_id uuid, projection_id bytea
-- row: node bytea (JSON), subjects integer, withheld bigint[] (one count a field, in the order of the document)
-- consent_state_page, account_pkey
with shown as materialized (
    select s.subject_id, s.pseudonym, s.reasons,
           case when s.settled_until > statement_timestamp() then s.covered
                else gateway.covered_at(s.cover_until, statement_timestamp()) end as covered
      from gateway.consent_state s
     where s.partner_id = $1 and s.purpose = 'service_delivery' and s.pseudonym = $2
       and not s.is_synthetic and s.visible_until > statement_timestamp()
), header as (
    insert into gateway.disclosure (disclosure_id, disclosed_at, partner_id, client_id, token_id, purpose, projection_id,
                                    subject_count, contract_run)
    values ($3, statement_timestamp(), $1, 'bench', $4, 'service_delivery', $5, (select count(*) from shown), false)
), recorded as (
    insert into gateway.disclosure_subject (disclosed_at, disclosure_id, subject_id, roots, covered, reasons)
    select statement_timestamp(), $3, s.subject_id, 1, s.covered,
           case when s.covered & {all_eight} <> {all_eight} then s.reasons end
      from shown s
)
select (select textsend({subject} :: text) from shown c join platform.account x on x.subject_id = c.subject_id) as node,
       (select count(*) from shown)::integer as subjects, {withheld_eight} as withheld
