-- name: add
-- in:  halt_id uuid, target text, partner_id uuid, scope text, reason text
-- row: none
insert into gateway.halt (halt_id, target, partner_id, scope, reason) values ($1, $2, $3, $4, $5);

-- name: lift
-- in:  target text, partner_id uuid, scope text
-- row: halt_id uuid
update gateway.halt set lifted_at = now()
 where lifted_at is null and target = $1 and partner_id is not distinct from $2 and scope is not distinct from $3 returning halt_id;

-- name: list
-- row: halt_id uuid, target text, partner text, scope text, reason text, begun_at timestamptz
select h.halt_id, h.target, p.name as partner, h.scope, h.reason, h.begun_at
  from gateway.halt h left join gateway.partner p using (partner_id) where h.lifted_at is null order by h.begun_at;
