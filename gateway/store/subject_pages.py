"""What a data subject's own pages ask: connections, consents, records, settings, sign-ins. Each question names the subject first.

Nothing here can be asked about without the subject's id, so what belongs to another one is simply not found.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg

from gateway.store import consents
from gateway.store.consents import ConsentError, PseudonymKeys
from gateway.store.pool import AnyConnection
from gateway.store.questions import question
from scopes import ConsentKind, Purpose, Role

CONSENTS = question("subject_pages", "consents_of_subject")
EVENTS = question("subject_pages", "events_of_consent")
PARTNERS = question("subject_pages", "partners_about")
COVERS = question("subject_pages", "covers_of_subject")
REACHES = question("subject_pages", "reaches")
ACCEPTANCE = question("subject_pages", "acceptance_of_subject")
LAST_ACCESSES = question("subject_pages", "last_accesses")
SIGNED_IN = question("subject_pages", "signed_in")
SIGN_INS = question("subject_pages", "sign_ins")
MAY_SIGN_IN = question("subject_pages", "may_sign_in")
END_SIGN_IN = question("subject_pages", "end_sign_in")
QUIET_NOW = question("subject_pages", "quiet_now")
DISCLOSURES = question("subject_pages", "disclosures_of_subject")
PROJECTIONS = question("subject_pages", "projections")
SETTINGS = question("subject_pages", "settings_of_subject")
SESSIONS = question("subject_pages", "sessions_of_subject")
END_SESSIONS = question("subject_pages", "end_sessions")
END_REFRESHING = question("subject_pages", "end_refreshing")
NOW = question("subject_pages", "now")

LOOKED_AT: Final = 2000  # records that the overview looks back over
LAST_ID: Final = UUID(int=2**128 - 1)
LAST_ROOTS: Final = 2**15 - 1
NO_CONSENT: Final = "NO_SUCH_CONSENT"


@dataclass(frozen=True, slots=True)
class KnownPartner:
    """A partner as a data subject meets it. name: a short word, unique."""

    partner_id: UUID
    name: str
    legal_name: str
    contact: str
    role: Role
    processing_location: str


@dataclass(frozen=True, slots=True)
class ConsentNow:
    """The latest word to one partner about one purpose. is_live: neither withdrawn nor over."""

    consent_id: UUID
    partner_id: UUID
    purpose: Purpose
    kind: ConsentKind
    categories: tuple[str, ...]
    cross_border: bool
    policy_version: str
    given_at: datetime
    changed_at: datetime
    ends_at: datetime | None
    is_live: bool


@dataclass(frozen=True, slots=True)
class ConsentStep:
    """One event of a consent. is_latest: the last word to that partner about that purpose, in this consent or in another."""

    partner_id: UUID
    purpose: Purpose
    kind: ConsentKind
    categories: tuple[str, ...]
    cross_border: bool
    policy_version: str
    ends_at: datetime | None
    recorded_at: datetime
    is_latest: bool
    is_live: bool


@dataclass(frozen=True, slots=True)
class Reach:
    """What a partner may ask for under one purpose, whoever's data it is. is_stopped: not now."""

    paths: tuple[str, ...]
    retention: timedelta
    is_stopped: bool


@dataclass(frozen=True, slots=True)
class Accepted:
    """The newest version of the policy that was accepted."""

    policy_version: str
    accepted_at: datetime
    is_current: bool


@dataclass(frozen=True, slots=True)
class LastAccesses:
    """at: by partner. looked_back_to: a partner that is missing got nothing since then; None: it never got anything."""

    at: Mapping[UUID, datetime]
    looked_back_to: datetime | None


