-- name: register
-- in:  subject_id uuid, is_synthetic boolean, collected_in_mainland boolean
-- row: none
insert into gateway.subject (subject_id, is_synthetic, collected_in_mainland) values ($1, $2, $3) on conflict (subject_id) do nothing;
