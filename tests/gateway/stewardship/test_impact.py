"""What a change would do is shown before anybody approves it, and comes true when somebody does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from gateway.stewardship.content import ChangeKind
from gateway.stewardship.impact import Effect, PartnerImpact
from scopes import Purpose
from tests.support.database import Database
from tests.support.stewardship import CITY, NATIONAL_ID, REAL_NAME, Office, a_grant, a_partner, a_scope, an_office, impact

MASK: dict[str, Any] = {"rung": "mask", "head": 1, "tail": 1}


@pytest_asyncio.fixture
async def office(database: Database, tmp_path: Path) -> AsyncIterator[Office]:
    async with an_office(database, tmp_path) as made:
        await made.make(ChangeKind.PARTNER, a_partner(made.world, "shop"))
        await made.make(ChangeKind.SCOPE, a_scope("orders", CITY, REAL_NAME))
        await made.make(ChangeKind.GRANT, a_grant(made.world, "shop", "orders"))
        yield made


async def the_partner(office: Office, kind: ChangeKind, content: dict[str, Any]) -> PartnerImpact:
    """The only one that it makes a difference to."""
    [found] = (await impact(office, kind, content)).partners
    return found


async def test_next_version_of_a_scope_shows_each_field_that_is_gained_lost_or_seen_otherwise(office: Office) -> None:
    """With what an answer looks like before and after, on a made-up value."""
    wanted = a_scope("orders", NATIONAL_ID, redaction=MASK)
    wanted["fields"] += a_scope("orders", REAL_NAME, redaction={"rung": "mask", "head": 1, "tail": 0})["fields"]

    found = await the_partner(office, ChangeKind.SCOPE, wanted)

    [purpose] = found.purposes
    assert (found.partner, purpose.purpose) == ("shop", Purpose.SERVICE_DELIVERY)
    assert {field.path: (field.effect, field.widens) for field in purpose.fields} == {
        CITY: (Effect.LOSES, False),
        REAL_NAME: (Effect.DIFFERS, False),
        NATIONAL_ID: (Effect.GAINS, True),
    }
    name = next(field for field in purpose.fields if field.path == REAL_NAME)
    assert name.before is not None
    assert name.after is not None
    assert (name.before.redaction, name.before.sample) == ("reveal", name.sample)
    assert (name.after.redaction, name.after.sample) == ("mask(1,0)", f"{name.sample[0]}**")
