"""What has ended goes after a while; ledgers and records stay (Network Data Security Regulation, art. 12)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from gateway.settings import Settings
from gateway.store.expiry import KEPT_FOR, LOCK, keep_purging, purge
from gateway.store.pool import plain_pool
from tests.support.database import Database
from tests.support.oauth import a_partner

Connection: TypeAlias = "asyncpg.Connection[Any]"
NOTHING = dict.fromkeys(KEPT_FOR, 0)
AN_HOUR = timedelta(hours=1)
PATIENCE_S = 20

# One row that ended `$1` ago (an interval), with the id $2 where it has one
ROWS = {
    "access_token": """
        insert into gateway.access_token (token_id, client_id, scopes, expires_at)
        values ($2, 'c', '{}', now() - $1::interval)""",
    "authorization_code": """
        insert into gateway.authorization_code (code_sha256, family_id, grant_id, client_id, redirect_uri, code_challenge, scopes,
            session_id, acr, authenticated_at, expires_at)
        select sha256($2::uuid::text::bytea), $2, grant_id, 'c', 'https://c.example', 'x', '{}', session_id, 'pwd', now(),
            now() - $1::interval
          from gateway.authorization_grant, gateway.session where acr = 'lasting'""",
    "refresh_token": """
        insert into gateway.refresh_token (token_sha256, refresh_id, family_id, grant_id, client_id, scopes, session_id, acr,
            authenticated_at, expires_at)
        select sha256($2::uuid::text::bytea), $2, $2, grant_id, 'c', '{}', session_id, 'pwd', now(), now() - $1::interval
          from gateway.authorization_grant, gateway.session where acr = 'lasting'""",
    "authorization_request": """
        insert into gateway.authorization_request (request_id, client_id, parameters, opens_until, decides_until, session_id)
        select $2, 'c', '{}', now(), now() - $1::interval, session_id from gateway.session where acr = 'lasting'""",
    "session": """
        insert into gateway.session (session_id, token_sha256, subject_id, acr, authenticated_at, expires_at)
        select $2, sha256($2::uuid::text::bytea), subject_id, 'pwd', now(), now() - $1::interval from gateway.subject""",
    "staff_session": """
        with somebody as (
            insert into gateway.staff (staff_id, login, name, roles) values ($2, $2::uuid::text, 'x', '{}') returning staff_id)
        insert into gateway.staff_session (session_id, token_sha256, staff_id, acr, expires_at)
        select $2, sha256($2::uuid::text::bytea), staff_id, 'passkey', now() - $1::interval from somebody""",
    "ceremony": """
        insert into gateway.ceremony (ceremony_sha256, kind, state, expires_at)
        values (sha256($2::uuid::text::bytea), 'upstream', '{}', now() - $1::interval)""",
    "assertion_replay": """
        insert into gateway.assertion_replay (client_id, jti_sha256, expires_at)
        values ('c', sha256($2::uuid::text::bytea), now() - $1::interval)""",
    "proof_replay": """
        insert into gateway.proof_replay (proof_sha256, expires_at)
        values (sha256($2::uuid::text::bytea), now() - $1::interval)""",
}


@pytest_asyncio.fixture(loop_scope="session")
async def owner(database: Database) -> AsyncIterator[Connection]:
    """The owner of a database with one client, one data subject, its lasting session and one OAuth grant."""
    owner = await database.owner()
    partner_id, subject_id = await a_partner(owner, scopes=()), uuid4()
    await owner.execute("insert into gateway.client (client_id, partner_id, metadata) values ('c', $1, '{}')", partner_id)
    await owner.execute("insert into gateway.subject (subject_id) values ($1)", subject_id)
    await owner.execute(
        """insert into gateway.session (session_id, token_sha256, subject_id, acr, authenticated_at, expires_at)
           values ($1, '\\x00', $2, 'lasting', now(), 'infinity')""",
        uuid4(),
        subject_id,
    )
    await owner.execute(
        """insert into gateway.authorization_grant (grant_id, client_id, partner_id, subject_id, scopes)
           values ($1, 'c', $2, $3, '{}')""",
        uuid4(),
        partner_id,
        subject_id,
    )
    yield owner
    await owner.close()


@pytest_asyncio.fixture(loop_scope="session")
async def serving(database: Database) -> AsyncIterator[Connection]:
    """A connection that may what the serving process may."""
    conn = await database.connect()
    yield conn
    await conn.close()


async def ended(owner: Connection, table: str, ago: timedelta, count: int = 1) -> UUID:
    """Rows that ended so long ago. Returns the last one's id."""
    ids = [uuid4() for _ in range(count)]
    await owner.executemany(ROWS[table], [(ago, row_id) for row_id in ids])
    return ids[-1]


