"""Invented worlds: partners, scopes, grants, policies, tokens, and data subjects with all that they said and own.

Drawn from a seed and a size around an instant: quick, and the same seed gives the same world. Most of it is ordinary; the rest is
what real tables come to hold: nulls, values of a wrong shape, infinities, content about strangers, ends a moment away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final, TypeAlias
from uuid import UUID

from gateway.catalogue.weidandan import CATALOGUE
from scopes import (
    CATEGORIES,
    PURPOSES,
    REVEAL,
    WITHHOLD,
    Acceptance,
    ConsentEvent,
    ConsentKind,
    Evidence,
    Grant,
    Partner,
    PolicyVersion,
    Purpose,
    Role,
    ScopeField,
    ScopeVersion,
    SettingEvent,
    Switch,
    parents,
)
from tests.support.platform import Row, platform_rows
from tests.support.values import redactions

DAY: Final = timedelta(days=1)
MOMENT: Final = timedelta(milliseconds=1)
NODES: Final = (None, *CATEGORIES, *dict.fromkeys(node for category in CATEGORIES for node in parents(category)))
PURPOSES_DRAWN: Final = (
    Purpose.SERVICE_DELIVERY,
    Purpose.SERVICE_DELIVERY,
    Purpose.MESSAGE_DELIVERY,
    Purpose.ADVERTISING,
    Purpose.PRODUCT_IMPROVEMENT,
    *Purpose,
)
# role, processing location, mechanism: weight. At home and able to receive something, most of all
KINDS_OF_PARTNER: Final[Mapping[tuple[Role, str, str | None], int]] = {
    (Role.RECIPIENT, "CN", None): 40,
    (Role.PROCESSOR, "CN", None): 30,
    (Role.RECIPIENT, "SG", "standard_contract"): 15,
    (Role.PROCESSOR, "DE", "assessment"): 8,
    (Role.RECIPIENT, "HK", None): 4,
    (Role.SUCCESSOR, "CN", None): 3,
    (Role.AUTHORITY, "CN", None): 1,
    (Role.PUBLIC, "CN", None): 1,
}


@dataclass(frozen=True, slots=True, repr=False)
class Person:
    """A data subject: what it said, its account (None: the platform has none), its rows of each other table."""

    subject_id: UUID
    evidence: Evidence
    account: Row | None
    rows: Mapping[str, Sequence[Row]]

    def __repr__(self) -> str:
        return f"<person {self.subject_id}>"


@dataclass(frozen=True, slots=True)
class Token:
    """held: names of scopes, granted or not. subject_id: whom it is bound to."""

    token_id: UUID
    partner: Partner
    held: frozenset[str]
    subject_id: UUID | None
    contract_run: bool

    @property
    def client_id(self) -> str:
        return f"client-{self.partner.partner_id.hex}"


Granted: TypeAlias = tuple[UUID, Grant]


@dataclass(frozen=True, slots=True, repr=False)
class Population:
    """One world around `now`. grants: with the partner's id."""

    now: datetime
    partners: tuple[Partner, ...]
    scopes: tuple[ScopeVersion, ...]
    grants: tuple[Granted, ...]
    policies: tuple[PolicyVersion, ...]
    people: tuple[Person, ...]
    tokens: tuple[Token, ...]

    def __repr__(self) -> str:
        return f"<{len(self.people)} people, {len(self.partners)} partners, {len(self.scopes)} scope versions>"

    def grants_of(self, partner: Partner) -> tuple[Grant, ...]:
        return tuple(grant for partner_id, grant in self.grants if partner_id == partner.partner_id)

    def views_of(self, partner: Partner) -> tuple[ScopeVersion, ...]:
        """The active versions under its live grants, whatever the state of the partner itself, by name."""
        live = {grant.scope for grant in self.grants_of(partner) if grant.is_live(self.now)}
        return tuple(
            sorted(
                (scope for scope in self.scopes if scope.scope in live and scope.is_active(self.now)),
                key=lambda scope: scope.scope,
            )
        )


