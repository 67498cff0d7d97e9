"""The examples on the consent screen are what the partner would see, redacted where the values lie."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from gateway.demo.partners import DemoField, generalise, mask
from gateway.settings import Settings
from gateway.subject.offer import Offer
from gateway.subject.preview import Example, preview
from scopes import Kind, Redaction, Rung, redact
from tests.support.authorising import Person
from tests.support.consenting import CATALOGUE, a_grant, a_post, a_scope, an_asker, an_inhabitant, reveal
from tests.support.database import Database

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


async def an_inhabitant_without_rows(owner: asyncpg.Connection[Any]) -> UUID:
    """A data subject who never said anything."""
    subject_id = await owner.fetchval("insert into gateway.subject (subject_id) values (gen_random_uuid()) returning subject_id")
    assert isinstance(subject_id, UUID)
    return subject_id
