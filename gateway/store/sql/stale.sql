-- name: stale
-- Every (partner, purpose) with rows folded under an older basis, or with a live or coming grant and no row since the basis changed.
-- row: partner_id uuid, partner text, purpose text, subjects bigint
-- consent_state primary key (partner_id, purpose, subject_id)
select p.partner_id, p.name as partner, w.purpose, count(s.subject_id) filter (where s.basis_version < p.basis_version) as subjects
  from gateway.partner p
  join (select partner_id, purpose from gateway.consent_state
        union select g.partner_id, v.purpose from gateway.partner_grant g join gateway.scope_version v using (scope)) w using (partner_id)
  left join gateway.consent_state s on (s.partner_id, s.purpose) = (w.partner_id, w.purpose)
 group by p.partner_id, w.purpose
having count(s.subject_id) filter (where s.basis_version < p.basis_version) > 0
    or count(s.subject_id) = 0 and p.basis_version > 1
 order by p.name, w.purpose;
