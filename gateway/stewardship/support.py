"""One data subject's consents, for somebody who helps it: seen once a reason is given, taken back in its name (policy 4, 9.3)."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from gateway.stewardship.actor import Actor, ActRefused, StaffCode, acting
from gateway.stewardship.roles import Act
from gateway.store import subject_pages
from gateway.store.consents import PseudonymKeys
from gateway.store.pool import AnyConnection
from gateway.store.questions import question
from gateway.store.subject_pages import Accepted, SettingNow
from scopes import ConsentKind, Purpose

IS_SUBJECT = question("reading", "is_subject")


@dataclass(frozen=True, slots=True)
class ConsentEntry:
    """The latest word to one partner about one purpose. covered: the categories that may go out at this instant."""

    consent_id: UUID
    partner: str
    purpose: Purpose
    kind: ConsentKind
    categories: tuple[str, ...]
    cross_border: bool
    policy_version: str
    given_at: datetime
    changed_at: datetime
    ends_at: datetime | None
    is_live: bool
    covered: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SubjectConsents:
    """What one data subject decided; no data of its own. settings: partner_id and category are None for all."""

    subject_id: UUID
    accepted: Accepted | None
    consents: tuple[ConsentEntry, ...]
    settings: tuple[SettingNow, ...]


async def consents_of(conn: AnyConnection, actor: Actor, *, subject_id: UUID, reason: str) -> SubjectConsents:
    """Newest first. That it was looked at, by whom and why is on record with it.

    Raises ActRefused: ROLE_MISSING, REASON_REQUIRED, SUBJECT_UNKNOWN.
    """
    async with acting(conn, actor, Act.SUBJECT_CONSENTS_READ, target=str(subject_id), reason=reason, needs_reason=True):
        await _known(conn, subject_id)
        names = {key: one.name for key, one in (await subject_pages.partners_about(conn, subject_id)).items()}
        covers = await subject_pages.covers(conn, subject_id)
        consents = tuple(
            ConsentEntry(
                consent_id=one.consent_id,
                partner=names[one.partner_id],
                purpose=one.purpose,
                kind=one.kind,
                categories=one.categories,
                cross_border=one.cross_border,
                policy_version=one.policy_version,
                given_at=one.given_at,
                changed_at=one.changed_at,
                ends_at=one.ends_at,
                is_live=one.is_live,
                covered=tuple(sorted(covers.get((one.partner_id, one.purpose), ()))),
            )
            for one in await subject_pages.consents_now(conn, subject_id)
        )
        settings = tuple(await subject_pages.settings_now(conn, subject_id))
        return SubjectConsents(subject_id, await subject_pages.accepted(conn, subject_id), consents, settings)


async def withdraw(
    conn: AnyConnection, actor: Actor, keys: PseudonymKeys, *, subject_id: UUID, partner: str, purpose: Purpose, reason: str
) -> UUID:
    """Take a consent back on the data subject's behalf; returns its id. It counts from the next query on.

    Raises ActRefused: ROLE_MISSING, REASON_REQUIRED, SUBJECT_UNKNOWN, NOTHING_TO_WITHDRAW.
    """
    async with acting(
        conn, actor, Act.SUBJECT_CONSENT_WITHDRAW, target=str(subject_id), reason=reason, needs_reason=True
    ) as entry:
        await _known(conn, subject_id)
        names = {key: one.name for key, one in (await subject_pages.partners_about(conn, subject_id)).items()}
        for one in await subject_pages.consents_now(conn, subject_id):
            if (names[one.partner_id], one.purpose) == (partner, purpose) and one.is_live:
                await subject_pages.withdraw(conn, keys, subject_id=subject_id, consent_id=one.consent_id)
                entry.before = {"consent_id": str(one.consent_id), "categories": list(one.categories)}
                return one.consent_id
        raise ActRefused(StaffCode.NOTHING_TO_WITHDRAW, "no consent to this partner about this purpose stands")


async def _known(conn: AnyConnection, subject_id: UUID) -> None:
    if not await conn.fetchval(IS_SUBJECT, subject_id):
        raise ActRefused(StaffCode.SUBJECT_UNKNOWN, "no such data subject")
