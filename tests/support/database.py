"""A real PostgreSQL for the tests: one server a run, one migrated template, a database of its own for each test that asks.

TEST_DATABASE_URL names another server (a user with createdb and createrole); otherwise the embedded one is started, from the
binaries in TEST_POSTGRES_BIN if that is set: `make test TEST_POSTGRES_BIN=/usr/lib/postgresql/15/bin`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg

from gateway.store.embedded import Embedded
from gateway.store.migrate import migrate

Connection: TypeAlias = "asyncpg.Connection[Any]"

PLATFORM = Path(__file__).resolve().parents[2] / "gateway" / "catalogue" / "weidandan.sql"


@dataclass(frozen=True, slots=True)
class Database:
    """One database. owner_url logs in as its owner, url takes on the serving process's role at once."""

    owner_url: str

    @property
    def url(self) -> str:
        return f"{self.owner_url}?role=gateway"

    async def owner(self) -> Connection:
        """A connection that may do anything to this database; the test closes it."""
        return await asyncpg.connect(self.owner_url, server_settings={"timezone": "UTC"})

    async def connect(self) -> Connection:
        """A connection that may what the serving process may; the test closes it."""
        return await asyncpg.connect(self.owner_url, server_settings={"timezone": "UTC", "role": "gateway"})


@dataclass(frozen=True, slots=True)
class Server:
    """The run's server: `url` is the owner's, on a database that tests leave alone; `data`: the folder of an embedded one."""

    url: str
    data: Path | None = None

    @property
    def log(self) -> str:
        """All that it has written down; nothing is known of a server that is not ours."""
        return "".join(path.read_text() for path in sorted(self.data.glob("postgres.log*"))) if self.data else ""

    def named(self, name: str) -> Database:
        return Database(urlsplit(self.url)._replace(path=f"/{name}").geturl())

    @asynccontextmanager
    async def database(self, template: str) -> AsyncIterator[Database]:
        """A database that is gone when the block ends. template: `template1` is an empty one."""
        name = f"gateway_test_{uuid4().hex}"
        await self.execute(f"create database {name} template {template}")
        try:
            yield self.named(name)
        finally:
            await self._drop(name)

    async def _drop(self, name: str) -> None:
        """Not `with (force)`: that fails where an autovacuum worker is at work there, which a plain drop ends and waits for."""
        await self.execute(
            f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}' and backend_type = 'client backend'"
        )
        await self.execute(f"drop database {name}")

    async def execute(self, statement: str) -> None:
        conn = await asyncpg.connect(self.url)
        try:
            await conn.execute(statement)
        finally:
            await conn.close()

    @asynccontextmanager
    async def template(self) -> AsyncIterator[str]:
        """The name of a migrated database with the platform's tables, to make others from."""
        async with self.database("template1") as database:
            await migrate(database.owner_url)
            conn = await database.owner()
            try:
                await conn.execute(PLATFORM.read_text())
            finally:
                await conn.close()
            yield urlsplit(database.owner_url).path.removeprefix("/")


@contextmanager
def a_folder() -> Iterator[Path]:
    """A folder of this test's own that the embedded server's account can reach."""
    folder = Path(tempfile.mkdtemp(prefix="gateway-test-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@asynccontextmanager
async def a_server() -> AsyncIterator[Server]:
    """The one that TEST_DATABASE_URL names, or an embedded one."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given is not None:
        yield Server(given)
        return
    binaries = os.environ.get("TEST_POSTGRES_BIN")
    with a_folder() as folder, Embedded(folder, Path(binaries) if binaries else None) as embedded:
        conn = await asyncpg.connect(embedded.cluster.superuser_url)
        try:
            await conn.execute("alter role gateway_owner createdb")
        finally:
            await conn.close()
        yield Server(embedded.owner_url, folder)
