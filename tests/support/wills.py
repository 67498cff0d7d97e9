"""Partners, grants, scopes and evidence as values, with good defaults: name only what the test is about."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from scopes import (
    REVEAL,
    Acceptance,
    CatalogueField,
    ConsentEvent,
    ConsentKind,
    Evidence,
    Grant,
    Halted,
    Kind,
    Partner,
    Plan,
    PolicyVersion,
    Purpose,
    Redaction,
    Role,
    ScopeField,
    ScopeVersion,
    SettingEvent,
    Switch,
    plan,
)

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY: Final = timedelta(days=1)
PARTNER_ID: Final = UUID("10000000-0000-4000-8000-000000000001")
OTHER_PARTNER_ID: Final = UUID("10000000-0000-4000-8000-000000000002")

CATALOGUE: Final[Mapping[str, CatalogueField]] = {
    path: CatalogueField(path, kind, category)
    for path, kind, category in (
        ("Subject.realName", Kind.NAME, "identity.real_name"),
        ("Subject.mobileNumber", Kind.PHONE, "identity.mobile_number"),
        ("Subject.nationalId", Kind.NATIONAL_ID, "identity.national_id"),
        ("Subject.birthDate", Kind.BIRTH_DATE, "profile.birth_date"),
        ("Subject.city", Kind.CITY, "profile.city"),
        ("Subject.location", Kind.LOCATION, "location.precise"),
        ("Address.street", Kind.ADDRESS, "contact.address"),
    )
}


def a_partner(
    *,
    role: Role = Role.RECIPIENT,
    location: str = "CN",
    mechanism: str | None = None,
    status: str = "active",
    starts_at: datetime = NOON - 100 * DAY,
    ends_at: datetime = NOON + 100 * DAY,
) -> Partner:
    return Partner(PARTNER_ID, "adlens", role, location, mechanism, starts_at, ends_at, status)


def a_grant(
    scope: str = "orders",
    *,
    starts_at: datetime = NOON - 10 * DAY,
    ends_at: datetime = NOON + 10 * DAY,
    revoked_at: datetime | None = None,
) -> Grant:
    return Grant(UUID(int=1), scope, starts_at, ends_at, 30 * DAY, revoked_at)


def a_scope(
    scope: str = "orders",
    *,
    version: int = 1,
    purpose: Purpose = Purpose.SERVICE_DELIVERY,
    active_from: datetime | None = NOON - 10 * DAY,
    retired_at: datetime | None = None,
    fields: Mapping[str, Redaction] | None = None,
) -> ScopeVersion:
    given = {"Subject.realName": REVEAL} if fields is None else fields
    return ScopeVersion(
        scope, version, purpose, active_from, retired_at, {path: ScopeField(rule, "needed") for path, rule in given.items()}
    )


def planned(
    *paths: str,
    partner: Partner | None = None,
    grants: Iterable[Grant] | None = None,
    scopes: Iterable[ScopeVersion] | None = None,
    held: Iterable[str] | None = None,
    purpose: Purpose | None = None,
    categories: Iterable[str] | None = None,
    halted: Halted | None = None,
    now: datetime = NOON,
) -> Plan:
    """`scopes.plan` over CATALOGUE; by default one scope, granted and held."""
    known = [a_scope()] if scopes is None else list(scopes)
    names = {scope.scope for scope in known}
    return plan(
        partner=partner or a_partner(),
        grants=[a_grant(name) for name in sorted(names)] if grants is None else list(grants),
        scopes=known,
        held=frozenset(names if held is None else held),
        purpose=purpose,
        paths=paths,
        categories=None if categories is None else frozenset(categories),
        catalogue=CATALOGUE,
        halted=halted or Halted.nothing(),
        now=now,
    )


def a_consent(
    *categories: str,
    kind: ConsentKind = ConsentKind.GIVEN,
    partner_id: UUID = PARTNER_ID,
    purpose: Purpose = Purpose.SERVICE_DELIVERY,
    cross_border: bool = False,
    ends_at: datetime | None = None,
) -> ConsentEvent:
    return ConsentEvent(partner_id, purpose, kind, frozenset(categories), cross_border, ends_at)


def a_withdrawal(*, partner_id: UUID = PARTNER_ID, purpose: Purpose = Purpose.SERVICE_DELIVERY) -> ConsentEvent:
    return a_consent(kind=ConsentKind.WITHDRAWN, partner_id=partner_id, purpose=purpose)


def sharing(allowed: str, *, partner_id: UUID | None = None, category: str | None = None) -> SettingEvent:
    """allowed: `on` or `off`."""
    return SettingEvent(Switch.SHARING, allowed == "on", partner_id, category)


def advertising(allowed: str) -> SettingEvent:
    return SettingEvent(Switch.ADVERTISING, allowed == "on")


OLD_POLICY: Final = PolicyVersion("old", NOON - 50 * DAY)
POLICY: Final = PolicyVersion("current", NOON - 20 * DAY)
COMING_POLICY: Final = PolicyVersion("coming", NOON + 5 * DAY)


def an_evidence(
    *consents: ConsentEvent,
    settings: Iterable[SettingEvent] = (),
    accepted: Iterable[str] = (),
    policies: Iterable[PolicyVersion] = (OLD_POLICY, POLICY),
    collected_in_mainland: bool = True,
) -> Evidence:
    return Evidence(
        policies=tuple(policies),
        acceptances=tuple(Acceptance(version, NOON - 10 * DAY) for version in accepted),
        consents=consents,
        settings=tuple(settings),
        collected_in_mainland=collected_in_mainland,
    )
