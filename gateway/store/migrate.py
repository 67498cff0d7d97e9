"""Brings a database to the schema of this checkout: every file of migrations/ once, in order, each in one transaction.

A file that was applied is never edited, renamed or overtaken by a lower number; where that happened, nothing is done.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg

from gateway.store.partitions import make_ahead
from gateway.store.vocabulary import sync

Connection: TypeAlias = "asyncpg.Connection[Any]"

FOLDER = Path(__file__).resolve().parents[2] / "migrations"
NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
LOCK = 0x6761746577617931  # any number that nobody else takes
# Waiting longer for a lock would queue every request behind the migration; it is tried again by hand instead
LOCK_TIMEOUT = "5s"

BOOK = """
create schema if not exists gateway_migration;
create table if not exists gateway_migration.applied (
    version text collate "C" primary key,
    sha256 text not null,
    applied_at timestamptz not null default clock_timestamp()
)"""


class MigrationRefused(Exception):
    """The files and what this database says was applied do not fit, or a file failed. Nothing half-done remains.

    code: EDITED, MISSING, OUT_OF_ORDER, BAD_NAME or FAILED. version: the file concerned. sqlstate: of the failure.
    """

    def __init__(self, code: str, version: str, text: str, *, sqlstate: str | None = None) -> None:
        super().__init__(f"{version}: {text}")
        self.code, self.version, self.sqlstate = code, version, sqlstate


@dataclass(frozen=True, slots=True)
class Migration:
    """One file. version: its name without the ending; it begins with four digits."""

    version: str
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Applied:
    """One row of the database's book."""

    version: str
    sha256: str
    applied_at: datetime


@dataclass(frozen=True, slots=True)
class Status:
    """What was applied, and what has yet to be, both in order."""

    applied: tuple[Applied, ...]
    pending: tuple[str, ...]


def read_folder(folder: Path = FOLDER) -> tuple[Migration, ...]:
    """The files in order. Raises MigrationRefused where two share a number or a name is not `0012_add_thing.sql`."""
    found: dict[str, Migration] = {}
    for path in sorted(folder.glob("*.sql")):
        matched = NAME.fullmatch(path.name)
        if matched is None or matched.group(1) in found:
            raise MigrationRefused("BAD_NAME", path.stem, "a migration is named 0012_add_thing.sql, with a number of its own")
        found[matched.group(1)] = Migration(path.stem, path.read_text())
    return tuple(found.values())


async def migrate(url: str, folder: Path = FOLDER) -> int:
    """Apply what is pending, make partitions ahead and bring in the vocabulary of `scopes`. Returns the number of files applied.

    Runs that start together come one after another. Raises MigrationRefused, asyncpg's errors where the database cannot be had.
    """
    files = read_folder(folder)
    async with _connected(url) as conn:
        await conn.execute("select pg_advisory_lock($1)", LOCK)
        await conn.execute(f"set lock_timeout = '{LOCK_TIMEOUT}'")
        await conn.execute(BOOK)
        pending = _pending(files, await _applied(conn))
        for file in pending:
            await _apply(conn, file)
        await sync(conn)
        await make_ahead(conn)
        return len(pending)


async def status(url: str, folder: Path = FOLDER) -> Status:
    """What was applied and what is pending. Raises MigrationRefused where files and book do not fit."""
    files = read_folder(folder)
    async with _connected(url) as conn:
        return await status_of(conn, files)


async def status_of(conn: Connection, files: Sequence[Migration] | None = None) -> Status:
    """`status`, on a connection that is there."""
    applied = await _applied(conn)
    pending = _pending(read_folder() if files is None else files, applied)
    return Status(applied, tuple(file.version for file in pending))


async def verify(url: str, folder: Path = FOLDER) -> bool:
    """Is every file applied, unchanged? Raises MigrationRefused where files and book do not fit."""
    return not (await status(url, folder)).pending


async def may_migrate(conn: Connection) -> bool:
    """May this connection's user change the schema: as its owner, or on an empty database as one who may create one?"""
    allowed: bool = await conn.fetchval(
        """select coalesce((select pg_has_role(current_user, nspowner, 'usage') from pg_namespace where nspname = 'gateway'),
                           has_database_privilege(current_database(), 'create'))"""
    )
    return allowed


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Connection]:
    conn = await asyncpg.connect(url, server_settings={"timezone": "UTC", "application_name": "gateway migrate"})
    try:
        yield conn
    finally:
        await conn.close()


async def _applied(conn: Connection) -> tuple[Applied, ...]:
    if await conn.fetchval("select to_regclass('gateway_migration.applied')") is None:
        return ()
    rows = await conn.fetch("select version, sha256, applied_at from gateway_migration.applied order by version")
    return tuple(Applied(**row) for row in rows)


def _pending(files: Sequence[Migration], applied: Sequence[Applied]) -> list[Migration]:
    known = {file.version: file for file in files}
    for row in applied:
        file = known.get(row.version)
        if file is None:
            raise MigrationRefused("MISSING", row.version, "was applied to this database, but is not in this checkout")
        if file.sha256 != row.sha256:
            raise MigrationRefused("EDITED", row.version, "was edited after it was applied; a change is a new file")
    done = {row.version for row in applied}
    pending = [file for file in files if file.version not in done]
    late = [file for file in pending if done and file.version < max(done)]
    if late:
        raise MigrationRefused(
            "OUT_OF_ORDER", late[0].version, f"comes before {max(done)}, which was applied; give it a higher number"
        )
    return pending


async def _apply(conn: Connection, file: Migration) -> None:
    try:
        async with conn.transaction():
            await conn.execute(file.text)  # the simple protocol takes the whole file
            await conn.execute(
                "insert into gateway_migration.applied (version, sha256) values ($1, $2)", file.version, file.sha256
            )
    except asyncpg.PostgresError as error:
        # The text of the error could quote a row
        raise MigrationRefused(
            "FAILED", file.version, f"failed with SQLSTATE {error.sqlstate}", sqlstate=error.sqlstate
        ) from error
