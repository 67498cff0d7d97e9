"""What data subjects say is folded in the transaction that takes it down, and `verify` tells where it was not."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import pytest

from gateway.store import consents, policy
from gateway.store.consents import ConsentError, Difference, PseudonymKeys
from gateway.store.pool import Connection
from scopes import CATEGORIES, Purpose, Role, pseudonym
from tests.support.database import Database
from tests.support.world import POLICY, World

PURPOSE = Purpose.SERVICE_DELIVERY
CITY, NAME = "profile.city", "identity.real_name"
Writer = Callable[[Connection], Awaitable[object]]


@asynccontextmanager
async def connections(database: Database, count: int) -> AsyncIterator[Sequence[Connection]]:
    """Connections that may what the serving process may."""
    async with AsyncExitStack() as stack:
        opened = [await database.connect() for _ in range(count)]
        for one in opened:
            stack.push_async_callback(one.close)
        yield opened


def _writers(world: World, subject_id: UUID, recipient: UUID, purpose: Purpose) -> Mapping[str, Writer]:
    """All that changes what a data subject's evidence comes to."""
    keys = world.keys
    pair: dict[str, Any] = {"subject_id": subject_id, "partner_id": recipient, "purpose": purpose}
    return {
        "give": lambda conn: consents.give(conn, keys, **pair, categories=[CITY, "log.events"], policy_version=POLICY),
        "narrow": lambda conn: consents.narrow(conn, keys, **pair, categories=[NAME]),
        "withdraw": lambda conn: consents.withdraw(conn, keys, **pair),
        "sharing": lambda conn: consents.set_sharing(conn, keys, subject_id=subject_id, category="identity", allowed=False),
        "advertising": lambda conn: consents.set_advertising(conn, keys, subject_id=subject_id, allowed=False),
        "accept": lambda conn: consents.accept_policy(conn, keys, subject_id=subject_id, policy_version=POLICY),
        "fold": lambda conn: consents.fold_all(conn, keys, partner_id=recipient, purpose=purpose),
    }


@pytest.mark.parametrize("purpose", [PURPOSE, Purpose.ADVERTISING])
async def test_of_two_writers_of_one_subject_the_second_folds_what_the_first_has_said(
    small_world: World, database: Database, purpose: Purpose
) -> None:
    """policy 4, 6.1: every pair of them, the first not yet committed when the second begins."""
    world = small_world
    recipient, processor = await world.a_partner(), await world.a_partner(role=Role.PROCESSOR)
    await world.a_grant(processor, await world.a_scope(["Subject.city"], purpose=purpose))
    names = list(_writers(world, uuid4(), recipient, purpose))
    async with connections(database, 2) as (early, late):
        for first, second in product(names, names):
            subject_id = await world.a_subject()
            await world.a_consent(subject_id, recipient, purpose=purpose, categories=[NAME, CITY])
            writers = _writers(world, subject_id, recipient, purpose)
            begun = early.transaction()
            await begun.start()
            await writers[first](early)
            waiting = asyncio.create_task(_tried(writers[second], late))
            await world.until_waiting(late)
            await begun.commit()
            await waiting
            assert await consents.verify(world.owner, world.keys) == [], (first, second)
            await world.owner.execute("delete from gateway.consent_state")  # so that the next pair is verified alone
            await world.owner.execute("truncate gateway.consent_event, gateway.setting_event, gateway.policy_acceptance")


async def _tried(writer: Writer, conn: Connection) -> None:
    """Who comes late may find nothing to withdraw or to narrow; nothing else may go wrong."""
    try:
        await writer(conn)
    except ConsentError as refused:
        if refused.code not in {"NOTHING_TO_WITHDRAW", "NOTHING_TO_NARROW", "CATEGORY_NOT_AGREED"}:
            raise


@pytest.mark.parametrize(("second", "code"), [("narrow", "NOTHING_TO_NARROW"), ("withdraw", "NOTHING_TO_WITHDRAW")])
async def test_what_waits_for_a_withdrawal_does_not_bring_the_consent_back(
    small_world: World, database: Database, second: str, code: str
) -> None:
    """policy 6.1, PIPL 15: a narrowing goes by what stands when its turn comes, not by what stood when it was asked for."""
    world = small_world
    subject_id, recipient = await world.a_subject(), await world.a_partner()
    await world.a_consent(subject_id, recipient, categories=[NAME, CITY])
    writers = _writers(world, subject_id, recipient, PURPOSE)
    async with connections(database, 2) as (early, late):
        begun = early.transaction()
        await begun.start()
        await writers["withdraw"](early)
        waiting = asyncio.ensure_future(writers[second](late))
        await world.until_waiting(late)
        await begun.commit()
        with pytest.raises(ConsentError) as refused:
            await waiting

    assert refused.value.code == code
    kinds = await world.owner.fetch("select kind from gateway.consent_event order by event_id")
    assert [row["kind"] for row in kinds] == ["given", "withdrawn"]


