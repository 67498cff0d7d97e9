-- A page of data subjects, eight fields, two addresses and five posts each. Posts that show somebody else need that person's
-- cover too (policy 1.4), and record it.
-- in:  partner_id uuid, after uuid, first integer, disclosure_id uuid, token_id uuid, projection_id bytea,
--      inner and outer key bytea (RFC 2104, for the posts' ids)
-- row: as page.sql
-- consent_state_page, consent_state_by_subject, account_pkey, address_by_subject, post_by_subject
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
), node as materialized (
    select posts.persons,
           left({subject} :: text, -1)
           || case when c.covered & {contact_address} <> 0 then ',"addresses":[' || coalesce(addresses.items, '') || ']'
                   else ',"addresses":null' end
           || case when c.covered & {content_posts} <> 0 then ',"posts":[' || coalesce(posts.items, '') || ']}}'
                   else ',"posts":null}}' end as item
      from shown c join platform.account x on x.subject_id = c.subject_id
     cross join lateral (
        select string_agg(i.item, ',') as items
          from (select json_object(array['recipient', 'street', 'city', 'postcode'], array[
                           case when length(a.recipient) between 1 and 64
                                then left(a.recipient, least(1, length(a.recipient) / 2)) || '**' end,
                           case when length(a.street) between 1 and 256
                                then left(a.street, least(6, length(a.street) / 2)) || '****' end,
                           case when length(a.city) between 1 and 64 then a.city end,
                           case when length(a.postcode) = 6 and ltrim(textsend(a.postcode), {digits}) = ''
                                then overlay(a.postcode placing '****' from 3 for 4) end])::text as item
                  from platform.address a
                 where a.subject_id = c.subject_id and c.covered & {contact_address} <> 0
                 order by a.address_id limit 2) i) addresses
     cross join lateral (
        select string_agg(i.item, ',') as items,
               string_agg(array_to_string(i.depicted_ids, ','), ',') filter (where i.depicted_ids <> '{{}}') as persons
          from (select p.depicted_ids,
                       json_object(array['id', 'text', 'postedAt'], array[
                           encode(substr(sha256($8::bytea || sha256($7::bytea || '\x6964656e74696669657200'::bytea
                                                                    || textsend(p.post_id::text))), 1, 16), 'hex'),
                           case when length(p.text) between 1 and 20000 then p.text end,
                           {posted_at}])::text as item
                  from platform.post p
                 where p.subject_id = c.subject_id and c.covered & {content_posts} <> 0
                   and p.deleted_at is null and p.is_shared
                   and (p.depicted_ids = '{{}}' or not exists (
                        select from unnest(p.depicted_ids) o (id) where not exists (
                            select from gateway.consent_state s
                             where s.partner_id = $1 and s.purpose = 'service_delivery' and s.subject_id = o.id
                               and not s.is_synthetic and s.visible_until > statement_timestamp()
                               and case when s.settled_until > statement_timestamp() then s.covered
                                        else gateway.covered_at(s.cover_until, statement_timestamp()) end
                                   & {content_mentions} <> 0)))
                 order by p.posted_at desc, p.post_id limit 5) i) posts
     order by c.pseudonym
), header as (
    insert into gateway.disclosure (disclosure_id, disclosed_at, partner_id, client_id, token_id, purpose, projection_id,
                                    subject_count, contract_run)
    values ($4, statement_timestamp(), $1, 'bench', $5, 'service_delivery', $6, (select count(*) from shown), false)
), recorded as (
    insert into gateway.disclosure_subject (disclosed_at, disclosure_id, subject_id, roots, covered, reasons)
    select statement_timestamp(), $4, s.subject_id, 1, s.covered, case when s.covered & {all_ten} <> {all_ten} then s.reasons end
      from shown s
), recorded_others as (
    insert into gateway.disclosure_subject (disclosed_at, disclosure_id, subject_id, roots, covered)
    select statement_timestamp(), $4, s.subject_id, 0,
           case when s.settled_until > statement_timestamp() then s.covered
                else gateway.covered_at(s.cover_until, statement_timestamp()) end
      from (select distinct unnest(string_to_array(n.persons, ','))::uuid as id from node n where n.persons is not null) o
      join gateway.consent_state s on s.partner_id = $1 and s.purpose = 'service_delivery' and s.subject_id = o.id
     where not s.is_synthetic and s.visible_until > statement_timestamp()
)
select (select textsend(string_agg(item, '}},{{"node":')) from node) as nodes,
       (select count(*) > $3 from page) as has_next,
       (select pseudonym from shown order by pseudonym offset (select greatest(count(*) - 1, 0) from shown) limit 1) as end_cursor,
       (select count(*) from shown)::integer as subjects, {withheld_ten} as withheld
