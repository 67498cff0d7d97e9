"""What one partner asks one data subject for: a request held against the grants, the policy and what was said before.

An offer is complete and frozen; it names nothing that the partner's grants do not cover. What the page shows, what the notice
records and what an answer may contain are all read from it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import asyncpg

from gateway.catalogue.definition import Catalogue
from gateway.oauth.authorization_request import AuthorizationRequest
from gateway.oauth.authorize import Asking
from gateway.store.pool import AnyConnection
from gateway.store.questions import question
from gateway.subject.quiet import Quiet
from scopes import (
    BASIS,
    CATEGORIES,
    Acceptance,
    Basis,
    CatalogueField,
    ConsentEvent,
    ConsentKind,
    Evidence,
    Kind,
    Partner,
    PolicyVersion,
    Purpose,
    Reason,
    Redaction,
    Rung,
    ScopeField,
    ScopeVersion,
    Sensitivity,
    SettingEvent,
    Switch,
    cover,
    meet,
)

GROUND = question("offers", "ground_of_offer")


class NothingToOffer(Exception):
    """No policy is in force, or the partner is gone: nobody can be asked to consent to anything."""


class Standing(StrEnum):
    """How a category stands before the data subject answers."""

    NEW = "new"
    AGREED = "agreed"  # by a consent that is live; what the data subject answers now takes its place
    RESTING = "resting"  # on the policy that was accepted (policy 6.2): no consent is asked for it


@dataclass(frozen=True, slots=True)
class OfferedField:
    """One way in which the partner can see one value. rules: of each scope that shows it so, with the reason (policy 1.1)."""

    path: str
    kind: Kind
    redaction: Redaction
    rules: tuple[ScopeField, ...]


@dataclass(frozen=True, slots=True)
class OfferedCategory:
    """hindrance: what would withhold it though the data subject agreed: a setting of theirs, or the policy not accepted."""

    category: str
    basis: Basis
    standing: Standing
    fields: tuple[OfferedField, ...]
    hindrance: Reason | None

    @property
    def is_sensitive(self) -> bool:
        return CATEGORIES[self.category].sensitivity is Sensitivity.SENSITIVE


@dataclass(frozen=True, slots=True)
class Agreed:
    """The consent that is live towards this partner for this purpose."""

    consent_id: UUID
    categories: frozenset[str]
    cross_border: bool
    agreed_at: datetime
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class Offer:
    """The whole question. Times are the database's.

    client: metadata of RFC 7591, for the partner's own policy. categories: in the order of the tree. refused: asked for, but
    refused so recently that it is not asked again. kept: agreed to before and not asked for here. retention: how long the partner
    may keep what it gets. crosses_border: they would leave mainland China (policy 9.5). signs_in: signing in is asked for;
    sign_in_known: it was agreed to before. is_known: the client holds a grant of this data subject for this purpose. quiet: what
    was refused recently. ordinals: as in gateway.store.view.
    """

    partner: Partner
    legal_name: str
    contact: str
    kind: str
    client: Mapping[str, Any]
    purpose: Purpose | None
    categories: tuple[OfferedCategory, ...]
    refused: tuple[str, ...]
    kept: tuple[str, ...]
    retention: timedelta | None
    crosses_border: bool
    signs_in: bool
    sign_in_known: bool
    is_known: bool
    quiet: Quiet
    policy_version: str
    agreed: Agreed | None
    ordinals: Mapping[str, int]
    offered_at: datetime

    def standing(self, *standings: Standing) -> frozenset[str]:
        """The categories that stand so."""
        return frozenset(offered.category for offered in self.categories if offered.standing in standings)

    @property
    def optional(self) -> frozenset[str]:
        """The categories that the data subject decides on, each by itself."""
        return self.standing(Standing.NEW, Standing.AGREED)

    @property
    def asks_border(self) -> bool:
        """Whether agreeing to the transfer abroad is a question that is still open."""
        return self.crosses_border and not (self.agreed and self.agreed.cross_border)

    @property
    def sign_in_refused(self) -> bool:
        """Whether signing in is asked for, but not put to the data subject again so soon."""
        return self.signs_in and self.quiet.sign_in and not self.sign_in_known

    @property
    def asks_sign_in(self) -> bool:
        """Whether signing in is a question that is still open."""
        return self.signs_in and not self.sign_in_known and not self.sign_in_refused

    @property
    def is_settled(self) -> bool:
        """Whether all that may be asked now has been answered before."""
        is_linked = self.is_known or not self.categories or bool(self.standing(Standing.AGREED))
        return is_linked and not (self.standing(Standing.NEW) or self.asks_sign_in or (self.asks_border and self.categories))

    @property
    def has_question(self) -> bool:
        """Whether anything at all may be asked that was not refused recently, answered before or not."""
        resting = self.standing(Standing.RESTING)
        is_open = bool((self.optional | resting) - self.quiet.categories) or (self.is_known and bool(resting))
        return is_open or (self.signs_in and not self.sign_in_refused)


async def make_offer(
    conn: AnyConnection, catalogue: Catalogue, request: AuthorizationRequest, asked: Asking, subject_id: UUID, quiet: Quiet
) -> Offer:
    """The offer as of now. quiet: what the data subject refused. Raises NothingToOffer."""
    purpose = None if request.purpose is None else request.purpose.value
    row = await conn.fetchrow(GROUND, request.partner_id, request.client_id, subject_id, purpose)
    if row is None or row["policy_version"] is None:
        raise NothingToOffer
    partner, now = asked.view.partner, row["now"]
    crosses_border = request.purpose is not None and partner.is_abroad and row["collected_in_mainland"]
    agreed = _agreed(row["latest"], now)
    scopes = [scope for scope in asked.view.scopes if scope.purpose is request.purpose]
    offered = _categories(request, partner, scopes, catalogue, agreed, _evidence(row, request, partner.partner_id), now)
    return Offer(
        partner=partner,
        legal_name=row["legal_name"],
        contact=row["contact"],
        kind=row["kind"],
        client=json.loads(asked.client.metadata.document),
        purpose=request.purpose,
        categories=tuple(one for one in offered if one.standing is not Standing.NEW or one.category not in quiet.categories),
        refused=tuple(one.category for one in offered if one.standing is Standing.NEW and one.category in quiet.categories),
        kept=() if agreed is None else tuple(sorted(agreed.categories - {one.category for one in offered})),
        retention=_retention(request, scopes, asked),
        crosses_border=crosses_border,
        signs_in=request.is_openid,
        sign_in_known=row["signs_in"],
        is_known=row["is_known"],
        quiet=quiet,
        policy_version=row["policy_version"],
        agreed=agreed,
        ordinals=asked.view.ordinals,
        offered_at=now,
    )


def _categories(
    request: AuthorizationRequest,
    partner: Partner,
    scopes: Sequence[ScopeVersion],
    catalogue: Catalogue,
    agreed: Agreed | None,
    evidence: Evidence,
    now: datetime,
) -> list[OfferedCategory]:
    found = []
    for category in CATEGORIES:
        fields = tuple(_fields(category, scopes, catalogue.fields))
        if request.purpose is None or category not in request.categories or not fields:
            continue
        basis = BASIS[request.purpose, partner.role, CATEGORIES[category].sensitivity]
        would_be = cover(category, evidence, partner=partner, purpose=request.purpose, now=now)
        if basis is Basis.POLICY_ACCEPTANCE:
            standing = Standing.RESTING
        else:
            standing = Standing.AGREED if agreed and category in agreed.categories else Standing.NEW
        hindrance = would_be.reason if would_be.until is None else None
        found.append(OfferedCategory(category, basis, standing, fields, hindrance))
    return found


def _fields(category: str, scopes: Sequence[ScopeVersion], catalogue: Mapping[str, CatalogueField]) -> Iterable[OfferedField]:
    """Every way in which a granted scope of the purpose can show a value of this category; not those that show less than another.

    Of all granted scopes and not of the requested ones alone: a consent is given for a purpose, and opens each of them.
    """
    for path, field in catalogue.items():
        if field.category != category:
            continue
        given: dict[Redaction, list[ScopeField]] = {}
        for scope in scopes:
            rule = scope.fields.get(path)
            if rule is not None and rule.redaction.rung is not Rung.WITHHOLD:
                given.setdefault(rule.redaction, []).append(rule)
        for redaction, rules in given.items():
            if not any(other != redaction and meet(field.kind, redaction, other) == redaction for other in given):
                yield OfferedField(path, field.kind, redaction, tuple(rules))


def _retention(request: AuthorizationRequest, scopes: Sequence[ScopeVersion], asked: Asking) -> timedelta | None:
    """Policy 8.2: what was asked for, else the longest that a grant of the purpose allows."""
    if request.purpose is None or request.retention is not None:
        return request.retention
    names = {scope.scope for scope in scopes}
    return max((grant.retention for grant in asked.view.grants if grant.scope in names), default=None)


def _agreed(text: str | None, now: datetime) -> Agreed | None:
    latest = None if text is None else json.loads(text)
    if latest is None or latest["kind"] == ConsentKind.WITHDRAWN:
        return None
    ends_at = None if latest["ends_at"] is None else datetime.fromisoformat(latest["ends_at"])
    if ends_at is not None and ends_at <= now:
        return None
    return Agreed(
        UUID(latest["consent_id"]),
        frozenset(latest["categories"]),
        latest["cross_border"],
        datetime.fromisoformat(latest["recorded_at"]),
        ends_at,
    )


def _evidence(row: asyncpg.Record, request: AuthorizationRequest, partner_id: UUID) -> Evidence:
    """The data subject's evidence, as it would be if all that is asked were agreed to."""
    given: tuple[ConsentEvent, ...] = ()
    if request.purpose is not None:
        wanted = frozenset(request.categories)
        given = (ConsentEvent(partner_id, request.purpose, ConsentKind.GIVEN, wanted, cross_border=True),)
    return Evidence(
        policies=tuple(
            PolicyVersion(entry["policy_version"], datetime.fromisoformat(entry["effective_at"]))
            for entry in json.loads(row["policies"])
        ),
        acceptances=tuple(Acceptance(version, row["now"]) for version in row["accepted"]),
        consents=given,
        settings=tuple(
            SettingEvent(
                Switch(entry["switch"]),
                entry["allowed"],
                None if entry["partner_id"] is None else UUID(entry["partner_id"]),
                entry["category"],
            )
            for entry in json.loads(row["settings"])
        ),
        collected_in_mainland=row["collected_in_mainland"],
    )
