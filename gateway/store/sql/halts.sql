-- name: add
-- in:  halt_id uuid, target text, partner_id uuid, scope text, reason text
-- row: halt_id uuid; none where there is no such scope
insert into gateway.halt (halt_id, target, partner_id, scope, reason, begun_at)
select $1, $2, $3, $4, $5, clock_timestamp()
 where $4::text is null or exists (select from gateway.scope_version s where s.scope = $4)
returning halt_id;

-- name: lift
-- in:  target text, partner_id uuid, scope text
-- row: halt_id uuid
-- halt_in_force
update gateway.halt set lifted_at = clock_timestamp()
 where lifted_at is null and target = $1 and partner_id is not distinct from $2 and scope is not distinct from $3 returning halt_id;

-- name: list
-- row: halt_id uuid, target text, partner text, scope text, reason text, begun_at timestamptz
-- halt_in_force
select h.halt_id, h.target, p.name as partner, h.scope, h.reason, h.begun_at
  from gateway.halt h left join gateway.partner p using (partner_id) where h.lifted_at is null order by h.begun_at, h.halt_id;
