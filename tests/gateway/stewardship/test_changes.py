"""Nothing widens what a partner gets unless two people wanted it, and both are on record (policy 9.3)."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from gateway.stewardship import changes
from gateway.stewardship.actor import ActRefused, Door
from gateway.stewardship.content import ChangeKind
from gateway.stewardship.roles import StaffRole
from gateway.store import consents
from scopes import Purpose, Role
from tests.support.database import Database
from tests.support.stewardship import CITY, MACHINE, NATIONAL_ID, REAL_NAME, Office, a_grant, a_partner, a_scope, an_office
from tests.support.world import POLICY


@pytest_asyncio.fixture
async def office(database: Database, tmp_path: Path) -> AsyncIterator[Office]:
    async with an_office(database, tmp_path) as made:
        yield made


async def refusal(work: Any) -> ActRefused:
    """What it raises."""
    with pytest.raises(ActRefused) as refused:
        await work
    return refused.value


async def active(office: Office, scope: str, at: datetime | None = None) -> list[int]:
    """The versions that are active at an instant."""
    rows = await office.world.owner.fetch(
        "select version from gateway.scope_version where scope = $1 and active_from <= coalesce($2, clock_timestamp())"
        " and (retired_at is null or retired_at > coalesce($2, clock_timestamp()))",
        scope,
        at,
    )
    return [row["version"] for row in rows]


async def test_from_nothing_to_a_disclosure_through_changes_alone(office: Office) -> None:
    """Partner, client, scope and grant, each proposed by one and approved by another; then the partner reads."""
    world = office.world
    await office.make(ChangeKind.PARTNER, a_partner(world, "shop"))
    await office.make(ChangeKind.SCOPE, a_scope("orders", CITY))
    await office.make(ChangeKind.GRANT, a_grant(world, "shop", "orders"))
    partner_id = await world.owner.fetchval("select partner_id from gateway.partner where name = 'shop'")
    await world.owner.execute(
        "insert into gateway.client (client_id, partner_id, metadata) values ($1, $2, '{}')",
        world.client_of(partner_id),
        partner_id,
    )
    await world.a_consent(await world.a_subject(), partner_id)

    assert await world.see(await world.a_token(partner_id, "orders"), "city") == [{"city": "深圳市"}]
    came_of = await world.owner.fetchval("select change_id from gateway.scope_version where scope = 'orders'")
    assert came_of is not None


async def test_nobody_approves_what_they_proposed_whatever_roles_they_hold(office: Office) -> None:
    """Policy 9.3. The database itself keeps it, too."""
    change_id = await office.propose(ChangeKind.SCOPE, a_scope("orders", CITY))
    own = office.steward
    both = type(own)(own.staff_id, own.name, frozenset(StaffRole), has_accepted=True, door=own.door)

    assert (await refusal(office.approve(change_id, by=office.steward))).code == "ROLE_MISSING"
    assert (await refusal(office.approve(change_id, by=both))).code == "OWN_CHANGE"
    assert (await refusal(office.approve(change_id, by=MACHINE))).code == "ROLE_MISSING"
    with pytest.raises(asyncpg.CheckViolationError):
        await office.world.owner.execute(
            "update gateway.change set state = 'approved', decided_by = proposed_by, decided_at = now() where change_id = $1",
            change_id,
        )
    assert await active(office, "orders") == []


async def test_two_approvers_at_once_decide_once(office: Office) -> None:
    """Whoever comes second finds it decided; there is one version, not two."""
    change_id = await office.propose(ChangeKind.SCOPE, a_scope("orders", CITY))
    async with asyncpg.create_pool(**_where(office.world.owner), min_size=8, max_size=8) as pool:

        async def decide(number: int) -> str:
            async with pool.acquire() as conn:
                try:
                    by = office.approver if number % 2 else office.second_approver
                    await changes.approve(conn, by, office.ground, change_id=change_id)
                except ActRefused as refused:
                    return refused.code
                return "approved"

        outcomes = await asyncio.gather(*(decide(number) for number in range(8)))

    assert sorted(outcomes) == ["CHANGE_DECIDED"] * 7 + ["approved"]
    assert await active(office, "orders") == [1]


async def test_change_of_what_has_changed_meanwhile_is_proposed_anew(office: Office) -> None:
    """What was looked at when it was approved is what it takes the place of."""
    await office.make(ChangeKind.SCOPE, a_scope("orders", CITY))
    late = await office.propose(ChangeKind.SCOPE, a_scope("orders", CITY, NATIONAL_ID))
    await office.make(ChangeKind.SCOPE, a_scope("orders", CITY, REAL_NAME))

    assert (await refusal(office.approve(late))).code == "CHANGE_STALE"
    assert await active(office, "orders") == [2]


async def test_instant_at_the_end_of_the_calendar_is_an_invalid_change(office: Office) -> None:
    """No calendar has the first and the last in UTC, and the driver takes the others for infinity."""
    for instant in (
        "0001-01-01T00:00:00+14:00",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999Z",
        "9999-12-31T23:59:59-14:00",
    ):
        refused = await refusal(office.propose(ChangeKind.SCOPE, a_scope("orders", CITY, active_from=instant)))

        assert (refused.code, [finding.path for finding in refused.findings]) == ("CHANGE_INVALID", ["active_from"])


async def test_change_that_changes_nothing_is_refused(office: Office) -> None:
    content = a_scope("orders", CITY)
    await office.make(ChangeKind.SCOPE, content)
    partner = a_partner(office.world, "shop")
    await office.make(ChangeKind.PARTNER, partner)

    assert (await refusal(office.propose(ChangeKind.SCOPE, content))).code == "CHANGE_EMPTY"
    assert (await refusal(office.propose(ChangeKind.PARTNER, partner))).code == "CHANGE_EMPTY"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (a_scope("s", CITY, purpose=Purpose.SURVEY), "not_needed"),
        (a_scope("s", NATIONAL_ID), "below_floor"),
        (a_scope("s", NATIONAL_ID, redaction={"rung": "mask", "head": 3, "tail": 4}), "below_floor"),
        (a_scope("s", REAL_NAME, purpose=Purpose.AD_MEASUREMENT), "analytics_identity"),
        (a_scope("s", "Subject.unheardOf"), "unknown_path"),
        (a_scope("s", CITY, redaction={"rung": "mask", "head": 1}), "invalid_redaction"),
    ],
)
async def test_scope_that_breaks_a_rule_is_refused_with_the_rule(office: Office, content: dict[str, Any], fault: str) -> None:
    """Policy 1.1, 2.8, 6.2: at the proposal already."""
    needs = {"service_delivery": ["profile.city", "identity.national_id"], "ad_measurement": ["identity.real_name"]}
    floors = {"identity.national_id": {"national_id": {"rung": "mask", "head": 1, "tail": 1}}}
    await office.make(ChangeKind.RULES, {"needs": needs, "floors": floors})

    refused = await refusal(office.propose(ChangeKind.SCOPE, content))

    assert (refused.code, [finding.fault for finding in refused.findings]) == ("RULES_BROKEN", [fault])


async def test_rules_that_a_scope_in_use_breaks_are_refused(office: Office) -> None:
    """Whoever tightens the rules sees which scopes have to be changed first."""
    await office.make(ChangeKind.SCOPE, a_scope("orders", CITY))

    refused = await refusal(office.propose(ChangeKind.RULES, {"needs": {}, "floors": {}}))

    assert (refused.code, [finding.path for finding in refused.findings]) == ("RULES_BROKEN", ["orders: Subject.city"])


async def test_grant_keeps_to_the_agreement(office: Office) -> None:
    """Policy 6.2, 8.2."""
    world = office.world
    await office.make(ChangeKind.PARTNER, a_partner(world, "shop", retention_days=30))
    await office.make(ChangeKind.SCOPE, a_scope("orders", CITY))
    for changed, fault in (
        ({"retention_days": 31}, "retention_beyond_the_agreement"),
        ({"retention_days": 30, "ends_at": (world.started + timedelta(days=401)).isoformat()}, "outlives_the_agreement"),
        ({"retention_days": 30, "ends_at": (world.started - timedelta(days=1)).isoformat()}, "ends_before_it_starts"),
    ):
        refused = await refusal(office.propose(ChangeKind.GRANT, a_grant(world, "shop", "orders", **changed)))
        assert (refused.code, [finding.fault for finding in refused.findings]) == ("RULES_BROKEN", [fault])


async def test_content_that_is_none_is_refused_where_it_is_wrong(office: Office) -> None:
    """A typed refusal with the place, never the value."""
    wrong = a_scope("orders", CITY) | {"fields": [{"path": CITY, "redaction": {"rung": "squint"}, "justification": " "}], "x": 1}

    refused = await refusal(office.propose(ChangeKind.SCOPE, wrong))

    assert refused.code == "CHANGE_INVALID"
    assert {finding.path for finding in refused.findings} == {"fields.0.redaction", "fields.0.justification", "x"}
    assert "squint" not in repr(refused.findings)


@pytest.mark.parametrize("text", ["\0", "\ud800"])
async def test_text_that_the_database_does_not_hold_is_a_typed_refusal(office: Office, text: str) -> None:
    for changed, place in (
        ({"legal_name": f"a{text}"}, "legal_name"),
        ({"name": text}, "name"),
        ({"duties": [text]}, "duties.0"),
    ):
        refused = await refusal(office.propose(ChangeKind.PARTNER, a_partner(office.world, "shop") | changed))
        assert (refused.code, [finding.path for finding in refused.findings]) == ("CHANGE_INVALID", [place])
    refused = await refusal(office.propose(ChangeKind.CLIENT, {"partner": "shop", "metadata": {text: 1}}))
    assert (refused.code, [finding.path for finding in refused.findings]) == ("CHANGE_INVALID", ["metadata"])


async def test_content_that_lies_too_deep_is_a_typed_refusal(office: Office) -> None:
    deep: dict[str, Any] = {}
    for _ in range(2_000):
        deep = {"deep": deep}

    refused = await refusal(office.propose(ChangeKind.CLIENT, {"partner": "shop", "metadata": deep}))

    assert (refused.code, [finding.path for finding in refused.findings]) == ("CHANGE_INVALID", ["metadata"])


async def test_scheduled_version_takes_over_at_its_instant(office: Office) -> None:
    """Until then the one before it counts, and one that comes in between."""
    soon = datetime.now(UTC) + timedelta(days=10)
    await office.make(ChangeKind.SCOPE, a_scope("orders", CITY))
    await office.make(ChangeKind.SCOPE, a_scope("orders", CITY, NATIONAL_ID, active_from=soon.isoformat()))
    await office.make(ChangeKind.SCOPE, a_scope("orders", CITY, REAL_NAME))

    assert await active(office, "orders") == [3]
    assert await active(office, "orders", soon - timedelta(microseconds=1)) == [3]
    assert await active(office, "orders", soon) == [2]
    await office.make(ChangeKind.SCOPE_END, {"scope": "orders"})
    assert await active(office, "orders") == []
    assert await active(office, "orders", soon) == []


async def test_partner_whose_basis_changes_sees_what_the_new_one_covers(office: Office) -> None:
    """Policy 6.2, 8.1: the new role counts when the approval has answered, and data subjects are folded anew by it."""
    world = office.world
    partner_id = await world.a_partner(name="shop")
    await world.a_grant(partner_id, await world.a_scope([CITY], purpose=Purpose.MESSAGE_DELIVERY, scope="notes"))
    caller, subject_id = await world.a_token(partner_id, "notes"), await world.a_subject()
    await consents.accept_policy(world.owner, world.keys, subject_id=subject_id, policy_version=POLICY)
    assert await world.see(caller, "city") == []

    kind = {"role": "processor", "kind": "messaging_provider"}
    await office.make(ChangeKind.PARTNER, a_partner(world, "shop", **kind))

    assert await world.see(caller, "city") == [{"city": "深圳市"}]


async def test_grant_reaches_those_whose_cover_rests_on_the_policy(office: Office) -> None:
    """Policy 6.2: they are there when the approval has answered, and so is who accepts afterwards."""
    world = office.world
    partner_id = await world.a_partner(name="post", role=Role.PROCESSOR, kind="messaging_provider")
    first, second = await world.a_subject(), await world.a_subject()
    await consents.accept_policy(world.owner, world.keys, subject_id=first, policy_version=POLICY)
    await office.make(ChangeKind.SCOPE, a_scope("notes", CITY, purpose=Purpose.MESSAGE_DELIVERY))
    await office.make(ChangeKind.GRANT, a_grant(world, "post", "notes"))
    caller = await world.a_token(partner_id, "notes")

    assert len(await world.see(caller, "id")) == 1
    await consents.accept_policy(world.owner, world.keys, subject_id=second, policy_version=POLICY)
    assert len(await world.see(caller, "id")) == 2


@pytest.mark.parametrize("seed", range(4))
async def test_at_each_instant_one_version_is_active_whatever_was_done(office: Office, seed: int) -> None:
    """Random sequences of proposals, approvals, schedules, withdrawals and ends; looked at around every boundary."""
    draw, fields = random.Random(seed), [CITY, REAL_NAME, NATIONAL_ID, "Subject.email", "Subject.language"]  # noqa: S311 - drawn again the same way
    pending: list[UUID] = []
    for step in range(30):
        did = draw.choice(["propose", "propose", "approve", "approve", "withdraw", "end"])
        try:
            if did == "propose":
                later = {"active_from": (datetime.now(UTC) + timedelta(days=draw.randint(1, 9))).isoformat()}
                more: dict[str, Any] = later if draw.random() < 0.3 else {}
                pending.append(await office.propose(ChangeKind.SCOPE, a_scope("s", *draw.sample(fields, 1 + step % 4), **more)))
            elif did == "approve" and pending:
                await office.approve(pending.pop(draw.randrange(len(pending))))
            elif did == "withdraw" and pending:
                await changes.withdraw(office.world.owner, office.steward, change_id=pending.pop())
            elif did == "end" and draw.random() < 0.3:
                await office.make(ChangeKind.SCOPE_END, {"scope": "s"})
        except ActRefused as refused:
            assert refused.code in {"CHANGE_STALE", "CHANGE_EMPTY", "SCOPE_UNKNOWN"}  # noqa: PT017 - any step may be refused so

    rows = await office.world.owner.fetch(
        "select active_from, retired_at from gateway.scope_version where active_from is not null"
    )
    instants = {at for row in rows for at in row if at is not None}
    assert instants
    for at in instants:
        for near in (at - timedelta(microseconds=1), at, at + timedelta(microseconds=1)):
            assert len(await active(office, "s", near)) <= 1


async def test_every_act_is_on_record_the_refused_ones_too(office: Office) -> None:
    """Policy 9.3: who, through which door, before and after; and nobody takes a row back."""
    owner = office.world.owner
    change_id = await office.propose(ChangeKind.SCOPE, a_scope("orders", CITY))
    await refusal(office.approve(change_id, by=office.steward))
    await office.approve(change_id)

    rows = await owner.fetch("select * from gateway.act where target = 'orders' or target = $1 order by acted_at", str(change_id))
    assert [(row["actor"], row["act"], row["refused"]) for row in rows] == [
        ("steward", "change.propose", None),
        ("steward", "change.approve", "ROLE_MISSING"),
        ("approver", "change.approve", None),
    ]
    assert {row["door"] for row in rows} == {Door.GRAPHQL}
    assert json.loads(rows[2]["after"])["fields"][0]["path"] == CITY
    await owner.execute("set role gateway")
    for statement in ("update gateway.act set actor = 'x'", "delete from gateway.act"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await owner.execute(statement)
    await owner.execute("reset role")


async def test_nobody_acts_before_confidentiality_is_accepted(office: Office) -> None:
    """Policy 9.3."""
    new = await office.somebody("new", {StaffRole.STEWARD}, accepts=False)

    refused = await refusal(office.propose(ChangeKind.SCOPE, a_scope("orders", CITY), by=new))

    assert refused.code == "CONFIDENTIALITY_REQUIRED"


async def test_what_is_decided_stays_decided(office: Office) -> None:
    owner = office.world.owner
    change_id = await office.propose(ChangeKind.SCOPE, a_scope("orders", CITY))
    assert (await refusal(changes.reject(owner, office.approver, change_id=change_id, decision=" "))).code == "REASON_REQUIRED"
    await changes.reject(owner, office.approver, change_id=change_id, decision="not needed")

    assert (await refusal(office.approve(change_id))).code == "CHANGE_DECIDED"
    assert (await refusal(changes.withdraw(owner, office.steward, change_id=change_id))).code == "CHANGE_DECIDED"
    assert (await refusal(office.approve(uuid4()))).code == "CHANGE_UNKNOWN"


def _where(conn: Any) -> dict[str, Any]:
    """The address of a connection, for a pool of more."""
    parameters = conn._params
    return {
        "host": conn._addr[0],
        "port": conn._addr[1],
        "user": parameters.user,
        "password": parameters.password,
        "database": parameters.database,
    }
