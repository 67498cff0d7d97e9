"""Durable before visible: the gateway refuses a database that could lose or change what it recorded."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from gateway.store.durable import APPEND_ONLY, MINIMUM, TEXTS, Flaw, NotDurable, is_safe_version, require_durable
from tests.support.database import Database

SESSION_FLAWS = [
    ("set synchronous_commit = off", Flaw.SYNCHRONOUS_COMMIT),
    ("set default_transaction_read_only = on", Flaw.READ_ONLY),
    ("reset role; set role none", Flaw.ROLE),
]
OWNER_FLAWS = [
    ("alter table gateway.refusal_default set unlogged", Flaw.UNLOGGED),
    ("grant delete on gateway.disclosure to gateway", Flaw.ROLE),
    ("grant update (reasons) on gateway.disclosure_subject to gateway", Flaw.ROLE),
    ("grant truncate on gateway.disclosure_default to gateway", Flaw.ROLE),
    ("alter table gateway.consent_event rename to consent_event_2", Flaw.NOT_MIGRATED),
]


async def test_a_migrated_database_under_the_serving_role_is_accepted(database: Database) -> None:
    """The defaults of PostgreSQL are durable."""
    conn = await database.connect()
    try:
        await require_durable(conn)
    finally:
        await conn.close()


@pytest.mark.parametrize(("statement", "flaw"), SESSION_FLAWS)
async def test_a_session_that_could_lose_or_change_records_is_refused(database: Database, statement: str, flaw: Flaw) -> None:
    """Each of these was seen to lose acknowledged records, or would let the process change them."""
    conn = await database.connect()
    try:
        await conn.execute(statement)
        with pytest.raises(NotDurable) as refused:
            await require_durable(conn)
        assert refused.value.flaws == (flaw,)
    finally:
        await conn.close()


@pytest.mark.parametrize(("statement", "flaw"), OWNER_FLAWS)
async def test_a_schema_that_could_lose_or_change_records_is_refused(database: Database, statement: str, flaw: Flaw) -> None:
    """A grant on one partition or one column is enough to unsay a record."""
    owner, conn = await database.owner(), await database.connect()
    try:
        await owner.execute(statement)
        with pytest.raises(NotDurable) as refused:
            await require_durable(conn)
        assert refused.value.flaws == (flaw,)
    finally:
        await owner.close()
        await conn.close()


async def test_an_empty_database_is_refused(empty_database: Database) -> None:
    """No ledgers, no answers."""
    conn = await empty_database.owner()
    try:
        with pytest.raises(NotDurable) as refused:
            await require_durable(conn)
        assert refused.value.flaws == (Flaw.NOT_MIGRATED,)
    finally:
        await conn.close()


@pytest.mark.parametrize(
    ("number", "safe"),
    [(140023, False), (150017, False), (150018, True), (170009, False), (180003, False), (180006, True), (190000, True)],
)
def test_a_server_below_its_major_versions_minimum_is_refused(number: int, safe: bool) -> None:
    """A newer major version says nothing about an older minor one."""
    assert is_safe_version(number) is safe


def test_minimum_server_versions_are_those_of_the_documented_file() -> None:
    """One list for people, one for the start-up check: the same."""
    text = (Path(__file__).resolve().parents[2] / "docs" / "minimum-versions.toml").read_text()
    documented = {int(major): entry["minimum"] for major, entry in tomllib.loads(text)["postgresql"].items()}
    assert {major: f"{number // 10000}.{number % 10000}" for major, number in MINIMUM.items()} == documented


def test_every_flaw_has_a_text() -> None:
    """Closed lists are total."""
    assert set(TEXTS) == set(Flaw)
    assert len(APPEND_ONLY) == len(set(APPEND_ONLY))
