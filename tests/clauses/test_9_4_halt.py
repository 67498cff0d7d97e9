"""Policy 9.4: in an incident the flow stops at once, for one partner, one scope, or all."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.request.codes import Code, GatewayError
from gateway.store import halts
from tests.support.world import World


@pytest.mark.parametrize("target", ["partner", "scope", "all"])
async def test_a_halt_stops_the_next_query_and_only_whom_it_names_and_lifting_ends_it(world: World, target: str) -> None:
    stopped, stopped_scope = await world.a_partner(), await world.a_scope(["Subject.city"])
    other, other_scope = await world.a_partner(), await world.a_scope(["Subject.city"])
    callers = []
    for partner_id, scope in ((stopped, stopped_scope), (other, other_scope)):
        await world.a_grant(partner_id, scope)
        await world.a_consent(await world.a_subject(), partner_id)
        callers.append(await world.a_token(partner_id, scope))
    targets: dict[str, dict[str, Any]] = {"partner": {"partner_id": stopped}, "scope": {"scope": stopped_scope}, "all": {}}
    about = targets[target]

    await halts.add(world.owner, target=target, reason="incident", **about)
    codes = [await _code(world, caller, "id") for caller in callers]
    await halts.lift(world.owner, target=target, **about)

    assert codes == [Code.HALTED, Code.HALTED if target == "all" else None]
    assert [len(await world.see(caller, "city")) for caller in callers] == [1, 1]


async def test_a_refused_operation_is_recorded_and_a_halted_one_discloses_nothing(world: World) -> None:
    partner_id, caller = await world.a_reader(["Subject.city"])
    await world.a_consent(await world.a_subject(), partner_id)
    await halts.add(world.owner, target="all", reason="incident")

    assert await _code(world, caller, "city") is Code.HALTED

    refusals = await world.owner.fetch("select partner_id, code from gateway.refusal")
    assert [(row["partner_id"], row["code"]) for row in refusals] == [(partner_id, "HALTED")]
    assert await world.owner.fetchval("select count(*) from gateway.disclosure") == 0


async def _code(world: World, caller: Any, selection: str) -> Code | None:
    try:
        await world.see(caller, selection)
    except GatewayError as error:
        return error.code
    return None
