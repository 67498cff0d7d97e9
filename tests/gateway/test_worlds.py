"""The gate means what `scopes` says: in any world, for any operation, in every value, reason, count and record."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from gateway.request.codes import GatewayError
from gateway.store import consents
from scopes import CATEGORIES, Plan, Purpose, Reason, Refusal, Refused, Rung, cover
from tests.support.database import Database
from tests.support.generated import generated
from tests.support.inhabited import Answered, Inhabited, an_inhabited_world, execute
from tests.support.instants import NOON
from tests.support.operations import Asked, asked
from tests.support.permitted import PermittedCopy, plan_of
from tests.support.population import Draw, Person, Token, population

OPERATIONS = 12  # in each world
SEEDS = st.integers(0, 2**32)
SIZES = st.integers(5, 40)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def inhabited(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Inhabited]:
    async with an_inhabited_world(module_database, tmp_path_factory.mktemp("worlds")) as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def ordinals(inhabited: Inhabited) -> Mapping[str, int]:
    return {row["category"]: row["ordinal"] for row in await inhabited.world.owner.fetch("select * from gateway.category")}


def test_the_invented_worlds_meet_every_refusal_and_every_reason() -> None:
    """A comparison proves nothing about what it never meets. Halts are the statement's own, and have tests of their own."""
    met: Counter[Refusal | Reason | str] = Counter()
    for seed in range(40):
        people, draw = population(seed, 20, NOON), Draw(seed)
        ids = [person.subject_id for person in people.people]
        for _ in range(OPERATIONS):
            token = draw.choice(people.tokens)
            wanted = asked(draw, people, token, ids)
            try:
                plan = wanted and plan_of(people, token, wanted.purpose, wanted.paths)
            except Refused as refused:
                met[refused.reason] += 1
                continue
            if plan:
                met["answered"] += 1
                said = draw.choice(people.people).evidence
                met.update(
                    cover(category, said, partner=token.partner, purpose=plan.purpose, now=NOON).reason for category in CATEGORIES
                )

    assert met.keys() == {"answered", *Reason, *(set(Refusal) - {Refusal.HALTED})}
    assert met["answered"] > 200


@generated(25)
@given(seed=SEEDS, size=SIZES)
async def test_an_answer_and_its_record_are_what_the_reference_decides(
    inhabited: Inhabited, ordinals: Mapping[str, int], seed: int, size: int
) -> None:
    """policy 1.2, 1.4, 4, 6.1, 6.2, 8.1, 9.5, 10: in every mixture, with ends that come while the operations run."""
    people = await inhabited.settle(seed, size)
    draw = Draw(seed)

    for _ in range(OPERATIONS):
        token = draw.choice(people.tokens)
        wanted = asked(draw, people, token, _ids(inhabited, token))
        if wanted is not None:
            await _compare(inhabited, token, wanted, ordinals)


def _ids(inhabited: Inhabited, token: Token) -> list[UUID]:
    """Ids that the token's partner may have got, under any of its purposes, and one that nobody has."""
    people, at = inhabited.people, inhabited.people.now
    found = [uuid4()]
    for purpose in {scope.purpose for scope in people.views_of(token.partner)}:
        found += inhabited.copy(token, purpose, at).names.values()
    return sorted(found)


async def _compare(inhabited: Inhabited, token: Token, wanted: Asked, ordinals: Mapping[str, int]) -> None:
    try:
        plan = inhabited.plan(token, wanted.purpose, wanted.paths)
    except Refused as refused:
        await _compare_refusal(inhabited, token, wanted, refused)
        return
    answered = await inhabited.ask(token, wanted.document)
    assert answered.at is not None
    copy = inhabited.copy(token, plan.purpose, answered.at)
    reference = execute(inhabited.schema(token)[0], copy, wanted.document)
    assert reference.errors is None
    assert json.dumps(answered.data) == json.dumps(reference.data), wanted.document
    _compare_told(answered, plan, copy)
    await _compare_record(inhabited, token, answered, plan, copy, ordinals)


async def _compare_refusal(inhabited: Inhabited, token: Token, wanted: Asked, refused: Refused) -> None:
    """The same refusal, for the same reason, about the same scope and path, and on record."""
    with pytest.raises(GatewayError) as raised:
        await inhabited.ask(token, wanted.document)

    told = {"scope": refused.scope, "path": refused.path}
    assert raised.value.code.value == refused.reason.value
    assert raised.value.extensions == {name: value for name, value in told.items() if value is not None}
    kept = await inhabited.world.owner.fetch(
        "select code from gateway.refusal where token_id = $1 order by refused_at desc limit 1", token.token_id
    )
    assert [row["code"] for row in kept] == [refused.reason.value]


