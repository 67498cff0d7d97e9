"""Scopes in versions, and the grants that give them to partners (policy 1.1, 2, 6.2, 8.2)."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from gateway.store.consents import PseudonymKeys, fold_all
from gateway.store.pool import AnyConnection
from gateway.store.questions import question
from scopes import CatalogueField, Purpose, Redaction, ReviewFinding, ScopeField, ScopeVersion, review

LOCK_SCOPE = question("grants", "lock_scope")
NEXT_VERSION = question("grants", "next_version")
ADD_VERSION = question("grants", "add_version")
ADD_FIELD = question("grants", "add_field")
VERSION = question("grants", "version")
RETIRE = question("grants", "retire")
ACTIVATE = question("grants", "activate")
PURPOSE_OF = question("grants", "purpose_of")
GIVE = question("grants", "give")
REVOKE = question("grants", "revoke")
LIST = question("grants", "list")


class GrantError(Exception):
    """code: SCOPE_UNKNOWN, SCOPE_INVALID, SCOPE_ACTIVE, SCOPE_REFUSED, GRANT_UNKNOWN, GRANT_INVALID. Names and ids, never data.

    findings: with SCOPE_REFUSED, what the review found.
    """

    def __init__(self, code: str, text: str, findings: tuple[ReviewFinding, ...] = ()) -> None:
        super().__init__(text)
        self.code, self.findings = code, findings


async def propose(conn: AnyConnection, *, scope: str, purpose: Purpose, fields: Mapping[str, ScopeField]) -> int:
    """Store a draft; returns its version. Nobody sees anything by it yet. Raises GrantError SCOPE_INVALID."""
    async with conn.transaction():
        await conn.execute(LOCK_SCOPE, scope)
        version: int = await conn.fetchval(NEXT_VERSION, scope)
        try:
            await conn.execute(ADD_VERSION, scope, version, purpose.value)
            for path, field in fields.items():
                await conn.execute(ADD_FIELD, scope, version, path, json.dumps(field.redaction.to_wire()), field.justification)
        except (asyncpg.CheckViolationError, asyncpg.ForeignKeyViolationError):
            raise GrantError("SCOPE_INVALID", "name, purpose or a justification is not one that can be") from None
    return version


async def activate(conn: AnyConnection, *, scope: str, version: int, catalogue: Mapping[str, CatalogueField]) -> None:
    """Let a draft take the active version's place, at one instant.

    Raises GrantError: SCOPE_UNKNOWN, SCOPE_ACTIVE (it is or was), SCOPE_REFUSED with what the review finds (policy 1.1, 2.8).
    """
    async with conn.transaction():
        await conn.execute(LOCK_SCOPE, scope)
        row = await conn.fetchrow(VERSION, scope, version)
        if row is None:
            raise GrantError("SCOPE_UNKNOWN", "no such version of this scope")
        if row["active_from"] is not None:
            raise GrantError("SCOPE_ACTIVE", "this version is active or has been")
        fields = {
            field["path"]: ScopeField(Redaction.from_wire(field["redaction"]), field["justification"])
            for field in json.loads(row["fields"])
        }
        found = review(ScopeVersion(scope, version, Purpose(row["purpose"]), None, None, fields), catalogue)
        if found:
            raise GrantError("SCOPE_REFUSED", "the review speaks against this version", tuple(found))
        await conn.execute(ACTIVATE, scope, version)


async def retire(conn: AnyConnection, *, scope: str) -> None:
    """End the active version without a successor. Raises GrantError SCOPE_UNKNOWN where none is active."""
    async with conn.transaction():
        await conn.execute(LOCK_SCOPE, scope)
        if await conn.fetchval(RETIRE, scope) is None:
            raise GrantError("SCOPE_UNKNOWN", "no version of this scope is active")


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
    """Give a partner the right to use a scope; returns the grant's id.

    Everybody is folded first, so that those whose cover rests on having accepted the policy are there when the grant is live.
    Raises GrantError: SCOPE_UNKNOWN, GRANT_INVALID.
    """
    purpose = await conn.fetchval(PURPOSE_OF, scope)
    if purpose is None:
        raise GrantError("SCOPE_UNKNOWN", "no such scope")
    grant_id = uuid4()
    try:
        await fold_all(conn, keys, partner_id=partner_id, purpose=Purpose(purpose))
        await conn.execute(GIVE, grant_id, partner_id, scope, starts_at, ends_at, retention)
    except (asyncpg.NoDataFoundError, asyncpg.CheckViolationError, asyncpg.ForeignKeyViolationError):
        raise GrantError("GRANT_INVALID", "no such partner, or a period that ends before it starts") from None
    return grant_id


async def revoke(conn: AnyConnection, *, grant_id: UUID) -> None:
    """End a grant now. Raises GrantError GRANT_UNKNOWN."""
    if await conn.fetchval(REVOKE, grant_id) is None:
        raise GrantError("GRANT_UNKNOWN", "no such grant in force")


async def everything(conn: AnyConnection) -> list[Mapping[str, Any]]:
    """Every version of every scope with its fields, newest first within a scope."""
    return [{**row, "fields": json.loads(row["fields"])} for row in await conn.fetch(LIST)]
