"""Whatever data subjects say, in whatever order, state and ledgers agree after every word (policy 4, 6.1, 10)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid5

import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.store import consents, subject_pages
from gateway.store.consents import ConsentError
from scopes import Purpose, Role
from tests.support.database import Database
from tests.support.generated import TIMES
from tests.support.world import POLICY, World, a_world

NAMESPACE: Final = UUID("9b0f6c1e-3d6a-4f63-9d39-0a4b4c3f8f21")
SUBJECTS: Final = tuple(uuid5(NAMESPACE, name) for name in ("first", "second"))
# Two sensitivities, two leaves below one node
LEAVES: Final = ("identity.real_name", "identity.national_id", "profile.city", "location.precise")
NODES: Final = (*LEAVES, "identity", None)
PURPOSES: Final = (Purpose.SERVICE_DELIVERY, Purpose.ADVERTISING)
OLD_POLICY: Final = "2021-08-01"
# Over for long, over before the sequence is, far off, never
ENDS: Final = (timedelta(days=-1), timedelta(milliseconds=40), timedelta(days=300), None)
NOT_POSSIBLE: Final = frozenset({"NOTHING_TO_NARROW", "NOTHING_TO_WITHDRAW", "CATEGORY_NOT_AGREED", "NO_SUCH_CONSENT"})


@dataclass(frozen=True, slots=True)
class Said:
    """One word of a data subject. partner: a name of PARTNERS, or None for all where the word allows that."""

    word: str
    subject_id: UUID
    partner: str | None = None
    purpose: Purpose = Purpose.SERVICE_DELIVERY
    categories: tuple[str, ...] = ()
    ends_in: timedelta | None = None
    yes: bool = False


PARTNERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "shop": {"role": Role.RECIPIENT},
    "abroad": {"role": Role.RECIPIENT, "processing_location": "SG", "cross_border_mechanism": "standard_contract"},
    "messages": {"role": Role.PROCESSOR},
}

subjects = st.sampled_from(SUBJECTS)
partners = st.sampled_from(sorted(PARTNERS))
some = st.lists(st.sampled_from(LEAVES), min_size=1, unique=True).map(tuple)
purposes = st.sampled_from(PURPOSES)
words = st.one_of(
    st.builds(Said, st.just("give"), subjects, partners, purposes, some, st.sampled_from(ENDS), st.booleans()),
    st.builds(Said, st.sampled_from(["narrow", "narrow_page"]), subjects, partners, purposes, some),
    st.builds(Said, st.sampled_from(["withdraw", "withdraw_page"]), subjects, partners, purposes),
    st.builds(
        Said,
        st.just("sharing"),
        subjects,
        st.one_of(st.none(), partners),
        categories=st.sampled_from(NODES).map(lambda node: () if node is None else (node,)),
        yes=st.booleans(),
    ),
    st.builds(Said, st.just("advertising"), subjects, yes=st.booleans()),
    st.builds(Said, st.just("accept"), subjects, categories=st.sampled_from([(POLICY,), (OLD_POLICY,)])),
)


@dataclass(slots=True)
class Told:
    """A world, its partners by name, and the words that were refused."""

    world: World
    partner_ids: Mapping[str, UUID]
    refused: list[str] = field(default_factory=list)

    async def say(self, said: Said, now: datetime) -> None:
        """Take the word down; that there is nothing to narrow or to withdraw is no word."""
        try:
            await self._writers(said, now)[said.word]()
        except ConsentError as refused:
            if refused.code not in NOT_POSSIBLE:
                raise
            self.refused.append(refused.code)

    def _writers(self, said: Said, now: datetime) -> Mapping[str, Callable[[], Awaitable[object]]]:
        conn, keys = self.world.owner, self.world.keys
        partner_id = None if said.partner is None else self.partner_ids[said.partner]
        one: dict[str, Any] = {"subject_id": said.subject_id}
        pair: dict[str, Any] = {**one, "partner_id": partner_id, "purpose": said.purpose}
        given_: dict[str, Any] = {
            "policy_version": POLICY,
            "cross_border": said.yes,
            "ends_at": None if said.ends_in is None else now + said.ends_in,
        }
        node = said.categories[0] if said.categories else None
        return {
            "give": lambda: consents.give(conn, keys, **pair, categories=said.categories, **given_),
            "narrow": lambda: consents.narrow(conn, keys, **pair, categories=said.categories),
            "withdraw": lambda: consents.withdraw(conn, keys, **pair),
            "narrow_page": lambda: self._on_page(said, subject_pages.narrow, categories=said.categories),
            "withdraw_page": lambda: self._on_page(said, subject_pages.withdraw),
            "sharing": lambda: consents.set_sharing(conn, keys, **one, allowed=said.yes, partner_id=partner_id, category=node),
            "advertising": lambda: consents.set_advertising(conn, keys, **one, allowed=said.yes),
            "accept": lambda: consents.accept_policy(conn, keys, **one, policy_version=str(node)),
        }

    async def _on_page(self, said: Said, act: Callable[..., Awaitable[None]], **more: object) -> None:
        """As the data subject's own pages do it: one consent, by its id."""
        conn, partner_id = self.world.owner, self.partner_ids[str(said.partner)]
        for consent in await subject_pages.consents_now(conn, said.subject_id):
            if (consent.partner_id, consent.purpose) == (partner_id, said.purpose):
                await act(conn, self.world.keys, subject_id=said.subject_id, consent_id=consent.consent_id, **more)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def told(module_database: Database, tmp_path_factory: Any) -> AsyncIterator[Told]:
    folder: Path = tmp_path_factory.mktemp("sequences")
    async with a_world(module_database, folder) as world:
        await world.a_policy(OLD_POLICY, effective_at=world.started - timedelta(days=2000))
        partner_ids = {name: await world.a_partner(**changed) for name, changed in PARTNERS.items()}
        for purpose in PURPOSES:
            scope = await world.a_scope(["Subject.city"], purpose=purpose)
            for partner_id in partner_ids.values():
                await world.a_grant(partner_id, scope)
        yield Told(world, partner_ids)


