"""The examples on the consent screen are what the partner would see, redacted where the values lie."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from gateway.catalogue.definition import LeafList, RowList
from gateway.demo.partners import DemoField, generalise, mask
from gateway.settings import Settings
from gateway.subject.offer import Offer, OfferedField
from gateway.subject.preview import Example, preview, statement
from scopes import Kind, Purpose, Redaction, Rung, redact
from tests.support.authorising import Person
from tests.support.consenting import CATALOGUE, FIELDS, a_grant, a_post, a_scope, an_asker, an_inhabitant, reveal
from tests.support.database import Database
from tests.support.world import World

KEY = bytes(32)


@pytest_asyncio.fixture(loop_scope="session")
async def owner(database: Database) -> AsyncIterator[asyncpg.Connection[Any]]:
    """The owner's connection."""
    conn = await database.owner()
    yield conn
    await conn.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path)


async def seen(database: Database, offer: Offer, person: Person) -> dict[str, Example]:
    """The examples by path, as the serving process gets them."""
    conn = await database.connect()
    try:
        found = await preview(conn, CATALOGUE, offer, person.subject_id)
    finally:
        await conn.close()
    return {path: example for (path, _), example in found.items()}


async def test_each_example_is_what_the_gates_rule_makes_of_the_own_value(
    database: Database, owner: asyncpg.Connection[Any], settings: Settings
) -> None:
    """policy 6.1: the data subject decides about what the partner will see, not about something like it."""
    person, asker = await an_inhabitant(owner), await an_asker(owner, settings)

    found = await seen(database, await asker.offer(person), person)

    assert found["Subject.realName"].value == "王**"
    assert found["Subject.mobileNumber"].value == "138****5678"
    assert found["Subject.email"].value == "z***@example.com"
    assert found["Subject.birthDate"].value == "1990"
    assert found["Subject.city"] == Example("深圳市", None)
    born = redact(Kind.NATIONAL_ID, mask(1, 1), "11010519491231002X", at=datetime.now(UTC), key=KEY)
    assert found["Subject.nationalId"] == Example(born, None)


async def test_the_examples_are_what_the_gate_answers_once_consent_is_given(database: Database, small_world: World) -> None:
    """policy 6.1: nothing is promised that the gate does not keep, nor anything kept quiet."""
    rules = {field.path: field.redaction for field in FIELDS if field.redaction.rung is not Rung.PSEUDONYMISE}
    partner_id, caller = await small_world.a_reader(rules)
    rows: dict[str, list[dict[str, object]]] = {
        "address": [{"street": "广东省深圳市南山区科技园路1号", "city": "深圳市", "recipient": "李雷", "postcode": "518057"}],
        "post": [{"text": "one"}],
        "device": [{"browser": "Firefox"}],
        "service_event": [{"kind": "search", "ip_address": IPv4Address("203.0.113.77")}],
    }
    subject_id = await small_world.a_subject(rows=rows)
    fields = [OfferedField(path, CATALOGUE.fields[path].kind, rule, ()) for path, rule in rules.items()]
    conn = await database.connect()
    ordinals = {row["category"]: row["ordinal"] for row in await conn.fetch("select category, ordinal from gateway.category")}
    row = await conn.fetchrow(statement(CATALOGUE, fields, ordinals), subject_id, partner_id, Purpose.SERVICE_DELIVERY.value)
    await conn.close()
    assert row is not None

    await small_world.a_consent(subject_id, partner_id)
    (node,) = await small_world.see(caller, selection(rules))

    assert {path: row[f"f{number}"] for number, path in enumerate(rules)} == {path: seen_at(node, path) for path in rules}
    assert [row[f"f{number}"] for number, path in enumerate(rules) if path == "ServiceEvent.ipAddress"] == ["203.0.113.0/24"]


async def test_a_list_shows_its_first_item_and_how_many_there_are(
    database: Database, owner: asyncpg.Connection[Any], settings: Settings
) -> None:
    """policy 6.1: one address of two stands for both."""
    person, asker = await an_inhabitant(owner), await an_asker(owner, settings)

    found = await seen(database, await asker.offer(person), person)

    assert found["Address.street"] == Example("广东省深圳市****", 2)
    assert found["Subject.photos"] == Example(None, 0)


