"""Passkeys of the staff as they are kept: each added and removed by its holder, on record (policy 9.3)."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import asyncpg

from gateway.stewardship.actor import Actor, ActRefused, StaffCode, acting
from gateway.stewardship.roles import Act
from gateway.store.pool import AnyConnection
from gateway.store.questions import question

OF_STAFF = question("stewardship", "staff_passkeys")
ADD = question("stewardship", "add_staff_passkey")
FIND = question("stewardship", "find_staff_passkey")
USED = question("stewardship", "staff_passkey_used")
REMOVE = question("stewardship", "remove_staff_passkey")

PASSKEYS_MAX: Final = 20


async def of_staff(conn: AnyConnection, staff_id: UUID) -> Sequence[asyncpg.Record]:
    """Rows of credential_id, label, created_at, last_used_at, oldest first."""
    return await conn.fetch(OF_STAFF, staff_id)


async def add(conn: AnyConnection, actor: Actor, *, credential_id: bytes, public_key: bytes, sign_count: int, label: str) -> None:
    """One's own, already verified. public_key: COSE.

    Raises ActRefused: ROLE_MISSING, PASSKEYS_TOO_MANY; asyncpg's UniqueViolationError where it is known.
    """
    async with acting(conn, actor, Act.PASSKEY_ADD, target=actor.name) as entry:
        kept = (credential_id, actor.staff_id, public_key, sign_count, label)
        if await conn.fetchval(ADD, *kept, PASSKEYS_MAX) is None:
            raise ActRefused(StaffCode.PASSKEYS_TOO_MANY, "nobody has more passkeys than that")
        entry.after = {"label": label}


async def find(conn: AnyConnection, credential_id: bytes) -> asyncpg.Record | None:
    """A row of staff_id, public_key, sign_count; None where nobody of the staff has it."""
    return await conn.fetchrow(FIND, credential_id)


async def used(conn: AnyConnection, credential_id: bytes, sign_count: int) -> None:
    """It has just answered."""
    await conn.execute(USED, credential_id, sign_count)


async def remove(conn: AnyConnection, actor: Actor, *, credential_id: bytes | None) -> None:
    """One's own. Raises ActRefused: ROLE_MISSING, CONFIDENTIALITY_REQUIRED, PASSKEY_UNKNOWN."""
    async with acting(conn, actor, Act.PASSKEY_REMOVE, target=actor.name) as entry:
        label = None if credential_id is None else await conn.fetchval(REMOVE, credential_id, actor.staff_id)
        if label is None:
            raise ActRefused(StaffCode.PASSKEY_UNKNOWN, "no such passkey of one's own")
        entry.before = {"label": label}
