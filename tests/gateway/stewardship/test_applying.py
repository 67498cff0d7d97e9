"""Files applied: what they say differs is proposed, and nothing takes effect before somebody else approves it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from gateway.catalogue.weidandan import CATALOGUE
from gateway.demo.partners import PARTNERS
from gateway.demo.register import register_client, register_partners
from gateway.stewardship import changes, configuration_files
from gateway.stewardship.actor import ActRefused
from gateway.stewardship.applying import Applied, Outcome, apply, planned
from gateway.stewardship.configuration import (
    Configuration,
    PartnerForm,
    Step,
    plan,
)
from gateway.stewardship.content import ChangeKind, RulesContent, ScopeContent
from gateway.stewardship.standing import export
from gateway.store import registered
from tests.support.database import Database
from tests.support.oauth import a_metadata
from tests.support.stewardship import CITY, MACHINE, REAL_NAME, Office, a_grant, a_partner, a_scope, an_office, standing_of

METADATA = a_metadata("c")


@pytest_asyncio.fixture
async def office(database: Database, tmp_path: Path) -> AsyncIterator[Office]:
    async with an_office(database, tmp_path / "data") as made:
        yield made


async def _apply(office: Office, wanted: Configuration) -> tuple[Applied, ...]:
    return await apply(
        office.world.owner, office.steward, office.ground, office.settings, CATALOGUE, wanted, reason="as reviewed"
    )


async def _exported(office: Office) -> Configuration:
    return await export(office.world.owner, MACHINE, CATALOGUE)


async def test_the_demos_whole_configuration_applied_is_nothing_to_do(office: Office, tmp_path: Path) -> None:
    ids = await register_partners(office.world.owner, office.world.keys, CATALOGUE.fields)
    for partner in PARTNERS:
        metadata = a_metadata(f"{partner.name}-1", client_name=partner.legal_name)
        await register_client(office.world.owner, partner_id=ids[partner.name], metadata=metadata)
    await registered.register(office.world.owner, partner_id=ids["adlens"], document="{\n  me { city }\n}\n", label="reach")
    configuration_files.write(tmp_path, await _exported(office))

    wanted = configuration_files.read(tmp_path)

    assert {*wanted.partners} == {partner.name for partner in PARTNERS}
    assert await planned(office.world.owner, MACHINE, CATALOGUE, wanted) == ()
    assert await _apply(office, wanted) == ()


async def test_files_become_what_stands_by_approvals_alone_and_in_their_order(office: Office, tmp_path: Path) -> None:
    """What can be proposed is; what depends on it waits and says so; applied again it goes on, and proposes nothing twice."""
    owner = office.world.owner
    configuration_files.write(tmp_path, await _exported(office))
    shop = PartnerForm.model_validate(
        {
            **a_partner(office.world, "shop"),
            "clients": [{"metadata": METADATA}],
            "grants": [{name: value for name, value in a_grant(office.world, "shop", "orders").items() if name != "partner"}],
            "operations": [{"label": "city", "document": "{ me { city } }"}],
        }
    )
    operation = f"operation {shop.operations[0].sha256} of shop"
    scope = ScopeContent.model_validate(a_scope("orders", REAL_NAME, CITY))
    wanted = replace(await _exported(office), scopes={"orders": scope}, partners={"shop": shop})

    first = await _apply(office, wanted)
    again = await _apply(office, wanted)

    told = {one.item.title: (one.outcome, one.waits_for) for one in first}
    assert told == {
        "scope orders": (Outcome.PROPOSED, ()),
        "partner shop": (Outcome.PROPOSED, ()),
        "client c of shop": (Outcome.WAITS, ("partner shop",)),
        "grant of orders to shop": (Outcome.WAITS, ("partner shop", "scope orders")),
        operation: (Outcome.WAITS, ("partner shop", "scope orders")),
    }
    assert {one.outcome for one in again} == {Outcome.PENDING, Outcome.WAITS}
    assert [one.change_id for one in again] == [one.change_id for one in first]
    assert (await _exported(office)).partners == {}  # nothing has taken effect

    await _approve_all(office)
    second = {one.item.title: (one.outcome, one.waits_for) for one in await _apply(office, wanted)}
    assert second.pop(operation) == (Outcome.WAITS, ("grant of orders to shop", "scope orders"))
    assert {outcome for outcome, _ in second.values()} == {Outcome.PROPOSED}
    await _approve_all(office)

    assert [(one.item.title, one.outcome) for one in await _apply(office, wanted)] == [(operation, Outcome.DONE)]
    assert await _apply(office, wanted) == ()
    assert await owner.fetchval("select count(*) from gateway.change where state <> 'approved'") == 0
    bare = shop.model_copy(update={"clients": [], "grants": [], "operations": []})
    without = replace(wanted, scopes={}, partners={"shop": bare})
    ended = await _apply(office, without)
    assert [(one.item.step, one.item.title) for one in ended] == [
        (Step.END, "client c of shop"),
        (Step.END, f"grant of orders to shop until {shop.grants[0].ends_at.isoformat()}"),
        (Step.END, operation),
        (Step.END, "scope orders"),
    ]
    await _approve_all(office)
    assert await _apply(office, without) == ()


async def test_a_grant_is_followed_by_another_without_a_gap(office: Office) -> None:
    """The new one stands before the old one ends."""
    await office.make(ChangeKind.PARTNER, a_partner(office.world, "shop"))
    await office.make(ChangeKind.SCOPE, a_scope("orders", CITY))
    await office.make(ChangeKind.GRANT, a_grant(office.world, "shop", "orders"))
    before = await _exported(office)
    shop = before.partners["shop"]
    longer = shop.grants[0].model_copy(update={"ends_at": shop.grants[0].ends_at + timedelta(days=30), "starts_at": None})
    wanted = replace(before, partners={"shop": shop.model_copy(update={"grants": [longer]})})

    first = await _apply(office, wanted)
    await _approve_all(office)
    second = await _apply(office, wanted)
    await _approve_all(office)

    assert [(one.item.step, one.outcome) for one in first] == [(Step.ADD, Outcome.PROPOSED), (Step.END, Outcome.WAITS)]
    assert [(one.item.step, one.outcome) for one in second] == [(Step.END, Outcome.PROPOSED)]
    assert await _apply(office, wanted) == ()


async def test_what_has_grown_stale_is_proposed_anew(office: Office) -> None:
    """Nobody could approve it any more; what waits of it is withdrawn."""
    await office.make(ChangeKind.SCOPE, a_scope("orders", CITY))
    wanted = replace(await _exported(office), scopes={"orders": ScopeContent.model_validate(a_scope("orders", CITY, REAL_NAME))})
    [first] = await _apply(office, wanted)
    await office.make(ChangeKind.SCOPE, a_scope("orders", CITY, "Subject.email"))

    [second] = await _apply(office, wanted)

    assert (second.outcome, second.change_id != first.change_id) == (Outcome.PROPOSED, True)
    await _approve_all(office)
    assert await _apply(office, wanted) == ()


async def _approve_all(office: Office) -> None:
    for one in await changes.listed(office.world.owner, office.approver, state="proposed"):
        await office.approve(one.change_id)


async def test_whatever_was_built_goes_out_and_comes_back_unchanged(office: Office, tmp_path: Path) -> None:
    """From one drawn configuration to the next, by approvals alone; each one exported and read again is nothing to do."""
    draw = random.Random(41)  # noqa: S311 - drawn again the same way
    rules = (await _exported(office)).rules
    for _ in range(4):
        wanted = _drawn(draw, office, rules)
        rounds = 0
        while items := await _apply(office, wanted):
            assert not [one for one in items if one.outcome is Outcome.REFUSED], items
            await _approve_all(office)
            rounds += 1
            assert rounds <= 3
        configuration_files.write(tmp_path, await _exported(office))
        again = configuration_files.read(tmp_path)
        assert await planned(office.world.owner, MACHINE, CATALOGUE, again) == ()
        assert plan(standing_of(again), wanted) == ()


def _drawn(draw: random.Random, office: Office, rules: RulesContent) -> Configuration:
    """Of names that have not ended before: what has ended with a partner or a client does not begin again."""
    scopes = {
        name: ScopeContent.model_validate(a_scope(name, *draw.sample([CITY, REAL_NAME, "Subject.email"], draw.randint(1, 3))))
        for name in draw.sample(["one", "two.a", "three:b"], draw.randint(1, 3))
    }
    partners = {}
    for name in ("shop", "lens", f"new-{draw.randrange(10**6)}"):
        drawn = {
            "contact": f"dpo{draw.randrange(3)}@partner.example",
            "status": draw.choice(["active", "suspended"]),
            "registered_only": draw.random() < 0.5,
            "retention_days": draw.choice([None, 100]),
            "clients": [{"metadata": {**METADATA, "client_id": f"{name}-{draw.randrange(10**6)}"}}] * draw.randint(0, 1),
            "grants": [
                {key: value for key, value in a_grant(office.world, name, scope).items() if key != "partner"}
                for scope in draw.sample(sorted(scopes), draw.randint(0, len(scopes)))
            ],
        }
        partners[name] = PartnerForm.model_validate({**a_partner(office.world, name), **drawn})
    return Configuration(rules, scopes, partners)


async def test_rules_and_the_scope_that_needs_them_go_one_after_the_other(office: Office) -> None:
    """A scope that only the new rules allow waits for them; rules that a scope in use breaks wait for its change."""
    bare = replace(await _exported(office), rules=RulesContent(needs={"survey": ["profile.city"]}, floors={}))
    await _apply(office, bare)
    await _approve_all(office)
    scope = ScopeContent.model_validate(a_scope("orders", CITY))
    rules = RulesContent(needs={"service_delivery": ["profile.city"]}, floors={})
    wanted = replace(bare, rules=rules, scopes={"orders": scope})

    told = {one.item.title: one.outcome for one in await _apply(office, wanted)}
    assert told == {"rules": Outcome.PROPOSED, "scope orders": Outcome.WAITS}
    await _approve_all(office)
    await _apply(office, wanted)
    await _approve_all(office)
    assert await _apply(office, wanted) == ()

    [rules_wait, _] = await _apply(office, replace(bare, rules=RulesContent(needs={}, floors={})))
    assert (rules_wait.outcome, rules_wait.waits_for, rules_wait.code) == (Outcome.WAITS, ("scope orders",), "RULES_BROKEN")


async def test_what_breaks_a_rule_is_refused_by_itself(office: Office) -> None:
    wanted = replace(
        await _exported(office),
        scopes={
            "bad": ScopeContent.model_validate(a_scope("bad", "Subject.unheardOf")),
            "good": ScopeContent.model_validate(a_scope("good", CITY)),
        },
    )

    bad, good = await _apply(office, wanted)

    assert (bad.outcome, bad.code, [one.fault for one in bad.findings]) == (Outcome.REFUSED, "RULES_BROKEN", ["unknown_path"])
    assert good.outcome is Outcome.PROPOSED


async def test_two_who_apply_at_once_propose_each_thing_once(office: Office, database: Database) -> None:
    wanted = replace(await _exported(office), scopes={"orders": ScopeContent.model_validate(a_scope("orders", CITY))})
    async with asyncpg.create_pool(database.owner_url, min_size=4) as pool:

        async def once() -> Outcome:
            async with pool.acquire() as conn:
                [one] = await apply(conn, office.steward, office.ground, office.settings, CATALOGUE, wanted, reason="as reviewed")
                return one.outcome

        outcomes = await asyncio.gather(*(once() for _ in range(4)))

    assert sorted(outcomes) == [Outcome.PENDING] * 3 + [Outcome.PROPOSED]


async def test_only_a_steward_applies_and_taking_the_files_is_on_record(office: Office) -> None:
    wanted = await _exported(office)
    for actor in (MACHINE, office.approver):
        with pytest.raises(ActRefused) as refused:
            await apply(office.world.owner, actor, office.ground, office.settings, CATALOGUE, wanted, reason="as reviewed")
        assert refused.value.code == "ROLE_MISSING"
    rows = await office.world.owner.fetch("select actor, act, refused from gateway.act order by acted_at desc limit 3")
    assert {tuple(row) for row in rows} == {
        ("machine:root", "configuration.export", None),
        ("machine:root", "change.propose", "ROLE_MISSING"),
        ("approver", "change.propose", "ROLE_MISSING"),
    }


async def test_a_version_that_is_to_come_stands_and_is_exported_with_its_instant(office: Office, tmp_path: Path) -> None:
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(days=10)
    await office.make(ChangeKind.SCOPE, a_scope("orders", CITY))
    await office.make(ChangeKind.SCOPE, a_scope("orders", CITY, REAL_NAME, active_from=soon.isoformat()))

    configuration_files.write(tmp_path, await _exported(office))
    wanted = configuration_files.read(tmp_path)

    assert wanted.scopes["orders"].active_from == soon
    assert await _apply(office, wanted) == ()
