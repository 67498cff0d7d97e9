"""Takes away what has ended and that nobody needs any more: tokens, sessions, codes, marks against replay.

Ledgers, records and what data subjects decided are not touched: they are kept for three years at least (Network Data Security
Regulation, art. 12), and a disclosure names its token by id, whether the token's row is still there or not.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import asyncpg

from gateway.store.questions import question

Connection: TypeAlias = "asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]"

A_DAY = timedelta(days=1)
# In this order: what refers to a session goes before it. A token stays for a month, so that a question about a disclosure of last
# week can still be answered with its scopes; of everything else, a day shows what went wrong yesterday.
KEPT_FOR: Final[Mapping[str, timedelta]] = MappingProxyType(
    {
        "access_token": timedelta(days=30),
        "authorization_code": A_DAY,
        "refresh_token": A_DAY,
        "authorization_request": A_DAY,
        "session": A_DAY,
        "staff_session": timedelta(days=365),  # the access review tells when somebody was last here
        "ceremony": A_DAY,
        "assertion_replay": A_DAY,
        "proof_replay": A_DAY,
    }
)
QUESTIONS: Final = {table: question("expiry", table) for table in KEPT_FOR}
TRY_LOCK: Final = question("expiry", "try_lock")
LOCK = 0x6761746577617932  # any number that nobody else takes
BATCH = 500  # rows in one transaction: a few milliseconds
EVERY_S = 300.0


async def purge(conn: Connection, *, batch: int = BATCH) -> dict[str, int]:
    """Delete what has ended, `batch` rows in a transaction of their own. Returns how many rows went, by table.

    One process at a time: where another is at it, this one leaves it to that one. Raises what asyncpg raises.
    """
    gone = dict.fromkeys(KEPT_FOR, 0)
    for table, kept_for in KEPT_FOR.items():
        while True:
            async with conn.transaction():
                # Of the transaction, not of the session: a pooler may give every transaction another session
                if not await conn.fetchval(TRY_LOCK, LOCK):
                    return gone
                count: int = await conn.fetchval(QUESTIONS[table], kept_for, batch)
            gone[table] += count
            if count < batch:
                break
    return gone


async def keep_purging(
    pool: asyncpg.Pool[Any], report: Callable[[int, Exception | None], None], *, every_s: float = EVERY_S
) -> None:
    """Purge every so often until cancelled, hardly ever at the same instant as the other workers.

    report: told how many rows went, where any did, or what went wrong; a database that is away is tried again next time.
    """
    while True:
        await asyncio.sleep(every_s * random.uniform(0.5, 1.5))  # noqa: S311 - spreads load, guards nothing
        try:
            async with pool.acquire() as conn:
                gone = sum((await purge(conn)).values())
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            report(0, error)
        else:
            if gone:
                report(gone, None)
