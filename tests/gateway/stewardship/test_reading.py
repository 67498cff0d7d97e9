"""What the staff read is what holds: registers, the matrix, records with exact reasons, reviews; and nothing of it is a value."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from gateway.catalogue.weidandan import CATALOGUE
from gateway.request.codes import GatewayError
from gateway.settings import Settings
from gateway.stewardship import overview, records, registers, reviews, support
from gateway.stewardship.actor import ActRefused
from gateway.stewardship.content import ChangeKind
from gateway.stewardship.records import Wanted
from gateway.stewardship.registers import VersionState
from gateway.stewardship.roles import Act, StaffRole
from gateway.store import halts
from gateway.store.pool import plain_pool
from scopes import Purpose, Redaction, Rung
from tests.support.database import Database
from tests.support.stewardship import CITY, REAL_NAME, Office, a_scope, an_office
from tests.support.world import ACCOUNT

MASK = Redaction(Rung.MASK, head=1, tail=0)
EMAIL = "Subject.email"


@pytest_asyncio.fixture
async def office(database: Database, tmp_path: Path) -> AsyncIterator[Office]:
    async with an_office(database, tmp_path) as made:
        yield made


async def test_matrix_shows_what_access_tells_the_partner(office: Office) -> None:
    """Two scopes of one purpose: the rules of both hold; another purpose is another column; a halt is told."""
    world = office.world
    partner_id, other_id = await world.a_partner(name="shop"), await world.a_partner(name="ads")
    for scope in (
        await world.a_scope([CITY, REAL_NAME], scope="orders"),
        await world.a_scope({REAL_NAME: MASK, EMAIL: Redaction(Rung.WITHHOLD)}, scope="parcels"),
        await world.a_scope({EMAIL: MASK}, scope="news", purpose=Purpose.MESSAGE_DELIVERY),
    ):
        await world.a_grant(partner_id, scope)
    await world.a_grant(other_id, await world.a_scope([CITY], scope="ads", purpose=Purpose.AD_MEASUREMENT))
    await halts.add(world.owner, target="partner", partner_id=other_id, reason="incident")

    found = await registers.matrix(world.owner, office.steward, CATALOGUE)

    for scopes, purpose in ((("orders", "parcels"), Purpose.SERVICE_DELIVERY), (("news",), Purpose.MESSAGE_DELIVERY)):
        answer = await world.ask(await world.a_token(partner_id, *scopes), "{ access { fields { path redaction } } }")
        told = {one["path"]: one["redaction"] for one in answer["data"]["access"]["fields"] if one["redaction"]}
        shown = {path: label for (path, partner, under), label in found.cells.items() if (partner, under) == ("shop", purpose)}
        assert {path: label for path, label in told.items() if path in shown} == shown
    assert ("Subject.email", "shop", Purpose.SERVICE_DELIVERY) not in found.cells
    assert {(one.partner, one.is_stopped) for one in found.columns} == {("shop", False), ("ads", True)}
    assert [row.path for row in found.rows] == list(CATALOGUE.fields)


async def test_registers_tell_every_version_in_its_state(office: Office) -> None:
    """Retired, active and coming; the partner stands there with what it may use now."""
    world = office.world
    soon = (world.started + timedelta(days=10)).isoformat()
    for content in (a_scope("orders", CITY), a_scope("orders", REAL_NAME), a_scope("orders", EMAIL, active_from=soon)):
        await office.make(ChangeKind.SCOPE, content)
    partner_id = await world.a_partner(name="shop")
    grant_id = await world.a_grant(partner_id, "orders")

    [partner] = await registers.partners(world.owner, office.approver)
    [grant] = await registers.grants(world.owner, office.approver)
    [client] = await registers.clients(world.owner, office.approver)
    versions = await registers.scopes(world.owner, office.approver, CATALOGUE)

    assert (partner.name, partner.scopes, partner.clients) == ("shop", ("orders",), (client.client_id,))
    assert (grant.grant_id, grant.is_live, grant.retention_days) == (grant_id, True, 90)
    states = {one.version: one.state for one in versions if one.scope == "orders"}
    assert states == {3: VersionState.COMING, 2: VersionState.ACTIVE, 1: VersionState.RETIRED}
    [field] = versions[1].fields
    assert (field.path, field.category, field.label) == (REAL_NAME, "identity.real_name", "reveal")


async def test_disclosures_tell_who_what_why_and_never_a_value(office: Office) -> None:
    """Per field how many got it and for which exact reason the others not; filters and pages; an export is itself on record."""
    world, auditor = office.world, office.people[StaffRole.AUDITOR]
    partner_id, caller = await world.a_reader({CITY: Redaction(Rung.REVEAL), REAL_NAME: MASK}, name="shop")
    willing, refusing = await world.a_subject(), await world.a_subject()
    await world.a_consent(willing, partner_id)
    await world.a_consent(refusing, partner_id, categories=["profile.city"])
    for _ in range(3):
        await world.see(caller, "city realName")

    first = await records.disclosures(world.owner, auditor, Wanted(partner="shop"), row_count=2)
    rest = await records.disclosures(world.owner, auditor, Wanted(partner="shop"), before=first[-1].disclosure_id)
    mine = await records.disclosures(world.owner, auditor, Wanted(subject_id=refusing))

    assert (len(first), len(rest), len(mine)) == (2, 1, 3)
    assert first[0].disclosed_at > first[1].disclosed_at > rest[0].disclosed_at
    outcome = {one.path: (one.shown, one.kept, one.redaction) for one in first[0].fields}
    assert outcome == {CITY: (2, {}, "reveal"), REAL_NAME: (1, {"CONSENT_MISSING": 1}, "mask(1,0)")}
    assert {one.path: one.shown for one in mine[0].fields} == {CITY: 1, REAL_NAME: 0}
    for nothing in (
        Wanted(partner="ads"),
        Wanted(purpose=Purpose.SURVEY),
        Wanted(until=world.started),
        Wanted(subject_id=uuid4()),
    ):
        assert await records.disclosures(world.owner, auditor, nothing) == ()
    assert not any(str(value) in repr(first) for name, value in ACCOUNT.items() if name != "language")


async def test_export_is_on_record_before_its_first_line(office: Office, database: Database, tmp_path: Path) -> None:
    """All pages of it, and only for who may."""
    world, auditor = office.world, office.people[StaffRole.AUDITOR]
    partner_id, caller = await world.a_reader([CITY], name="shop")
    await world.a_consent(await world.a_subject(), partner_id)
    await world.see(caller, "city")
    pool = await plain_pool(database.owner_url, Settings(data=tmp_path))
    try:
        found = await records.export(pool, auditor, Wanted(partner="shop"))
        [entry] = await records.acts(world.owner, auditor, act=Act.DISCLOSURES_EXPORT)
        assert (entry.actor, entry.target, entry.after) == ("auditor", "shop", {"partner": "shop"})
        assert [one.subject_count async for one in found] == [1]
        with pytest.raises(ActRefused, match="roles"):
            await records.export(pool, office.steward, Wanted())
    finally:
        await pool.close()


async def test_days_count_what_happened_today(office: Office) -> None:
    """Answered, refused by code, agreed to and taken back."""
    world, operator = office.world, office.people[StaffRole.OPERATOR]
    partner_id, caller = await world.a_reader([CITY], name="shop")
    subject_id = await world.a_subject()
    await world.a_consent(subject_id, partner_id)
    await world.see(caller, "city")
    await halts.add(world.owner, target="all", reason="incident")
    with pytest.raises(GatewayError):
        await world.see(caller, "city")
    await support.withdraw(
        world.owner,
        office.people[StaffRole.SUPPORT],
        world.keys,
        subject_id=subject_id,
        partner="shop",
        purpose=Purpose.SERVICE_DELIVERY,
        reason="asked by telephone",
    )

    *before, today = await overview.days(world.owner, operator, day_count=7)

    assert len(before) == 6
    assert not any(day.requests or day.consents_given for day in before)
    assert (today.disclosures, today.subjects, today.refusals, today.requests) == (1, 1, {"HALTED": 1}, 2)
    assert (today.consents_given, today.consents_narrowed, today.consents_withdrawn) == (1, 0, 1)


async def test_days_leave_contract_runs_out(office: Office) -> None:
    """What is answered to them, what is refused to them, and what their synthetic data subjects agree to."""
    world = office.world
    partner_id, _ = await world.a_reader([CITY])
    await world.owner.execute(
        "update gateway.client set is_contract_runner = true where client_id = $1", world.client_of(partner_id)
    )
    scope = await world.owner.fetchval("select scope from gateway.partner_grant where partner_id = $1", partner_id)
    runner = await world.a_token(partner_id, scope, contract_run=True)
    await world.a_consent(await world.a_subject(is_synthetic=True), partner_id)
    await world.see(runner, "city")
    await halts.add(world.owner, target="all", reason="incident")
    with pytest.raises(GatewayError):
        await world.see(runner, "city")

    [today] = await overview.days(world.owner, office.people[StaffRole.OPERATOR], day_count=1)

    assert (today.requests, today.disclosures, today.refusals, today.consents_given) == (0, 0, {}, 0)


async def test_support_sees_one_subjects_consents_once_a_reason_is_on_record(office: Office) -> None:
    """Policy 9.3: the look itself leaves a row, the refused one too, and nothing of the account is shown."""
    world, helper = office.world, office.people[StaffRole.SUPPORT]
    partner_id = await world.a_partner(name="shop")
    subject_id = await world.a_subject()
    consent_id = await world.a_consent(subject_id, partner_id, categories=["profile.city"])

    async def look(subject: UUID, reason: str) -> Any:
        return await support.consents_of(world.owner, helper, subject_id=subject, reason=reason)

    found = await look(subject_id, "ticket 7")
    [one] = found.consents
    assert (one.consent_id, one.partner, one.categories, one.is_live) == (consent_id, "shop", ("profile.city",), True)
    for subject, reason, code in ((subject_id, " ", "REASON_REQUIRED"), (uuid4(), "ticket 7", "SUBJECT_UNKNOWN")):
        with pytest.raises(ActRefused) as refused:
            await look(subject, reason)
        assert refused.value.code == code
    acts = await records.acts(world.owner, office.people[StaffRole.AUDITOR], by="support", act=Act.SUBJECT_CONSENTS_READ)
    assert [(entry.target, entry.reason, entry.refused) for entry in acts if entry.refused is None] == [
        (str(subject_id), "ticket 7", None)
    ]
    assert sorted(entry.refused for entry in acts if entry.refused) == ["REASON_REQUIRED", "SUBJECT_UNKNOWN"]
    assert not any(str(value) in repr(found) for name, value in ACCOUNT.items() if name != "language")


async def test_review_tells_who_has_what_and_when_it_was_last_used(office: Office) -> None:
    """People with roles and tokens, grants with the clients that used them; that it was made is on record."""
    world, auditor = office.world, office.people[StaffRole.AUDITOR]
    partner_id, caller = await world.a_reader([CITY], name="shop")
    await world.a_consent(await world.a_subject(), partner_id)
    unused = await world.a_scope([REAL_NAME], scope="unused")
    await world.a_grant(partner_id, unused)
    await world.see(caller, "city")

    found = await reviews.access(world.owner, auditor)
    await reviews.confirm(world.owner, auditor, note="the unused grant is to be ended")

    used = {grant.scope: dict(grant.last_used_at) for grant in found.grants}
    [name] = set(used) - {"unused"}
    assert used["unused"] == {}
    assert list(used[name]) == [caller.client_id]
    assert {one.login for one in found.staff} == {*(role.value for role in StaffRole), "approver-2"}
    assert all(one.last_acted_at is not None for one in found.staff)
    [entry] = await records.acts(world.owner, auditor, act=Act.ACCESS_REVIEW)
    assert entry.reason == "the unused grant is to be ended"
    assert "approver-2" in json.dumps(entry.after)