class Draw(Random):
    """Chance, with the questions that inventing a world asks of it."""

    def happens(self, chance: float) -> bool:
        return self.random() < chance

    def uuid(self) -> UUID:
        return UUID(int=self.getrandbits(128))

    def some(self, pool: Sequence[str], least: int = 0) -> list[str]:
        return self.sample(pool, self.randint(min(least, len(pool)), len(pool)))


def population(seed: int, size: int, now: datetime, only: Purpose | None = None) -> Population:
    """A world of `size` data subjects. only: the one purpose that scopes are for."""
    draw = Draw(seed)
    partners = tuple(_partner(draw, number, now) for number in range(2))
    purposes = draw.sample(list(dict.fromkeys(draw.choices(PURPOSES_DRAWN, k=4))), 1)
    purposes += [purpose for purpose in draw.choices(PURPOSES_DRAWN, k=1) if purpose not in purposes]
    purposes = purposes if only is None else [only]
    scopes = tuple(version for purpose in purposes for version in _scopes(draw, purpose, now))
    policies = _policies(draw, now)
    ids = [draw.uuid() for _ in range(size)]
    said = {subject_id: _evidence(draw, partners, purposes, policies, now) for subject_id in ids}
    owned = platform_rows(draw, ids, now)
    people = tuple(
        Person(
            subject_id, said[subject_id], *(None if draw.happens(0.05) else owned[subject_id][0], owned[subject_id][1])
        )  # sometimes the platform has forgotten somebody
        for subject_id in ids
    )
    grants = tuple(granted for partner in partners for granted in _grants(draw, partner, scopes, now))
    tokens = tuple(token for partner in partners for token in _tokens(draw, partner, scopes, people))
    return Population(now, partners, scopes, grants, policies, people, tokens)


def _partner(draw: Draw, number: int, now: datetime) -> Partner:
    role, location, mechanism = draw.choices(list(KINDS_OF_PARTNER), list(KINDS_OF_PARTNER.values()))[0]
    status = "suspended" if draw.happens(0.02) else "active"
    ends_at = now + (-2 * DAY if draw.happens(0.02) else 300 * DAY)
    return Partner(draw.uuid(), f"p{number}", role, location, mechanism, now - 400 * DAY, ends_at, status)


def _scopes(draw: Draw, purpose: Purpose, now: datetime) -> list[ScopeVersion]:
    """One to three overlapping scopes of a purpose; what was before one or comes after it must not count."""
    found = []
    for number in range(draw.choices((1, 2, 3), (3, 4, 3))[0]):
        name = f"{purpose.value}.{number}"
        has_successor = draw.happens(0.2)
        retired_at = now + 2 * DAY if has_successor else None
        if draw.happens(0.3):
            found.append(_version(draw, name, 1, purpose, (now - 90 * DAY, now - 30 * DAY)))
        found.append(_version(draw, name, 2, purpose, (now - 30 * DAY, retired_at)))
        if has_successor:
            found.append(_version(draw, name, 3, purpose, (retired_at, None)))
        if draw.happens(0.2):
            found.append(_version(draw, name, 4, purpose, (None, None)))
    return found


def _version(
    draw: Draw, name: str, version: int, purpose: Purpose, active: tuple[datetime | None, datetime | None]
) -> ScopeVersion:
    fields = {}
    for path in sorted(draw.some(list(CATALOGUE.fields), least=8)):
        field = CATALOGUE.fields[path]
        rule = REVEAL if draw.happens(0.5) else draw.choice(redactions(field.kind))
        if PURPOSES[purpose].is_analytics and CATEGORIES[field.category].is_identity and draw.happens(0.8):
            rule = WITHHOLD  # what passes review; now and then one that did not
        fields[path] = ScopeField(rule, "needed")
    return ScopeVersion(name, version, purpose, *active, fields)


def _grants(draw: Draw, partner: Partner, scopes: Sequence[ScopeVersion], now: datetime) -> list[Granted]:
    found = []
    for name in dict.fromkeys(scope.scope for scope in scopes):
        starts, ends, revoked = draw.choices(
            ((-10, 10, None), (-10, -1, None), (1, 10, None), (-10, 10, -1), (None, None, None)), (85, 3, 3, 4, 5)
        )[0]
        if starts is not None and ends is not None:
            revoked_at = None if revoked is None else now + revoked * DAY
            grant = Grant(draw.uuid(), name, now + starts * DAY, now + ends * DAY, 30 * DAY, revoked_at)
            found.append((partner.partner_id, grant))
    return found


