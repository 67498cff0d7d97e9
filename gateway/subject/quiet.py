"""Who was told no does not ask again at once (Network Data Security Regulation, art. 22).

After a refusal the same partner cannot put the same question to the same data subject for a while: for the same purpose, whatever
was refused is not asked, whichever of the partner's clients asks and in whatever combination. What was not refused can be.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from gateway.store.pool import AnyConnection
from gateway.store.questions import question
from scopes import Purpose

REFUSED = question("offers", "refused")
REFUSE = question("offers", "refuse")
LIFT = question("offers", "lift")


@dataclass(frozen=True, slots=True)
class Quiet:
    """What is not to be asked just now. sign_in: whether signing in at the partner was refused."""

    categories: frozenset[str]
    sign_in: bool


async def quiet(conn: AnyConnection, *, subject_id: UUID, partner_id: UUID, purpose: Purpose | None, within: timedelta) -> Quiet:
    """All that this data subject refused this partner for this purpose during the last `within`."""
    refused = None if purpose is None else await conn.fetchval(REFUSED, subject_id, partner_id, purpose.value, within)
    sign_in = await conn.fetchval(REFUSED, subject_id, partner_id, None, within)
    return Quiet(frozenset(refused or ()), sign_in is not None)


async def refuse(
    conn: AnyConnection,
    *,
    subject_id: UUID,
    partner_id: UUID,
    purpose: Purpose | None,
    categories: Collection[str],
    sign_in: bool,
) -> None:
    """Take down what was refused; nothing where nothing was."""
    if purpose is not None and categories:
        await conn.execute(REFUSE, uuid4(), subject_id, partner_id, purpose.value, sorted(categories))
    if sign_in:
        await conn.execute(REFUSE, uuid4(), subject_id, partner_id, None, [])


async def lift(conn: AnyConnection, *, subject_id: UUID, partner_id: UUID, purpose: Purpose | None) -> None:
    """Let the partner ask again about this purpose, or about signing in: what was refused so far counts no longer."""
    await conn.execute(LIFT, uuid4(), subject_id, partner_id, None if purpose is None else purpose.value)