@dataclass(frozen=True, slots=True)
class Position:
    """The last row of a page of records; the next one begins after it."""

    disclosed_at: datetime
    disclosure_id: UUID = LAST_ID
    roots: int = LAST_ROOTS


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records: None leaves out a condition. since is included, until is not."""

    since: datetime | None = None
    until: datetime | None = None
    partner_id: UUID | None = None
    purpose: Purpose | None = None


@dataclass(frozen=True, slots=True)
class RecordedField:
    """A field that an operation selected. root: the number of the root field it was selected under."""

    path: str
    category: str
    ordinal: int
    redaction: str
    root: int


@dataclass(frozen=True, slots=True)
class RecordedDisclosure:
    """What one disclosure means for one data subject. name, legal_name: of the partner. covered, reasons: as on record."""

    position: Position
    name: str
    legal_name: str
    purpose: Purpose
    covered: int
    reasons: tuple[int, ...] | None
    fields: tuple[RecordedField, ...]


@dataclass(frozen=True, slots=True)
class SettingNow:
    """The latest word about one switch. partner_id, category: None for all."""

    switch: str
    partner_id: UUID | None
    category: str | None
    allowed: bool


@dataclass(frozen=True, slots=True)
class SignedIn:
    """When a data subject first and last signed in with a partner."""

    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class SignIn:
    login_id: UUID
    partner_id: UUID
    logged_in_at: datetime


@dataclass(frozen=True, slots=True)
class QuietNow:
    """purpose: None for signing in. until: when the partner may ask again by itself."""

    partner_id: UUID
    legal_name: str
    purpose: Purpose | None
    until: datetime


@dataclass(frozen=True, slots=True)
class OpenSession:
    session_id: UUID
    acr: str
    authenticated_at: datetime
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


async def consents_now(conn: AnyConnection, subject_id: UUID) -> list[ConsentNow]:
    """Newest first."""
    rows = await conn.fetch(CONSENTS, subject_id)
    return [ConsentNow(**{**row, **_typed(row)}) for row in rows]


async def steps(conn: AnyConnection, subject_id: UUID, consent_id: UUID) -> list[ConsentStep]:
    """Oldest first; empty where there is no such consent of this data subject."""
    rows = await conn.fetch(EVENTS, subject_id, consent_id)
    return [ConsentStep(**{**row, **_typed(row)}) for row in rows]


async def partners_about(conn: AnyConnection, subject_id: UUID) -> dict[UUID, KnownPartner]:
    """In order of their names."""
    rows = await conn.fetch(PARTNERS, subject_id)
    return {row["partner_id"]: KnownPartner(**{**row, "role": Role(row["role"])}) for row in rows}


async def covers(conn: AnyConnection, subject_id: UUID) -> dict[tuple[UUID, Purpose], frozenset[str]]:
    """By partner and purpose the categories that may go out at this instant."""
    rows = await conn.fetch(COVERS, subject_id)
    return {(row["partner_id"], Purpose(row["purpose"])): frozenset(row["categories"]) for row in rows}


async def reaches(conn: AnyConnection) -> dict[tuple[UUID, Purpose], Reach]:
    """By partner and purpose what live grants let a partner ask for."""
    rows = await conn.fetch(REACHES)
    return {
        (row["partner_id"], Purpose(row["purpose"])): Reach(tuple(row["paths"]), row["retention"], row["is_stopped"])
        for row in rows
    }


async def accepted(conn: AnyConnection, subject_id: UUID) -> Accepted | None:
    row = await conn.fetchrow(ACCEPTANCE, subject_id)
    return None if row is None else Accepted(**row)


async def last_accesses(conn: AnyConnection, subject_id: UUID, *, row_count: int = LOOKED_AT) -> LastAccesses:
    rows = await conn.fetch(LAST_ACCESSES, subject_id, row_count)
    found = {row["partner_id"]: row["disclosed_at"] for row in rows if row["partner_id"] is not None}
    return LastAccesses(found, rows[0]["looked_back_to"] if rows else None)


async def signed_in(conn: AnyConnection, subject_id: UUID) -> dict[UUID, SignedIn]:
    """By partner."""
    rows = await conn.fetch(SIGNED_IN, subject_id)
    return {row["partner_id"]: SignedIn(row["first_at"], row["last_at"]) for row in rows}


async def sign_ins(conn: AnyConnection, subject_id: UUID, *, after: tuple[datetime, UUID] | None, page_size: int) -> list[SignIn]:
    """Newest first. after: instant and id of the last one seen."""
    at, login_id = after or (await conn.fetchval(NOW), LAST_ID)
    return [SignIn(**row) for row in await conn.fetch(SIGN_INS, subject_id, at, login_id, page_size)]


async def may_sign_in(conn: AnyConnection, subject_id: UUID) -> dict[UUID, datetime]:
    """The partners that this data subject signs in to without being asked again, and since when; the oldest first."""
    return {row["partner_id"]: row["since"] for row in await conn.fetch(MAY_SIGN_IN, subject_id)}


async def end_sign_in(conn: AnyConnection, subject_id: UUID, partner_id: UUID) -> int:
    """End every grant to sign in to this partner, with its tokens; returns how many there were."""
    return len(await conn.fetch(END_SIGN_IN, subject_id, partner_id))


async def quiet_now(conn: AnyConnection, subject_id: UUID, within: timedelta) -> list[QuietNow]:
    """What partners may not ask about for now; the first to end comes first."""
    rows = await conn.fetch(QUIET_NOW, subject_id, within)
    return [
        QuietNow(row["partner_id"], row["legal_name"], None if row["purpose"] is None else Purpose(row["purpose"]), row["until"])
        for row in rows
    ]


async def disclosures(
    conn: AnyConnection, subject_id: UUID, wanted: Wanted, *, after: Position | None, page_size: int
) -> list[RecordedDisclosure]:
    """Newest first. after: the last one seen; None begins with the newest."""
    last = after or Position(await conn.fetchval(NOW))
    rows = await conn.fetch(
        DISCLOSURES,
        subject_id,
        last.disclosed_at,
        last.disclosure_id,
        last.roots,
        wanted.since,
        wanted.until,
        wanted.partner_id,
        None if wanted.purpose is None else wanted.purpose.value,
        page_size,
    )
    fields = await _projections(conn, {row["projection_id"] for row in rows})
    return [
        RecordedDisclosure(
            position=Position(row["disclosed_at"], row["disclosure_id"], row["roots"]),
            name=row["name"],
            legal_name=row["legal_name"],
            purpose=Purpose(row["purpose"]),
            covered=row["covered"],
            reasons=None if row["reasons"] is None else tuple(row["reasons"]),
            fields=fields.get(row["projection_id"], ()),
        )
        for row in rows
    ]


async def settings_now(conn: AnyConnection, subject_id: UUID) -> list[SettingNow]:
    rows = await conn.fetch(SETTINGS, subject_id)
    return [SettingNow(row["switch"], row["partner_id"], row["category"], row["allowed"]) for row in rows]


async def open_sessions(conn: AnyConnection, subject_id: UUID) -> list[OpenSession]:
    """The one used last comes first."""
    return [OpenSession(**row) for row in await conn.fetch(SESSIONS, subject_id)]


async def end_sessions(conn: AnyConnection, subject_id: UUID, *, kept: UUID, session_id: UUID | None) -> int:
    """End one session of this data subject, or all but `kept`; returns how many ended."""
    return len(await conn.fetch(END_SESSIONS, subject_id, kept, session_id))


async def narrow(
    conn: AnyConnection, keys: PseudonymKeys, *, subject_id: UUID, consent_id: UUID, categories: Sequence[str]
) -> None:
    """Keep only these categories of this very consent.

    Raises ConsentError: NO_SUCH_CONSENT where it is not the data subject's or is not its last word any more, and as
    `consents.narrow`.
    """
    async with conn.transaction():
        step = await _latest(conn, subject_id, consent_id)
        await consents.narrow(
            conn, keys, subject_id=subject_id, partner_id=step.partner_id, purpose=step.purpose, categories=categories
        )


async def withdraw(conn: AnyConnection, keys: PseudonymKeys, *, subject_id: UUID, consent_id: UUID) -> None:
    """Take this very consent back, and end the refreshing of tokens that rest on it.

    Access tokens live on for their minutes: the gate gives them nothing about the data subject. Raises ConsentError:
    NO_SUCH_CONSENT, NOTHING_TO_WITHDRAW.
    """
    async with conn.transaction():
        step = await _latest(conn, subject_id, consent_id)
        await consents.withdraw(conn, keys, subject_id=subject_id, partner_id=step.partner_id, purpose=step.purpose)
        await conn.execute(END_REFRESHING, subject_id, consent_id)


async def _latest(conn: AnyConnection, subject_id: UUID, consent_id: UUID) -> ConsentStep:
    """The last event of a consent that is still the last word, under the subject's lock."""
    found = await steps(conn, subject_id, consent_id)
    if found:
        await conn.execute(consents.LOCK, subject_id)  # not before it is known to be theirs: the lock would register anybody
        found = await steps(conn, subject_id, consent_id)
    if not found or not found[-1].is_latest:
        raise ConsentError(NO_CONSENT, "there is no such consent, or another one has taken its place")
    return found[-1]


async def _projections(conn: AnyConnection, ids: Iterable[bytes]) -> dict[bytes, tuple[RecordedField, ...]]:
    rows = await conn.fetch(PROJECTIONS, list(ids))
    return {row["projection_id"]: tuple(RecordedField(**entry) for entry in json.loads(row["fields"])) for row in rows}


def _typed(row: asyncpg.Record) -> dict[str, object]:
    """The columns of a consent's row that are more than their text."""
    return {
        "purpose": Purpose(row["purpose"]),
        "kind": ConsentKind(row["kind"]),
        "categories": tuple(row["categories"]),
    }
