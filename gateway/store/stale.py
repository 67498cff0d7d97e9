"""What was folded under a basis that no longer holds: the gate reads none of it until it is folded anew.

`vocabulary.sync` makes it so where the rules of `scopes` or a sensitivity changed; whoever migrates then folds it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from gateway.store.consents import PseudonymKeys, fold_all
from gateway.store.pool import Connection
from gateway.store.questions import question
from scopes import Purpose

STALE: Final = question("stale", "stale")


@dataclass(frozen=True, slots=True)
class Stale:
    """One partner and purpose. subjects: rows that are not read; 0 where there are none yet and the new basis may make some."""

    partner_id: UUID
    partner: str
    purpose: Purpose
    subjects: int


async def stale(conn: Connection) -> list[Stale]:
    """Every partner and purpose to fold anew, by name. Empty where every state stands on the basis that holds."""
    rows = await conn.fetch(STALE)
    return [Stale(row["partner_id"], row["partner"], Purpose(row["purpose"]), row["subjects"]) for row in rows]


async def fold_stale(conn: Connection, keys: PseudonymKeys, told: Callable[[Stale, int], None]) -> int:
    """Fold what is stale, in batches. told: after each partner and purpose, with the rows it changed. Returns how many changed.

    Interrupted, it goes on where it was when it is called again: only rows of before are stale.
    """
    changed = 0
    for one in await stale(conn):
        count = await fold_all(conn, keys, partner_id=one.partner_id, purpose=one.purpose)
        told(one, count)
        changed += count
    return changed
