"""Changes: somebody proposes, somebody else decides, and what was proposed takes effect as a whole or not at all (policy 9.3)."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from gateway.stewardship.actor import Actor, ActRefused, StaffCode, acting, permit
from gateway.stewardship.content import ChangeKind, is_storable, read
from gateway.stewardship.effect import Ground, base_of, check, complete, prepare, take_effect
from gateway.stewardship.roles import Act
from gateway.store.grants import GrantError
from gateway.store.partners import PartnerError
from gateway.store.pool import AnyConnection
from gateway.store.questions import question

PROPOSE = question("stewardship", "propose")
CHANGE = question("stewardship", "change")
CHANGES = question("stewardship", "changes")
LOCK_CHANGE = question("stewardship", "lock_change")
DECIDE = question("stewardship", "decide")


@dataclass(frozen=True, slots=True)
class Change:
    """base: what it would take the place of, as it stood when it was proposed; None: there was nothing."""

    change_id: UUID
    kind: ChangeKind
    target: str
    content: Mapping[str, Any]
    base: Mapping[str, Any] | None
    reason: str
    proposed_by: UUID
    proposer: str
    proposed_at: datetime
    state: str
    decider: str | None
    decided_at: datetime | None
    decision: str | None
    takes_effect_at: datetime | None

    @property
    def is_pending(self) -> bool:
        return self.state == "proposed"


async def propose(
    conn: AnyConnection, actor: Actor, ground: Ground, *, kind: ChangeKind, content: Mapping[str, Any], reason: str
) -> UUID:
    """Put a change up for decision; returns its id. Nothing takes effect.

    Raises ActRefused: ROLE_MISSING, REASON_REQUIRED, CHANGE_INVALID, CHANGE_EMPTY, RULES_BROKEN with the findings of the review,
    and the store's codes where what it names does not exist.
    """
    target = _named(content)
    async with acting(conn, actor, Act.CHANGE_PROPOSE, target=target, reason=reason, needs_reason=True) as entry:
        wanted = read(kind, content)
        entry.target = wanted.target
        base = await base_of(wanted, conn)
        if base == wanted.essence():
            raise ActRefused(StaffCode.CHANGE_EMPTY, "this is how things stand already")
        await check(wanted, conn, ground)
        change_id = uuid4()
        wire = json.dumps(wanted.wire())
        await conn.execute(
            PROPOSE,
            change_id,
            kind.value,
            wanted.target,
            wire,
            None if base is None else json.dumps(base),
            reason,
            actor.staff_id,
        )
        entry.before, entry.after = base, {"change_id": str(change_id), "kind": kind.value, **wanted.wire()}
    return change_id


async def approve(conn: AnyConnection, actor: Actor, ground: Ground, *, change_id: UUID, decision: str = "") -> datetime:
    """Let a change take effect; returns the instant from which it does.

    Raises ActRefused: ROLE_MISSING, CHANGE_UNKNOWN, CHANGE_DECIDED, OWN_CHANGE, CHANGE_STALE where what it would replace is no
    longer what it was, RULES_BROKEN, and the store's codes.
    """
    await _prepare(conn, actor, ground, change_id)
    async with acting(conn, actor, Act.CHANGE_APPROVE, target=str(change_id), reason=decision) as entry:
        change = await _locked(conn, change_id)
        entry.target = change.target
        if change.proposed_by == actor.staff_id:
            raise ActRefused(StaffCode.OWN_CHANGE, "nobody approves what they proposed")
        wanted = read(change.kind, change.content)
        base = await base_of(wanted, conn)
        if base != change.base:
            raise ActRefused(StaffCode.CHANGE_STALE, "what it would replace has changed since it was proposed")
        await check(wanted, conn, ground)
        instant = await take_effect(wanted, conn, ground, change_id)
        await conn.execute(DECIDE, change_id, "approved", actor.staff_id, decision, instant)
        entry.before, entry.after = base, {"change_id": str(change_id), "kind": change.kind.value, **wanted.wire()}
    await complete(wanted, conn, ground, base)
    return instant


async def reject(conn: AnyConnection, actor: Actor, *, change_id: UUID, decision: str) -> None:
    """Raises ActRefused: ROLE_MISSING, REASON_REQUIRED, CHANGE_UNKNOWN, CHANGE_DECIDED, OWN_CHANGE."""
    async with acting(conn, actor, Act.CHANGE_REJECT, target=str(change_id), reason=decision, needs_reason=True) as entry:
        change = await _locked(conn, change_id)
        entry.target = change.target
        if change.proposed_by == actor.staff_id:
            raise ActRefused(StaffCode.OWN_CHANGE, "who proposed it withdraws it")
        await conn.execute(DECIDE, change_id, "rejected", actor.staff_id, decision, None)
        entry.after = {"change_id": str(change_id), "kind": change.kind.value}


async def withdraw(conn: AnyConnection, actor: Actor, *, change_id: UUID) -> None:
    """Take back one's own. Raises ActRefused: ROLE_MISSING, CHANGE_UNKNOWN, CHANGE_DECIDED, NOT_OWN_CHANGE."""
    async with acting(conn, actor, Act.CHANGE_WITHDRAW, target=str(change_id)) as entry:
        change = await _locked(conn, change_id)
        entry.target = change.target
        if change.proposed_by != actor.staff_id:
            raise ActRefused(StaffCode.NOT_OWN_CHANGE, "somebody else proposed it")
        await conn.execute(DECIDE, change_id, "withdrawn", actor.staff_id, "", None)
        entry.after = {"change_id": str(change_id), "kind": change.kind.value}


