"""Policy 2: nothing outside the registered purposes can be asked for, and a new purpose starts with no consent from anybody."""

from __future__ import annotations

import pytest

from gateway.request.codes import Code, GatewayError
from scopes import PURPOSES, Purpose
from tests.support.world import World


def test_every_purpose_names_its_clause() -> None:
    assert {purpose: bool(rule.clause) for purpose, rule in PURPOSES.items()} == dict.fromkeys(Purpose, True)


async def test_an_unregistered_purpose_cannot_be_asked_for(world: World) -> None:
    _, caller = await world.a_reader(["Subject.city"])

    with pytest.raises(GatewayError) as refused:
        await world.ask(caller, "query @purpose(is: world_domination) { subjects(first: 1) { edges { node { city } } } }")

    assert refused.value.code is Code.VALIDATION


async def test_a_purpose_that_the_token_does_not_hold_is_refused(world: World) -> None:
    _, caller = await world.a_reader(["Subject.city"])

    with pytest.raises(GatewayError) as refused:
        await world.ask(caller, "query @purpose(is: survey) { subjects(first: 1) { edges { node { city } } } }")

    assert refused.value.code is Code.PURPOSE_NOT_HELD


async def test_a_token_for_two_purposes_names_one_for_each_operation(world: World) -> None:
    partner_id, _ = await world.a_reader(["Subject.city"])
    scopes = [await world.a_scope(["Subject.city"], purpose=purpose) for purpose in (Purpose.SURVEY, Purpose.PERSONALISATION)]
    for scope in scopes:
        await world.a_grant(partner_id, scope)
    caller = await world.a_token(partner_id, *scopes)
    await world.a_consent(await world.a_subject(), partner_id, purpose=Purpose.SURVEY)

    with pytest.raises(GatewayError) as refused:
        await world.see(caller, "city")
    answers = {
        purpose: await world.ask(
            caller, f"query @purpose(is: {purpose}) {{ subjects(first: 1) {{ edges {{ node {{ city }} }} }} }}"
        )
        for purpose in ("survey", "personalisation")
    }

    assert refused.value.code is Code.PURPOSE_REQUIRED
    assert [len(answer["data"]["subjects"]["edges"]) for answer in answers.values()] == [1, 0]
