"""What a data subject's own choice leaves of a token: fewer categories (RFC 9396), and for a while only (RFC 9470)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.request.authenticate import Caller
from gateway.request.codes import Code, GatewayError
from gateway.settings import Settings
from scopes import Redaction, Rung
from tests.support.database import Database
from tests.support.world import ACCOUNT, World, a_world

REAL_NAME, CITY, NATIONAL_ID = "Subject.realName", "Subject.city", "Subject.nationalId"
STEP_UP_AFTER = timedelta(seconds=Settings.model_fields["step_up_after_s"].default)


@pytest_asyncio.fixture
async def world(database: Database, tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(database, tmp_path) as made:
        yield made


async def a_bound_reader(world: World, fields: list[str]) -> Caller:
    """A token that speaks for a data subject who agreed to everything."""
    partner_id, caller = await world.a_reader(fields)
    subject_id = await world.a_subject()
    await world.a_consent(subject_id, partner_id)
    return await world.a_token(partner_id, *caller.scopes, bound_to=subject_id)


async def refusal(world: World, caller: Caller, document: str) -> GatewayError:
    """What the gate raises for it."""
    with pytest.raises(GatewayError) as refused:
        await world.ask(caller, document)
    return refused.value


async def test_narrowed_token_reads_its_categories_only_whoever_asked_before(world: World) -> None:
    """RFC 9396 7: the same operation under the same scopes, with and without the narrowing, in either order."""
    whole = await a_bound_reader(world, [REAL_NAME, CITY])
    narrowed = replace(whole, categories=frozenset({"profile.city"}))
    both = "{ me { realName city } }"

    assert (await world.ask(whole, both))["data"] == {"me": {"realName": ACCOUNT["real_name"], "city": ACCOUNT["city"]}}
    refused = await refusal(world, narrowed, both)
    assert refused.code is Code.INSUFFICIENT_SCOPE
    assert (await world.ask(narrowed, "{ me { city } }"))["data"] == {"me": {"city": ACCOUNT["city"]}}
    assert (await refusal(world, narrowed, both)).code is Code.INSUFFICIENT_SCOPE
    assert (await world.ask(whole, both))["data"]["me"]["realName"] == ACCOUNT["real_name"]


async def test_access_tells_a_narrowed_token_what_is_left_to_it(world: World) -> None:
    """`access` never promises what the next query refuses."""
    whole = await a_bound_reader(world, [REAL_NAME, CITY])
    document = "{ access { fields { path redaction } } }"

    left = await world.ask(replace(whole, categories=frozenset({"profile.city"})), document)

    readable = {field["path"] for field in left["data"]["access"]["fields"] if field["redaction"]}
    assert readable == {CITY}


async def test_token_narrowed_to_nothing_reads_nothing(world: World) -> None:
    """An empty list of categories is not the absence of one."""
    nothing = replace(await a_bound_reader(world, [CITY]), categories=frozenset())

    assert (await refusal(world, nothing, "{ me { city } }")).code is Code.INSUFFICIENT_SCOPE


@pytest.mark.parametrize("since", [STEP_UP_AFTER + timedelta(seconds=1), None], ids=["too long ago", "not known when"])
async def test_sensitive_data_of_a_sign_in_too_old_need_a_new_one(world: World, since: timedelta | None) -> None:
    """RFC 9470 3, PIPL 28: ordinary data stay open."""
    caller = await a_bound_reader(world, [CITY, NATIONAL_ID])
    stale = replace(caller, authenticated_at=None if since is None else (datetime.now(UTC) - since).timestamp())

    refused = await refusal(world, stale, "{ me { city nationalId } }")

    assert (refused.code, refused.extensions["maxAge"]) == (Code.STEP_UP_REQUIRED, STEP_UP_AFTER.total_seconds())
    assert 'error="insufficient_user_authentication"' in refused.headers["WWW-Authenticate"]
    assert (await world.ask(stale, "{ me { city } }"))["data"] == {"me": {"city": ACCOUNT["city"]}}
    assert (await world.ask(caller, "{ me { nationalId } }"))["data"] == {"me": {"nationalId": ACCOUNT["national_id"]}}


async def test_partner_on_its_own_behalf_has_no_sign_in_to_repeat(world: World) -> None:
    """RFC 9470 speaks of the data subject's authentication; a client-credentials token knows none."""
    partner_id, caller = await world.a_reader([NATIONAL_ID])
    await world.a_consent(await world.a_subject(), partner_id)

    assert await world.see(replace(caller, authenticated_at=None), "nationalId") == [{"nationalId": ACCOUNT["national_id"]}]


async def test_sensitive_field_that_another_scope_withholds_asks_for_no_sign_in(world: World) -> None:
    """Nothing of it comes out whatever the data subject does."""
    partner_id, giving = await world.a_reader([NATIONAL_ID])
    withholding = await world.a_scope({NATIONAL_ID: Redaction(Rung.WITHHOLD), CITY: Redaction(Rung.REVEAL)})
    await world.a_grant(partner_id, withholding)
    subject_id = await world.a_subject()
    await world.a_consent(subject_id, partner_id)
    caller = await world.a_token(partner_id, *giving.scopes, withholding, bound_to=subject_id)

    answer = await world.ask(replace(caller, authenticated_at=None), "{ me { nationalId } }")

    assert answer["data"] == {"me": {"nationalId": None}}
