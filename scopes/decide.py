"""A plan, one data subject's evidence and an instant -> a redaction and a reason for every field.

The reference meaning of the gate: slow and obvious. The SQL that the gateway runs is held to it by tests. No clause here knows
what any other clause found out: each names its own end, and the earliest of the ends is the end of the whole.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from scopes.basis import BASIS, Basis
from scopes.category import CATEGORIES, parents
from scopes.evidence import ConsentEvent, ConsentKind, Evidence, SettingEvent, Switch
from scopes.grant import Partner
from scopes.plan import Plan
from scopes.purpose import PURPOSES, Purpose
from scopes.reason import Reason
from scopes.redaction import WITHHOLD, Redaction

FOREVER: Final = datetime.max.replace(tzinfo=UTC)  # infinity in the database

# The bases that evidence of a data subject can satisfy. A legal order (policy 6.5) is none of theirs and cannot be recorded yet.
CONSENT_LEDGERS: Final = frozenset({Basis.POLICY_ACCEPTANCE, Basis.SEPARATE_CONSENT, Basis.SENSITIVE_CONSENT})


@dataclass(frozen=True, slots=True)
class Cover:
    """Until when a category may go out, and why not any longer.

    until: the first instant at which it is over; FOREVER; None where it is not covered now. reason: what holds once it is over,
    or now where it is not covered; CONSENTED where it never ends.
    """

    until: datetime | None
    reason: Reason


@dataclass(frozen=True, slots=True)
class FieldDecision:
    redaction: Redaction
    reason: Reason


def decide(plan: Plan, evidence: Evidence, now: datetime) -> dict[str, FieldDecision]:
    """For every planned field the redaction its value gets, and why. By schema path, in the plan's order."""
    decided = {}
    for path, field in plan.fields.items():
        found = cover(field.category, evidence, partner=plan.partner, purpose=plan.purpose, now=now)
        if found.until is None:
            decided[path] = FieldDecision(WITHHOLD, found.reason)
        else:
            decided[path] = FieldDecision(field.redaction, Reason.CONSENTED)
    return decided


def is_visible(partner: Partner, purpose: Purpose, evidence: Evidence, now: datetime) -> bool:
    """Whether the data subject exists for this partner and purpose: whether any category at all is covered."""
    return any(cover(name, evidence, partner=partner, purpose=purpose, now=now).until is not None for name in CATEGORIES)


def cover(category: str, evidence: Evidence, *, partner: Partner, purpose: Purpose, now: datetime) -> Cover:
    """What one element of consent_state means. category: a leaf of the tree.

    Every condition must hold. Where some never did, the reason is that of the first of them; else the earliest end decides, and
    of equal ends the first. So the reason does not depend on when one asks.
    """
    earliest = Cover(FOREVER, Reason.CONSENTED)
    for until, reason in _conditions(category, evidence, partner, purpose):
        if until is None:
            return Cover(None, reason)
        if earliest.until is not None and until < earliest.until:
            earliest = Cover(until, reason)
    return earliest if earliest.until is not None and now < earliest.until else Cover(None, earliest.reason)


# An end: the first instant at which a condition no longer holds (None: it never held), and the reason from then on
End = tuple[datetime | None, Reason]


def _conditions(category: str, evidence: Evidence, partner: Partner, purpose: Purpose) -> Iterable[End]:
    """All that must hold, in the order in which reasons are given."""
    if _is_switched_off(category, evidence.settings, partner):  # policy 4: a setting beats every consent
        yield None, Reason.SETTING_OFF
    if PURPOSES[purpose].is_advertising and _is_advertising_off(evidence.settings):  # policy 10, 2.5
        yield None, Reason.ADVERTISING_OFF
    basis = BASIS[purpose, partner.role, CATEGORIES[category].sensitivity]
    if basis not in CONSENT_LEDGERS:
        yield None, Reason.NO_BASIS
    given = [event for event in evidence.consents if event.partner_id == partner.partner_id and event.purpose is purpose]
    if partner.is_abroad and evidence.collected_in_mainland:
        yield _across_the_border(partner, given)
    if basis is Basis.POLICY_ACCEPTANCE:
        yield _acceptance(evidence)
    else:
        yield _consent(category, given)


def _is_switched_off(category: str, settings: Iterable[SettingEvent], partner: Partner) -> bool:
    """Whether any sharing setting that concerns this partner and category says no."""
    latest = {(event.partner_id, event.category): event.allowed for event in settings if event.switch is Switch.SHARING}
    partners = (None, partner.partner_id)
    nodes = (None, category, *parents(category))
    return any(latest.get((partner_id, node)) is False for partner_id in partners for node in nodes)


def _is_advertising_off(settings: Iterable[SettingEvent]) -> bool:
    latest = [event.allowed for event in settings if event.switch is Switch.ADVERTISING][-1:]
    return latest == [False]


def _across_the_border(partner: Partner, given: list[ConsentEvent]) -> End:
    """Policy 8.1, 9.5: a recorded mechanism, and consent that names the transfer; it ends with that consent."""
    if partner.cross_border_mechanism is None:
        return None, Reason.NO_BASIS
    if not given or given[-1].kind is ConsentKind.WITHDRAWN or not given[-1].cross_border:
        return None, Reason.CROSS_BORDER_MISSING
    return given[-1].ends_at or FOREVER, Reason.CROSS_BORDER_MISSING


def _acceptance(evidence: Evidence) -> End:
    """Policy 6.2: the newest accepted version covers until the next one after it is in force."""
    accepted = {event.policy_version for event in evidence.acceptances}
    newest = max((policy.effective_at for policy in evidence.policies if policy.policy_version in accepted), default=None)
    if newest is None:
        return None, Reason.POLICY_NOT_ACCEPTED
    later = [policy.effective_at for policy in evidence.policies if policy.effective_at > newest]
    return min(later, default=FOREVER), Reason.POLICY_SUPERSEDED


def _consent(category: str, given: list[ConsentEvent]) -> End:
    """Policy 6.1: the latest event is the data subject's will, category by category."""
    if given and category in given[-1].categories:
        return given[-1].ends_at or FOREVER, Reason.CONSENT_EXPIRED
    if any(category in event.categories for event in given):
        return None, Reason.CONSENT_WITHDRAWN
    return None, Reason.CONSENT_MISSING
