"""policy 9.2, 9.4: what went out is on record, and the serving process cannot unsay it."""

from __future__ import annotations

import asyncpg
import pytest

from tests.support.database import Database

APPEND_ONLY = (
    "policy_version",
    "policy_acceptance",
    "consent_event",
    "setting_event",
    "projection",
    "disclosure",
    "disclosure_subject",
    "refusal",
    "consent_notice",
    "consent_refusal",
    "partner_login",
)


@pytest.mark.parametrize("table", APPEND_ONLY)
async def test_the_serving_role_cannot_change_or_remove_a_ledger_or_a_record(database: Database, table: str) -> None:
    """policy 9.4: afterwards it must be known exactly what had gone out."""
    conn = await database.connect()
    try:
        tables = await conn.fetch(
            "select relid::regclass::text as name from pg_partition_tree($1::text::regclass) union select $1::text",
            f"gateway.{table}",
        )
        for (name,) in tables:
            column = await conn.fetchval(
                "select attname from pg_attribute where attrelid = $1::text::regclass and attnum = 2", name
            )
            for attempt in (
                f"update {name} set {column} = {column}",
                f"delete from {name}",
                f"truncate {name}",
                f"drop table {name}",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await conn.execute(attempt)
    finally:
        await conn.close()


@pytest.mark.parametrize("table", ["disclosure", "disclosure_subject", "refusal"])
async def test_a_partition_is_reached_through_its_parent_only(database: Database, table: str) -> None:
    """A grant on the parent covers the partitions made later; none is granted on a partition itself."""
    conn = await database.connect()
    try:
        partitions = await conn.fetch(
            "select relid::regclass::text as name from pg_partition_tree($1::regclass) where isleaf", f"gateway.{table}"
        )
        assert len(partitions) == 5  # this month, three ahead, and the default
        for (name,) in partitions:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.execute(f"insert into {name} default values")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.fetch(f"select from {name}")
    finally:
        await conn.close()


async def test_the_serving_role_owns_nothing_and_may_not_become_more(database: Database) -> None:
    """policy 9.3: least privilege."""
    conn = await database.connect()
    try:
        role = await conn.fetchrow("select * from pg_roles where rolname = current_user")
        assert role is not None
        assert role["rolname"] == "gateway"
        assert not any(
            role[flag] for flag in ("rolsuper", "rolcreaterole", "rolcreatedb", "rolcanlogin", "rolbypassrls", "rolreplication")
        )
        assert await conn.fetchval("select count(*) from pg_class where relowner = 'gateway'::regrole") == 0
        assert not await conn.fetchval("select has_schema_privilege('gateway', 'create')")
    finally:
        await conn.close()
