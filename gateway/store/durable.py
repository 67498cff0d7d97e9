"""An answer goes out once its record is committed; so a commit must mean something. A database where it may not is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, TypeAlias

import asyncpg

Connection: TypeAlias = "asyncpg.Connection[Any]"

# server_version_num by major version; docs/minimum-versions.toml gives the reasons, and a test holds the two together
MINIMUM = {15: 150018, 16: 160014, 17: 170010, 18: 180004}

# Ledgers and records, with their partitions
APPEND_ONLY = (
    "policy_version",
    "policy_acceptance",
    "consent_event",
    "setting_event",
    "projection",
    "disclosure",
    "disclosure_subject",
    "refusal",
)

# All in one statement: a pooler may give each statement another connection
QUESTION = """
with recursive part(oid) as (
    select to_regclass('gateway.' || name) from unnest($1::text[]) as name
    union all
    select i.inhrelid::regclass from pg_inherits i join part p on i.inhparent = p.oid
)
select current_setting('server_version_num')::int as version,
       pg_is_in_recovery() as is_standby,
       current_setting('transaction_read_only') as read_only,
       current_setting('server_encoding') as encoding,
       current_setting('fsync') as fsync,
       current_setting('full_page_writes') as full_page_writes,
       current_setting('synchronous_commit') as synchronous_commit,
       current_setting('synchronous_standby_names') as standbys,
       current_setting('data_sync_retry') as data_sync_retry,
       current_setting('zero_damaged_pages') as zero_damaged_pages,
       (select count(*) from part where oid is null) as missing,
       (select count(*) from part join pg_class c on c.oid = part.oid where c.relpersistence <> 'p') as unlogged,
       (select count(*) from part where has_table_privilege(part.oid, 'update') or has_any_column_privilege(part.oid, 'update')
            or has_table_privilege(part.oid, 'delete') or has_table_privilege(part.oid, 'truncate')) as writable"""


class Flaw(StrEnum):
    """Why a database is refused; stable, part of the start-up error."""

    VERSION = "VERSION"
    STANDBY = "STANDBY"
    READ_ONLY = "READ_ONLY"
    ENCODING = "ENCODING"
    FSYNC = "FSYNC"
    FULL_PAGE_WRITES = "FULL_PAGE_WRITES"
    SYNCHRONOUS_COMMIT = "SYNCHRONOUS_COMMIT"
    DATA_SYNC_RETRY = "DATA_SYNC_RETRY"
    ZERO_DAMAGED_PAGES = "ZERO_DAMAGED_PAGES"
    NOT_MIGRATED = "NOT_MIGRATED"
    UNLOGGED = "UNLOGGED"
    ROLE = "ROLE"


TEXTS: Mapping[Flaw, str] = {
    Flaw.VERSION: "the server is older than docs/minimum-versions.toml asks",
    Flaw.STANDBY: "a standby can neither keep a record nor know of the latest withdrawal",
    Flaw.READ_ONLY: "sessions are read-only, no record can be kept",
    Flaw.ENCODING: "the database's encoding is not UTF8",
    Flaw.FSYNC: "fsync is off, a power cut would lose records",
    Flaw.FULL_PAGE_WRITES: "full_page_writes is off, a power cut would tear pages",
    Flaw.SYNCHRONOUS_COMMIT: "synchronous_commit would acknowledge records that are not yet where they must be",
    Flaw.DATA_SYNC_RETRY: "data_sync_retry is on, a failed write would be forgotten",
    Flaw.ZERO_DAMAGED_PAGES: "zero_damaged_pages is on, damaged records would vanish silently",
    Flaw.NOT_MIGRATED: "ledgers or records are missing, run `gateway migrate`",
    Flaw.UNLOGGED: "a ledger or a record is an unlogged table",
    Flaw.ROLE: "the session's role may change or remove ledgers or records; it should be `gateway`, or a member of nothing else",
}


class NotDurable(Exception):
    """This database may lose or change what was recorded. `flaws` has at least one member."""

    def __init__(self, flaws: tuple[Flaw, ...]) -> None:
        super().__init__("; ".join(f"{flaw}: {TEXTS[flaw]}" for flaw in flaws))
        self.flaws = flaws


async def require_durable(conn: Connection) -> None:
    """Look at the server, the database and the role as this session has them. Raises NotDurable."""
    row = await conn.fetchrow(QUESTION, list(APPEND_ONLY))
    flaws = tuple(_flaws(dict(row or {})))
    if flaws:
        raise NotDurable(flaws)


def is_safe_version(number: int) -> bool:
    """Is a server with this server_version_num recent enough? A major version that is not out yet is taken to be."""
    major = number // 10000
    return major > max(MINIMUM) or number >= MINIMUM.get(major, number + 1)


def _flaws(found: Mapping[str, Any]) -> Iterator[Flaw]:
    # With synchronous standbys, only these two wait until the record is safe on one of them; without any, `local` is `on`
    safe = {"on", "remote_apply"} if found["standbys"] else {"on", "remote_apply", "remote_write", "local"}
    holds = {
        Flaw.VERSION: is_safe_version(found["version"]),
        Flaw.STANDBY: not found["is_standby"],
        Flaw.READ_ONLY: found["read_only"] == "off",
        Flaw.ENCODING: found["encoding"] == "UTF8",
        Flaw.FSYNC: found["fsync"] == "on",
        Flaw.FULL_PAGE_WRITES: found["full_page_writes"] == "on",
        Flaw.SYNCHRONOUS_COMMIT: found["synchronous_commit"] in safe,
        Flaw.DATA_SYNC_RETRY: found["data_sync_retry"] == "off",
        Flaw.ZERO_DAMAGED_PAGES: found["zero_damaged_pages"] == "off",
        Flaw.NOT_MIGRATED: found["missing"] == 0,
        Flaw.UNLOGGED: found["unlogged"] == 0,
        Flaw.ROLE: found["writable"] == 0,
    }
    yield from (flaw for flaw, ok in holds.items() if not ok)
