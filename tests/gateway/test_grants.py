"""Scopes in versions and grants: one active version at each instant, reviewed; a grant misses nobody (policy 1.1, 2, 6.2)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from gateway.catalogue.weidandan import CATALOGUE
from gateway.request.codes import GatewayError
from gateway.store import consents, grants
from gateway.store.grants import GrantError
from scopes import PSEUDONYMISE, REVEAL, CatalogueField, Fault, Purpose, Redaction, Role, Rung, ScopeField
from tests.support.database import Database
from tests.support.world import World

CITY = {"Subject.city": ScopeField(REVEAL, "the test needs it")}
LANGUAGE = {"Subject.language": ScopeField(REVEAL, "the test needs it")}
POLICY = "2024-11-26"


async def _draft(world: World, scope: str = "orders", fields: dict[str, ScopeField] | None = None) -> int:
    return await grants.propose(world.owner, scope=scope, purpose=Purpose.SERVICE_DELIVERY, fields=fields or CITY)


async def _activate(conn: Any, version: int, scope: str = "orders") -> None:
    await grants.activate(conn, scope=scope, version=version, catalogue=CATALOGUE.fields)


async def _version_of(world: World, partner_id: UUID) -> int:
    found: int = await world.owner.fetchval("select view_version from gateway.partner where partner_id = $1", partner_id)
    return found


async def test_a_draft_gives_nothing_until_it_is_active_and_then_takes_the_place_of_the_one_before(small_world: World) -> None:
    """policy 1.1: what a scope reads is reviewed first; a change is a new version."""
    world = small_world
    partner_id = await world.a_partner()
    first = await _draft(world)
    await world.a_grant(partner_id, "orders")
    await world.a_consent(await world.a_subject(), partner_id)
    caller = await world.a_token(partner_id, "orders")
    with pytest.raises(GatewayError):
        await world.see(caller, "city")

    await _activate(world.owner, first)
    assert await world.see(caller, "city") == [{"city": "深圳市"}]
    second = await _draft(world, fields=LANGUAGE)
    assert await world.see(caller, "city") == [{"city": "深圳市"}]
    await _activate(world.owner, second)

    assert await world.see(caller, "language") == [{"language": "zh-CN"}]
    with pytest.raises(GatewayError):
        await world.see(caller, "city")
    rows = await grants.everything(world.owner)
    assert [(row["version"], row["is_active"]) for row in rows] == [(2, True), (1, False)]
    assert rows[0]["active_from"] == rows[1]["retired_at"]


async def test_every_redaction_and_justification_is_kept_as_it_was_proposed(small_world: World) -> None:
    fields = {
        "Subject.mobileNumber": ScopeField(Redaction(Rung.MASK, head=3, tail=4), "收件人核对", "checked by the recipient"),
        "Subject.birthDate": ScopeField(Redaction(Rung.GENERALISE, step="year"), "offers by age"),
        "Post.id": ScopeField(PSEUDONYMISE, "taken down again"),
    }
    await _draft(small_world, fields=fields)

    [row] = await grants.everything(small_world.owner)
    assert grants.rules_of(row["fields"]) == fields


async def test_what_the_review_finds_keeps_a_version_from_becoming_active(small_world: World) -> None:
    """policy 1.1, 2.8. The findings come with the refusal, and the version before stays."""
    world = small_world
    fields = {
        "Subject.realName": ScopeField(PSEUDONYMISE, "to join rows"),
        "Subject.shoeSize": ScopeField(REVEAL, "to sell shoes"),
        "Subject.city": ScopeField(Redaction(Rung.MASK, head=3, tail=4), "to count"),
    }
    version = await grants.propose(world.owner, scope="mix", purpose=Purpose.AD_MEASUREMENT, fields=fields)

    with pytest.raises(GrantError) as refused:
        await _activate(world.owner, version, "mix")

    assert refused.value.code == "SCOPE_REFUSED"
    assert {(finding.path, finding.fault) for finding in refused.value.findings} >= {
        ("Subject.realName", Fault.ANALYTICS_IDENTITY),
        ("Subject.shoeSize", Fault.UNKNOWN_PATH),
    }
    assert [row["active_from"] for row in await grants.everything(world.owner)] == [None]


async def test_a_scope_has_one_purpose_in_all_its_versions(small_world: World) -> None:
    """policy 1.3: data given for one purpose do not come to serve another."""
    await _draft(small_world)
    with pytest.raises(GrantError) as refused:
        await grants.propose(small_world.owner, scope="orders", purpose=Purpose.ADVERTISING, fields=CITY)
    assert refused.value.code == "SCOPE_PURPOSE"


async def test_of_two_that_activate_at_once_one_comes_after_the_other_and_no_instant_has_two(
    small_world: World, database: Database
) -> None:
    """The later one may have begun first: its transaction's clock is older than what it takes the place of."""
    world = small_world
    one, two = await _draft(world), await _draft(world, fields=LANGUAGE)
    early: asyncpg.Connection[Any] = await database.owner()
    late: asyncpg.Connection[Any] = await database.owner()
    try:
        waits, goes = early.transaction(), late.transaction()
        await waits.start()
        await early.fetchval("select now()")  # its clock stands still from here on
        await goes.start()
        await _activate(late, one)
        second = asyncio.create_task(_activate(early, two))
        await world.until_waiting(early)
        await goes.commit()
        await second
        await waits.commit()
    finally:
        await early.close()
        await late.close()

    newest, oldest = await grants.everything(world.owner)
    assert (newest["version"], newest["is_active"]) == (two, True)
    assert oldest["active_from"] <= oldest["retired_at"] == newest["active_from"]


