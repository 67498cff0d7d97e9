"""Staff of a small controller, rules that let most things through, and content for changes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from gateway.catalogue.weidandan import CATALOGUE
from gateway.settings import Settings
from gateway.stewardship import changes, staff
from gateway.stewardship.actor import Actor, Door
from gateway.stewardship.configuration import Configuration, Standing
from gateway.stewardship.content import ChangeKind
from gateway.stewardship.effect import Ground
from gateway.stewardship.impact import Impact, impact_of
from gateway.stewardship.roles import StaffRole
from gateway.store.pool import Connection
from scopes import CATEGORIES, PURPOSES, Purpose
from tests.support.database import Database
from tests.support.instants import NOON
from tests.support.world import World, a_world

CITY, REAL_NAME, NATIONAL_ID = "Subject.city", "Subject.realName", "Subject.nationalId"
REVEAL: dict[str, Any] = {"rung": "reveal"}
MACHINE = staff.at_the_machine("root")
EVERY_NEED = {purpose.value: sorted(CATEGORIES) for purpose in PURPOSES}


@dataclass(frozen=True)
class Office:
    """A world and its staff: one person a role, everybody under the duty of confidentiality."""

    world: World
    ground: Ground
    vault: staff.Vault
    people: dict[StaffRole, Actor]
    second_approver: Actor
    settings: Settings

    @property
    def steward(self) -> Actor:
        return self.people[StaffRole.STEWARD]

    @property
    def approver(self) -> Actor:
        return self.people[StaffRole.APPROVER]

    async def somebody(self, login: str, roles: Collection[StaffRole], *, accepts: bool = True) -> Actor:
        """A new member of the staff, without a password: hashing one takes longer than most tests."""
        await self.world.owner.execute(staff.ADD, uuid4(), login, login.title(), sorted(roles), None, None, None)
        row = await self.world.owner.fetchrow(staff.OF_LOGIN, login)
        assert row is not None
        actor = staff.actor_of(row, Door.GRAPHQL)
        if not accepts:
            return actor
        await staff.accept_confidentiality(self.world.owner, actor)
        return Actor(actor.staff_id, actor.name, actor.roles, has_accepted=True, door=actor.door)

    async def propose(self, kind: ChangeKind, content: dict[str, Any], *, by: Actor | None = None) -> UUID:
        return await changes.propose(
            self.world.owner, by or self.steward, self.ground, kind=kind, content=content, reason="the test needs it"
        )

    async def approve(self, change_id: UUID, *, by: Actor | None = None) -> None:
        await changes.approve(self.world.owner, by or self.approver, self.ground, change_id=change_id)

    async def make(self, kind: ChangeKind, content: dict[str, Any]) -> UUID:
        """Proposed by one, approved by another."""
        change_id = await self.propose(kind, content)
        await self.approve(change_id)
        return change_id


@asynccontextmanager
async def an_office(database: Database, data: Path) -> AsyncIterator[Office]:
    """With rules that let every purpose read every category, without a floor."""
    settings = Settings(data=data)
    async with a_world(database, data) as world:
        vault = staff.Vault(settings)
        office = Office(world, Ground(CATALOGUE.fields, world.keys), vault, {}, MACHINE, settings)
        for role in StaffRole:
            office.people[role] = await office.somebody(role.value, {role})
        second = await office.somebody("approver-2", {StaffRole.APPROVER})
        complete = Office(world, office.ground, vault, office.people, second, settings)
        await complete.make(ChangeKind.RULES, {"needs": EVERY_NEED, "floors": {}})
        yield complete


async def impact(office: Office, kind: ChangeKind, content: dict[str, Any]) -> Impact:
    """What a change would do, as an approver is shown it by the serving process."""
    conn = office.world.owner
    await conn.execute("set role gateway")
    try:
        return await impact_of(conn, office.approver, office.ground, office.settings, kind=kind, content=content)
    finally:
        await conn.execute("reset role")


async def a_member(owner: Connection, role: StaffRole) -> Actor:
    """A new member of the staff under the duty of confidentiality; who signs in another way needs no password."""
    actor = Actor(uuid4(), role.value, frozenset({role}), has_accepted=True, door=Door.CONSOLE)
    await owner.execute(staff.ADD, actor.staff_id, role.value, role.value.title(), [role.value], None, None, None)
    await staff.accept_confidentiality(owner, actor)
    return actor


async def a_token_of(world: World, role: StaffRole) -> str:
    """Of a new member of the staff, for the commands."""
    actor = await a_member(world.owner, role)
    assert actor.staff_id is not None
    return (await staff.make_token(world.owner, actor.staff_id, label="test", lifetime=timedelta(hours=1))).text


def a_scope(
    scope: str, *paths: str, purpose: Purpose = Purpose.SERVICE_DELIVERY, redaction: dict[str, Any] = REVEAL, **more: Any
) -> dict[str, Any]:
    """Content of kind `scope`."""
    fields = [{"path": path, "redaction": redaction, "justification": "the test needs it"} for path in paths]
    return {"scope": scope, "purpose": purpose.value, "fields": fields, **more}


def a_partner(world: World, name: str, **changed: Any) -> dict[str, Any]:
    """Content of kind `partner`."""
    return {
        "name": name,
        "legal_name": "Partner Ltd",
        "contact": "privacy@partner.example",
        "role": "recipient",
        "kind": "vendor",
        "processing_location": "CN",
        "agreement_starts_at": (world.started - timedelta(days=400)).isoformat(),
        "agreement_ends_at": (world.started + timedelta(days=400)).isoformat(),
        "duties": ["confidentiality", "security"],
        **changed,
    }


def a_grant(world: World, partner: str, scope: str, **changed: Any) -> dict[str, Any]:
    """Content of kind `grant`."""
    return {
        "partner": partner,
        "scope": scope,
        "ends_at": (world.started + timedelta(days=30)).isoformat(),
        "retention_days": 90,
        **changed,
    }


def standing_of(of: Configuration) -> Standing:
    """As if the configuration stood."""
    return Standing(of, {name: [str(number) for number in range(len(one.grants))] for name, one in of.partners.items()}, NOON)
