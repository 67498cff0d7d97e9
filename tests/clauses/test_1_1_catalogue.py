"""Policy 1.1: only catalogued fields can ever be served, and each scope justifies each of its fields."""

from __future__ import annotations

import pytest

from gateway.catalogue.weidandan import CATALOGUE
from gateway.request.codes import Code, GatewayError
from gateway.store import grants
from gateway.store.grants import GrantError
from scopes import Fault, Purpose, Redaction, Rung, ScopeField
from tests.support.world import World

REVEAL = Redaction(Rung.REVEAL)


async def test_a_column_that_no_field_names_does_not_exist(world: World) -> None:
    _, caller = await world.a_reader(list(CATALOGUE.fields))

    with pytest.raises(GatewayError) as refused:
        await world.see(caller, "passwordHash")

    assert refused.value.code is Code.VALIDATION


async def test_a_field_outside_the_partners_grants_does_not_exist_for_it(world: World) -> None:
    _, caller = await world.a_reader(["Subject.city"])

    with pytest.raises(GatewayError) as refused:
        await world.see(caller, "realName")

    assert refused.value.code is Code.VALIDATION


async def test_a_scope_that_names_an_uncatalogued_field_is_never_active(world: World) -> None:
    fields = {"Subject.passwordHash": ScopeField(REVEAL, "curiosity")}
    version = await grants.propose(world.owner, scope="greedy", purpose=Purpose.SURVEY, fields=fields)

    with pytest.raises(GrantError) as refused:
        await grants.activate(world.owner, scope="greedy", version=version, catalogue=CATALOGUE.fields)

    assert refused.value.code == "SCOPE_REFUSED"
    assert [finding.fault for finding in refused.value.findings] == [Fault.UNKNOWN_PATH]


async def test_a_field_without_a_justification_cannot_be_proposed(world: World) -> None:
    with pytest.raises(GrantError) as refused:
        await grants.propose(world.owner, scope="mute", purpose=Purpose.SURVEY, fields={"Subject.city": ScopeField(REVEAL, "  ")})

    assert refused.value.code == "SCOPE_INVALID"