LEDGERS: Final = "gateway.consent_event, gateway.setting_event, gateway.policy_acceptance, gateway.consent_state"


@settings(max_examples=40 * TIMES, deadline=None, suppress_health_check=list(HealthCheck))
@given(sequence=st.lists(words, min_size=1, max_size=12))
async def test_after_every_word_ledgers_and_state_agree(told: Told, sequence: Sequence[Said]) -> None:
    """policy 4, 6.1, 8.2, 10: and ends that pass in between change nothing about it."""
    world = told.world
    await world.owner.execute(f"truncate {LEDGERS}")
    now: datetime = await world.owner.fetchval("select clock_timestamp()")
    for said in sequence:
        await told.say(said, now)
        assert await consents.verify(world.owner, world.keys) == [], said


async def test_the_sequences_meet_every_word_and_every_refusal(told: Told) -> None:
    """A property proves nothing about what it never meets: one fixed sequence that has it all."""
    world, subject_id = told.world, SUBJECTS[0]
    await world.owner.execute(f"truncate {LEDGERS}")
    now: datetime = await world.owner.fetchval("select clock_timestamp()")
    told.refused.clear()
    sequence = [
        Said("narrow", subject_id, "shop", categories=LEAVES[:1]),
        Said("withdraw", subject_id, "shop"),
        Said("accept", subject_id, categories=(OLD_POLICY,)),
        Said("accept", subject_id, categories=(POLICY,)),
        Said("give", subject_id, "shop", categories=LEAVES[:3]),
        Said("narrow_page", subject_id, "shop", categories=LEAVES[:2]),
        Said("narrow", subject_id, "shop", categories=LEAVES[3:]),
        Said("give", subject_id, "abroad", categories=LEAVES, ends_in=timedelta(days=-1), yes=True),
        Said("sharing", subject_id, "messages", categories=("identity",)),
        Said("advertising", subject_id),
        Said("withdraw_page", subject_id, "shop"),
    ]
    for said in sequence:
        await told.say(said, now)
        assert await consents.verify(world.owner, world.keys) == [], said

    assert told.refused == ["NOTHING_TO_NARROW", "NOTHING_TO_WITHDRAW", "CATEGORY_NOT_AGREED"]
    found = await subject_pages.covers(world.owner, subject_id)
    assert found[told.partner_ids["shop"], Purpose.SERVICE_DELIVERY] == frozenset()
    assert "profile.city" in found[told.partner_ids["messages"], Purpose.SERVICE_DELIVERY]
    assert "identity.real_name" not in found[told.partner_ids["messages"], Purpose.SERVICE_DELIVERY]
