"""Policy as files: what is written is what stands, reading it back changes nothing, and nothing takes effect by applying it."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gateway.catalogue.weidandan import CATALOGUE
from gateway.demo.partners import PARTNERS
from gateway.demo.register import register_client, register_partners
from gateway.stewardship import changes, configuration_files
from gateway.stewardship.actor import ActRefused
from gateway.stewardship.applying import Applied, Outcome, apply, planned
from gateway.stewardship.configuration import (
    ClientPart,
    Configuration,
    GrantPart,
    OperationPart,
    PartnerForm,
    Standing,
    Step,
    plan,
)
from gateway.stewardship.content import ChangeKind, FieldContent, RulesContent, ScopeContent
from gateway.stewardship.standing import export
from gateway.store import registered
from gateway.strict_yaml import InvalidFile, read
from scopes import Purpose
from tests.support.database import Database
from tests.support.oauth import a_metadata
from tests.support.stewardship import CITY, EVERY_NEED, MACHINE, REAL_NAME, Office, a_grant, a_partner, a_scope, an_office

PHASES = (Phase.explicit, Phase.reuse, Phase.generate)  # shrinking such large cases takes minutes
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
METADATA = a_metadata("c")


@pytest_asyncio.fixture
async def office(database: Database, tmp_path: Path) -> AsyncIterator[Office]:
    async with an_office(database, tmp_path / "data") as made:
        yield made


# --- values


LINES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40).filter(str.strip)
NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)
SCOPE_NAMES = st.from_regex(r"[a-z][a-z0-9_.:-]{0,8}", fullmatch=True)
INSTANTS = st.datetimes(datetime(2027, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
REDACTIONS = st.sampled_from([{"rung": "reveal"}, {"rung": "mask", "head": 1, "tail": 2}, {"rung": "generalise", "step": "year"}])
PATHS = st.from_regex(r"[A-Z][a-z]{1,4}\.[a-z]{1,4}", fullmatch=True)
FIELDS = st.builds(FieldContent, path=PATHS, redaction=REDACTIONS, justification=LINES, justification_en=st.just("") | LINES)
SCOPES = st.builds(
    ScopeContent,
    scope=SCOPE_NAMES,
    purpose=st.sampled_from(Purpose),
    fields=st.lists(FIELDS, min_size=1, max_size=4, unique_by=lambda field: field.path),
    active_from=st.none() | INSTANTS,
)
GRANTS = st.builds(
    GrantPart, scope=SCOPE_NAMES, starts_at=st.none() | INSTANTS, ends_at=INSTANTS, retention_days=st.integers(1, 900)
)
OPERATIONS = st.builds(OperationPart, label=LINES, document=LINES | st.just("query A {\r\n  me {\tid }\n}\n\n"))
PARTNERS_DRAWN = st.builds(
    PartnerForm,
    name=NAMES,
    legal_name=LINES,
    contact=LINES,
    role=st.sampled_from(["recipient", "processor"]),
    kind=st.just("vendor"),
    processing_location=st.sampled_from(["CN", "DE"]),
    cross_border_mechanism=st.sampled_from([None, "assessment"]),
    agreement_sha256=st.sampled_from([None, "0" * 64]),
    agreement_starts_at=INSTANTS,
    agreement_ends_at=INSTANTS,
    duties=st.sampled_from([["confidentiality", "security"], ["audit", "confidentiality", "security"]]),
    notice_contacts=st.lists(LINES, max_size=2),
    retention_days=st.none() | st.integers(1, 900),
    registered_only=st.booleans(),
    status=st.sampled_from(["active", "suspended"]),
    grants=st.lists(GRANTS, max_size=3),
    operations=st.lists(OPERATIONS, max_size=2, unique_by=lambda one: one.document),
)


@st.composite
def configurations(draw: st.DrawFn) -> Configuration:
    scopes = draw(st.lists(SCOPES, max_size=3, unique_by=lambda one: one.scope))
    partners = draw(st.lists(PARTNERS_DRAWN, max_size=3, unique_by=lambda one: one.name))
    with_clients = [
        one.model_copy(update={"clients": [ClientPart(metadata={**METADATA, "client_id": f"{one.name}-{number}"})]})
        for number, one in enumerate(partners)
    ]
    rules = RulesContent(needs=draw(st.sampled_from([{}, EVERY_NEED])), floors={})
    return Configuration(rules, {one.scope: one for one in scopes}, {one.name: one for one in with_clients})


def standing(of: Configuration) -> Standing:
    """As if the configuration stood."""
    return Standing(of, {name: [str(number) for number in range(len(one.grants))] for name, one in of.partners.items()}, NOW)


@settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
    phases=PHASES,
)
@given(configuration=configurations())
def test_what_was_written_is_read_back_and_is_no_change(tmp_path: Path, configuration: Configuration) -> None:
    """To the letter, whatever the texts hold; in the same bytes each time; and each file fits the schema beside it."""
    configuration_files.write(tmp_path, configuration)

    again = configuration_files.read(tmp_path)

    assert plan(standing(configuration), again) == ()
    assert configuration_files.texts(again) == configuration_files.texts(configuration)
    assert {name: one.operations for name, one in again.partners.items()} == {
        name: one.operations for name, one in configuration.partners.items()
    }
    for folder, form in (("scopes", "scope"), ("partners", "partner")):
        schema = Draft202012Validator(json.loads((tmp_path / "schemas" / f"{form}.schema.json").read_text()))
        for path in (tmp_path / folder).glob("*.yaml"):
            assert not [*schema.iter_errors(read(path).value)]
            assert path.read_text().startswith(f"# yaml-language-server: $schema=../schemas/{form}.schema.json\n")


@settings(max_examples=60, deadline=None, phases=PHASES)
@given(before=configurations(), after=configurations())
def test_a_plan_names_each_thing_once_and_none_that_stays(before: Configuration, after: Configuration) -> None:
    items = plan(standing(before), after)

    scopes = {(one.title, one.step) for one in items if one.title.startswith("scope ")}
    for name in before.scopes.keys() - after.scopes.keys():
        assert (f"scope {name}", Step.END) in scopes
    for name in after.scopes.keys() - before.scopes.keys():
        assert (f"scope {name}", Step.ADD) in scopes
    ended = {one.title for one in items if one.step is Step.END and one.kind is ChangeKind.PARTNER}
    assert ended == {f"partner {name}" for name in before.partners.keys() - after.partners.keys()}
    titles = [one.title for one in items if not one.title.startswith("grant ")]
    assert len(titles) == len({*titles})
    assert all(one.differences or one.step is Step.END for one in items)


def test_order_and_ways_of_writing_are_no_difference() -> None:
    fields = [FieldContent(path=path, redaction={"rung": "reveal"}, justification="needed") for path in (CITY, REAL_NAME)]
    one, other = (
        ScopeContent(scope="orders", purpose=Purpose.SERVICE_DELIVERY, fields=listed) for listed in (fields, fields[::-1])
    )
    rules = [
        RulesContent(needs={"survey": names}, floors={})
        for names in (["profile.city", "identity.national_id"], ["identity.national_id", "profile.city"])
    ]

    assert plan(standing(Configuration(rules[0], {"orders": one}, {})), Configuration(rules[1], {"orders": other}, {})) == ()


def test_a_plan_tells_field_by_field() -> None:
    field = FieldContent(path=CITY, redaction={"rung": "reveal"}, justification="needed")
    masked = field.model_copy(update={"redaction": {"rung": "mask", "head": 1}})
    rules = RulesContent(needs={}, floors={})
    before, after = (
        Configuration(rules, {"orders": ScopeContent(scope="orders", purpose=Purpose.SURVEY, fields=[one])}, {})
        for one in (field, masked)
    )

    [item] = plan(standing(before), after)

    told = [(one.path, one.before, one.after) for one in item.differences]
    assert told == [(f"fields.{CITY}.redaction.head", None, 1), (f"fields.{CITY}.redaction.rung", "reveal", "mask")]


def test_a_grant_whose_period_is_over_is_nothing_to_decide() -> None:
    over = GrantPart(scope="orders", ends_at=NOW - timedelta(days=1), retention_days=1)
    partner = PartnerForm.model_validate(_partner_wire()).model_copy(update={"grants": [over]})
    without = partner.model_copy(update={"grants": []})
    rules = RulesContent(needs={}, floors={})

    assert plan(standing(Configuration(rules, {}, {"shop": without})), Configuration(rules, {}, {"shop": partner})) == ()


def _partner_wire() -> dict[str, Any]:
    return {
        "name": "shop",
        "legal_name": "Shop Ltd",
        "contact": "privacy@shop.example",
        "role": "recipient",
        "kind": "vendor",
        "processing_location": "CN",
        "agreement_starts_at": "2026-01-01T00:00:00Z",
        "agreement_ends_at": "2030-01-01T00:00:00Z",
        "duties": ["confidentiality", "security"],
    }


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (("legal_name: Shop Ltd\n", "legal_name: Shop Ltd\nlegal_nam: x\n"), 4),
        (("retention_days: 30\n", "retention_days: '30'\n"), 13),
        (("retention_days: 30\n", "retention_days: 30\nretention_days: 31\n"), 14),
        (("'2030-01-01T00:00:00Z'", "2030-01-01"), 9),
        (("role: recipient", "role: friend"), 5),
        (("- security\n", ""), 11),
        (("name: shop\n", ""), 2),
        (
            (
                "retention_days: 30\n",
                "retention_days: 30\noperations:\n- label: a\n  document: '{ a }'\n- label: b\n  document: '{ a }'\n",
            ),
            15,
        ),
        (("retention_days: 30\n", "retention_days: 30\nclients:\n- metadata: {}\n"), 15),
    ],
)
def test_a_file_that_is_wrong_is_told_with_its_line(tmp_path: Path, change: tuple[str, str], line: int) -> None:
    rules = RulesContent(needs={}, floors={})
    shop = PartnerForm.model_validate({**_partner_wire(), "retention_days": 30})
    configuration_files.write(tmp_path, Configuration(rules, {}, {"shop": shop}))
    path = tmp_path / "partners" / "shop.yaml"
    text = path.read_text()
    assert change[0] in text
    path.write_text(text.replace(*change))

    with pytest.raises(InvalidFile) as wrong:
        configuration_files.read(tmp_path)

    assert str(wrong.value).startswith(f"{path}:{line}: "), wrong.value


def test_a_folder_that_is_none_ends_nothing(tmp_path: Path) -> None:
    """An empty or misspelt folder must not read as a wish to end everything."""
    with pytest.raises(OSError, match=r"rules\.yaml"):
        configuration_files.read(tmp_path)


def test_files_of_what_is_gone_are_taken_away(tmp_path: Path) -> None:
    rules = RulesContent(needs={}, floors={})
    configuration_files.write(tmp_path, Configuration(rules, {}, {"shop": PartnerForm.model_validate(_partner_wire())}))
    foreign = tmp_path / "partners" / "of-somebody-else.yaml"
    foreign.write_text("a: 1\n")
    configuration_files.write(tmp_path, Configuration(rules, {}, {}))

    assert [*(tmp_path / "partners").iterdir()] == [foreign]


# --- registers


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
        assert plan(standing(again), wanted) == ()


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
