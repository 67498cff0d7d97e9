"""Partitions of the records, one a month in UTC, made before the month begins.

Rows of a month without a partition are kept by the default one; the month's own takes them over when it is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, TypeAlias

import asyncpg

Connection: TypeAlias = "asyncpg.Connection[Any]"

PARTITIONED = {"disclosure": "disclosed_at", "disclosure_subject": "disclosed_at", "refusal": "refused_at"}
MONTHS_AHEAD = 3


async def make_ahead(conn: Connection, *, months: int = MONTHS_AHEAD) -> tuple[str, ...]:
    """Make the partitions of this month, by the database's clock, and of `months` more. Returns the names of those it made.

    Runs as the owner, outside a transaction: each partition is a transaction of its own.
    """
    now: datetime = await conn.fetchval("select now()")
    made = []
    for begins, ends in _months(now.astimezone(UTC), months):
        for table, column in PARTITIONED.items():
            name = f"{table}_{begins:%Y_%m}"
            if await conn.fetchval("select to_regclass($1) is null", f"gateway.{name}"):
                await _make(conn, table, column, name, begins, ends)
                made.append(name)
    return tuple(made)


async def _make(conn: Connection, table: str, column: str, name: str, begins: datetime, ends: datetime) -> None:
    # Made aside and attached: `partition of` would lock the whole table against every request that appends to it
    span = f"{column} >= '{begins.isoformat()}' and {column} < '{ends.isoformat()}'"
    async with conn.transaction():
        await conn.execute(
            f"""create table gateway.{name} (like gateway.{table} including defaults including constraints);
                alter table gateway.{name} add constraint {name}_span check ({span});
                lock table gateway.{table}_default in access exclusive mode;
                with moved as (delete from gateway.{table}_default where {span} returning *)
                insert into gateway.{name} select * from moved;
                alter table gateway.{table} attach partition gateway.{name}
                    for values from ('{begins.isoformat()}') to ('{ends.isoformat()}');
                alter table gateway.{name} drop constraint {name}_span"""
        )


def _months(now: datetime, ahead: int) -> Iterator[tuple[datetime, datetime]]:
    first = now.year * 12 + now.month - 1
    for month in range(first, first + ahead + 1):
        yield tuple(datetime(m // 12, m % 12 + 1, 1, tzinfo=UTC) for m in (month, month + 1))  # type: ignore[misc]  # two of them
