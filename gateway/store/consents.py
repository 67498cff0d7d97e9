"""What data subjects say: appended to the ledgers and folded into consent_state in one transaction.

Every writer locks the subject first, then appends, then folds; so of two that write at once the second sees what the first has
said, and the gate sees each as soon as it has committed.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import asyncpg

from gateway.store.pool import AnyConnection
from gateway.store.questions import question
from scopes import CATEGORIES, ConsentKind, Purpose, Switch, parents

BATCH = 2000  # data subjects in one transaction of a fold over everybody
SHA256_BLOCK = 64
NODES = frozenset(CATEGORIES) | {node for category in CATEGORIES for node in parents(category)}

LOCK = question("consents", "lock_subject")
LATEST = question("consents", "latest_consent")
APPEND_CONSENT = question("consents", "append_consent")
APPEND_SETTING = question("consents", "append_setting")
APPEND_ACCEPTANCE = question("consents", "append_acceptance")
FOLDS_OF_SUBJECT = question("consents", "folds_of_subject")
FOLD = question("consents", "fold")
SUBJECTS_AFTER = question("consents", "subjects_after")
STATES = question("consents", "states")
DIFFERENCES = question("consents", "differences")


class ConsentError(Exception):
    """What was said cannot be taken down. code is stable; the message holds names and ids, never data."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True, repr=False)
class PseudonymKeys:
    """The secret that pseudonyms are made with (`Settings.key("pseudonym")`, 32 bytes) and its version, kept beside each."""

    key: bytes
    version: int = 1

    def padded(self) -> tuple[bytes, bytes]:
        """The inner and the outer key of HMAC (RFC 2104)."""
        block = self.key.ljust(SHA256_BLOCK, b"\0")
        return bytes(byte ^ 0x36 for byte in block), bytes(byte ^ 0x5C for byte in block)


@dataclass(frozen=True, slots=True)
class Difference:
    """One subject's state that does not follow from the ledgers.

    difference: missing, unfounded, stale, synthetic, pseudonym, cover, summary.
    """

    partner_id: UUID
    purpose: str
    subject_id: UUID
    difference: str
    categories: tuple[str, ...]


async def give(
    conn: AnyConnection,
    keys: PseudonymKeys,
    *,
    subject_id: UUID,
    partner_id: UUID,
    purpose: Purpose,
    categories: Collection[str],
    policy_version: str,
    cross_border: bool = False,
    ends_at: datetime | None = None,
    notice_sha256: bytes | None = None,
) -> UUID:
    """The subject agrees to exactly these categories (leaf names), in place of whatever it agreed to before (policy 6.1).

    notice_sha256: of gateway.consent_notice, what the subject was shown; None where it was not asked by the gateway's own page.
    Returns the consent's id. Raises ConsentError: CATEGORY_UNKNOWN, CATEGORIES_EMPTY, REFERENCE_UNKNOWN.
    """
    wanted = _categories(categories)
    consent_id = uuid4()
    async with conn.transaction():
        await _append(
            conn,
            (
                consent_id,
                subject_id,
                partner_id,
                purpose.value,
                ConsentKind.GIVEN.value,
                wanted,
                cross_border,
                policy_version,
                ends_at,
            ),
            notice_sha256,
        )
        await _fold(conn, keys, partner_id, purpose.value, [subject_id])
    return consent_id


async def narrow(
    conn: AnyConnection, keys: PseudonymKeys, *, subject_id: UUID, partner_id: UUID, purpose: Purpose, categories: Collection[str]
) -> UUID:
    """The subject keeps only these of what it agreed to. Raises ConsentError: NOTHING_TO_NARROW, CATEGORY_NOT_AGREED."""
    kept = _categories(categories)
    async with conn.transaction():
        await conn.execute(LOCK, subject_id)
        latest = await conn.fetchrow(LATEST, subject_id, partner_id, purpose.value)
        if latest is None or latest["kind"] == ConsentKind.WITHDRAWN:
            raise ConsentError("NOTHING_TO_NARROW", "there is no consent to narrow")
        if not set(kept) <= set(latest["categories"]):
            raise ConsentError("CATEGORY_NOT_AGREED", "narrowing cannot add a category")
        consent_id: UUID = latest["consent_id"]
        rest = (latest["cross_border"], latest["policy_version"], latest["ends_at"])
        await _append(conn, (consent_id, subject_id, partner_id, purpose.value, ConsentKind.NARROWED.value, kept, *rest))
        await _fold(conn, keys, partner_id, purpose.value, [subject_id])
    return consent_id


async def withdraw(conn: AnyConnection, keys: PseudonymKeys, *, subject_id: UUID, partner_id: UUID, purpose: Purpose) -> UUID:
    """The subject takes its consent back, with effect on every statement that starts after the commit (PIPL 15).

    Raises ConsentError NOTHING_TO_WITHDRAW where there is none.
    """
    async with conn.transaction():
        await conn.execute(LOCK, subject_id)
        latest = await conn.fetchrow(LATEST, subject_id, partner_id, purpose.value)
        if latest is None or latest["kind"] == ConsentKind.WITHDRAWN:
            raise ConsentError("NOTHING_TO_WITHDRAW", "there is no consent to withdraw")
        consent_id: UUID = latest["consent_id"]
        kind = ConsentKind.WITHDRAWN.value
        await _append(conn, (consent_id, subject_id, partner_id, purpose.value, kind, [], False, latest["policy_version"], None))
        await _fold(conn, keys, partner_id, purpose.value, [subject_id])
    return consent_id