async def test_nobody_who_accepts_a_policy_while_another_is_announced_is_left_stale(
    small_world: World, database: Database
) -> None:
    """Policy, changes: by a data subject that nobody knew of when the others were folded anew."""
    world = small_world
    processor = await world.a_partner(role=Role.PROCESSOR)
    await world.a_grant(processor, await world.a_scope(["Subject.city"], purpose=PURPOSE))
    subjects = [await world.a_subject(), uuid4()]  # the second one is known to nobody until it speaks
    await consents.accept_policy(world.owner, world.keys, subject_id=subjects[0], policy_version=POLICY)
    at = world.started + timedelta(days=1)
    async with connections(database, 2) as (accepting, announcing):
        begun = accepting.transaction()
        await begun.start()
        await consents.accept_policy(accepting, world.keys, subject_id=subjects[1], policy_version=POLICY)
        announced = asyncio.create_task(
            policy.announce(announcing, world.keys, policy_version="next", effective_at=at, text_sha256=b"")
        )
        await world.until_waiting(announcing)
        await begun.commit()
        await announced

    assert await consents.verify(world.owner, world.keys) == []
    ends = await world.owner.fetch("select distinct visible_until from gateway.consent_state")
    assert [row["visible_until"] for row in ends] == [at]


WITHDRAWN = (
    "insert into gateway.consent_event (consent_id, subject_id, partner_id, purpose, kind, categories, policy_version)"
    " select consent_id, subject_id, partner_id, purpose, 'withdrawn', '{{}}', policy_version from gateway.consent_event"
)
TAMPERED = [
    ("delete from gateway.consent_state", "missing", tuple(sorted(CATEGORIES))),
    ("update gateway.partner set basis_version = basis_version + 1", "stale", ()),
    ("update gateway.consent_state set is_synthetic = true", "synthetic", ()),
    ("update gateway.consent_state set pseudonym = gen_random_uuid()", "pseudonym", ()),
    ("update gateway.consent_state set cover_until[{city} + 1] = 'infinity'", "cover", (CITY,)),
    ("update gateway.consent_state set reasons[{city} + 1] = 0", "cover", (CITY,)),
    ("update gateway.consent_state set covered = covered | 1::bigint << {city}", "summary", ()),
    ("update gateway.consent_state set settled_until = 'infinity'", "summary", ()),
    ("update gateway.consent_state set visible_until = '-infinity'", "summary", ()),
    ("update gateway.setting_event set allowed = false", "cover", ("location.precise",)),
    ("update gateway.consent_event set ends_at = ends_at - interval '1 day'", "cover", (NAME,)),
    (WITHDRAWN, "cover", (NAME,)),
]


@pytest.mark.parametrize(("tampering", "difference", "categories"), TAMPERED)
async def test_state_and_ledgers_that_were_tampered_with_are_told_apart(
    small_world: World, tampering: str, difference: str, categories: tuple[str, ...]
) -> None:
    """DESIGN section 1: the ledger is the truth, and a command proves that the state agrees with it."""
    world = small_world
    subject_id, partner_id = await world.a_subject(), await world.a_partner()
    await world.a_consent(subject_id, partner_id, categories=[NAME], ends_at=world.started + timedelta(days=9))
    await consents.set_sharing(world.owner, world.keys, subject_id=subject_id, category="location", allowed=True)
    city = await world.owner.fetchval("select ordinal from gateway.category where category = $1", CITY)
    assert await consents.verify(world.owner, world.keys) == []

    await world.owner.execute(tampering.format(city=city))

    found = await consents.verify(world.owner, world.keys)
    assert found == [Difference(partner_id, PURPOSE.value, subject_id, difference, categories)]


async def test_a_state_folded_before_an_end_that_has_passed_since_is_no_difference(small_world: World) -> None:
    """policy 8.2: consents end by themselves; the state says when, and nobody has to fold anew."""
    world = small_world
    subject_id, partner_id = await world.a_subject(), await world.a_partner()
    ended = world.started - timedelta(days=1)
    await world.a_consent(subject_id, partner_id, categories=[NAME], ends_at=ended)
    bit = await world.owner.fetchval("select 1::bigint << ordinal from gateway.category where category = $1", NAME)

    await world.owner.execute(
        "update gateway.consent_state set covered = $1, settled_until = $2, folded_at = $3",
        bit,
        ended,
        ended - timedelta(days=1),
    )

    assert await consents.verify(world.owner, world.keys) == []


async def test_a_processor_without_a_grant_needs_no_state_of_those_who_only_accepted_the_policy(small_world: World) -> None:
    """policy 6.2: their states are filled in when a grant is given; until then there is nothing to be missed."""
    world = small_world
    processor = await world.a_partner(role=Role.PROCESSOR)
    await consents.accept_policy(world.owner, world.keys, subject_id=await world.a_subject(), policy_version=POLICY)
    consenting = await world.a_subject()
    await world.a_consent(consenting, processor, categories=["location.precise"])

    assert await consents.verify(world.owner, world.keys) == []

    await world.owner.execute("delete from gateway.consent_state")
    found = await consents.verify(world.owner, world.keys)
    assert [(one.subject_id, one.difference) for one in found] == [(consenting, "missing")]


