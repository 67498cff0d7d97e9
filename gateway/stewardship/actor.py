"""Who acts, through which door; every act leaves a row, the refused ones too (policy 9.3)."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from gateway.stewardship.roles import MACHINE, PERMITTED, Act, StaffRole
from gateway.store.consents import ConsentError
from gateway.store.grants import GrantError
from gateway.store.halts import HaltError
from gateway.store.partners import PartnerError
from gateway.store.pool import AnyConnection
from gateway.store.questions import question
from gateway.store.registered import OperationError
from gateway.store.uuid7 import uuid7

ADD_ACT = question("stewardship", "add_act")


class Door(StrEnum):
    CONSOLE = "console"
    GRAPHQL = "graphql"
    CLI = "cli"
    REGISTRATION = "registration"  # a partner, with a token that a steward issued


class StaffCode(StrEnum):
    """Why an act was refused. The wire contract of the admin API, the console and the commands."""

    ROLE_MISSING = "ROLE_MISSING"
    CONFIDENTIALITY_REQUIRED = "CONFIDENTIALITY_REQUIRED"
    REASON_REQUIRED = "REASON_REQUIRED"
    CHANGE_UNKNOWN = "CHANGE_UNKNOWN"
    CHANGE_DECIDED = "CHANGE_DECIDED"
    CHANGE_STALE = "CHANGE_STALE"
    CHANGE_INVALID = "CHANGE_INVALID"
    CHANGE_EMPTY = "CHANGE_EMPTY"
    OWN_CHANGE = "OWN_CHANGE"
    NOT_OWN_CHANGE = "NOT_OWN_CHANGE"
    RULES_BROKEN = "RULES_BROKEN"
    STAFF_UNKNOWN = "STAFF_UNKNOWN"
    STAFF_KNOWN = "STAFF_KNOWN"
    STAFF_INVALID = "STAFF_INVALID"
    TOKEN_UNKNOWN = "TOKEN_UNKNOWN"  # noqa: S105
    LIFETIME_INVALID = "LIFETIME_INVALID"
    PASSKEY_UNKNOWN = "PASSKEY_UNKNOWN"
    PASSKEYS_TOO_MANY = "PASSKEYS_TOO_MANY"
    SUBJECT_UNKNOWN = "SUBJECT_UNKNOWN"
    NOTHING_TO_WITHDRAW = "NOTHING_TO_WITHDRAW"
    OPERATION_UNKNOWN = "OPERATION_UNKNOWN"
    SECRET_REFUSED = "SECRET_REFUSED"  # noqa: S105 - the name of a code
    SECRET_UNKNOWN = "SECRET_UNKNOWN"  # noqa: S105 - the name of a code


@dataclass(frozen=True, slots=True)
class Finding:
    """What speaks against a change: where, and the rule that it breaks. Both are names, never a value."""

    path: str
    fault: str


class ActRefused(Exception):
    """code: a StaffCode, or the code of the store's own refusal. The message never holds data."""

    def __init__(self, code: str, text: str, findings: tuple[Finding, ...] = ()) -> None:
        super().__init__(text)
        self.code, self.findings = code, findings


@dataclass(frozen=True, slots=True)
class Actor:
    """staff_id: None for somebody at the machine itself, whose name is `machine:<account>`."""

    staff_id: UUID | None
    name: str
    roles: frozenset[StaffRole]
    has_accepted: bool
    door: Door

    def may(self, act: Act) -> bool:
        return act in MACHINE if self.staff_id is None else bool(self.roles & PERMITTED[act])


@dataclass(slots=True)
class Entry:
    """What the record will say of an act: fill in what was there before and what is there after, names and ids only."""

    target: str
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


_STORE_REFUSALS: Final = (ConsentError, GrantError, HaltError, OperationError, PartnerError)


def permit(actor: Actor, act: Act, *, reason: str | None = None) -> None:
    """Raises ActRefused: ROLE_MISSING; CONFIDENTIALITY_REQUIRED until the duty is accepted (policy 9.3); REASON_REQUIRED for an
    empty reason, None where none is needed.
    """
    if not actor.may(act):
        raise ActRefused(StaffCode.ROLE_MISSING, "none of this person's roles may do this")
    if not actor.has_accepted and act is not Act.CONFIDENTIALITY_ACCEPT:
        raise ActRefused(StaffCode.CONFIDENTIALITY_REQUIRED, "confidentiality has to be accepted first")
    if reason is not None and not reason.strip():
        raise ActRefused(StaffCode.REASON_REQUIRED, "this needs a reason")


@asynccontextmanager
async def acting(
    conn: AnyConnection, actor: Actor, act: Act, *, target: str = "", reason: str = "", needs_reason: bool = False
) -> AsyncIterator[Entry]:
    """One act in one transaction together with its record; what is refused is rolled back and recorded as refused.

    Raises ActRefused; the store's refusals come out as ActRefused under their own codes.
    """
    entry = Entry(target)
    try:
        permit(actor, act, reason=reason if needs_reason else None)
        async with conn.transaction():
            yield entry
            await _record(conn, actor, act, entry, reason)
    except ActRefused as refused:
        await _record(conn, actor, act, Entry(entry.target), reason, refused=refused.code)
        raise
    except _STORE_REFUSALS as refused:
        findings = tuple(Finding(one.path, one.fault.value) for one in getattr(refused, "findings", ()))
        await _record(conn, actor, act, Entry(entry.target), reason, refused=refused.code)
        raise ActRefused(refused.code, str(refused), findings) from None


async def _record(conn: AnyConnection, actor: Actor, act: Act, entry: Entry, reason: str, *, refused: str | None = None) -> None:
    before, after = (None if one is None else json.dumps(one, default=str) for one in (entry.before, entry.after))
    await conn.execute(
        ADD_ACT, uuid7(), actor.staff_id, actor.name, actor.door.value, act.value, entry.target, reason, refused, before, after
    )
