"""Connections of the serving process: the gate's own, used by its statements only, and a plain pool for everything else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, TypeAlias

import asyncpg

from gateway.settings import Settings

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
AnyConnection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

SERVING = {"role": "gateway", "timezone": "UTC", "application_name": "gateway"}
SESSION = {
    **SERVING,
    "jit": "off",
    # A page is a few dozen look-ups by key. Under a generic plan the planner cannot know how short the page is, and would rather
    # scan the whole table of subjects: these leave it the plan that is right for every page.
    "plan_cache_mode": "force_generic_plan",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
}
STATEMENT_TIMEOUT_S = 30
PREPARED_KEPT = 100  # of each connection; the server keeps a plan for each, some hundred KiB


class DoubtfulCommit(asyncpg.PostgresError):
    """The server warned while it ran the gate's statement: the record may not be where it must be before anything goes out.

    A cancelled wait for a synchronous standby looks like success but for such a warning.
    """


class GatePool:
    """Connections that run compiled statements, at most `size`, opened when needed.

    Nothing else uses them, so nothing has to be reset between two statements: a pool's usual reset is a round trip of its own.
    A connection on which anything went wrong is closed, never used again.
    """

    def __init__(self, url: str, settings: Settings) -> None:
        self._url, self._settings = url, settings
        self._idle: list[Connection] = []
        self._free = asyncio.Semaphore(settings.pool_size)
        self._warned: set[Connection] = set()

    async def run(self, text: str, arguments: Sequence[object]) -> asyncpg.Record:
        """The one row of the statement, handed out only once the server is ready for the next one: committed and flushed.

        Raises DoubtfulCommit, and whatever asyncpg raises.
        """
        async with self._free:
            connection = self._live_idle() or await self._connect()
            healthy = False
            try:
                row = await connection.fetchrow(text, *arguments)
                healthy = connection not in self._warned
            finally:
                if healthy and not connection.is_closed():
                    self._idle.append(connection)
                else:
                    self._warned.discard(connection)
                    connection.terminate()
            if not healthy or row is None:
                raise DoubtfulCommit("the server warned about this commit")
            return row

    async def close(self) -> None:
        for connection in self._idle:
            await connection.close(timeout=5)
        self._idle.clear()

    def _live_idle(self) -> Connection | None:
        """An idle connection; those that ended with the server they led to are no answer's fault."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return None

    async def _connect(self) -> Connection:
        pooler = self._settings.pooler
        connection: Connection = await asyncpg.connect(
            self._url,
            statement_cache_size=0 if pooler else PREPARED_KEPT,
            max_cached_statement_lifetime=0,
            max_cacheable_statement_size=0,
            command_timeout=STATEMENT_TIMEOUT_S,
            server_settings=None if pooler else SESSION,
        )
        connection.add_log_listener(self._listen)
        return connection

    def _listen(self, connection: Any, message: Any) -> None:
        if message.severity_en in {"WARNING", "ERROR", "FATAL", "PANIC"}:
            self._warned.add(connection)


async def plain_connection(url: str, settings: Settings) -> Connection:
    """One connection outside the pools, for state whose loss in a crash costs nothing: its commits do not wait for the disk."""
    connection: Connection = await asyncpg.connect(
        url,
        statement_cache_size=0 if settings.pooler else 10,
        command_timeout=STATEMENT_TIMEOUT_S,
        server_settings=None if settings.pooler else {**SERVING, "synchronous_commit": "off"},
    )
    return connection


async def plain_pool(url: str, settings: Settings) -> Pool:
    """Connections for everything else that the serving process does: tokens, views, refusals, limits."""
    return await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=max(4, settings.pool_size // 2),
        statement_cache_size=0 if settings.pooler else 100,
        server_settings=None if settings.pooler else SERVING,
    )
