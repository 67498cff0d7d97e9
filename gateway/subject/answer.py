"""What an answer comes to: before anybody is asked, and after the data subject has answered.

Nothing is granted here that the offer did not name: an answer can only pick from it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from gateway.settings import Settings
from gateway.store import consents, subject_pages
from gateway.store.consents import PseudonymKeys
from gateway.store.pool import AnyConnection
from gateway.subject.offer import Offer, Standing
from gateway.subject.quiet import refuse


class Course(StrEnum):
    """What is to be done with a request before its data subject is asked."""

    ASK = "ask"
    GRANT = "grant"
    DENY = "deny"


class Problem(StrEnum):
    """Why the page is shown again instead of taking the answer."""

    BORDER = "border"  # data without the transfer that all of them need
    STALE = "stale"  # sensitive data by a session that signed in too long ago


@dataclass(frozen=True, slots=True)
class Choice:
    """What the data subject ticked, and that it allowed it."""

    categories: frozenset[str]
    cross_border: bool = False
    signs_in: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """What is granted. categories: with those that rest on the policy. consent_id: None where nothing rests on a consent."""

    categories: frozenset[str]
    signs_in: bool
    consent_id: UUID | None
    ends_at: datetime | None


def course(offer: Offer, *, must_ask: bool) -> Course:
    """must_ask: the client wants the data subject to be asked though it has agreed before (`prompt=consent`)."""
    if not offer.has_question:
        return Course.DENY
    if must_ask or not offer.is_settled:
        return Course.ASK
    before = settled_before(offer)
    return Course.GRANT if before.categories or before.signs_in else Course.DENY


def settled_before(offer: Offer) -> Settled:
    """What was agreed to before and is asked for again: no more than both."""
    agreed = offer.standing(Standing.AGREED)
    rests = offer.agreed if agreed else None
    return Settled(
        categories=agreed | offer.standing(Standing.RESTING),
        signs_in=offer.signs_in and offer.sign_in_known,
        consent_id=None if rests is None else rests.consent_id,
        ends_at=None if rests is None else rests.ends_at,
    )


def ticked_before(offer: Offer) -> Choice:
    """What stands ticked when the question is put: what was agreed to before, but never sensitive data or the transfer abroad.

    Each answer is a consent anew, for another year, and PIPL 29 and 39 ask for those two explicitly.
    """
    before = settled_before(offer)
    sensitive = {one.category for one in offer.categories if one.is_sensitive}
    return Choice(before.categories - sensitive, signs_in=before.signs_in)


def problem(offer: Offer, choice: Choice, *, is_fresh: bool) -> Problem | None:
    """is_fresh: the session signed in recently enough for sensitive data."""
    if offer.crosses_border and choice.categories and not choice.cross_border:
        return Problem.BORDER
    if not is_fresh and choice.categories & needing_step_up(offer):
        return Problem.STALE
    return None


def needing_step_up(offer: Offer) -> frozenset[str]:
    """Sensitive ones that were not agreed to before: whoever agrees to them has just signed in."""
    return frozenset(one.category for one in offer.categories if one.is_sensitive and one.standing is Standing.NEW)


async def apply(
    conn: AnyConnection, settings: Settings, keys: PseudonymKeys, offer: Offer, choice: Choice, *, subject_id: UUID, notice: bytes
) -> Settled | None:
    """Take the choice down: the consent in place of what was agreed before, and what was refused. None: nothing was allowed.

    Call it in the transaction that makes the code. notice: hash of what was shown. Raises ConsentError where another window was
    faster.
    """
    resting = offer.standing(Standing.RESTING)
    if offer.crosses_border and not choice.cross_border:
        resting = frozenset()
    refused = offer.optional - choice.categories
    await _take_down(conn, offer, refused, subject_id, sign_in=offer.asks_sign_in and not choice.signs_in)
    given = choice.categories | frozenset(offer.kept) | (resting if offer.crosses_border else frozenset())
    agreed, consent_id = offer.agreed, None
    ends_at = None if agreed is None else agreed.ends_at
    # Data newly agreed to needs the transfer, so without any the box was about what is not there: what is kept stays as it is
    crosses = choice.cross_border or (agreed is not None and agreed.cross_border and bool(offer.kept) and not choice.categories)
    if agreed is not None and given == agreed.categories and not choice.categories and crosses == agreed.cross_border:
        consent_id = agreed.consent_id
    elif given and offer.purpose is not None:
        ends_at = offer.offered_at + timedelta(days=settings.consent_lifetime_days)
        consent_id = await consents.give(
            conn,
            keys,
            subject_id=subject_id,
            partner_id=offer.partner.partner_id,
            purpose=offer.purpose,
            categories=given,
            policy_version=offer.policy_version,
            cross_border=crosses,
            ends_at=ends_at,
            notice_sha256=notice,
        )
    elif agreed is not None:
        await subject_pages.withdraw(conn, keys, subject_id=subject_id, consent_id=agreed.consent_id)
    categories = choice.categories | resting
    if not categories and not choice.signs_in:
        return None
    rests = consent_id if categories else None
    return Settled(categories, choice.signs_in, rests, ends_at if rests else None)


async def deny(conn: AnyConnection, offer: Offer, *, subject_id: UUID) -> None:
    """Take down that the data subject said no to all of it. What it agreed to before stays."""
    refused = offer.optional | offer.standing(Standing.RESTING)
    await _take_down(conn, offer, refused, subject_id, sign_in=offer.asks_sign_in)


async def _take_down(conn: AnyConnection, offer: Offer, refused: frozenset[str], subject_id: UUID, *, sign_in: bool) -> None:
    await refuse(
        conn,
        subject_id=subject_id,
        partner_id=offer.partner.partner_id,
        purpose=offer.purpose,
        categories=refused,
        sign_in=sign_in,
    )
