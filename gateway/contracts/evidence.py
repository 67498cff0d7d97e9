"""What synthetic data subjects say, put into the ledgers as real ones would, and only where they said otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from gateway.contracts.subjects import Agreement, SharingOff, Synthetic, Will
from gateway.store import consents
from gateway.store.consents import PseudonymKeys
from gateway.store.pool import Connection
from scopes import Purpose

# The policy in force, and the database's instant.
# row: policy_version text, now timestamptz
# policy_version_effective_at_key
_POLICY: Final = """
select policy_version, statement_timestamp() as now, statement_timestamp() - interval '1 day' as yesterday
  from gateway.policy_version where effective_at <= statement_timestamp() order by effective_at desc limit 1"""

# in:  subject_id uuid, policy_version text
# row: accepted boolean
# policy_acceptance_by_subject
_ACCEPTED: Final = """
select exists (select from gateway.policy_acceptance where subject_id = $1 and policy_version = $2)"""

# Each switch of a data subject as it was set last.
# in:  subject_id uuid
# row: switch text, partner text (null: all), category text (null: all), allowed boolean
# setting_event_by_subject
_SETTINGS: Final = """
select distinct on (e.switch, e.partner_id, e.category) e.switch, p.name as partner, e.category, e.allowed
  from gateway.setting_event e left join gateway.partner p using (partner_id)
 where e.subject_id = $1 order by e.switch, e.partner_id, e.category, e.event_id desc"""


class NoPolicy(Exception):
    """No version of the privacy policy is in force: nobody can agree to anything."""


async def say(
    conn: Connection,
    keys: PseudonymKeys,
    wanted: Synthetic,
    partner_ids: Mapping[str, UUID],
    purposes: Mapping[str, Iterable[Purpose]],
) -> None:
    """Bring the ledgers of one data subject to what is wanted. purposes: by partner, those that it is granted.

    Runs in the caller's transaction. Raises NoPolicy, ConsentError.
    """
    now = await conn.fetchrow(_POLICY)
    if now is None:
        raise NoPolicy("no version of the privacy policy is in force")
    version = now["policy_version"]
    if wanted.accepts_policy and not await conn.fetchval(_ACCEPTED, wanted.subject_id, version):
        await consents.accept_policy(conn, keys, subject_id=wanted.subject_id, policy_version=version)
    await _set(conn, keys, wanted, partner_ids)
    for partner, granted in purposes.items():
        for purpose in granted:
            agreement = wanted.agreement_with(partner, purpose)
            await _agree(conn, keys, (wanted.subject_id, partner_ids[partner], purpose), agreement, now)


async def _set(conn: Connection, keys: PseudonymKeys, wanted: Synthetic, partner_ids: Mapping[str, UUID]) -> None:
    said = await conn.fetch(_SETTINGS, wanted.subject_id)
    allows = {row["switch"]: row["allowed"] for row in said if row["switch"] == "advertising"}.get("advertising", True)
    if allows != wanted.allows_advertising:
        await consents.set_advertising(conn, keys, subject_id=wanted.subject_id, allowed=wanted.allows_advertising)
    off = {SharingOff(row["partner"], row["category"]) for row in said if row["switch"] == "sharing" and not row["allowed"]}
    known = {switch for switch in wanted.sharing_off if switch.partner is None or switch.partner in partner_ids}
    for switch in off ^ known:
        partner_id = None if switch.partner is None else partner_ids[switch.partner]
        await consents.set_sharing(
            conn, keys, subject_id=wanted.subject_id, allowed=switch in off, partner_id=partner_id, category=switch.category
        )


async def _agree(
    conn: Connection,
    keys: PseudonymKeys,
    between: tuple[UUID, UUID, Purpose],
    wanted: Agreement | None,
    now: asyncpg.Record,
) -> None:
    subject_id, partner_id, purpose = between
    latest = await conn.fetchrow(consents.LATEST, subject_id, partner_id, purpose.value)
    if _is_said(latest, wanted, now):
        return
    if wanted is not None:
        ends_at: datetime | None = now["yesterday"] if wanted.will is Will.EXPIRED else None
        await consents.give(
            conn,
            keys,
            subject_id=subject_id,
            partner_id=partner_id,
            purpose=purpose,
            categories=wanted.categories,
            policy_version=now["policy_version"],
            cross_border=wanted.cross_border,
            ends_at=ends_at,
        )
    if wanted is None or wanted.will is Will.WITHDRAWN:
        await consents.withdraw(conn, keys, subject_id=subject_id, partner_id=partner_id, purpose=purpose)


def _is_said(latest: asyncpg.Record | None, wanted: Agreement | None, now: asyncpg.Record) -> bool:
    """Whether the last word in the ledger means what is wanted."""
    if latest is None or latest["kind"] == "withdrawn":
        return (wanted is None) if latest is None else (wanted is None or wanted.will is Will.WITHDRAWN)
    if wanted is None or wanted.will is Will.WITHDRAWN:
        return False
    ends_at = latest["ends_at"]
    ends = ends_at is not None and ends_at < now["now"] if wanted.will is Will.EXPIRED else ends_at is None
    return bool(
        ends
        and set(latest["categories"]) == wanted.categories
        and latest["cross_border"] == wanted.cross_border
        and latest["policy_version"] == now["policy_version"]
    )