def _tokens(draw: Draw, partner: Partner, scopes: Sequence[ScopeVersion], people: Sequence[Person]) -> list[Token]:
    """One for all scopes, one for some, one for those of one purpose; bound ones, and one for synthetic subjects."""
    names = list(dict.fromkeys(scope.scope for scope in scopes))
    under = draw.choice(scopes).purpose
    of_one = [name for name in names if name.startswith(f"{under.value}.")]
    helds = [names, draw.some(names), of_one]

    def token(held: Sequence[str], person: Person | None = None, *, contract_run: bool = False) -> Token:
        return Token(draw.uuid(), partner, frozenset(held), person.subject_id if person else None, contract_run)

    somebody = draw.choice(people)
    return [
        *(token(held) for held in helds),
        token(of_one, draw.choice(people)),
        token(of_one, somebody, contract_run=somebody.evidence.is_synthetic),
        token(of_one, contract_run=True),
    ]


def _policies(draw: Draw, now: datetime) -> tuple[PolicyVersion, ...]:
    earlier = [now - 300 * DAY, *draw.sample((now - 20 * DAY, now - DAY), draw.randint(0, 2))]
    later = draw.choices((now + DAY, now + draw.randint(30, 600) * MOMENT, None), (2, 1, 7))[0]
    return tuple(PolicyVersion(f"v{n}", at) for n, at in enumerate(at for at in (*earlier, later) if at is not None))


def _evidence(
    draw: Draw, partners: Sequence[Partner], purposes: Sequence[Purpose], policies: Sequence[PolicyVersion], now: datetime
) -> Evidence:
    consents: list[ConsentEvent] = []
    for partner in partners:
        for purpose in dict.fromkeys((*purposes, draw.choice(list(Purpose)))):
            consents += _consents(draw, partner.partner_id, purpose, now)
    newest = max((policy for policy in policies if policy.effective_at <= now), key=lambda policy: policy.effective_at)
    accepted = [newest] if draw.happens(0.7) else draw.sample(list(policies), draw.randint(0, len(policies)))
    return Evidence(
        policies=tuple(policies),
        acceptances=tuple(Acceptance(policy.policy_version, now - DAY) for policy in accepted),
        consents=tuple(consents),
        settings=tuple(_setting(draw, partners) for _ in range(draw.choices(range(4), (70, 15, 10, 5))[0])),
        collected_in_mainland=draw.happens(0.8),
        is_synthetic=draw.happens(0.15),
    )


def _consents(draw: Draw, partner_id: UUID, purpose: Purpose, now: datetime) -> list[ConsentEvent]:
    story = draw.choices(("", "g", "gg", "gn", "gw", "gwg", "gnw"), (12, 50, 8, 12, 8, 6, 4))[0]
    found = []
    for step in story:
        few = step == "n" or draw.happens(0.2)
        named = frozenset() if step == "w" else frozenset(draw.sample(list(CATEGORIES), draw.randint(1, 8) if few else 18))
        kind = {"g": ConsentKind.GIVEN, "n": ConsentKind.NARROWED, "w": ConsentKind.WITHDRAWN}[step]
        ends_at = draw.choices(
            (None, now + 2 * DAY, now - DAY, now + draw.randint(10, 900) * MOMENT, now - draw.randint(0, 10) * MOMENT),
            (60, 15, 8, 15, 2),
        )[0]
        found.append(ConsentEvent(partner_id, purpose, kind, named, draw.happens(0.85), None if step == "w" else ends_at))
    return found


def _setting(draw: Draw, partners: Sequence[Partner]) -> SettingEvent:
    if draw.happens(0.2):
        return SettingEvent(Switch.ADVERTISING, draw.happens(0.5))
    partner_id = draw.choice((None, *(partner.partner_id for partner in partners)))
    category = draw.choice(NODES[1:]) if draw.happens(0.95) else None
    return SettingEvent(Switch.SHARING, draw.happens(0.4), partner_id, category)
