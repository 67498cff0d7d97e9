"""Versions of the privacy policy: announced before they take effect (policy, changes)."""

from datetime import datetime

import asyncpg

from gateway.store.consents import ConsentError, PseudonymKeys, fold_all
from gateway.store.pool import AnyConnection
from gateway.store.questions import question
from scopes import Purpose

ANNOUNCE = question("policy", "announce")
STALE = question("policy", "make_stale")
LOCK_EVERYBODY = question("partners", "lock_everybody")
TO_FOLD = question("policy", "resting_on_acceptance")


async def announce(
    conn: AnyConnection, keys: PseudonymKeys, *, policy_version: str, effective_at: datetime, text_sha256: bytes
) -> None:
    """Record a version that is in force from effective_at on, and fold anew all that rests on acceptance.

    Until a subject's row is folded anew, its partners see nothing of it: nobody is shared under a policy that no longer holds.
    Raises ConsentError POLICY_VERSION_KNOWN for a version or an instant that is taken.
    """
    async with conn.transaction():
        await conn.execute(LOCK_EVERYBODY)  # nobody's acceptance is folded in between under the versions of before
        try:
            await conn.execute(ANNOUNCE, policy_version, effective_at, text_sha256)
        except asyncpg.UniqueViolationError:
            raise ConsentError("POLICY_VERSION_KNOWN", "this version or this instant is taken") from None
        await conn.execute(STALE)
    for row in await conn.fetch(TO_FOLD):
        await fold_all(conn, keys, partner_id=row["partner_id"], purpose=Purpose(row["purpose"]))
