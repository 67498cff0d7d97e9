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
    """code: HALT_INVALID, HALT_UNKNOWN. The message holds names and ids, never data."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


async def add(conn: AnyConnection, *, target: str, reason: str, partner_id: UUID | None = None, scope: str | None = None) -> UUID:
    """Halt `partner` (with its id), `scope` (with its name) or `all`; returns the halt's id. Raises HaltError HALT_INVALID."""
    halt_id = uuid4()
    try:
        await conn.execute(ADD, halt_id, target, partner_id, scope, reason)
    except (asyncpg.CheckViolationError, asyncpg.ForeignKeyViolationError):
        raise HaltError("HALT_INVALID", "a halt names one partner, one scope, or all") from None
    return halt_id


async def lift(conn: AnyConnection, *, target: str, partner_id: UUID | None = None, scope: str | None = None) -> int:
    """End every halt of exactly this target; returns how many. Raises HaltError HALT_UNKNOWN where there is none in force."""
    lifted = await conn.fetch(LIFT, target, partner_id, scope)
    if not lifted:
        raise HaltError("HALT_UNKNOWN", "no such halt is in force")
    return len(lifted)


async def in_force(conn: AnyConnection) -> list[Mapping[str, Any]]:
    """The halts in force, oldest first."""
    return [dict(row) for row in await conn.fetch(LIST)]