async def test_what_is_deleted_unshared_or_about_somebody_unwilling_is_no_example(
    database: Database, owner: asyncpg.Connection[Any], settings: Settings
) -> None:
    """policy 1.4, 4: the partner would not see it either; whom it shows besides the data subject has not agreed."""
    person, other, asker = await an_inhabitant(owner), await an_inhabitant_without_rows(owner), await an_asker(owner, settings)
    await a_post(owner, person.subject_id, "with another", hours_ago=1, depicted=[other])
    await a_post(owner, person.subject_id, "un-shared", hours_ago=2, is_shared=False)
    await a_post(owner, person.subject_id, "with me", hours_ago=3, depicted=[person.subject_id])
    await a_post(owner, person.subject_id, "alone", hours_ago=4)

    found = await seen(database, await asker.offer(person), person)

    assert found["Post.text"] == Example("with me", 2)


async def test_a_pseudonym_is_described_and_its_value_not_even_asked_for(
    database: Database, owner: asyncpg.Connection[Any], settings: Settings
) -> None:
    """policy 2.8: a pseudonym on the screen would tell nothing, and hand it to whoever looks over a shoulder."""
    person = await an_inhabitant(owner)
    await a_post(owner, person.subject_id, "alone")
    asker = await an_asker(owner, settings, fields=[DemoField("Post.id", Redaction(Rung.PSEUDONYMISE), "to take it down")])

    assert await seen(database, await asker.offer(person), person) == {"Post.id": Example(None, 1)}


async def test_two_scopes_that_show_a_value_in_different_ways_are_both_shown(
    owner: asyncpg.Connection[Any], settings: Settings
) -> None:
    """policy 6.1: a consent opens every granted scope of its purpose, so each way that shows something of its own is shown."""
    person = await an_inhabitant(owner)
    asker = await an_asker(
        owner, settings, fields=[DemoField("Subject.birthDate", generalise("year"), "age"), reveal("Subject.city")]
    )
    await a_scope(owner, "also", asker.purpose, [DemoField("Subject.birthDate", generalise("age_band"), "band")])
    await a_scope(owner, "coarser", asker.purpose, [DemoField("Subject.birthDate", generalise("decade"), "decade")])
    for scope in ("also", "coarser"):
        await a_grant(owner, asker.party.partner_id, scope)

    offer = await asker.offer(person)

    (born,) = [one for one in offer.categories if one.category == "profile.birth_date"]
    assert [field.redaction.step for field in born.fields] in (["year", "age_band"], ["age_band", "year"])


def list_of(type_name: str) -> str:
    """The data subject's field that is a list of this type."""
    members = CATALOGUE.subject.members.values()
    return next(one.name for one in members if isinstance(one.shared, RowList) and one.shared.type_name == type_name)


def selection(paths: Collection[str]) -> str:
    """GraphQL that selects these paths, one item of each list."""
    own = [path.split(".")[1] for path in paths if path.startswith("Subject.")]
    flat = [f"{name}(first: 1)" if isinstance(CATALOGUE.subject.members[name].shared, LeafList) else name for name in own]
    inner: dict[str, list[str]] = {}
    for type_name, name in (path.split(".") for path in paths if not path.startswith("Subject.")):
        inner.setdefault(type_name, []).append(name)
    return " ".join([*flat, *(f"{list_of(name)}(first: 1) {{ {' '.join(names)} }}" for name, names in inner.items())])


def seen_at(node: dict[str, Any], path: str) -> str | None:
    """What the answer holds there; of a list its first item, None where it has none."""
    owner, name = path.split(".")
    found = node[name] if owner == "Subject" else node[list_of(owner)]
    if isinstance(found, list):
        found = found[0] if found else None
    value: str | None = found[name] if isinstance(found, dict) else found
    return value


async def an_inhabitant_without_rows(owner: asyncpg.Connection[Any]) -> UUID:
    """A data subject who never said anything."""
    subject_id = await owner.fetchval("insert into gateway.subject (subject_id) values (gen_random_uuid()) returning subject_id")
    assert isinstance(subject_id, UUID)
    return subject_id
