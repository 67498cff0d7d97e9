-- name: try_lock
-- in:  lock bigint
-- row: boolean, true where this transaction has it
select pg_try_advisory_xact_lock($1);

-- name: access_token
-- in:  kept for interval (after its end), count integer
-- row: count bigint
-- access_token_by_expiry
with gone as (
    delete from gateway.access_token where token_id in (
        select token_id from gateway.access_token where expires_at < statement_timestamp() - $1::interval
         order by expires_at limit $2 for update skip locked)
    returning 1)
select count(*) from gone;

-- name: authorization_code
-- in:  kept for interval, count integer
-- row: count bigint
-- authorization_code_by_expiry
with gone as (
    delete from gateway.authorization_code where code_sha256 in (
        select code_sha256 from gateway.authorization_code where expires_at < statement_timestamp() - $1::interval
         order by expires_at limit $2 for update skip locked)
    returning 1)
select count(*) from gone;

-- name: refresh_token
-- A token that was used or revoked stays until its own end, so that a second use of it is still told from a made-up one.
-- in:  kept for interval, count integer
-- row: count bigint
-- refresh_token_by_expiry
with gone as (
    delete from gateway.refresh_token where token_sha256 in (
        select token_sha256 from gateway.refresh_token where expires_at < statement_timestamp() - $1::interval
         order by expires_at limit $2 for update skip locked)
    returning 1)
select count(*) from gone;

-- name: authorization_request
-- in:  kept for interval, count integer
-- row: count bigint
-- authorization_request_by_end
with gone as (
    delete from gateway.authorization_request where request_id in (
        select request_id from gateway.authorization_request where decides_until < statement_timestamp() - $1::interval
         order by decides_until limit $2 for update skip locked)
    returning 1)
select count(*) from gone;

-- name: session
-- A session outlives what came from it: a refresh token still says who signed in, when and how.
-- in:  kept for interval, count integer
-- row: count bigint
-- session_by_expiry, authorization_request_by_session, authorization_code_by_session, refresh_token_by_session
with gone as (
    delete from gateway.session where session_id in (
        select s.session_id from gateway.session s where s.expires_at < statement_timestamp() - $1::interval
           and not exists (select from gateway.authorization_request r where r.session_id = s.session_id)
           and not exists (select from gateway.authorization_code c where c.session_id = s.session_id)
           and not exists (select from gateway.refresh_token t where t.session_id = s.session_id)
         order by s.expires_at limit $2 for update skip locked)
    returning 1)
select count(*) from gone;

-- name: staff_session
-- in:  kept for interval, count integer
-- row: count bigint
-- staff_session_by_expiry
with gone as (
    delete from gateway.staff_session where session_id in (
        select session_id from gateway.staff_session where expires_at < statement_timestamp() - $1::interval
         order by expires_at limit $2 for update skip locked)
    returning 1)
select count(*) from gone;

-- name: ceremony
-- in:  kept for interval, count integer
-- row: count bigint
-- ceremony_by_expiry
with gone as (
    delete from gateway.ceremony where ceremony_sha256 in (
        select ceremony_sha256 from gateway.ceremony where expires_at < statement_timestamp() - $1::interval
         order by expires_at limit $2 for update skip locked)
    returning 1)
select count(*) from gone;

-- name: assertion_replay
-- in:  kept for interval, count integer
-- row: count bigint
-- assertion_replay_by_expiry
with gone as (
    delete from gateway.assertion_replay where (client_id, jti_sha256) in (
        select client_id, jti_sha256 from gateway.assertion_replay where expires_at < statement_timestamp() - $1::interval
         order by expires_at limit $2 for update skip locked)
    returning 1)
select count(*) from gone;

-- name: proof_replay
-- in:  kept for interval, count integer
-- row: count bigint
-- proof_replay_by_expiry
with gone as (
    delete from gateway.proof_replay where proof_sha256 in (
        select proof_sha256 from gateway.proof_replay where expires_at < statement_timestamp() - $1::interval
         order by expires_at limit $2 for update skip locked)
    returning 1)
select count(*) from gone;