def _compare_told(answered: Answered, plan: Plan, copy: PermittedCopy) -> None:
    """What the partner is told beside the data: once per field, counting data subjects."""
    told = answered.extensions["disclosure"]
    assert told["purpose"] == plan.purpose.value
    assert told["subjects"] == len(copy.roots())
    assert told["redacted"] == [
        {"field": path, "redaction": field.redaction.label()}
        for path, field in plan.fields.items()
        if field.redaction.rung is not Rung.REVEAL
    ]
    counts = {each["field"]: each["count"] for each in told["withheld"]}
    assert len(counts) == len(told["withheld"])
    assert {each["reason"] for each in told["withheld"]} <= {"NOT_CONSENTED"}
    assert counts == copy.withheld()


async def _compare_record(
    inhabited: Inhabited, token: Token, answered: Answered, plan: Plan, copy: PermittedCopy, ordinals: Mapping[str, int]
) -> None:
    """Who got what about whom, and why not the rest."""
    owner, disclosure_id = inhabited.world.owner, answered.disclosure_id
    header = await owner.fetchrow(
        "select * from gateway.disclosure join gateway.projection p using (projection_id) where disclosure_id = $1", disclosure_id
    )
    rows = await owner.fetch("select * from gateway.disclosure_subject where disclosure_id = $1", disclosure_id)
    assert header is not None
    _compare_header(header, token, plan, copy, ordinals)
    roots = copy.roots()
    assert Counter((row["subject_id"], row["roots"]) for row in rows) == Counter(
        [*roots.items(), *((person, 0) for person in copy.shown.others)]
    )
    people = {person.subject_id: person for person in inhabited.people.people}
    for row in rows:
        person = people[row["subject_id"]]
        assert row["disclosed_at"] == answered.at
        assert row["covered"] == sum(1 << ordinals[category] for category in copy.covered(person))
        _compare_reasons(row, person, plan, copy, ordinals)


def _compare_header(header: asyncpg.Record, token: Token, plan: Plan, copy: PermittedCopy, ordinals: Mapping[str, int]) -> None:
    assert header["partner_id"] == token.partner.partner_id
    assert (header["client_id"], header["token_id"]) == (token.client_id, token.token_id)
    assert header["purpose"] == plan.purpose.value
    assert header["contract_run"] is token.contract_run
    assert header["subject_count"] == len(copy.roots())
    assert header["scope_versions"] == sorted({label for field in plan.fields.values() for label in field.scopes})
    kept = {(entry["root"], entry["path"]) for entry in json.loads(header["fields"])}
    assert kept >= {(number, path) for number, key in enumerate(copy.shown.asked) for path in copy.shown.asked[key]}
    for entry in json.loads(header["fields"]):
        field = plan.fields[entry["path"]]
        assert (entry["category"], entry["redaction"]) == (field.category, field.redaction.label())
        assert entry["ordinal"] == ordinals[field.category]


def _compare_reasons(row: asyncpg.Record, person: Person, plan: Plan, copy: PermittedCopy, ordinals: Mapping[str, int]) -> None:
    asked_for = {field.category for field in plan.fields.values()}
    kept_back = {category for category in asked_for if copy.cover(person, category).until is None}
    if row["roots"] == 0 or not kept_back:
        assert row["reasons"] is None
        return
    for category in kept_back:
        assert Reason(row["reasons"][ordinals[category]]) is copy.cover(person, category).reason, category


@generated(10)
@given(seed=SEEDS, size=SIZES)
async def test_the_state_of_everybody_is_what_the_reference_says_of_the_ledgers(
    inhabited: Inhabited, ordinals: Mapping[str, int], seed: int, size: int
) -> None:
    """policy 6.1, 6.2: until when each category is covered, and why not any longer."""
    people = await inhabited.settle(seed, size)
    owner = inhabited.world.owner

    rows = await owner.fetch("select * from gateway.consent_state")

    by_id = {person.subject_id: person for person in people.people}
    partners = {partner.partner_id: partner for partner in people.partners}
    for row in rows:
        at = row["folded_at"]
        for category, ordinal in ordinals.items():
            wanted = cover(
                category,
                by_id[row["subject_id"]].evidence,
                partner=partners[row["partner_id"]],
                purpose=Purpose(row["purpose"]),
                now=at,
            )
            until = _instant(row["cover_until"][ordinal])
            assert (until if until > at else None, Reason(row["reasons"][ordinal])) == (wanted.until, wanted.reason)
    assert await consents.verify(owner, inhabited.world.keys) == []


def _instant(read: datetime) -> datetime:
    """asyncpg reads an infinity as an extreme without a time zone."""
    return read if read.tzinfo is not None else read.replace(tzinfo=UTC)
