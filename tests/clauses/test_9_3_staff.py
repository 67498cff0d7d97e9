"""Policy 9.3: staff have least privilege, person by person, under confidentiality, reviewed; each act of theirs is recorded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.stewardship import changes, flow, records, reviews, staff
from gateway.stewardship.actor import ActRefused
from gateway.stewardship.content import ChangeKind
from gateway.stewardship.roles import MACHINE as AT_THE_MACHINE
from gateway.stewardship.roles import PERMITTED, Act, StaffRole
from tests.support.database import Database
from tests.support.stewardship import CITY, MACHINE, Office, a_scope, an_office

WIDENING = {Act.CHANGE_APPROVE, Act.CHANGE_PROPOSE, Act.OPERATION_REGISTER}


@pytest_asyncio.fixture(loop_scope="session")
async def office(database: Database, tmp_path: Path) -> AsyncIterator[Office]:
    async with an_office(database, tmp_path) as made:
        yield made


async def code_of(work: Any) -> str:
    with pytest.raises(ActRefused) as refused:
        await work
    return refused.value.code


def test_no_role_both_proposes_and_approves_and_nobody_at_the_machine_widens() -> None:
    assert not PERMITTED[Act.CHANGE_PROPOSE] & PERMITTED[Act.CHANGE_APPROVE]
    assert not AT_THE_MACHINE & WIDENING
    assert PERMITTED[Act.SUBJECT_CONSENTS_READ] == {StaffRole.SUPPORT}


@pytest.mark.parametrize("roles", [{StaffRole.STEWARD, StaffRole.APPROVER}, {StaffRole.AUDITOR, StaffRole.OPERATOR}, set()])
async def test_roles_that_watch_each_other_are_not_for_one_person(office: Office, roles: set[StaffRole]) -> None:
    adding = staff.add(office.world.owner, MACHINE, office.vault, login="somebody", name="Somebody", roles=roles)

    assert await code_of(adding) == "STAFF_INVALID"


async def test_nobody_does_anything_before_confidentiality_is_accepted(office: Office) -> None:
    new = await office.somebody("newcomer", {StaffRole.STEWARD}, accepts=False)

    assert await code_of(office.propose(ChangeKind.SCOPE, a_scope("orders", CITY), by=new)) == "CONFIDENTIALITY_REQUIRED"
    assert await code_of(changes.listed(office.world.owner, new)) == "CONFIDENTIALITY_REQUIRED"


async def test_every_act_is_recorded_the_refused_one_too_and_none_can_be_altered(office: Office, database: Database) -> None:
    operator, auditor = office.people[StaffRole.OPERATOR], office.people[StaffRole.AUDITOR]
    await flow.halt(office.world.owner, operator, reason="incident 12")
    assert await code_of(flow.halt(office.world.owner, auditor, reason="incident 12")) == "ROLE_MISSING"

    rows = await records.acts(office.world.owner, auditor, act=Act.HALT_ADD)
    assert [(row.actor, row.target, row.reason, row.refused) for row in rows] == [
        ("auditor", "all", "incident 12", "ROLE_MISSING"),
        ("operator", "all", "incident 12", None),
    ]
    serving = await database.connect()
    try:
        for statement in ("update gateway.act set refused = null", "delete from gateway.act", "truncate gateway.act"):
            with pytest.raises(Exception, match="permission denied"):
                await serving.execute(statement)
    finally:
        await serving.close()


async def test_a_review_shows_everybodys_roles_and_is_itself_on_record(office: Office) -> None:
    auditor = office.people[StaffRole.AUDITOR]
    held = {one.login: one.roles for one in (await reviews.access(office.world.owner, auditor)).staff}
    await reviews.confirm(office.world.owner, auditor, note="nothing to take away")

    assert held == {**{role.value: (role,) for role in StaffRole}, "approver-2": (StaffRole.APPROVER,)}
    [row] = await records.acts(office.world.owner, auditor, act=Act.ACCESS_REVIEW)
    assert row.reason == "nothing to take away"
