-- name: set
-- in:  login text, subject_id uuid, password_hash text
-- row: none
-- account_subject_id_key
insert into gateway.account (login, subject_id, password_hash) values ($1, $2, $3)
on conflict (subject_id) do update set login = excluded.login, password_hash = excluded.password_hash, changed_at = now();

-- name: end
-- in:  login text
-- row: subject_id uuid
-- account_pkey
delete from gateway.account where login = $1 returning subject_id;

-- name: end_sessions
-- in:  subject_id uuid
-- row: none
-- session_by_subject
update gateway.session set ended_at = clock_timestamp() where subject_id = $1 and ended_at is null;
