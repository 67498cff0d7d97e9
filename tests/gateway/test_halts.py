"""Halts: the flow stops at once, for one partner, one scope or all (policy 9.4)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from gateway.request.codes import Code, GatewayError
from gateway.store import halts
from gateway.store.halts import HaltError
from tests.support.database import Database
from tests.support.world import World


@pytest.mark.parametrize("target", ["partner", "scope", "all"])
async def test_a_halt_stops_whom_it_names_and_nobody_else_until_it_is_lifted(small_world: World, target: str) -> None:
    """policy 9.4: stop the flow at once."""
    world = small_world
    readers = [await world.a_reader(["Subject.city"]) for _ in range(2)]
    for partner_id, _ in readers:
        await world.a_consent(await world.a_subject(), partner_id)
    (partner_id, caller), (_, bystander) = readers
    [scope] = caller.scopes
    targets: dict[str, dict[str, Any]] = {"partner": {"partner_id": partner_id}, "scope": {"scope": scope}, "all": {}}
    about = targets[target]

    halt_id = await halts.add(world.owner, target=target, reason="a leak is looked into", **about)

    with pytest.raises(GatewayError) as halted:
        await world.see(caller, "city")
    assert halted.value.code is Code.HALTED
    if target == "all":
        with pytest.raises(GatewayError):
            await world.see(bystander, "city")
    else:
        assert len(await world.see(bystander, "city")) == 1
    [row] = await halts.in_force(world.owner)
    assert (row["halt_id"], row["target"], row["reason"]) == (halt_id, target, "a leak is looked into")
    assert await halts.lift(world.owner, target=target, **about) == 1
    assert len(await world.see(caller, "city")) == 1
    assert await halts.in_force(world.owner) == []


async def test_lifting_one_target_leaves_a_halt_of_another_that_includes_it(small_world: World) -> None:
    """policy 9.4: what was stopped for two reasons flows again only when both are gone."""
    world = small_world
    partner_id, caller = await world.a_reader(["Subject.city"])
    for _ in range(2):
        await halts.add(world.owner, target="partner", partner_id=partner_id, reason="one of two")
    await halts.add(world.owner, target="all", reason="everything")

    assert await halts.lift(world.owner, target="partner", partner_id=partner_id) == 2

    with pytest.raises(GatewayError):
        await world.see(caller, "city")
    assert [row["target"] for row in await halts.in_force(world.owner)] == ["all"]


async def test_a_lifted_halt_stays_on_record(small_world: World) -> None:
    world = small_world
    halt_id = await halts.add(world.owner, target="all", reason="drill")
    await halts.lift(world.owner, target="all")

    row = await world.owner.fetchrow("select * from gateway.halt where halt_id = $1", halt_id)
    assert row is not None
    assert row["begun_at"] <= row["lifted_at"]


async def test_a_halt_that_would_stop_nothing_is_refused(small_world: World) -> None:
    """A misspelt target in an incident must not look like success."""
    world = small_world
    partner_id = await world.a_partner()
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("SCOPE_UNKNOWN", {"target": "scope", "scope": "misspelt"}),
        ("PARTNER_UNKNOWN", {"target": "partner", "partner_id": uuid4()}),
        ("HALT_INVALID", {"target": "partner"}),
        ("HALT_INVALID", {"target": "all", "partner_id": partner_id}),
        ("HALT_INVALID", {"target": "some"}),
    ]
    async with world.owner.transaction():
        for code, about in wrong:
            with pytest.raises(HaltError) as refused:
                await halts.add(world.owner, reason="incident", **about)
            assert refused.value.code == code
        with pytest.raises(HaltError) as blank:
            await halts.add(world.owner, target="all", reason=" ")
        with pytest.raises(HaltError) as nothing:
            await halts.lift(world.owner, target="all")
    assert (blank.value.code, nothing.value.code) == ("HALT_INVALID", "HALT_UNKNOWN")
    assert await halts.in_force(world.owner) == []


async def test_the_serving_process_may_halt_and_lift(small_world: World, database: Database) -> None:
    conn = await database.connect()
    try:
        await halts.add(conn, target="all", reason="drill")
        assert await halts.lift(conn, target="all") == 1
    finally:
        await conn.close()
    assert await halts.in_force(small_world.owner) == []
