"""A database that is away, full or read-only is told as such: 503 with a code, nothing disclosed, no defect."""

from __future__ import annotations

import asyncio

import pytest

from gateway.request.authenticate import Caller
from gateway.request.codes import Code, GatewayError
from gateway.store import halts
from tests.support.world import WAIT_S, World

CITIES = "{ subjects(first: 1) { edges { node { city } } } }"


async def code_of(world: World, caller: Caller) -> Code:
    with pytest.raises(GatewayError) as raised:
        await world.ask(caller, CITIES)
    return raised.value.code


async def test_a_server_that_takes_no_more_connections_is_unavailable(small_world: World) -> None:
    partner_id, caller = await small_world.a_reader(["Subject.city"])
    await small_world.gate._limiter.spend(partner_id, 1)  # a lease: the rate is settled, and the gate has yet to connect
    name = await small_world.owner.fetchval("select current_database()")
    await small_world.owner.execute(f"alter database {name} connection limit 0")

    assert await code_of(small_world, caller) is Code.UNAVAILABLE


async def test_a_server_that_has_become_read_only_is_unavailable(small_world: World) -> None:
    """A primary that a failover has left behind cannot record, so it gives nothing."""
    partner_id, caller = await small_world.a_reader(["Subject.city"])
    await small_world.gate._limiter.spend(partner_id, 1)  # a lease: the rate is settled, and the gate has yet to connect
    name = await small_world.owner.fetchval("select current_database()")
    await small_world.owner.execute(f"alter database {name} set default_transaction_read_only = on")

    assert await code_of(small_world, caller) is Code.UNAVAILABLE


async def test_a_refusal_that_cannot_be_recorded_is_unavailable(small_world: World) -> None:
    """The connection breaks between the refusal and its record."""
    _, caller = await small_world.a_reader(["Subject.city"])
    await halts.add(small_world.owner, target="all", reason="incident")
    waiting = "select pid from pg_locks where relation = 'gateway.refusal'::regclass and not granted"

    async with small_world.owner.transaction():
        await small_world.owner.execute("lock table gateway.refusal in access exclusive mode")
        asking = asyncio.ensure_future(code_of(small_world, caller))
        async with asyncio.timeout(WAIT_S):
            while (pid := await small_world.owner.fetchval(waiting)) is None:
                pass
        await small_world.owner.execute("select pg_terminate_backend($1)", pid)
        code = await asking

    assert code is Code.UNAVAILABLE


async def test_connections_that_the_server_has_ended_cost_nobody_an_answer(small_world: World) -> None:
    """After a restart of the database every connection that lay idle is one that leads nowhere."""
    partner_id, caller = await small_world.a_reader(["Subject.city"])
    await small_world.a_consent(await small_world.a_subject(), partner_id)
    await small_world.see(caller, "city")
    [idle] = small_world.gate._gate._idle

    await small_world.owner.execute("select pg_terminate_backend($1)", idle.get_server_pid())
    async with asyncio.timeout(WAIT_S):
        while not idle.is_closed():
            await small_world.owner.execute("select")

    assert len(await small_world.see(caller, "city")) == 1
