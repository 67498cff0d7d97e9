"""A configuration from files, put up for decision: what can be proposed is, what has to wait says for what (policy 9.3).

No change takes effect by it; operations, for which none is needed, are registered and ended at once. Applied again after the
approvals, it proposes the rest; what waits already is not proposed twice.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from gateway.catalogue.definition import Catalogue
from gateway.settings import Settings
from gateway.stewardship import changes, operations
from gateway.stewardship.actor import Actor, ActRefused, Finding, StaffCode, acting
from gateway.stewardship.changes import is_stale
from gateway.stewardship.configuration import Configuration, Item, Step, normal_metadata, plan
from gateway.stewardship.content import ChangeKind, read
from gateway.stewardship.effect import Ground
from gateway.stewardship.roles import Act
from gateway.stewardship.standing import standing
from gateway.store.pool import AnyConnection
from gateway.store.questions import question
from scopes import Rules

LOCK_APPLYING = question("stewardship", "lock_applying")
PENDING_MOST: Final = 10_000
_MAY_PASS: Final = frozenset({"PARTNER_UNKNOWN", "SCOPE_UNKNOWN", StaffCode.RULES_BROKEN.value, operations.INVALID})
"""Refusals that the approval of something else may end."""


class Outcome(StrEnum):
    PROPOSED = "proposed"
    PENDING = "pending"  # an equal change waits for its decision already
    WAITS = "waits"  # for the approval of others
    REFUSED = "refused"
    DONE = "done"  # a registered operation: no second person is needed


@dataclass(frozen=True, slots=True)
class Applied:
    """waits_for: titles of items. code and findings: of the refusal, where there was one."""

    item: Item
    outcome: Outcome
    change_id: UUID | None = None
    waits_for: tuple[str, ...] = ()
    code: str | None = None
    findings: tuple[Finding, ...] = ()


async def planned(conn: AnyConnection, actor: Actor, catalogue: Catalogue, wanted: Configuration) -> tuple[Item, ...]:
    """What would have to be decided. Raises ActRefused ROLE_MISSING."""
    return plan(await standing(conn, actor, catalogue), wanted)


async def apply(
    conn: AnyConnection,
    actor: Actor,
    ground: Ground,
    settings: Settings,
    catalogue: Catalogue,
    wanted: Configuration,
    *,
    reason: str,
) -> tuple[Applied, ...]:
    """Propose what differs, in one transaction: all of it or, where something breaks off, nothing. settings: for the limits that
    operations are examined under.

    Raises ActRefused: ROLE_MISSING, CONFIDENTIALITY_REQUIRED, REASON_REQUIRED. Why a single change is refused is told with it.
    """
    async with acting(conn, actor, Act.CHANGE_PROPOSE, reason=reason, needs_reason=True) as entry:
        await conn.execute(LOCK_APPLYING)  # two who apply the same at once propose it once
        waiting = await _waiting(conn, actor)
        items = await planned(conn, actor, catalogue, wanted)
        found = tuple(
            [
                await _operation(conn, actor, settings, item)
                if item.kind is None
                else await _applied(conn, actor, ground, item, item.kind, waiting, reason)
                for item in items
            ]
        )
        entry.after = {"changes": [str(one.change_id) for one in found if one.outcome is Outcome.PROPOSED]}
    return found


@dataclass(frozen=True, slots=True)
class _Waiting:
    """By what they would do. stale: of one's own, what nobody can approve any more."""

    pending: Mapping[str, UUID]
    stale: Mapping[str, UUID]


async def _waiting(conn: AnyConnection, actor: Actor) -> _Waiting:
    pending: dict[str, UUID] = {}
    stale: dict[str, UUID] = {}
    for one in await changes.listed(conn, actor, state="proposed", row_count=PENDING_MOST):
        if not await is_stale(conn, one):
            pending[_key(one.kind, one.content)] = one.change_id
        elif one.proposed_by == actor.staff_id:
            stale[_key(one.kind, one.content)] = one.change_id
    return _Waiting(pending, stale)


async def _operation(conn: AnyConnection, actor: Actor, settings: Settings, item: Item) -> Applied:
    if item.must:
        return Applied(item, Outcome.WAITS, waits_for=tuple(sorted(item.must)))
    partner, content = item.content["partner"], item.content
    try:
        if item.step is Step.END:
            await operations.end(conn, actor, partner=partner, document_sha256=content["document_sha256"])
        else:
            document, label = content["document"], content["label"]
            await operations.register(conn, actor, settings, partner=partner, document=document, label=label)
    except ActRefused as refused:
        return _refused(item, refused)
    return Applied(item, Outcome.DONE)


async def _applied(
    conn: AnyConnection, actor: Actor, ground: Ground, item: Item, kind: ChangeKind, waiting: _Waiting, reason: str
) -> Applied:
    key = _key(kind, item.content)
    if (waits := waiting.pending.get(key)) is not None:
        return Applied(item, Outcome.PENDING, waits)
    if item.must:
        return Applied(item, Outcome.WAITS, waits_for=tuple(sorted(item.must)))
    if (stale := waiting.stale.get(key)) is not None:
        await changes.withdraw(conn, actor, change_id=stale)
    try:
        change_id = await changes.propose(conn, actor, ground, kind=kind, content=item.content, reason=reason)
    except ActRefused as refused:
        return _refused(item, refused)
    return Applied(item, Outcome.PROPOSED, change_id)


def _refused(item: Item, refused: ActRefused) -> Applied:
    may_pass = refused.code in _MAY_PASS and item.needs
    outcome, waits_for = (Outcome.WAITS, tuple(sorted(item.needs))) if may_pass else (Outcome.REFUSED, ())
    return Applied(item, outcome, waits_for=waits_for, code=refused.code, findings=refused.findings)


def _key(kind: ChangeKind, content: Mapping[str, Any]) -> str:
    """Equal for changes that would do the same."""
    try:
        wire = read(kind, content).wire()
    except ActRefused:
        wire = dict(content)
    if kind is ChangeKind.CLIENT:
        wire |= {"metadata": normal_metadata(wire["metadata"])}
    if kind is ChangeKind.SCOPE:
        wire |= {"fields": sorted(wire["fields"], key=lambda field: str(field["path"]))}
    if kind is ChangeKind.RULES:
        wire = Rules.from_wire(wire).to_wire()
    return f"{kind} {json.dumps(wire, sort_keys=True)}"
