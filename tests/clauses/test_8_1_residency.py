"""Policy 8.1, 9.5: abroad only under a recorded mechanism, and only with the data subject's own consent to the transfer."""

from __future__ import annotations

import pytest

from gateway.request.codes import Code, GatewayError
from gateway.store import partners
from scopes import Role
from tests.support.world import World


async def test_without_a_recorded_mechanism_a_partner_abroad_is_refused_as_a_whole(world: World) -> None:
    partner_id, caller = await world.a_reader(["Subject.city"], processing_location="SG")
    await world.a_consent(await world.a_subject(), partner_id, cross_border=True)

    with pytest.raises(GatewayError) as refused:
        await world.see(caller, "city")

    assert refused.value.code is Code.RESIDENCY


@pytest.mark.parametrize("mechanism", ["assessment", "standard_contract", "certification"])
async def test_with_a_mechanism_only_those_who_agreed_to_the_transfer_are_there(world: World, mechanism: str) -> None:
    partner_id, caller = await world.a_reader(["Subject.city"], processing_location="SG", cross_border_mechanism=mechanism)
    agreed, silent = await world.a_subject(city="上海市"), await world.a_subject()
    await world.a_consent(agreed, partner_id, cross_border=True)
    await world.a_consent(silent, partner_id, cross_border=False)

    assert await world.see(caller, "city") == [{"city": "上海市"}]


async def test_hong_kong_counts_as_abroad(world: World) -> None:
    _, caller = await world.a_reader(["Subject.city"], processing_location="HK")

    with pytest.raises(GatewayError) as refused:
        await world.see(caller, "city")

    assert refused.value.code is Code.RESIDENCY


async def test_a_partner_that_moves_abroad_loses_at_once_whom_it_had(world: World) -> None:
    partner_id, caller = await world.a_reader(["Subject.city"])
    await world.a_consent(await world.a_subject(), partner_id)
    assert len(await world.see(caller, "city")) == 1

    await partners.change_basis(
        world.owner,
        world.keys,
        partner_id=partner_id,
        role=Role.RECIPIENT,
        processing_location="SG",
        cross_border_mechanism="assessment",
    )

    assert await world.see(caller, "city") == []


async def test_a_move_that_somebody_writes_by_hand_counts_as_well(world: World) -> None:
    """What was folded for a partner at home is not read for one abroad, whatever door the change came by."""
    partner_id, caller = await world.a_reader(["Subject.city"])
    await world.a_consent(await world.a_subject(), partner_id)
    assert len(await world.see(caller, "city")) == 1

    await world.owner.execute(
        "update gateway.partner set processing_location = 'SG', cross_border_mechanism = 'assessment' where partner_id = $1",
        partner_id,
    )

    assert await world.see(caller, "city") == []
