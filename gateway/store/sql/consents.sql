-- name: lock_subject
-- Registers a data subject where it is new, and locks it: all that one subject says is taken down one after another.
-- in:  subject_id uuid
-- row: none
insert into gateway.subject (subject_id) values ($1) on conflict (subject_id) do update set subject_id = excluded.subject_id;

-- name: latest_consent
-- What one data subject last said to a partner about a purpose.
-- in:  subject_id uuid, partner_id uuid, purpose text
-- row: consent_id uuid, kind text, categories text[], cross_border boolean, policy_version text, ends_at timestamptz
-- consent_event_by_subject
select consent_id, kind, categories, cross_border, policy_version, ends_at
  from gateway.consent_event where subject_id = $1 and partner_id = $2 and purpose = $3
 order by event_id desc limit 1;

-- name: append_consent
-- in:  consent_id, subject_id, partner_id uuid, purpose, kind text, categories text[], cross_border boolean, policy_version text,
--      ends_at timestamptz, notice_sha256 bytea (null: no page of the gateway's was shown)
-- row: none
insert into gateway.consent_event
    (consent_id, subject_id, partner_id, purpose, kind, categories, cross_border, policy_version, ends_at, notice_sha256)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: append_setting
-- in:  subject_id uuid, switch text, partner_id uuid (null: all), category text (null: all), allowed boolean
-- row: none
insert into gateway.setting_event (subject_id, switch, partner_id, category, allowed) values ($1, $2, $3, $4, $5);

-- name: append_acceptance
-- in:  subject_id uuid, policy_version text
-- row: none
insert into gateway.policy_acceptance (subject_id, policy_version) values ($1, $2);

-- name: folds_of_subject
-- Every (partner, purpose) whose state of this data subject may change with a setting or an acceptance: those it has a row for, and
-- those that a processor's grant opens to everybody who accepted the policy; also a grant that has ended, which left rows behind.
-- in:  subject_id uuid
-- row: partner_id uuid, purpose text
-- consent_state_by_subject
select partner_id, purpose from gateway.consent_state where subject_id = $1
union
select g.partner_id, s.purpose
  from gateway.partner_grant g join gateway.partner p using (partner_id) join gateway.scope_version s on s.scope = g.scope
 where p.role = 'processor';

-- name: fold
-- Folds some data subjects towards one partner and purpose.
-- in:  partner_id uuid, purpose text, subject_ids uuid[] (null: everybody), inner and outer padded key bytea, key_version smallint
-- row: integer, rows changed
select gateway.fold($1, $2, $3, $4, $5, $6);

-- name: subjects_after
-- A batch of data subjects, in order.
-- in:  after uuid, count integer
-- row: subject_id uuid
-- subject_pkey
select subject_id from gateway.subject where subject_id > $1 order by subject_id limit $2;

-- name: states
-- Every (partner, purpose) that has folded state, or ought to have.
-- row: partner_id uuid, purpose text
select partner_id, purpose from gateway.consent_state
union select partner_id, purpose from gateway.consent_event
union select g.partner_id, s.purpose from gateway.partner_grant g join gateway.scope_version s using (scope)
order by 1, 2;

-- name: differences
-- Where state and ledgers of one (partner, purpose) disagree, of two kinds: rows that are missing, too many or folded otherwise, and
-- rows whose summary does not follow from their own ends. Rows under an older basis are not read by the gate and count as stale.
-- Who only accepted the policy is folded when a grant opens the purpose, so without one nothing of theirs is missing. Pseudonyms made
-- with a key of another version cannot be checked.
-- in:  partner_id uuid, purpose text, inner and outer padded key bytea, key_version smallint
-- row: subject_id uuid, difference text, categories text[]
with expected as (select * from gateway.folded($1, $2, null, $3, $4)),
     stored as (select * from gateway.consent_state where partner_id = $1 and purpose = $2),
     spoken as (select distinct subject_id from gateway.consent_event where partner_id = $1 and purpose = $2),
     opened as (select exists (select from gateway.partner_grant g join gateway.scope_version v using (scope)
                                where g.partner_id = $1 and v.purpose = $2) as to_everybody)
select coalesce(e.subject_id, s.subject_id) as subject_id,
       case when s.subject_id is null then 'missing'
            when e.subject_id is null then 'unfounded'
            when s.basis_version <> e.basis_version then 'stale'
            when s.is_synthetic <> e.is_synthetic then 'synthetic'
            when s.key_version = $5 and s.pseudonym <> e.pseudonym then 'pseudonym'
            when (s.cover_until, s.reasons) is distinct from (e.cover_until, e.reasons) then 'cover'
            else 'summary' end as difference,
       coalesce((select array_agg(k.category order by k.category) from gateway.category k
                  where (s.cover_until[k.ordinal + 1], s.reasons[k.ordinal + 1])
                        is distinct from (e.cover_until[k.ordinal + 1], e.reasons[k.ordinal + 1])), '{}') as categories
  from expected e full join stored s using (subject_id)
 where case
       when s.subject_id is null then (select to_everybody from opened) or e.subject_id in (select subject_id from spoken)
       else e.subject_id is null or s.basis_version <> e.basis_version or s.is_synthetic <> e.is_synthetic
            or (s.key_version = $5 and s.pseudonym <> e.pseudonym)
            or (s.cover_until, s.reasons) is distinct from (e.cover_until, e.reasons)
            or s.covered <> gateway.covered_at(s.cover_until, s.folded_at)
            or s.visible_until <> (select max(u) from unnest(s.cover_until) u)
            or s.settled_until <> coalesce((select min(u) from unnest(s.cover_until) u where u > s.folded_at), 'infinity')
       end;

-- name: a_state
-- Any one folded row, to see whether a key is the one in use.
-- row: partner_id uuid, purpose text, subject_id uuid, pseudonym uuid
select partner_id, purpose, subject_id, pseudonym from gateway.consent_state where key_version = 1 limit 1;
