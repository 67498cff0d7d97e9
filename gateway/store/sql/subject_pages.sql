-- name: consents_of_subject
-- The latest word of one data subject to each partner about each purpose, newest first, withdrawn and ended ones as well.
-- in:  subject_id uuid
-- row: consent_id uuid, partner_id uuid, purpose text, kind text, categories text[], cross_border boolean, policy_version text,
--      given_at timestamptz (of this consent), changed_at timestamptz, ends_at timestamptz (null: until withdrawn), is_live boolean
-- consent_event_by_subject
select e.consent_id, e.partner_id, e.purpose, e.kind, e.categories, e.cross_border, e.policy_version, e.given_at,
       e.recorded_at as changed_at, e.ends_at,
       e.kind <> 'withdrawn' and (e.ends_at is null or e.ends_at > statement_timestamp()) as is_live
  from (select v.*, row_number() over (partition by v.partner_id, v.purpose order by v.event_id desc) as age,
               min(v.recorded_at) over (partition by v.consent_id) as given_at
          from gateway.consent_event v where v.subject_id = $1) e
 where e.age = 1
 order by e.recorded_at desc, e.event_id desc;

-- name: events_of_consent
-- One consent's life, oldest first, where it is this data subject's. is_latest: nothing newer was said to that partner about that purpose.
-- in:  subject_id uuid, consent_id uuid
-- row: partner_id uuid, purpose text, kind text, categories text[], cross_border boolean, policy_version text, ends_at timestamptz,
--      recorded_at timestamptz, is_latest boolean, is_live boolean
-- consent_event_by_subject
select e.partner_id, e.purpose, e.kind, e.categories, e.cross_border, e.policy_version, e.ends_at, e.recorded_at,
       e.event_id = (select max(l.event_id) from gateway.consent_event l
                      where l.subject_id = $1 and l.partner_id = e.partner_id and l.purpose = e.purpose) as is_latest,
       e.kind <> 'withdrawn' and (e.ends_at is null or e.ends_at > statement_timestamp()) as is_live
  from gateway.consent_event e
 where e.subject_id = $1 and e.consent_id = $2
 order by e.event_id;

-- name: partners_about
-- Every partner that one data subject has to do with: spoken to, signed in at, set apart in a setting, or able to read it at all.
-- in:  subject_id uuid
-- row: partner_id uuid, name text, legal_name text, contact text, role text, processing_location text
-- consent_event_by_subject, consent_state_by_subject, setting_event_by_subject, partner_login_by_subject
select p.partner_id, p.name, p.legal_name, p.contact, p.role, p.processing_location
  from gateway.partner p
 where p.partner_id in (select partner_id from gateway.consent_event where subject_id = $1
                        union select partner_id from gateway.consent_state where subject_id = $1
                        union select partner_id from gateway.setting_event where subject_id = $1
                        union select partner_id from gateway.partner_login where subject_id = $1)
 order by p.legal_name, p.name;

-- name: covers_of_subject
-- What the gate would let out about one data subject at this instant, by partner and purpose; a row without categories: nothing.
-- in:  subject_id uuid
-- row: partner_id uuid, purpose text, categories text[]
-- consent_state_by_subject
select s.partner_id, s.purpose,
       array(select k.category from gateway.category k
              where p.basis_version = s.basis_version and s.cover_until[k.ordinal + 1] > statement_timestamp()
              order by k.ordinal) as categories
  from gateway.consent_state s join gateway.partner p using (partner_id)
 where s.subject_id = $1
 order by s.partner_id, s.purpose;

-- name: reaches
-- What each partner's live grants let it ask for, by purpose: schema paths that a scope gives more than nothing of. is_stopped: the
-- partner may not ask now, whatever it was granted.
-- row: partner_id uuid, purpose text, paths text[], retention interval (the longest), is_stopped boolean
-- partner_grant_by_partner, scope_version_pkey, scope_field_pkey
select p.partner_id, v.purpose, array_agg(distinct f.path order by f.path) as paths, max(g.retention) as retention,
       p.status <> 'active' or statement_timestamp() not between p.agreement_starts_at and p.agreement_ends_at
       or bool_and(exists (select from gateway.halt h where h.lifted_at is null
                            and (h.target = 'all' or h.partner_id = p.partner_id or h.scope = g.scope))) as is_stopped
  from gateway.partner p
  join gateway.partner_grant g on g.partner_id = p.partner_id and g.revoked_at is null
       and g.starts_at <= statement_timestamp() and g.ends_at > statement_timestamp()
  join gateway.scope_version v on v.scope = g.scope and v.active_from <= statement_timestamp()
       and (v.retired_at is null or v.retired_at > statement_timestamp())
  join gateway.scope_field f on f.scope = v.scope and f.version = v.version and f.redaction ->> 'rung' <> 'withhold'
 group by p.partner_id, v.purpose
 order by p.partner_id, v.purpose;