async def set_sharing(
    conn: AnyConnection,
    keys: PseudonymKeys,
    *,
    subject_id: UUID,
    allowed: bool,
    partner_id: UUID | None = None,
    category: str | None = None,
) -> None:
    """Switch sharing off, or on again, for a partner or all, a category (any node of the tree) or all (policy 4)."""
    if category is not None and category not in NODES:
        raise ConsentError("CATEGORY_UNKNOWN", "no such category")
    await _set(conn, keys, subject_id, (Switch.SHARING.value, partner_id, category, allowed))


async def set_advertising(conn: AnyConnection, keys: PseudonymKeys, *, subject_id: UUID, allowed: bool) -> None:
    """The one switch for all advertising uses (policy 10)."""
    await _set(conn, keys, subject_id, (Switch.ADVERTISING.value, None, None, allowed))


async def accept_policy(conn: AnyConnection, keys: PseudonymKeys, *, subject_id: UUID, policy_version: str) -> None:
    """The subject accepts a version of the policy. Raises ConsentError REFERENCE_UNKNOWN."""
    async with conn.transaction():
        await conn.execute(LOCK, subject_id)
        try:
            await conn.execute(APPEND_ACCEPTANCE, subject_id, policy_version)
        except asyncpg.ForeignKeyViolationError:
            raise ConsentError("REFERENCE_UNKNOWN", "no such policy version") from None
        await _fold_subject(conn, keys, subject_id)


async def fold_all(conn: AnyConnection, keys: PseudonymKeys, *, partner_id: UUID, purpose: Purpose) -> int:
    """Fold everybody towards one partner and purpose, in batches of their own transactions. Returns how many rows changed."""
    changed, after = 0, UUID(int=0)
    while batch := [row["subject_id"] for row in await conn.fetch(SUBJECTS_AFTER, after, BATCH)]:
        async with conn.transaction():
            changed += await _fold(conn, keys, partner_id, purpose.value, batch)
        after = batch[-1]
    return changed


async def fold_one(conn: AnyConnection, keys: PseudonymKeys, *, subject_id: UUID, partner_id: UUID, purpose: Purpose) -> None:
    """Fold one data subject towards one partner and purpose. Runs in the caller's transaction."""
    await _fold(conn, keys, partner_id, purpose.value, [subject_id])


async def load(conn: AnyConnection, rows: Mapping[str, tuple[Sequence[str], Sequence[tuple[object, ...]]]]) -> None:
    """Append many ledger rows by COPY: table name -> columns and records. Fold afterwards with `fold_everybody`."""
    for table, (columns, records) in rows.items():
        await conn.copy_records_to_table(table, schema_name="gateway", columns=list(columns), records=records)


async def fold_everybody(conn: AnyConnection, keys: PseudonymKeys, *, partner_id: UUID, purpose: Purpose) -> int:
    """As `fold_all`, in one statement: for loading, when nobody else writes."""
    return await _fold(conn, keys, partner_id, purpose.value, None)


async def verify(conn: AnyConnection, keys: PseudonymKeys) -> list[Difference]:
    """Fold every ledger anew and compare with the state, at one instant. Empty where they agree."""
    found: list[Difference] = []
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        for state in await conn.fetch(STATES):
            rows = await conn.fetch(DIFFERENCES, state["partner_id"], state["purpose"], *keys.padded(), keys.version)
            found += [
                Difference(state["partner_id"], state["purpose"], row["subject_id"], row["difference"], tuple(row["categories"]))
                for row in rows
            ]
    return found


def _categories(categories: Collection[str]) -> list[str]:
    if not categories:
        raise ConsentError("CATEGORIES_EMPTY", "a consent names at least one category")
    if not set(categories) <= CATEGORIES.keys():
        raise ConsentError("CATEGORY_UNKNOWN", "no such category")
    return sorted(set(categories))


async def _append(conn: AnyConnection, event: tuple[object, ...], notice_sha256: bytes | None = None) -> None:
    await conn.execute(LOCK, event[1])
    try:
        await conn.execute(APPEND_CONSENT, *event, notice_sha256)
    except asyncpg.ForeignKeyViolationError:
        raise ConsentError("REFERENCE_UNKNOWN", "no such partner, purpose, policy version or notice") from None


async def _set(conn: AnyConnection, keys: PseudonymKeys, subject_id: UUID, setting: tuple[object, ...]) -> None:
    async with conn.transaction():
        await conn.execute(LOCK, subject_id)
        try:
            await conn.execute(APPEND_SETTING, subject_id, *setting)
        except asyncpg.ForeignKeyViolationError:
            raise ConsentError("REFERENCE_UNKNOWN", "no such partner") from None
        await _fold_subject(conn, keys, subject_id)


async def _fold_subject(conn: AnyConnection, keys: PseudonymKeys, subject_id: UUID) -> None:
    for row in await conn.fetch(FOLDS_OF_SUBJECT, subject_id):
        await _fold(conn, keys, row["partner_id"], row["purpose"], [subject_id])


async def _fold(conn: AnyConnection, keys: PseudonymKeys, partner_id: UUID, purpose: str, subjects: list[UUID] | None) -> int:
    changed: int = await conn.fetchval(FOLD, partner_id, purpose, subjects, *keys.padded(), keys.version)
    return changed
