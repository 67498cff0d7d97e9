"""Access reviews: who has what, and when it was last used (policy 9.3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from gateway.stewardship import staff
from gateway.stewardship.actor import Actor, acting, permit
from gateway.stewardship.registers import CLIENTS, GRANTS
from gateway.stewardship.roles import Act, StaffRole
from gateway.store.pool import AnyConnection
from gateway.store.questions import question

USED = question("reading", "used")

LOOKED_BACK_DAYS: Final = 90
"""Whatever has not been used for as long is shown as unused."""


@dataclass(frozen=True, slots=True)
class StaffAccess:
    """token_count: bearer tokens that open a door now."""

    login: str
    name: str
    roles: tuple[StaffRole, ...]
    token_count: int
    created_at: datetime
    last_seen_at: datetime | None
    last_acted_at: datetime | None


@dataclass(frozen=True, slots=True)
class GrantAccess:
    """A live grant. last_used_at: by client_id, within LOOKED_BACK_DAYS; a client that is missing has not used it since."""

    grant_id: UUID
    partner: str
    scope: str
    starts_at: datetime
    ends_at: datetime
    clients: tuple[str, ...]
    last_used_at: Mapping[str, datetime]


@dataclass(frozen=True, slots=True)
class Review:
    staff: tuple[StaffAccess, ...]
    grants: tuple[GrantAccess, ...]


async def access(conn: AnyConnection, actor: Actor) -> Review:
    """Everybody of the staff who has not ended, and every live grant. Raises ActRefused ROLE_MISSING."""
    permit(actor, Act.ACCESS_REVIEW)
    counts = {row["staff_id"]: row["tokens"] for row in await conn.fetch(staff.TOKEN_COUNTS)}
    people = tuple(
        StaffAccess(
            login=row["login"],
            name=row["name"],
            roles=tuple(map(StaffRole, row["roles"])),
            token_count=counts.get(row["staff_id"], 0),
            created_at=row["created_at"],
            last_seen_at=row["last_seen_at"],
            last_acted_at=row["last_acted_at"],
        )
        for row in await conn.fetch(staff.EVERYBODY)
        if row["ended_at"] is None
    )
    return Review(people, await _grants(conn))


async def confirm(conn: AnyConnection, actor: Actor, *, note: str) -> None:
    """Put on record that the review was made and what came of it. Raises ActRefused: ROLE_MISSING, REASON_REQUIRED."""
    async with acting(conn, actor, Act.ACCESS_REVIEW, reason=note, needs_reason=True) as entry:
        found = await access(conn, actor)
        entry.after = {"staff": [one.login for one in found.staff], "grants": [str(one.grant_id) for one in found.grants]}


async def _grants(conn: AnyConnection) -> tuple[GrantAccess, ...]:
    clients: dict[str, list[str]] = {}
    for row in await conn.fetch(CLIENTS):
        if row["status"] != "ended":
            clients.setdefault(row["partner"], []).append(row["client_id"])
    used = {(row["client_id"], row["scope"]): row["last_at"] for row in await conn.fetch(USED, LOOKED_BACK_DAYS)}
    return tuple(
        GrantAccess(
            grant_id=row["grant_id"],
            partner=row["partner"],
            scope=row["scope"],
            starts_at=row["starts_at"],
            ends_at=row["ends_at"],
            clients=tuple(clients.get(row["partner"], ())),
            last_used_at={
                client_id: used[client_id, row["scope"]]
                for client_id in clients.get(row["partner"], ())
                if (client_id, row["scope"]) in used
            },
        )
        for row in await conn.fetch(GRANTS)
        if row["is_live"]
    )