-- name: acceptance_of_subject
-- The newest version of the policy that one data subject accepted, and whether it is the one in force.
-- in:  subject_id uuid
-- row: policy_version text, accepted_at timestamptz (the first time), is_current boolean
-- policy_acceptance_by_subject
select v.policy_version, min(a.accepted_at) as accepted_at,
       not exists (select from gateway.policy_version n
                    where n.effective_at > v.effective_at and n.effective_at <= statement_timestamp()) as is_current
  from gateway.policy_acceptance a join gateway.policy_version v using (policy_version)
 where a.subject_id = $1
 group by v.policy_version, v.effective_at
 order by v.effective_at desc limit 1;

-- name: last_accesses
-- When each partner last got something about one data subject, from its newest records, `row_count` at most. looked_back_to: the
-- oldest record that was looked at where there may be older ones, else null: what has no row then has never been.
-- in:  subject_id uuid, row_count integer
-- row: partner_id uuid (null: the row is there for looked_back_to only), disclosed_at timestamptz, looked_back_to timestamptz
-- disclosure_subject_by_subject, disclosure_pkey
with newest as materialized (
  select s.disclosed_at, s.disclosure_id from gateway.disclosure_subject s
   where s.subject_id = $1 order by s.disclosed_at desc limit $2)
select d.partner_id, max(n.disclosed_at) as disclosed_at,
       (select case when count(*) = $2 then min(disclosed_at) end from newest) as looked_back_to
  from newest n
  left join lateral (
       select h.partner_id from gateway.disclosure h
        where h.disclosure_id = n.disclosure_id and h.disclosed_at = n.disclosed_at and not h.contract_run offset 0) d on true
 group by d.partner_id;

-- name: signed_in
-- With which partners one data subject ever signed in, and when first and last.
-- in:  subject_id uuid
-- row: partner_id uuid, first_at timestamptz, last_at timestamptz
-- partner_login_by_subject
select partner_id, min(logged_in_at) as first_at, max(logged_in_at) as last_at
  from gateway.partner_login where subject_id = $1 group by partner_id;

-- name: sign_ins
-- A page of one data subject's sign-ins with partners, newest first.
-- in:  subject_id uuid, logged_in_at timestamptz and login_id uuid (last row seen), page_size integer
-- row: login_id uuid, partner_id uuid, logged_in_at timestamptz
-- partner_login_by_subject
select login_id, partner_id, logged_in_at from gateway.partner_login
 where subject_id = $1 and logged_in_at <= $2 and (logged_in_at, login_id) < ($2, $3)
 order by logged_in_at desc, login_id desc limit $4;

-- name: may_sign_in
-- Partners that one data subject signs in to without being asked again, by the grants that stand.
-- in:  subject_id uuid
-- row: partner_id uuid, since timestamptz
-- authorization_grant_by_subject
select partner_id, min(created_at) as since from gateway.authorization_grant
 where subject_id = $1 and 'openid' = any(scopes) and revoked_at is null and coalesce(ends_at > statement_timestamp(), true)
 group by partner_id order by since;

-- name: end_sign_in
-- With every token that came of it. What was agreed to share stands: it is a consent of its own.
-- in:  subject_id, partner_id uuid
-- row: grant_id uuid, of each grant that ended
-- authorization_grant_by_subject, refresh_token_by_grant, access_token_by_grant
with ended as (
    update gateway.authorization_grant set revoked_at = clock_timestamp(), updated_at = clock_timestamp()
     where subject_id = $1 and partner_id = $2 and 'openid' = any(scopes) and revoked_at is null returning grant_id
), refresh as (
    update gateway.refresh_token set revoked_at = clock_timestamp()
     where grant_id in (select grant_id from ended) and revoked_at is null
), access as (
    update gateway.access_token set revoked_at = clock_timestamp()
     where grant_id in (select grant_id from ended) and revoked_at is null
)
select grant_id from ended;