async def test_a_race_of_activations_leaves_one_unbroken_line_of_versions(small_world: World, database: Database) -> None:
    world = small_world
    versions = [await _draft(world) for _ in range(8)]
    conns = [await database.connect() for _ in range(4)]
    try:
        await asyncio.gather(
            *(_run_in_turn(conn, [_activation(version) for version in versions[n::4]]) for n, conn in enumerate(conns))
        )
    finally:
        for conn in conns:
            await conn.close()

    line = sorted(await grants.everything(world.owner), key=lambda row: row["active_from"])
    assert [row["retired_at"] for row in line] == [*(row["active_from"] for row in line[1:]), None]
    assert len({row["active_from"] for row in line}) == 8


def _activation(version: int) -> Callable[[Any], Awaitable[None]]:
    return lambda conn: _activate(conn, version)


async def _run_in_turn(conn: Any, steps: list[Callable[[Any], Awaitable[None]]]) -> None:
    for step in steps:
        await step(conn)


async def test_activations_of_two_scopes_with_the_same_partners_do_not_wait_for_each_other_in_a_circle(
    small_world: World, database: Database
) -> None:
    world = small_world
    partner_ids = [await world.a_partner() for _ in range(6)]
    drafts: dict[str, list[int]] = {"ones": [], "twos": []}
    for scope, versions in drafts.items():
        versions += [await _draft(world, scope) for _ in range(6)]
        for partner_id in partner_ids if scope == "ones" else reversed(partner_ids):
            await world.a_grant(partner_id, scope)
    conns = {scope: await database.connect() for scope in drafts}

    async def run(scope: str) -> None:
        for version in drafts[scope]:
            await _activate(conns[scope], version, scope)

    try:
        async with asyncio.timeout(60):
            await asyncio.gather(*(run(scope) for scope in drafts))
    finally:
        for conn in conns.values():
            await conn.close()
    assert sum(row["is_active"] for row in await grants.everything(world.owner)) == 2


async def test_the_database_itself_refuses_a_second_active_version(small_world: World) -> None:
    """Whoever writes, and however."""
    await _draft(small_world)
    await _draft(small_world)
    with pytest.raises(asyncpg.UniqueViolationError):
        await small_world.owner.execute("update gateway.scope_version set active_from = now() where scope = 'orders'")


async def test_a_retired_scope_gives_nothing_and_is_not_retired_twice(small_world: World) -> None:
    world = small_world
    partner_id, caller = await world.a_reader(["Subject.city"])
    await world.a_consent(await world.a_subject(), partner_id)
    [scope] = caller.scopes
    assert len(await world.see(caller, "city")) == 1

    await grants.retire(world.owner, scope=scope)

    with pytest.raises(GatewayError):
        await world.see(caller, "city")
    with pytest.raises(GrantError) as refused:
        await grants.retire(world.owner, scope=scope)
    assert refused.value.code == "SCOPE_UNKNOWN"


async def test_each_change_of_scopes_and_grants_raises_the_view_version_of_those_it_concerns(small_world: World) -> None:
    """DESIGN section 2, no stale plan."""
    world = small_world
    partner_id, other = await world.a_partner(), await world.a_partner()
    await _activate(world.owner, await _draft(world))
    before, others = await _version_of(world, partner_id), await _version_of(world, other)

    seen = [before]
    grant_id = await world.a_grant(partner_id, "orders")
    seen.append(await _version_of(world, partner_id))
    second = await _draft(world)
    await _activate(world.owner, second)
    seen.append(await _version_of(world, partner_id))
    await grants.retire(world.owner, scope="orders")
    seen.append(await _version_of(world, partner_id))
    await grants.revoke(world.owner, grant_id=grant_id)
    seen.append(await _version_of(world, partner_id))

    assert seen == sorted(set(seen))
    assert await _version_of(world, other) == others


