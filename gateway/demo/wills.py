"""What the invented subjects agreed to: policy versions, consents given, narrowed, withdrawn or over, privacy settings."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from gateway.demo.partners import GRANTED, DemoScope
from gateway.demo.people import LAST_DAY, Folk
from scopes import CATEGORIES, CatalogueField, parents

OLD_POLICY: Final = "2021-08-01"
POLICY: Final = "2024-11-26"
POLICIES: Final[Mapping[str, datetime]] = {
    OLD_POLICY: datetime(2021, 8, 1, tzinfo=UTC),
    POLICY: datetime(2024, 11, 26, tzinfo=UTC),
}
_ACCEPTED_AT = POLICIES[POLICY] + timedelta(days=1)
_OVER_AT = datetime(LAST_DAY.year, LAST_DAY.month, LAST_DAY.day, tzinfo=UTC)
_FAR_OFF = datetime(2035, 1, 1, tzinfo=UTC)

# A switch may name a leaf of the tree or a node above leaves
_NODES: Final = (*CATEGORIES, *sorted({parent for name in CATEGORIES for parent in parents(name)}))

# How many subjects say yes to each partner: about 70 in 100 over all. Nobody need ask for swiftmsg: it is a processor that reads
# nothing sensitive, so that accepting the policy is enough (policy 6.2).
_WILLING: Final[Mapping[str, float]] = {"adlens": 0.64, "citymap": 0.74, "shopmate": 0.82, "overseas": 0.6}


class Acceptance(NamedTuple):
    subject_id: UUID
    policy_version: str
    accepted_at: datetime


class Consent(NamedTuple):
    """One event of the consent ledger; partner is a name. categories: empty for a withdrawal. ends_at: None until withdrawn."""

    consent_id: UUID
    subject_id: UUID
    partner: str
    purpose: str
    kind: str
    categories: tuple[str, ...]
    cross_border: bool
    ends_at: datetime | None
    recorded_at: datetime


class Setting(NamedTuple):
    """One event of the settings ledger. partner, category: None for all."""

    subject_id: UUID
    switch: str
    partner: str | None
    category: str | None
    allowed: bool
    recorded_at: datetime


@dataclass(slots=True)
class Will:
    """The events of some subjects, each list in the order in which they happened."""

    acceptances: list[Acceptance] = field(default_factory=list)
    consents: list[Consent] = field(default_factory=list)
    settings: list[Setting] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Offer:
    """What a subject is asked: may this partner have these categories for this purpose?"""

    partner: str
    purpose: str
    categories: tuple[str, ...]
    is_abroad: bool


def categories_of(scope: DemoScope, catalogue: Mapping[str, CatalogueField]) -> tuple[str, ...]:
    """The leaf categories that a scope reads, in the order of the tree."""
    read = {catalogue[field.path].category for field in scope.fields}
    return tuple(category for category in CATEGORIES if category in read)


def wills(everybody: Folk, catalogue: Mapping[str, CatalogueField], size: int = 5000) -> Iterator[Will]:
    """The events of all subjects but the canaries, `size` subjects at a time."""
    chooser = random.Random(f"wills:{everybody.seed}")
    offers = [
        _Offer(partner.name, scope.purpose.value, categories_of(scope, catalogue), partner.location != "CN")
        for partner, scope in GRANTED
        if partner.name in _WILLING
    ]
    for start in range(0, len(everybody.subject_ids), size):
        will = Will()
        for subject in everybody.subject_ids[start : start + size]:
            _decide(UUID(subject), will, offers, chooser)
        yield will


def agree_to_everything(subjects: Sequence[str], seed: int) -> Will:
    """The canaries: the policy in force, and every category for every partner and purpose, across borders too, without end."""
    chooser = random.Random(f"agree:{seed}")
    will = Will()
    for subject in map(UUID, subjects):
        will.acceptances.append(Acceptance(subject, POLICY, _ACCEPTED_AT))
        for partner, scope in GRANTED:
            will.consents.append(
                Consent(
                    consent_id=_uuid(chooser),
                    subject_id=subject,
                    partner=partner.name,
                    purpose=scope.purpose.value,
                    kind="given",
                    categories=tuple(CATEGORIES),
                    cross_border=True,
                    ends_at=None,
                    recorded_at=_ACCEPTED_AT,
                )
            )
    return will


def _decide(subject: UUID, will: Will, offers: Sequence[_Offer], chooser: random.Random) -> None:
    draw_one = chooser.random
    chance = draw_one()
    if chance < 0.98:  # a few never accepted any version
        version = OLD_POLICY if chance < 0.04 else POLICY
        will.acceptances.append(
            Acceptance(subject, version, POLICIES[version] + timedelta(minutes=int(draw_one() * 200_000) + 1))
        )
    for offer in offers:
        if draw_one() < _WILLING[offer.partner]:
            _consent(subject, offer, will, chooser)
    if draw_one() < 0.12:
        _set(subject, will, chooser)


def _consent(subject: UUID, offer: _Offer, will: Will, chooser: random.Random) -> None:
    """Given, and by some narrowed, withdrawn or limited in time afterwards."""
    draw_one = chooser.random
    all_of_it = offer.categories
    given = all_of_it if draw_one() < 0.6 else tuple(name for name in all_of_it if draw_one() < 0.8) or all_of_it[:1]
    fate = draw_one()
    first = Consent(
        consent_id=_uuid(chooser),
        subject_id=subject,
        partner=offer.partner,
        purpose=offer.purpose,
        kind="given",
        categories=given,
        cross_border=offer.is_abroad and draw_one() < 0.8,
        ends_at=_OVER_AT if fate < 0.05 else _FAR_OFF if fate < 0.3 else None,
        recorded_at=_ACCEPTED_AT + timedelta(minutes=int(draw_one() * 200_000)),
    )
    will.consents.append(first)
    later = first.recorded_at + timedelta(days=3)
    if 0.3 < fate < 0.36 and len(given) > 1:
        will.consents.append(first._replace(kind="narrowed", categories=given[: len(given) // 2], recorded_at=later))
    elif 0.36 < fate < 0.43:
        will.consents.append(first._replace(kind="withdrawn", categories=(), cross_border=False, recorded_at=later))


def _set(subject: UUID, will: Will, chooser: random.Random) -> None:
    """One switch turned off; a few turn it on again."""
    kind = chooser.random()
    off = Setting(
        subject_id=subject,
        switch="sharing" if kind < 0.75 else "advertising",
        partner=chooser.choice(GRANTED)[0].name if 0.3 < kind < 0.7 else None,
        category=chooser.choice(_NODES) if kind < 0.5 else None,
        allowed=False,
        recorded_at=_ACCEPTED_AT + timedelta(minutes=int(chooser.random() * 200_000)),
    )
    will.settings.append(off)
    if chooser.random() < 0.15:
        will.settings.append(off._replace(allowed=True, recorded_at=off.recorded_at + timedelta(days=9)))


def _uuid(chooser: random.Random) -> UUID:
    return UUID(int=chooser.getrandbits(128), version=4)