async def count_of(owner: Connection, table: str) -> int:
    found: int = await owner.fetchval(f"select count(*) from gateway.{table}")
    return found


@pytest.mark.parametrize("table", KEPT_FOR)
async def test_what_ended_long_enough_ago_goes_and_nothing_earlier(owner: Connection, serving: Connection, table: str) -> None:
    """By the role that serves, without anybody's help."""
    before = await count_of(owner, table)
    await ended(owner, table, KEPT_FOR[table] + AN_HOUR)
    await ended(owner, table, KEPT_FOR[table] - AN_HOUR)

    assert await purge(serving) == NOTHING | {table: 1}
    assert await count_of(owner, table) == before + 1
    assert await purge(serving) == NOTHING


async def test_more_than_a_batch_goes_batch_by_batch(owner: Connection, serving: Connection) -> None:
    """No transaction is long, however much has gathered."""
    await ended(owner, "proof_replay", timedelta(days=9), count=7)

    assert (await purge(serving, batch=3))["proof_replay"] == 7


async def test_a_session_stays_while_something_rests_on_it(owner: Connection, serving: Connection) -> None:
    """Who signed in, when and how is still asked of a refresh token's session."""
    session_id = await ended(owner, "session", timedelta(days=9))
    await ended(owner, "refresh_token", -AN_HOUR)
    await owner.execute("update gateway.refresh_token set session_id = $1", session_id)

    assert await purge(serving) == NOTHING

    await owner.execute("update gateway.refresh_token set expires_at = now() - interval '9 days'")
    assert await purge(serving) == NOTHING | {"refresh_token": 1, "session": 1}


def test_ledgers_records_and_keys_are_no_part_of_it() -> None:
    """Records are kept for three years at least; the serving role could not delete them either (test_roles.py)."""
    assert KEPT_FOR.keys() == ROWS.keys()
    assert not KEPT_FOR.keys() & {
        *("disclosure", "disclosure_subject", "projection", "refusal", "policy_acceptance", "consent_event", "setting_event"),
        *("consent_notice", "consent_refusal", "partner_login", "authorization_grant", "signing_key", "account", "passkey"),
    }


async def test_only_one_process_purges_at_a_time(owner: Connection, serving: Connection) -> None:
    """The others leave it to that one, and do not wait."""
    await ended(owner, "proof_replay", timedelta(days=9))
    async with owner.transaction():
        await owner.execute("select pg_advisory_xact_lock($1)", LOCK)
        assert await purge(serving) == NOTHING

    assert (await purge(serving))["proof_replay"] == 1


async def test_a_row_that_somebody_works_on_is_left_for_next_time(owner: Connection, serving: Connection) -> None:
    """A purge never waits for a request, nor a request for a purge."""
    await ended(owner, "proof_replay", timedelta(days=9))
    async with owner.transaction():
        await owner.execute("select from gateway.proof_replay for update")
        assert await purge(serving) == NOTHING

    assert (await purge(serving))["proof_replay"] == 1


async def test_a_running_gateway_purges_by_itself_and_outlives_a_database_that_fails(
    database: Database, owner: Connection, tmp_path: Path
) -> None:
    """`gateway serve`, in the background."""
    reports: asyncio.Queue[tuple[int, Exception | None]] = asyncio.Queue()
    await ended(owner, "ceremony", timedelta(days=9), count=2)
    await owner.execute("alter table gateway.access_token rename to elsewhere")
    pool = await plain_pool(database.owner_url, Settings(data=tmp_path))
    purging = asyncio.create_task(keep_purging(pool, lambda *told: reports.put_nowait(told), every_s=0.01))
    try:
        async with asyncio.timeout(PATIENCE_S):
            count, error = await reports.get()
            assert (count, type(error)) == (0, asyncpg.UndefinedTableError)
            await owner.execute("alter table gateway.elsewhere rename to access_token")
            while error is not None:
                count, error = await reports.get()
            assert count == 2
    finally:
        purging.cancel()
        await asyncio.wait([purging])
        await pool.close()
