"""Stopping the flow (policy 9.4): one partner, one scope, or all. The gate's statement looks for halts itself, on every query."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from gateway.store.pool import AnyConnection
from gateway.store.questions import question

ADD = question("halts", "add")
LIFT = question("halts", "lift")
LIST = question("halts", "list")


class HaltError(Exception):
    """code: HALT_INVALID, HALT_UNKNOWN, PARTNER_UNKNOWN, SCOPE_UNKNOWN. The message never holds data."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


async def add(conn: AnyConnection, *, target: str, reason: str, partner_id: UUID | None = None, scope: str | None = None) -> UUID:
    """Halt `partner` (with partner_id), `scope` (with its name) or `all`; returns the halt's id.

    A target may be halted several times over, each for its reason. Raises HaltError: HALT_INVALID, PARTNER_UNKNOWN, and
    SCOPE_UNKNOWN, since a halt of a misspelt scope would stop nothing.
    """
    if not reason.strip():
        raise HaltError("HALT_INVALID", "a halt has a reason")
    try:
        async with conn.transaction():
            halt_id: UUID | None = await conn.fetchval(ADD, uuid4(), target, partner_id, scope, reason)
    except asyncpg.CheckViolationError:
        raise HaltError("HALT_INVALID", "a halt names one partner, one scope, or all") from None
    except asyncpg.ForeignKeyViolationError:
        raise HaltError("PARTNER_UNKNOWN", "no such partner") from None
    if halt_id is None:
        raise HaltError("SCOPE_UNKNOWN", "no such scope")
    return halt_id


async def lift(conn: AnyConnection, *, target: str, partner_id: UUID | None = None, scope: str | None = None) -> int:
    """End every halt of exactly this target; returns how many there were. Halts of another target that include it stay.

    Raises HaltError HALT_UNKNOWN where there is none in force.
    """
    lifted = await conn.fetch(LIFT, target, partner_id, scope)
    if not lifted:
        raise HaltError("HALT_UNKNOWN", "no such halt is in force")
    return len(lifted)


async def in_force(conn: AnyConnection) -> list[Mapping[str, Any]]:
    """The halts in force, oldest first."""
    return [dict(row) for row in await conn.fetch(LIST)]
