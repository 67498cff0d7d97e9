"""An operation, a partner's grants and an instant -> the fields that may be fetched, or one refusal for the whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from scopes.category import CATEGORIES
from scopes.grant import Grant, Halted, Partner
from scopes.purpose import PURPOSES, Purpose
from scopes.reason import Refusal, Refused
from scopes.redaction import Kind, Redaction, Rung, strictest
from scopes.scope import CatalogueField, ScopeVersion


@dataclass(frozen=True, slots=True)
class PlannedField:
    """A field that the operation may fetch. scopes: the versions that give it, `name@version`; the rules of all of them hold."""

    path: str
    category: str
    kind: Kind
    redaction: Redaction
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What one operation may fetch under one purpose.

    fields: by schema path, in the order asked. scopes: names of the scopes the operation rests on, sorted: those that give its
    fields, or, where it asks for no field, all that the token holds for the purpose. A halt of any of them halts the operation.
    """

    purpose: Purpose
    partner: Partner
    fields: Mapping[str, PlannedField]
    scopes: tuple[str, ...]


def plan(
    *,
    partner: Partner,
    grants: Sequence[Grant],
    scopes: Sequence[ScopeVersion],
    held: frozenset[str],
    purpose: Purpose | None,
    paths: Sequence[str],
    categories: frozenset[str] | None = None,
    catalogue: Mapping[str, CatalogueField],
    halted: Halted,
    now: datetime,
) -> Plan:
    """Settle what an operation may fetch, before any data subject's evidence is asked.

    held: names of the scopes in the token. purpose: the one the operation names, or None. paths: schema paths of its leaves.
    categories: those that the token is narrowed to (RFC 9396), None where it is not: a field of another one is as if none of the
    token's scopes had it.
    Raises Refused: nothing is disclosed then, not even the fields that would have been allowed.
    """
    if halted.everything or partner.partner_id in halted.partners:  # policy 9.4
        raise Refused(Refusal.HALTED)
    granted = granted_scopes(partner, grants, scopes, now)
    if not granted:
        raise Refused(Refusal.NO_LIVE_GRANT)
    if partner.is_abroad and partner.cross_border_mechanism is None:  # policy 8.1, 9.5
        raise Refused(Refusal.RESIDENCY)
    mine = [_narrowed(scope, categories, catalogue) for scope in granted if scope.scope in held]
    chosen = _purpose(mine, granted, purpose, paths)
    under = [scope for scope in mine if scope.purpose is chosen]
    for path in paths:
        _refuse_identity(chosen, path, under, catalogue)
    fields = {path: _field(path, under, mine, granted, chosen, catalogue) for path in paths}
    giving = {label for field in fields.values() for label in field.scopes}
    names = tuple(sorted({scope.scope for scope in under if scope.label in giving or not fields}))
    for name in names:
        if name in halted.scopes:  # policy 9.4
            raise Refused(Refusal.HALTED, scope=name)
    return Plan(chosen, partner, fields, names)


def granted_scopes(
    partner: Partner, grants: Sequence[Grant], scopes: Sequence[ScopeVersion], now: datetime
) -> tuple[ScopeVersion, ...]:
    """The active versions of the scopes that live grants give a live partner, by name and version; none where it is not live."""
    if not partner.is_live(now):
        return ()
    live = {grant.scope for grant in grants if grant.is_live(now)}
    return tuple(
        sorted((s for s in scopes if s.scope in live and s.is_active(now)), key=lambda scope: (scope.scope, scope.version))
    )


def _narrowed(scope: ScopeVersion, categories: frozenset[str] | None, catalogue: Mapping[str, CatalogueField]) -> ScopeVersion:
    if categories is None:
        return scope
    kept = {path: field for path, field in scope.fields.items() if path in catalogue and catalogue[path].category in categories}
    return replace(scope, fields=kept)


def _purpose(
    mine: Sequence[ScopeVersion], granted: Sequence[ScopeVersion], purpose: Purpose | None, paths: Sequence[str]
) -> Purpose:
    """The one purpose of the operation: the one it names, or the only one its token holds."""
    purposes = {scope.purpose for scope in mine}
    if purpose is not None:
        if purpose not in purposes:
            raise Refused(Refusal.PURPOSE_NOT_HELD)
        return purpose
    if len(purposes) > 1:
        raise Refused(Refusal.PURPOSE_REQUIRED)
    if not purposes:
        path = paths[0] if paths else None
        raise Refused(Refusal.INSUFFICIENT_SCOPE, scope=_first_giving(granted, path), path=path)
    return purposes.pop()


def _refuse_identity(purpose: Purpose, path: str, under: Sequence[ScopeVersion], catalogue: Mapping[str, CatalogueField]) -> None:
    """Policy 2.8: analytics and identity are never combined, whatever a scope says, short of a rule that withholds."""
    if path not in catalogue or not (PURPOSES[purpose].is_analytics and CATEGORIES[catalogue[path].category].is_identity):
        return
    rules = [scope.fields[path].redaction for scope in under if path in scope.fields]
    if strictest(catalogue[path].kind, rules).rung is not Rung.WITHHOLD or not rules:
        raise Refused(Refusal.ANALYTICS_IDENTITY, path=path)


def _field(
    path: str,
    under: Sequence[ScopeVersion],
    mine: Sequence[ScopeVersion],
    granted: Sequence[ScopeVersion],
    purpose: Purpose,
    catalogue: Mapping[str, CatalogueField],
) -> PlannedField:
    """One field under the held scopes of the purpose, all of whose rules hold at once."""
    giving = [scope for scope in under if path in scope.fields]
    if path not in catalogue:
        raise Refused(Refusal.NOT_IN_SCOPE, path=path)
    if not giving:
        if any(path in scope.fields for scope in mine):
            raise Refused(Refusal.NOT_IN_SCOPE, path=path)
        same = [scope for scope in granted if scope.purpose is purpose]
        name = _first_giving(same, path) or _first_giving(granted, path)
        raise Refused(Refusal.INSUFFICIENT_SCOPE if name else Refusal.NOT_IN_SCOPE, scope=name, path=path)
    offered = catalogue[path]
    redaction = strictest(offered.kind, [scope.fields[path].redaction for scope in giving])
    return PlannedField(path, offered.category, offered.kind, redaction, tuple(scope.label for scope in giving))


def _first_giving(scopes: Sequence[ScopeVersion], path: str | None) -> str | None:
    """The name of the first scope that gives the path more than nothing; any scope does where no path is asked."""
    for scope in scopes:
        if path is None or (path in scope.fields and scope.fields[path].redaction.rung is not Rung.WITHHOLD):
            return scope.scope
    return None