async def test_those_who_accepted_the_policy_are_there_as_soon_as_a_processors_grant_is(small_world: World) -> None:
    """policy 6.2: acceptance alone covers a processor's ordinary categories; nobody has to say anything again."""
    world = small_world
    partner_id = await world.a_partner(role=Role.PROCESSOR)
    scope = await world.a_scope(["Subject.city"], purpose=Purpose.MESSAGE_DELIVERY)
    for _ in range(3):
        await consents.accept_policy(world.owner, world.keys, subject_id=await world.a_subject(), policy_version=POLICY)

    grant_id = await world.a_grant(partner_id, scope)

    caller = await world.a_token(partner_id, scope)
    assert len(await world.see(caller, "city")) == 3
    await grants.revoke(world.owner, grant_id=grant_id)
    await consents.accept_policy(world.owner, world.keys, subject_id=await world.a_subject(), policy_version=POLICY)
    assert await consents.verify(world.owner, world.keys) == []


async def test_nobody_who_accepts_the_policy_while_a_grant_is_given_is_missed(small_world: World, database: Database) -> None:
    """Their acceptance began when no grant asked for their fold, and commits when the first fold has passed them by."""
    world = small_world
    partner_id = await world.a_partner(role=Role.PROCESSOR)
    scope = await world.a_scope(["Subject.city"], purpose=Purpose.MESSAGE_DELIVERY)
    accepting: asyncpg.Connection[Any] = await database.owner()
    giving: asyncpg.Connection[Any] = await database.connect()
    try:
        begun = accepting.transaction()
        await begun.start()
        await consents.accept_policy(accepting, world.keys, subject_id=await world.a_subject(), policy_version=POLICY)
        period = {"starts_at": world.started - timedelta(days=1), "ends_at": world.started + timedelta(days=1)}
        given = asyncio.create_task(
            grants.give(giving, world.keys, partner_id=partner_id, scope=scope, retention=timedelta(days=30), **period)
        )
        await world.until_waiting(giving)
        await begun.commit()
        await given
    finally:
        await accepting.close()
        await giving.close()

    assert len(await world.see(await world.a_token(partner_id, scope), "city")) == 1
    assert await consents.verify(world.owner, world.keys) == []


async def test_a_revoked_grant_gives_nothing_more_and_is_not_revoked_twice(small_world: World) -> None:
    world = small_world
    partner_id = await world.a_partner()
    scope = await world.a_scope(["Subject.city"])
    grant_id = await world.a_grant(partner_id, scope)
    await world.a_consent(await world.a_subject(), partner_id)
    caller = await world.a_token(partner_id, scope)
    assert len(await world.see(caller, "city")) == 1

    await grants.revoke(world.owner, grant_id=grant_id)

    with pytest.raises(GatewayError):
        await world.see(caller, "city")
    with pytest.raises(GrantError) as refused:
        await grants.revoke(world.owner, grant_id=grant_id)
    assert refused.value.code == "GRANT_UNKNOWN"


async def test_what_cannot_be_is_refused_with_its_code_and_leaves_nothing(small_world: World) -> None:
    world = small_world
    partner_id = await world.a_partner()
    await _activate(world.owner, await _draft(world))
    catalogue: dict[str, CatalogueField] = dict(CATALOGUE.fields)
    backwards = {"starts_at": world.started, "ends_at": world.started}
    attempts: list[tuple[str, Awaitable[object]]] = [
        ("SCOPE_INVALID", _draft(world, "Not A Name")),
        ("SCOPE_INVALID", _draft(world, "mute", {"Subject.city": ScopeField(REVEAL, " ")})),
        ("SCOPE_UNKNOWN", grants.activate(world.owner, scope="orders", version=9, catalogue=catalogue)),
        ("SCOPE_ACTIVE", grants.activate(world.owner, scope="orders", version=1, catalogue=catalogue)),
        ("SCOPE_UNKNOWN", world.a_grant(partner_id, "nothing")),
        ("PARTNER_UNKNOWN", world.a_grant(uuid4(), "orders")),
        ("GRANT_INVALID", world.a_grant(partner_id, "orders", **backwards)),
        ("GRANT_INVALID", world.a_grant(partner_id, "orders", retention=timedelta(0))),
        ("GRANT_UNKNOWN", grants.revoke(world.owner, grant_id=uuid4())),
    ]
    async with world.owner.transaction():
        for code, attempt in attempts:
            with pytest.raises(GrantError) as refused:
                await attempt
            assert refused.value.code == code
        left = await world.owner.fetchval(
            "select json_build_array((select count(*) from gateway.scope_version), (select count(*) from gateway.partner_grant))"
        )
    assert json.loads(left) == [1, 0]
