"""The folded state is what `scopes.cover` says of the ledgers, for any evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest_asyncio
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from gateway.store.consents import PseudonymKeys
from gateway.store.pool import Connection
from gateway.store.questions import question
from scopes import BASIS, CATEGORIES, FOREVER, Basis, Cover, Evidence, Reason, Sensitivity, cover, is_visible, pseudonym
from tests.support.database import Database
from tests.support.ledgers import EPOCH, Case, cases, write

KEYS = PseudonymKeys(b"k" * 32)
FOLD = question("consents", "fold")
FOLDED = "select * from gateway.folded($1, $2, null, $3, $4)"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def connection(module_database: Database) -> AsyncIterator[Connection]:
    connection: Connection = await asyncpg.connect(module_database.owner_url, server_settings={"timezone": "Asia/Shanghai"})
    yield connection
    await connection.close()


def instant(read: datetime) -> datetime:
    """asyncpg reads an infinity as an extreme without a time zone."""
    return read if read.tzinfo is not None else read.replace(tzinfo=UTC)


async def _ordinals(connection: Connection) -> Mapping[str, int]:
    return {row["category"]: row["ordinal"] for row in await connection.fetch("select category, ordinal from gateway.category")}


def expected(case: Case, said: Evidence, now: datetime) -> Mapping[str, Cover]:
    return {name: cover(name, said, partner=case.partner, purpose=case.purpose, now=now) for name in CATEGORIES}


def state(row: asyncpg.Record, ordinals: Mapping[str, int], now: datetime) -> Mapping[str, Cover]:
    """A folded row as `cover` would say it at `now`."""
    found = {}
    for name, ordinal in ordinals.items():
        until = instant(row["cover_until"][ordinal])
        found[name] = Cover(until if until > now else None, Reason(row["reasons"][ordinal]))
    return found


def has_row(case: Case, said: Evidence) -> bool:
    """Who said anything to the partner about the purpose, or accepted a policy that something rests on."""
    rests = BASIS[case.purpose, case.partner.role, Sensitivity.ORDINARY] is Basis.POLICY_ACCEPTANCE
    return bool(rests and said.acceptances) or any(
        event.partner_id == case.partner.partner_id and event.purpose is case.purpose for event in said.consents
    )


@asynccontextmanager
async def written(connection: Connection, drawn: Case) -> AsyncIterator[tuple[Case, datetime]]:
    """The case around this transaction's instant, in the database until the block ends."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        now: datetime = await connection.fetchval("select now()")
        case = drawn.at(now)
        await write(connection, case)
        yield case, now
    finally:
        await transaction.rollback()


def test_the_invented_evidence_meets_every_reason_with_and_without_cover() -> None:
    """A comparison proves nothing about what it never meets."""
    met: Counter[tuple[Reason, bool]] = Counter()

    @seed(20241126)
    @settings(max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(drawn=cases())
    def meet(drawn: Case) -> None:
        for said in drawn.subjects:
            met.update((one.reason, one.until is not None) for one in expected(drawn, said, EPOCH).values())

    meet()

    ending = {Reason.CONSENT_EXPIRED, Reason.POLICY_SUPERSEDED, Reason.CROSS_BORDER_MISSING}
    wanted: set[tuple[Reason, bool]] = {(reason, False) for reason in Reason if reason is not Reason.CONSENTED}
    wanted |= {(reason, True) for reason in (Reason.CONSENTED, *ending)}
    assert met.keys() == wanted
    assert min(met.values()) > 50


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=cases(), everybody=st.booleans())
async def test_a_state_ends_when_the_ledgers_say_and_for_the_reason_they_give(
    connection: Connection, drawn: Case, everybody: bool
) -> None:
    """policy 1.2, 4, 6.1, 6.2, 8.1, 9.5, 10: settings, consents, acceptances and borders, in every mixture of them."""
    async with written(connection, drawn) as (case, now):
        whom = None if everybody else case.subject_ids
        await connection.execute(FOLD, case.partner.partner_id, case.purpose.value, whom, *KEYS.padded(), KEYS.version)
        rows = {row["subject_id"]: row for row in await connection.fetch("select * from gateway.consent_state")}
        ordinals = await _ordinals(connection)

    numbered = list(zip(case.subject_ids, case.subjects, strict=True))
    assert rows.keys() == {subject_id for subject_id, said in numbered if has_row(case, said)}
    for subject_id, said in numbered:
        if subject_id in rows:
            row, wanted = rows[subject_id], expected(case, said, now)
            assert state(row, ordinals, now) == wanted, said
            _compare_summary(row, wanted, ordinals)
            assert (instant(row["visible_until"]) > now) is is_visible(case.partner, case.purpose, said, now)
            assert row["is_synthetic"] is said.is_synthetic
            assert row["pseudonym"] == pseudonym(KEYS.key, case.partner.partner_id, case.purpose.value, subject_id)


def _compare_summary(row: asyncpg.Record, wanted: Mapping[str, Cover], ordinals: Mapping[str, int]) -> None:
    """What the gate reads first follows from the rest."""
    ends = [one.until for one in wanted.values() if one.until is not None]
    assert row["covered"] == sum(1 << ordinals[name] for name, one in wanted.items() if one.until is not None)
    assert instant(row["settled_until"]) == min(ends, default=FOREVER)
    assert not ends or instant(row["visible_until"]) == max(ends)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=cases(), days=st.sampled_from((1, 3, 400)))
async def test_a_state_folded_today_still_tells_the_reason_on_a_later_day(connection: Connection, drawn: Case, days: int) -> None:
    """policy 8.2: consents expire by themselves; nobody has to fold anew for that."""
    async with written(connection, drawn) as (case, now):
        rows = await connection.fetch(FOLDED, case.partner.partner_id, case.purpose.value, *KEYS.padded())
        ordinals = await _ordinals(connection)

    that_day = now + timedelta(days=days)
    said = dict(zip(case.subject_ids, case.subjects, strict=True))
    for row in rows:
        assert state(row, ordinals, that_day) == expected(case, said[row["subject_id"]], that_day)
