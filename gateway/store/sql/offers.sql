-- name: ground_of_offer
-- What a question to one data subject stands on besides the partner's grants, in one snapshot.
-- in:  partner_id uuid, client_id text, subject_id uuid, purpose text (null: signing in only)
-- row: now timestamptz; legal_name, contact, kind text; policy_version text (the one in force; null: none); policies json;
--      accepted text[]; collected_in_mainland boolean; settings json (the latest word about each, oldest first); latest json (the last
--      event towards this partner about this purpose; null: none); signs_in boolean (has signed in with this client before);
--      is_known boolean (the client holds a grant for this purpose)
-- partner_pkey, policy_acceptance_by_subject, setting_event_by_subject, consent_event_by_subject, authorization_grant_by_subject
select statement_timestamp() as now, p.legal_name, p.contact, p.kind,
       (select v.policy_version from gateway.policy_version v
         where v.effective_at <= statement_timestamp() order by v.effective_at desc limit 1) as policy_version,
       (select coalesce(json_agg(json_build_object('policy_version', v.policy_version, 'effective_at', v.effective_at)), '[]')
          from gateway.policy_version v)::text as policies,
       array(select a.policy_version from gateway.policy_acceptance a where a.subject_id = $3) as accepted,
       coalesce((select s.collected_in_mainland from gateway.subject s where s.subject_id = $3), true) as collected_in_mainland,
       (select coalesce(json_agg(json_build_object(
                   'switch', e.switch, 'partner_id', e.partner_id, 'category', e.category, 'allowed', e.allowed)
                   order by e.event_id), '[]')
          from (select distinct on (switch, partner_id, category) * from gateway.setting_event
                 where subject_id = $3 and (partner_id is null or partner_id = $1)
                 order by switch, partner_id, category, event_id desc) e)::text as settings,
       (select json_build_object('consent_id', e.consent_id, 'kind', e.kind, 'categories', e.categories,
                                 'cross_border', e.cross_border, 'ends_at', e.ends_at, 'recorded_at', e.recorded_at)
          from gateway.consent_event e
         where e.subject_id = $3 and e.partner_id = $1 and e.purpose = $4
         order by e.event_id desc limit 1)::text as latest,
       exists (select from gateway.authorization_grant g
                where g.subject_id = $3 and g.client_id = $2 and 'openid' = any(g.scopes) and g.revoked_at is null
                  and coalesce(g.ends_at > statement_timestamp(), true)) as signs_in,
       exists (select from gateway.authorization_grant g
                where g.subject_id = $3 and g.client_id = $2 and g.purpose = $4 and g.revoked_at is null
                  and coalesce(g.ends_at > statement_timestamp(), true)) as is_known
  from gateway.partner p where p.partner_id = $1;

-- name: refused
-- What one data subject refused a partner for one purpose of late and did not let it ask again since (Network Data Security
-- Regulation, art. 22).
-- in:  subject_id uuid, partner_id uuid, purpose text (null: signing in), within interval
-- row: categories text[], of all refusals together (empty: refused without any); null: nothing was refused
-- consent_refusal_by_subject
with counting as (
    select r.categories from gateway.consent_refusal r
     where r.subject_id = $1 and r.partner_id = $2 and r.purpose is not distinct from $3 and not r.lifted
       and r.refused_at > statement_timestamp() - $4::interval
       and not exists (select from gateway.consent_refusal l
                        where l.subject_id = $1 and l.partner_id = $2 and l.purpose is not distinct from $3
                          and l.lifted and l.refused_at >= r.refused_at)
)
select case when count(*) > 0 then array(
           select distinct c.category from counting i cross join unnest(i.categories) c (category) order by 1) end as categories
  from counting;

-- name: lift
-- in:  refusal_id uuid, subject_id uuid, partner_id uuid, purpose text (null: signing in)
-- row: none
insert into gateway.consent_refusal (refusal_id, subject_id, partner_id, purpose, categories, lifted, refused_at)
values ($1, $2, $3, $4, '{}', true, clock_timestamp());

-- name: refuse
-- in:  refusal_id uuid, subject_id uuid, partner_id uuid, purpose text (null: signing in), categories text[]
-- row: none
insert into gateway.consent_refusal (refusal_id, subject_id, partner_id, purpose, categories) values ($1, $2, $3, $4, $5);

-- name: keep_notice
-- What is shown, under the hash of its text; the same text is kept once.
-- in:  notice_sha256 bytea, notice_version, language, content text
-- row: none
-- consent_notice_pkey
insert into gateway.consent_notice (notice_sha256, notice_version, language, content) values ($1, $2, $3, $4::text::jsonb)
on conflict (notice_sha256) do nothing;

-- name: notice
-- in:  notice_sha256 bytea
-- row: notice_version text, language text, content json
-- consent_notice_pkey
select notice_version, language, content::text as content from gateway.consent_notice where notice_sha256 = $1;

-- name: question_of_request
-- To whom an authorization request was put, when it was made, and whether that session is signed in recently enough to be asked.
-- in:  request_id uuid, session_id uuid, max_age interval (null: any age), fresh_for interval
-- row: session_id uuid, notice_sha256 bytea, is_after boolean (signed in since the request was made), is_within boolean (within
--      max_age), is_fresh boolean (within fresh_for)
-- authorization_request_pkey, session_pkey
select r.session_id, r.notice_sha256, s.authenticated_at >= r.created_at as is_after,
       $3::interval is null or s.authenticated_at > clock_timestamp() - $3::interval as is_within,
       s.authenticated_at > clock_timestamp() - $4::interval as is_fresh
  from gateway.authorization_request r, gateway.session s where r.request_id = $1 and s.session_id = $2;

-- name: consent_to_record
-- One consent with all that was ever said in it, for its receipt; only its own data subject's.
-- in:  consent_id uuid, subject_id uuid
-- row: partner_id uuid, purpose text; name, legal_name, contact, role, kind, processing_location, cross_border_mechanism text;
--      events json (oldest first), is_latest boolean (nothing newer was said to this partner about this purpose), now timestamptz
-- consent_event_by_subject, partner_pkey
select e.partner_id, e.purpose, p.name, p.legal_name, p.contact, p.role, p.kind, p.processing_location, p.cross_border_mechanism,
       (select json_agg(json_build_object(
                   'kind', h.kind, 'categories', h.categories, 'cross_border', h.cross_border, 'policy_version', h.policy_version,
                   'ends_at', h.ends_at, 'recorded_at', h.recorded_at, 'notice_sha256', encode(h.notice_sha256, 'hex'))
                   order by h.event_id)
          from gateway.consent_event h where h.subject_id = $2 and h.consent_id = $1)::text as events,
       not exists (select from gateway.consent_event l
                    where l.subject_id = $2 and l.partner_id = e.partner_id and l.purpose = e.purpose
                      and l.consent_id <> $1 and l.event_id > e.event_id) as is_latest,
       statement_timestamp() as now
  from gateway.consent_event e join gateway.partner p using (partner_id)
 where e.subject_id = $2 and e.consent_id = $1
 order by e.event_id limit 1;