async def test_folding_again_changes_nothing_and_a_pseudonym_once_given_stays_under_another_key(small_world: World) -> None:
    """DESIGN section 2: pseudonyms are stable for ever; the version of the key stands beside them."""
    world = small_world
    subject_id, partner_id = await world.a_subject(), await world.a_partner()
    await world.a_consent(subject_id, partner_id, categories=[NAME])
    [before] = [dict(row) for row in await world.owner.fetch("select * from gateway.consent_state")]
    renewed = PseudonymKeys(b"another key of thirty-two bytes!", version=2)

    changed = await consents.fold_all(world.owner, world.keys, partner_id=partner_id, purpose=PURPOSE)
    changed += await consents.fold_everybody(world.owner, renewed, partner_id=partner_id, purpose=PURPOSE)
    newcomer = await world.a_subject()
    await consents.give(
        world.owner,
        renewed,
        subject_id=newcomer,
        partner_id=partner_id,
        purpose=PURPOSE,
        categories=[NAME],
        policy_version=POLICY,
    )

    assert changed == 0
    rows = {row["subject_id"]: dict(row) for row in await world.owner.fetch("select * from gateway.consent_state")}
    assert rows[subject_id] == before
    assert before["pseudonym"] == pseudonym(world.keys.key, partner_id, PURPOSE.value, subject_id)
    assert rows[newcomer]["pseudonym"] == pseudonym(renewed.key, partner_id, PURPOSE.value, newcomer)
    assert [rows[subject_id]["key_version"], rows[newcomer]["key_version"]] == [1, 2]
    assert await consents.verify(world.owner, world.keys) == []
    assert await consents.verify(world.owner, renewed) == []


async def test_everybody_is_folded_in_batches_that_leave_nobody_out(small_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consents, "BATCH", 3)
    world = small_world
    partner_id = await world.a_partner()
    for _ in range(7):
        await world.a_consent(await world.a_subject(), partner_id, categories=[NAME])
    await world.owner.execute("delete from gateway.consent_state")

    assert await consents.fold_all(world.owner, world.keys, partner_id=partner_id, purpose=PURPOSE) == 7
    assert await consents.verify(world.owner, world.keys) == []


Attempt = Callable[[World, dict[str, Any]], Awaitable[object]]


def _attempt(function: Callable[..., Awaitable[object]], **said: object) -> Attempt:
    """The function with what it needs of the world's subject and partner, and `said` on top."""
    names = inspect.signature(function).parameters

    def attempt(world: World, known: dict[str, Any]) -> Awaitable[object]:
        return function(world.owner, world.keys, **({name: known[name] for name in known if name in names} | said))

    return attempt


@pytest.mark.parametrize(
    ("attempt", "code"),
    [
        (_attempt(consents.give, categories=[]), "CATEGORIES_EMPTY"),
        (_attempt(consents.give, categories=["identity"]), "CATEGORY_UNKNOWN"),
        (_attempt(consents.give, partner_id=uuid4()), "REFERENCE_UNKNOWN"),
        (_attempt(consents.give, policy_version="none"), "REFERENCE_UNKNOWN"),
        (_attempt(consents.withdraw, purpose=Purpose.SURVEY), "NOTHING_TO_WITHDRAW"),
        (_attempt(consents.narrow, subject_id=uuid4()), "NOTHING_TO_NARROW"),
        (_attempt(consents.narrow, categories=[NAME, CITY]), "CATEGORY_NOT_AGREED"),
        (_attempt(consents.set_sharing, category="shoe_size", allowed=False), "CATEGORY_UNKNOWN"),
        (_attempt(consents.set_sharing, partner_id=uuid4(), allowed=False), "REFERENCE_UNKNOWN"),
        (_attempt(consents.accept_policy, policy_version="none"), "REFERENCE_UNKNOWN"),
    ],
)
async def test_what_cannot_be_said_is_refused_with_its_code_and_leaves_nothing(
    small_world: World, attempt: Attempt, code: str
) -> None:
    """policy 9.2: the refusal quotes nothing that was said."""
    world = small_world
    subject_id, partner_id = await world.a_subject(), await world.a_partner()
    await world.a_consent(subject_id, partner_id, categories=[NAME])
    known = {"subject_id": subject_id, "partner_id": partner_id, "purpose": PURPOSE, "categories": [CITY]}
    counted = (
        "select (select count(*) from gateway.consent_event), (select count(*) from gateway.setting_event),"
        " (select count(*) from gateway.policy_acceptance), (select count(*) from gateway.subject)"
    )
    before = await world.owner.fetchrow(counted)

    with pytest.raises(ConsentError) as refused:
        await attempt(world, known | {"policy_version": POLICY})

    assert refused.value.code == code
    assert str(subject_id) not in str(refused.value)
    assert await world.owner.fetchrow(counted) == before
    assert await consents.verify(world.owner, world.keys) == []
