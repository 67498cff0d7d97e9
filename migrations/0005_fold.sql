-- What the ledgers come to: for each subject towards one partner and purpose, per category the end of its cover and the reason
-- from then on. scopes.cover is the meaning; generated evidence holds this to it. Set-based: every category is a column of plain
-- expressions, so that a hundred thousand subjects fold in seconds.

-- The fold of (partner, purpose), not yet stored. p_subjects null: everybody. The keys are those of HMAC (RFC 2104), padded.
create function gateway.folded(p_partner uuid, p_purpose text, p_subjects uuid[], p_key_inner bytea, p_key_outer bytea)
    returns table (subject_id uuid, pseudonym uuid, is_synthetic boolean, basis_version integer, covered bigint,
                   settled_until timestamptz, visible_until timestamptz, cover_until timestamptz[], reasons smallint[])
    language plpgsql stable as $$
declare
    partner gateway.partner;
    never constant text := '''-infinity''::timestamptz';
    is_abroad boolean;
    rests_on_policy boolean;
    is_advertising boolean;
    ends text[] := '{}';
    whys text[] := '{}';
    names text[] := '{}';
    c record;
begin
    select * into strict partner from gateway.partner p where p.partner_id = p_partner;
    select pu.is_advertising into strict is_advertising from gateway.purpose pu where pu.purpose = p_purpose;
    is_abroad := partner.processing_location <> 'CN';
    select coalesce(bool_or(b.basis = 'policy_acceptance'), false) into rests_on_policy
      from gateway.basis_rule b where b.purpose = p_purpose and b.role = partner.role;

    for c in select n as ordinal, k.category, b.basis,
                    (select array_agg(array_to_string((string_to_array(k.category, '.'))[:depth], '.'))
                       from generate_series(1, cardinality(string_to_array(k.category, '.'))) depth) || '*'::text as nodes
               from generate_series(0, (select max(ordinal) from gateway.category)) n
               left join gateway.category k on k.ordinal = n
               left join gateway.basis_rule b on b.purpose = p_purpose and b.role = partner.role and b.sensitivity = k.sensitivity
              order by n
    loop
        names := names || format('u%s', c.ordinal);
        if c.category is null or c.basis is null or c.basis not in ('policy_acceptance', 'separate_consent', 'sensitive_consent') then
            ends := ends || format('%s as u%s', never, c.ordinal);
            whys := whys || format('case when s.off && %L::text[] then 6 when s.advertising_off then 7 else 9 end as r%s', c.nodes, c.ordinal);
        elsif c.basis = 'policy_acceptance' then
            ends := ends || format('case when s.off && %L::text[] or s.advertising_off or s.border > 0 or s.accepted_until is null then %s
                                         else least(s.accepted_until, s.border_until) end as u%s', c.nodes, never, c.ordinal);
            whys := whys || format('case when s.off && %L::text[] then 6 when s.advertising_off then 7 when s.border > 0 then s.border
                                         when s.accepted_until is null then 4 when s.accepted_until < s.border_until then 5
                                         when s.border_until < ''infinity'' then 8 else 0 end as r%s', c.nodes, c.ordinal);
        else
            ends := ends || format('case when s.off && %L::text[] or s.advertising_off or s.border > 0 or not %L = any(s.named) then %s
                                         else s.consent_until end as u%s', c.nodes, c.category, never, c.ordinal);
            whys := whys || format('case when s.off && %L::text[] then 6 when s.advertising_off then 7 when s.border > 0 then s.border
                                         when %L = any(s.named) then case when s.border_until < ''infinity'' then 8
                                                                          when s.consent_until < ''infinity'' then 3 else 0 end
                                         when %L = any(s.ever) then 2 else 1 end as r%s', c.nodes, c.category, c.category, c.ordinal);
        end if;
    end loop;

    return query execute format($sql$
        with version as (
            select v.policy_version, v.effective_at, lead(v.effective_at, 1, 'infinity') over (order by v.effective_at) as until
              from gateway.policy_version v
        ), acceptance as (
            select a.subject_id, max(v.until) as until
              from gateway.policy_acceptance a join version v using (policy_version)
             where ($3::uuid[] is null or a.subject_id = any($3)) and $6
             group by a.subject_id
        ), event as (
            select e.*, row_number() over (partition by e.subject_id order by e.event_id desc) as age
              from gateway.consent_event e
             where e.partner_id = $1 and e.purpose = $2 and ($3::uuid[] is null or e.subject_id = any($3))
        ), ever as (
            select e.subject_id, array_agg(distinct n) as categories from event e, unnest(e.categories) n
             where exists (select from event f where f.subject_id = e.subject_id and f.age = 2) group by e.subject_id
        ), setting as (
            select distinct on (e.subject_id, e.switch, e.partner_id, e.category) e.subject_id, e.switch, e.category, e.allowed
              from gateway.setting_event e
             where (e.partner_id is null or e.partner_id = $1) and ($3::uuid[] is null or e.subject_id = any($3))
             order by e.subject_id, e.switch, e.partner_id, e.category, e.event_id desc
        ), off as (
            select t.subject_id, coalesce(array_agg(coalesce(t.category, '*')) filter (where t.switch = 'sharing'), '{}') as nodes,
                   bool_or(t.switch = 'advertising') as advertising
              from setting t where not t.allowed group by t.subject_id
        ), spoken as (
            select e.subject_id from event e where e.age = 1
            union select a.subject_id from acceptance a where $6
            union select c.subject_id from gateway.consent_state c
             where c.partner_id = $1 and c.purpose = $2 and ($3::uuid[] is null or c.subject_id = any($3))
        ), subject as (
            select k.subject_id, x.is_synthetic, coalesce(o.nodes, '{}') as off, $7 and coalesce(o.advertising, false) as advertising_off,
                   a.until as accepted_until, coalesce(e.categories, '{}') as named,
                   coalesce(v.categories, e.categories, '{}') as ever, coalesce(e.ends_at, 'infinity') as consent_until,
                   case when not ($8 and x.collected_in_mainland) then 0
                        when $9::text is null then 9
                        when e.kind is null or e.kind = 'withdrawn' or not e.cross_border then 8 else 0 end as border,
                   case when $8 and x.collected_in_mainland then coalesce(e.ends_at, 'infinity') else 'infinity' end as border_until
              from spoken k join gateway.subject x using (subject_id)
              left join event e on e.subject_id = k.subject_id and e.age = 1
              left join ever v on v.subject_id = k.subject_id
              left join acceptance a on a.subject_id = k.subject_id
              left join off o on o.subject_id = k.subject_id
        ), settled as materialized (
            select s.subject_id, s.is_synthetic, %1$s, %2$s from subject s
        )
        select s.subject_id,
               encode(substr(sha256($5 || sha256($4 || uuid_send($1) || convert_to($2, 'UTF8') || '\x00'::bytea || uuid_send(s.subject_id))), 1, 16), 'hex')::uuid,
               s.is_synthetic, $10::integer, %3$s, least(%4$s), greatest(%5$s), array[%5$s], array[%6$s]::smallint[]
          from settled s
    $sql$,
        array_to_string(ends, ', '),
        array_to_string(whys, ', '),
        (select string_agg(format('case when %s > statement_timestamp() then %s::bigint else 0 end', n, 1::bigint << (i - 1)::int), ' | ')
           from unnest(names) with ordinality as x(n, i)),
        (select string_agg(format('case when %1$s > statement_timestamp() then %1$s else ''infinity'' end', n), ', ') from unnest(names) n),
        array_to_string(names, ', '),
        (select string_agg(format('r%s', i - 1), ', ') from generate_subscripts(names, 1) i))
    using p_partner, p_purpose, p_subjects, p_key_inner, p_key_outer, rests_on_policy, is_advertising, is_abroad,
          partner.cross_border_mechanism, partner.basis_version;
end $$;

-- Stores the fold of the given subjects, or of everybody; returns how many rows changed. Locks the subjects first, in order, so that
-- folds of one subject come one after another and each sees what the one before has committed. A pseudonym once given is kept.
create function gateway.fold(p_partner uuid, p_purpose text, p_subjects uuid[], p_key_inner bytea, p_key_outer bytea, p_key_version smallint)
    returns integer language plpgsql as $$
declare
    changed integer;
begin
    perform from gateway.subject s where p_subjects is null or s.subject_id = any(p_subjects) order by s.subject_id for update;
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
