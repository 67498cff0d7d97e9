-- What the ledgers come to: for each subject towards one partner and purpose, per category the end of its cover and the reason
-- from then on. scopes.cover is the meaning; generated evidence holds this to it. Set-based, and categories are bits for as long as
-- possible, so that a hundred thousand subjects fold in seconds.

-- The fold of (partner, purpose), not yet stored. p_subjects null: everybody. The keys are those of HMAC (RFC 2104), padded.
create function gateway.folded(p_partner uuid, p_purpose text, p_subjects uuid[], p_key_inner bytea, p_key_outer bytea)
    returns table (subject_id uuid, pseudonym uuid, is_synthetic boolean, basis_version integer, covered bigint,
                   settled_until timestamptz, visible_until timestamptz, cover_until timestamptz[], reasons smallint[])
    language plpgsql stable set work_mem = '64MB' as $$
declare
    partner gateway.partner;
    is_advertising boolean;
    by_acceptance bigint;  -- what rests on the policy's acceptance, and what on consent, as bits
    by_consent bigint;
    named text;            -- the bits of an event's categories; cover_until and reasons, one expression for each ordinal
    ends text;
    whys text;
begin
    select * into strict partner from gateway.partner p where p.partner_id = p_partner;
    select u.is_advertising into strict is_advertising from gateway.purpose u where u.purpose = p_purpose;

    select coalesce(bit_or(k.bit) filter (where k.basis = 'policy_acceptance'), 0),
           coalesce(bit_or(k.bit) filter (where k.basis in ('separate_consent', 'sensitive_consent')), 0),
           coalesce(string_agg(format('case when %L = any(v.categories) then %s else 0 end', k.category, k.bit), ' | '), '0'),
           string_agg(case when k.basis = 'policy_acceptance'
                           then format('case when s.off & %s = 0 then s.accepted_end else ''-infinity'' end', k.bit)
                           when k.basis in ('separate_consent', 'sensitive_consent')
                           then format('case when s.wanted & %s <> 0 then s.consented_end else ''-infinity'' end', k.bit)
                           else '''-infinity''::timestamptz' end, ', ' order by k.bit),
           string_agg(format('case when s.off & %s <> 0 then 6::smallint ', k.bit)
                      || case when k.basis = 'policy_acceptance' then 'else s.why_accepted end'
                              when k.basis in ('separate_consent', 'sensitive_consent')
                              then format('when s.named & %1$s <> 0 then s.why_named when s.ever & %1$s <> 0 then s.why_not_now'
                                          ' else s.why_never end', k.bit)
                              else 'else s.why_none end' end, ', ' order by k.bit)
      into by_acceptance, by_consent, named, ends, whys
      from (select 1::bigint << n as bit, c.category, coalesce(b.basis, 'none') as basis
              from generate_series(0, (select max(ordinal) from gateway.category)) n
              left join gateway.category c on c.ordinal = n
              left join gateway.basis_rule b on b.purpose = p_purpose and b.role = partner.role and b.sensitivity = c.sensitivity) k;

    return query execute format($sql$
        with version as (
            select v.policy_version, lead(v.effective_at, 1, 'infinity') over (order by v.effective_at) as until
              from gateway.policy_version v
        ), acceptance as (
            select a.subject_id, max(v.until) as until
              from gateway.policy_acceptance a join version v using (policy_version)
             where $6 <> 0 and ($3::uuid[] is null or a.subject_id = any($3))
             group by a.subject_id
        ), consent as (  -- the latest event of each subject, and what any of its events ever named
            select * from (
                select e.subject_id, e.kind, e.cross_border, coalesce(e.ends_at, 'infinity') as ends_at, e.named,
                       bit_or(e.named) over (partition by e.subject_id) as ever,
                       row_number() over (partition by e.subject_id order by e.event_id desc) as age
                  from (select v.subject_id, v.event_id, v.kind, v.cross_border, v.ends_at, (%s)::bigint as named
                          from gateway.consent_event v
                         where v.partner_id = $1 and v.purpose = $2 and ($3::uuid[] is null or v.subject_id = any($3)) offset 0) e
            ) e where e.age = 1
        ), node as (  -- of the tree, with the categories at and below it
            select array_to_string(p.parts[:d.depth], '.') as node, bit_or(1::bigint << p.ordinal) as bits
              from (select k.ordinal, string_to_array(k.category, '.') as parts from gateway.category k) p,
                   generate_series(1, cardinality(p.parts)) d (depth)
             group by 1
        ), setting as (
            select distinct on (e.subject_id, e.switch, e.partner_id, e.category) e.subject_id, e.switch, e.category, e.allowed
              from gateway.setting_event e
             where (e.partner_id is null or e.partner_id = $1) and ($3::uuid[] is null or e.subject_id = any($3))
             order by e.subject_id, e.switch, e.partner_id, e.category, e.event_id desc
        ), refusal as (
            select t.subject_id, bit_or(case when t.category is null then -1 else n.bits end) filter (where t.switch = 'sharing') as off,
                   $8 and bool_or(t.switch = 'advertising') as advertising
              from setting t left join node n on n.node = t.category where not t.allowed group by t.subject_id
        ), fact as (
            select x.subject_id, x.is_synthetic, coalesce(r.off, 0) as off, coalesce(r.advertising, false) as is_ad_refused,
                   a.until as accepted_until, coalesce(c.named, 0) as named, coalesce(c.ever, 0) as ever,
                   coalesce(c.ends_at, 'infinity') as consent_until,
                   case when not ($9 and x.collected_in_mainland) then 'infinity'
                        when $10::text is null or c.subject_id is null or c.kind = 'withdrawn' or not c.cross_border then '-infinity'
                        else c.ends_at end as border_until,
                   case when $10::text is null then 9 else 8 end as why_border
              from gateway.subject x
              left join consent c on c.subject_id = x.subject_id
              left join acceptance a on a.subject_id = x.subject_id
              left join refusal r on r.subject_id = x.subject_id
             where ($3::uuid[] is null or x.subject_id = any($3))
               and (c.subject_id is not null or a.subject_id is not null
                    or exists (select from gateway.consent_state s
                                where s.partner_id = $1 and s.purpose = $2 and s.subject_id = x.subject_id))
             order by x.subject_id offset 0
        ), stopped as (  -- what keeps everything back, whatever the category; 0: nothing
            select f.*, case when f.is_ad_refused then 7 when f.border_until = '-infinity' then f.why_border else 0 end as stop
              from fact f offset 0
        ), settled as (
            select f.subject_id, f.is_synthetic, f.off, f.named, f.ever, f.named & ~f.off & $7 as wanted,
                   case when f.stop <> 0 or f.accepted_until is null then '-infinity' else least(f.accepted_until, f.border_until)
                    end as accepted_end,
                   case when f.stop <> 0 then '-infinity' else f.consent_until end as consented_end,
                   case when f.stop <> 0 then f.stop when f.accepted_until is null then 4 when f.accepted_until < f.border_until then 5
                        when f.border_until < 'infinity' then 8 else 0 end::smallint as why_accepted,
                   case when f.stop <> 0 then f.stop when f.border_until < 'infinity' then 8 when f.consent_until < 'infinity' then 3
                        else 0 end::smallint as why_named,
                   case when f.stop <> 0 then f.stop else 2 end::smallint as why_not_now,
                   case when f.stop <> 0 then f.stop else 1 end::smallint as why_never,
                   case when f.is_ad_refused then 7 else 9 end::smallint as why_none
              from stopped f offset 0
        )
        select s.subject_id,
               encode(substr(sha256($5 || sha256($4 || uuid_send($1) || convert_to($2, 'UTF8') || '\x00'::bytea || uuid_send(s.subject_id))), 1, 16), 'hex')::uuid,
               s.is_synthetic, $11::integer,
               case when s.accepted_end > statement_timestamp() then $6 & ~s.off else 0 end
               | case when s.consented_end > statement_timestamp() then s.wanted else 0 end,
               least(case when s.accepted_end > statement_timestamp() and $6 & ~s.off <> 0 then s.accepted_end else 'infinity' end,
                     case when s.consented_end > statement_timestamp() and s.wanted <> 0 then s.consented_end else 'infinity' end),
               greatest(case when $6 & ~s.off <> 0 then s.accepted_end else '-infinity' end,
                        case when s.wanted <> 0 then s.consented_end else '-infinity' end),
               array[%s], array[%s]
          from settled s
    $sql$, named, ends, whys)
    using p_partner, p_purpose, p_subjects, p_key_inner, p_key_outer, by_acceptance, by_consent, is_advertising,
          partner.processing_location <> 'CN', partner.cross_border_mechanism, partner.basis_version;
end $$;

-- Stores the fold of the given subjects, or of everybody; returns how many rows changed. Locks the subjects first, in order, so that
-- folds of one subject come one after another and each sees what the one before has committed. A pseudonym once given is kept.
create function gateway.fold(p_partner uuid, p_purpose text, p_subjects uuid[], p_key_inner bytea, p_key_outer bytea, p_key_version smallint)
    returns integer language plpgsql as $$
declare
    changed integer;
begin
    if p_subjects is null then
        lock table gateway.subject in exclusive mode;  -- alone with all subjects, without a lock for each
    else
        perform from gateway.subject s where s.subject_id = any(p_subjects) order by s.subject_id for update;
    end if;
    insert into gateway.consent_state as c (partner_id, purpose, subject_id, pseudonym, key_version, is_synthetic, basis_version, covered,
                                            settled_until, visible_until, cover_until, reasons, folded_at)
    select p_partner, p_purpose, f.subject_id, f.pseudonym, p_key_version, f.is_synthetic, f.basis_version, f.covered,
           f.settled_until, f.visible_until, f.cover_until, f.reasons, statement_timestamp()
      from gateway.folded(p_partner, p_purpose, p_subjects, p_key_inner, p_key_outer) f
    on conflict (partner_id, purpose, subject_id) do update
       set is_synthetic = excluded.is_synthetic, basis_version = excluded.basis_version, covered = excluded.covered,
           settled_until = excluded.settled_until, visible_until = excluded.visible_until, cover_until = excluded.cover_until,
           reasons = excluded.reasons, folded_at = excluded.folded_at
     where (c.is_synthetic, c.basis_version, c.covered, c.cover_until, c.reasons)
           is distinct from (excluded.is_synthetic, excluded.basis_version, excluded.covered, excluded.cover_until, excluded.reasons);
    get diagnostics changed = row_count;
    return changed;
end $$;