-- name: quiet_now
-- What partners may not ask one data subject about just now, since it said no.
-- in:  subject_id uuid, within interval
-- row: partner_id uuid, legal_name text, purpose text (null: signing in), until timestamptz
-- consent_refusal_by_subject
select r.partner_id, p.legal_name, r.purpose, max(r.refused_at) + $2::interval as until
  from gateway.consent_refusal r join gateway.partner p using (partner_id)
 where r.subject_id = $1 and not r.lifted and r.refused_at > statement_timestamp() - $2::interval
   and not exists (select from gateway.consent_refusal l
                    where l.subject_id = $1 and l.partner_id = r.partner_id and l.purpose is not distinct from r.purpose
                      and l.lifted and l.refused_at >= r.refused_at)
 group by r.partner_id, p.legal_name, r.purpose order by until;

-- name: disclosures_of_subject
-- A page of what went out about one data subject, newest first; runs of contract tests never concern a real one and are left out.
-- disclosed_at is bounded on its own as well: the comparison of rows does not let the planner pass months over. Each header is looked
-- up by itself (offset 0): the planner takes id and instant for independent, expects next to no match and would join all there is.
-- in:  subject_id uuid; disclosed_at timestamptz, disclosure_id uuid and roots smallint (last row seen); since timestamptz (null: ever),
--      until timestamptz (null: ever), partner_id uuid (null: any), purpose text (null: any), page_size integer
-- row: disclosure_id uuid, disclosed_at timestamptz, roots smallint, covered bigint, reasons smallint[], name text and
--      legal_name text of the partner, purpose text, projection_id bytea
-- disclosure_subject_by_subject, disclosure_pkey, partner_pkey
select s.disclosure_id, s.disclosed_at, s.roots, s.covered, s.reasons, d.name, d.legal_name, d.purpose, d.projection_id
  from gateway.disclosure_subject s
 cross join lateral (
       select p.name, p.legal_name, h.purpose, h.projection_id from gateway.disclosure h join gateway.partner p using (partner_id)
        where h.disclosure_id = s.disclosure_id and h.disclosed_at = s.disclosed_at and not h.contract_run
          and ($7::uuid is null or h.partner_id = $7) and ($8::text is null or h.purpose = $8) offset 0) d
 where s.subject_id = $1
   and s.disclosed_at <= $2 and (s.disclosed_at, s.disclosure_id, s.roots) < ($2, $3, $4)
   and s.disclosed_at >= coalesce($5::timestamptz, '-infinity') and s.disclosed_at < coalesce($6::timestamptz, 'infinity')
 order by s.disclosed_at desc, s.disclosure_id desc, s.roots desc limit $9;

-- name: projections
-- What some disclosures selected.
-- in:  projection_ids bytea[]
-- row: projection_id bytea, fields jsonb
-- projection_pkey
select projection_id, fields from gateway.projection where projection_id = any($1);

-- name: settings_of_subject
-- One data subject's privacy settings: the latest word about each switch, partner and category.
-- in:  subject_id uuid
-- row: switch text, partner_id uuid (null: all), category text (null: all), allowed boolean, recorded_at timestamptz
-- setting_event_by_subject
select distinct on (switch, partner_id, category) switch, partner_id, category, allowed, recorded_at
  from gateway.setting_event where subject_id = $1
 order by switch, partner_id, category, event_id desc;

-- name: sessions_of_subject
-- The browsers in which one data subject is signed in.
-- in:  subject_id uuid
-- row: session_id uuid, acr text, authenticated_at, created_at, seen_at, expires_at timestamptz
-- session_by_subject
select session_id, acr, authenticated_at, created_at, seen_at, expires_at
  from gateway.session where subject_id = $1 and ended_at is null and expires_at > statement_timestamp()
 order by seen_at desc, session_id;

-- name: end_sessions
-- Ends one session of a data subject, or all but the one it sits at.
-- in:  subject_id uuid, kept uuid, session_id uuid (null: all the others)
-- row: session_id uuid of each that ended
-- session_by_subject
update gateway.session set ended_at = clock_timestamp()
 where subject_id = $1 and session_id <> $2 and ($3::uuid is null or session_id = $3) and ended_at is null
returning session_id;

-- name: end_refreshing
-- Revokes the refresh tokens that rest on one consent. Where the data subject signed in as well, that stands without the consent.
-- in:  subject_id uuid, consent_id uuid
-- row: none
-- authorization_grant_by_subject, refresh_token_by_grant
update gateway.refresh_token t set revoked_at = clock_timestamp()
  from gateway.authorization_grant g
 where g.subject_id = $1 and g.consent_id = $2 and not 'openid' = any(g.scopes)
   and t.grant_id = g.grant_id and t.revoked_at is null;

-- name: now
-- The database's own instant, from which a first page counts back.
-- row: timestamptz
select clock_timestamp();
