"""What `access` has to tell of a token, from `scopes` alone."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.catalogue.weidandan import CATALOGUE
from scopes import BASIS, CATEGORIES, Basis, Purpose, Rung, strictest
from tests.support.permitted import Json
from tests.support.population import Population, Token


def access_of(world: Population, token: Token, purpose: Purpose | None, sdl: str) -> Mapping[str, Json]:
    """What `access` tells: of every field the grants cover, how this token may see it and what that needs."""
    views = world.views_of(token.partner)
    offers: dict[str, list[str]] = {}
    for scope in views:
        for path, given in sorted(scope.fields.items()):
            if given.redaction.rung is not Rung.WITHHOLD:
                offers.setdefault(path, []).append(scope.scope)
    mine = [scope for scope in views if scope.scope in token.held]
    fields: list[Json] = []
    for path, names in offers.items():
        leaf = CATALOGUE.fields[path]
        giving = [scope for scope in mine if scope.purpose is purpose and path in scope.fields]
        rests = {scope.purpose for scope in giving or views if scope.scope in names or giving}
        needs = {BASIS[each, token.partner.role, CATEGORIES[leaf.category].sensitivity] for each in rests}
        if token.partner.is_abroad:
            needs.add(Basis.CROSS_BORDER_CONSENT)
        rule = strictest(leaf.kind, [scope.fields[path].redaction for scope in giving]) if giving else None
        fields.append(
            {
                "path": path,
                "category": leaf.category,
                "redaction": rule.label() if rule else None,
                "requires": [basis.value for basis in Basis if basis in needs],
                "scopes": list(names),
            }
        )
    return {
        "partner": token.partner.name,
        "purpose": purpose and purpose.value,
        "scopes": sorted(scope.scope for scope in mine),
        "fields": fields,
        "sdl": sdl,
    }
