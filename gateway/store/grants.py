"""Scopes in versions, and the grants that give them to partners (policy 1.1, 2, 6.2, 8.2)."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from gateway.store.consents import PseudonymKeys, fold_all
from gateway.store.pool import AnyConnection
from gateway.store.questions import question
from scopes import CatalogueField, Purpose, Redaction, ReviewFinding, Rules, ScopeField, ScopeVersion, review

LOCK_SCOPE = question("grants", "lock_scope")
LOCK_PARTNERS = question("grants", "lock_partners")
LATEST = question("grants", "latest_version")
ADD_VERSION = question("grants", "add_version")
ADD_FIELDS = question("grants", "add_fields")
VERSION = question("grants", "version")
INSTANT_OF = question("grants", "instant_of")
CUT = question("grants", "cut")
CALL_OFF = question("grants", "call_off")
ACTIVATE = question("grants", "activate")
LOCK_EVERYBODY = question("partners", "lock_everybody")
STATUS_OF = question("partners", "status_of")
GIVE = question("grants", "give")
REVOKE = question("grants", "revoke")
LIST = question("grants", "list")


class GrantError(Exception):
    """code: SCOPE_UNKNOWN, SCOPE_INVALID, SCOPE_PURPOSE, SCOPE_ACTIVE, SCOPE_REFUSED, GRANT_UNKNOWN, GRANT_INVALID,
    PARTNER_UNKNOWN. The message holds no data; findings are what the review found, with SCOPE_REFUSED.
    """

    def __init__(self, code: str, text: str, findings: tuple[ReviewFinding, ...] = ()) -> None:
        super().__init__(text)
        self.code, self.findings = code, findings


async def propose(conn: AnyConnection, *, scope: str, purpose: Purpose, fields: Mapping[str, ScopeField]) -> int:
    """Store a draft; returns its version. Nobody sees anything by it yet.

    Raises GrantError: SCOPE_INVALID, and SCOPE_PURPOSE where earlier versions have another purpose: what was granted and agreed
    to for one purpose would otherwise serve another (policy 1.3); that is a scope of its own.
    """
    async with conn.transaction():
        await conn.execute(LOCK_SCOPE, scope)
        latest = await conn.fetchrow(LATEST, scope)
        if latest is not None and latest["purpose"] != purpose:
            raise GrantError("SCOPE_PURPOSE", "a scope has one purpose in all its versions")
        version = 1 if latest is None else int(latest["version"]) + 1
        redactions = [json.dumps(field.redaction.to_wire()) for field in fields.values()]
        reasons = [field.justification for field in fields.values()]
        reasons_en = [field.justification_en for field in fields.values()]
        try:
            await conn.execute(LOCK_PARTNERS, scope)
            await conn.execute(ADD_VERSION, scope, version, purpose.value)
            await conn.execute(ADD_FIELDS, scope, version, list(fields), redactions, reasons, reasons_en)
        except (asyncpg.CheckViolationError, asyncpg.ForeignKeyViolationError):
            raise GrantError("SCOPE_INVALID", "name, purpose or a justification is not one that can be") from None
    return version


async def activate(
    conn: AnyConnection,
    *,
    scope: str,
    version: int,
    catalogue: Mapping[str, CatalogueField],
    rules: Rules | None = None,
    active_from: datetime | None = None,
) -> datetime:
    """Let a draft take the active version's place, at one instant, which is returned: none has two active versions, or a gap.

    rules: what the controller has laid down, where that is asked. active_from: now where it is None or has passed; whatever
    version begins later takes this one's place then.
    Raises GrantError: SCOPE_UNKNOWN, SCOPE_ACTIVE (it is or was), SCOPE_REFUSED with what the review finds (policy 1.1, 2.8).
    """
    async with conn.transaction():
        await conn.execute(LOCK_SCOPE, scope)
        row = await conn.fetchrow(VERSION, scope, version)
        if row is None:
            raise GrantError("SCOPE_UNKNOWN", "no such version of this scope")
        if row["active_from"] is not None:
            raise GrantError("SCOPE_ACTIVE", "this version is active or has been")
        found = review(
            ScopeVersion(scope, version, Purpose(row["purpose"]), None, None, rules_of(json.loads(row["fields"]))),
            catalogue,
            rules,
        )
        if found:
            raise GrantError("SCOPE_REFUSED", "the review speaks against this version", tuple(found))
        await conn.execute(LOCK_PARTNERS, scope)
        # Read once the lock is held: a transaction that began earlier may have waited for one whose version began later
        instant: datetime = await conn.fetchval(INSTANT_OF, scope, active_from)
        await conn.execute(CUT, scope, instant)
        await conn.execute(ACTIVATE, scope, version, instant)
    return instant


async def retire(conn: AnyConnection, *, scope: str) -> None:
    """End the active version without a successor, and call off those to come. Raises GrantError SCOPE_UNKNOWN: there is none."""
    async with conn.transaction():
        await conn.execute(LOCK_SCOPE, scope)
        await conn.execute(LOCK_PARTNERS, scope)
        instant = await conn.fetchval(INSTANT_OF, scope, None)
        if await conn.fetch(CUT, scope, instant) + await conn.fetch(CALL_OFF, scope, instant) == []:
            raise GrantError("SCOPE_UNKNOWN", "no version of this scope is active")


def rules_of(fields: Sequence[Mapping[str, Any]]) -> dict[str, ScopeField]:
    """The fields of a version, from their JSON."""
    return {
        field["path"]: ScopeField(Redaction.from_wire(field["redaction"]), field["justification"], field["justification_en"])
        for field in fields
    }


async def give(
    conn: AnyConnection,
    keys: PseudonymKeys,
    *,
    partner_id: UUID,
    scope: str,
    starts_at: datetime,
    ends_at: datetime,
    retention: timedelta,
) -> UUID:
    """Give a partner the right to use a scope; returns the grant's id. retention: how long it may keep what it got (policy 8.2).

    Everybody is folded first, so that those whose cover rests on having accepted the policy (policy 6.2) are there when the grant
    is live; and once more afterwards, for those who accepted it meanwhile, when no grant yet asked for their fold.
    Raises GrantError: SCOPE_UNKNOWN, PARTNER_UNKNOWN, GRANT_INVALID.
    """
    purpose = await purpose_of(conn, scope)
    await fold_all(conn, keys, partner_id=partner_id, purpose=purpose)
    grant_id = await enter(conn, partner_id=partner_id, scope=scope, starts_at=starts_at, ends_at=ends_at, retention=retention)
    await fold_all(conn, keys, partner_id=partner_id, purpose=purpose)
    return grant_id


async def enter(
    conn: AnyConnection, *, partner_id: UUID, scope: str, starts_at: datetime, ends_at: datetime, retention: timedelta
) -> UUID:
    """The grant alone, for who folds everybody before and after it, outside of the transaction that this is in: data subjects
    wait for its commit. Until they are folded the partner sees nothing of them. Raises GrantError as `give`.
    """
    if ends_at <= starts_at or retention <= timedelta(0):
        raise GrantError("GRANT_INVALID", "a period ends after it starts, and data are kept for some time")
    await purpose_of(conn, scope)
    if await conn.fetchval(STATUS_OF, partner_id) is None:
        raise GrantError("PARTNER_UNKNOWN", "no such partner")
    grant_id = uuid4()
    async with conn.transaction():
        await conn.execute(LOCK_EVERYBODY)
        await conn.execute(GIVE, grant_id, partner_id, scope, starts_at, ends_at, retention)
    return grant_id


async def purpose_of(conn: AnyConnection, scope: str) -> Purpose:
    """The one purpose of all its versions. Raises GrantError SCOPE_UNKNOWN."""
    latest = await conn.fetchrow(LATEST, scope)
    if latest is None:
        raise GrantError("SCOPE_UNKNOWN", "no such scope")
    return Purpose(latest["purpose"])


async def revoke(conn: AnyConnection, *, grant_id: UUID) -> None:
    """End a grant now. Raises GrantError GRANT_UNKNOWN where there is none, or none that still stands."""
    if await conn.fetchval(REVOKE, grant_id) is None:
        raise GrantError("GRANT_UNKNOWN", "no such grant, or none that still stands")


async def everything(conn: AnyConnection) -> list[Mapping[str, Any]]:
    """Every version of every scope with its fields and whether it is active now, newest first within a scope."""
    return [{**row, "fields": json.loads(row["fields"])} for row in await conn.fetch(LIST)]