async def find(conn: AnyConnection, actor: Actor, change_id: UUID) -> Change:
    """Raises ActRefused: ROLE_MISSING, CHANGE_UNKNOWN."""
    permit(actor, Act.CHANGES_READ)
    return await _found(conn, change_id)


async def listed(
    conn: AnyConnection,
    actor: Actor,
    *,
    state: str | None = None,
    target: str | None = None,
    after: UUID | None = None,
    row_count: int = 200,
) -> Sequence[Change]:
    """Those that wait first, then newest first. after: id of the last one seen. Raises ActRefused ROLE_MISSING."""
    permit(actor, Act.CHANGES_READ)
    return [_change(row) for row in await conn.fetch(CHANGES, state, target, after, row_count)]


async def is_stale(conn: AnyConnection, change: Change) -> bool:
    """Whether what it would replace is no longer what it was: nobody can approve it any more."""
    try:
        return await base_of(read(change.kind, change.content), conn) != change.base
    except ActRefused:
        return True


async def _prepare(conn: AnyConnection, actor: Actor, ground: Ground, change_id: UUID) -> None:
    """Only for who may approve this change now; what speaks against it is said, and recorded, by who decides."""
    row = await conn.fetchrow(CHANGE, change_id) if actor.has_accepted and actor.may(Act.CHANGE_APPROVE) else None
    if row is None or row["state"] != "proposed" or row["proposed_by"] == actor.staff_id:
        return
    with suppress(ActRefused, GrantError, PartnerError):
        await prepare(read(ChangeKind(row["kind"]), json.loads(row["content"])), conn, ground)


async def _locked(conn: AnyConnection, change_id: UUID) -> Change:
    """Two who decide at once come one after the other, and the second finds it decided."""
    row = await conn.fetchrow(LOCK_CHANGE, change_id)
    if row is None:
        raise ActRefused(StaffCode.CHANGE_UNKNOWN, "no such change")
    if row["state"] != "proposed":
        raise ActRefused(StaffCode.CHANGE_DECIDED, "this change has been decided")
    return await _found(conn, change_id)


async def _found(conn: AnyConnection, change_id: UUID) -> Change:
    row = await conn.fetchrow(CHANGE, change_id)
    if row is None:
        raise ActRefused(StaffCode.CHANGE_UNKNOWN, "no such change")
    return _change(row)


def _change(row: asyncpg.Record) -> Change:
    found = {name: row[name] for name in Change.__slots__ if name not in {"kind", "content", "base"}}
    base = row["base"]
    return Change(
        **found,
        kind=ChangeKind(row["kind"]),
        content=json.loads(row["content"]),
        base=None if base is None else json.loads(base),
    )


def _named(content: Mapping[str, Any]) -> str:
    """Under what a proposal that cannot be read is recorded: a name that could be one."""
    named = next((content[key] for key in ("scope", "partner", "name") if key in content), "")
    return named[:63] if isinstance(named, str) and is_storable(named) else ""
