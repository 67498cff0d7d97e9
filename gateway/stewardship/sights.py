"""What a partner may see under each purpose, field by field, and how two such sights differ.

`scopes.plan` itself is asked, field by field, so a sight is what requests get: who is suspended, or abroad without a mechanism,
sees nothing. Halts, which come and go, are left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from gateway.catalogue.definition import Catalogue
from gateway.store.view import GrantView
from scopes import Halted, Kind, Purpose, Redaction, Refused, Rung, meet, plan


class Effect(StrEnum):
    """gains: seen only afterwards; loses: seen only before; differs: seen by other rules."""

    GAINS = "gains"
    LOSES = "loses"
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class FieldSight:
    """One field under one purpose. together: what a token with all scopes of the purpose gets, all of whose rules hold at once.
    alone: by scope, what a token with that scope alone gets; never less than together, so what the partner can get at most.
    """

    together: Redaction
    alone: Mapping[str, Redaction]


Sight = Mapping[tuple[Purpose, str], FieldSight]
"""By purpose and schema path; what no token of the partner's is given a value of is not in it."""


def sight_of(catalogue: Catalogue, view: GrantView, *, may_ask: frozenset[str] | None = None) -> Sight:
    """may_ask: the scopes that tokens may name, None for all that are granted."""
    found: dict[tuple[Purpose, str], FieldSight] = {}
    scopes = [scope for scope in view.scopes if may_ask is None or scope.scope in may_ask]
    for purpose in sorted({scope.purpose for scope in scopes}):
        under = [scope for scope in scopes if scope.purpose is purpose]
        for path in view.offers:
            names = [scope.scope for scope in under if path in scope.fields]
            alone = {name: _redaction(catalogue, view, purpose, path, {name}) for name in sorted(names)}
            shown = {name: redaction for name, redaction in alone.items() if redaction.rung is not Rung.WITHHOLD}
            if shown:
                found[purpose, path] = FieldSight(_redaction(catalogue, view, purpose, path, set(names)), shown)
    return found


def effect_of(before: FieldSight | None, after: FieldSight | None) -> Effect | None:
    """None where the partner sees the field as it did."""
    if before == after:
        return None
    if before is None:
        return Effect.GAINS
    return Effect.LOSES if after is None else Effect.DIFFERS


def widens(kind: Kind, before: FieldSight | None, after: FieldSight | None) -> bool:
    """Whether some token lets something be inferred from the field afterwards that none did before."""
    known = () if before is None else before.alone.values()
    later = () if after is None else after.alone.values()
    return any(all(meet(kind, one, rule) != rule for one in known) for rule in later)


def _redaction(catalogue: Catalogue, view: GrantView, purpose: Purpose, path: str, held: set[str]) -> Redaction:
    """What the field gets under a token with these scopes; withheld where the operation would be refused."""
    try:
        planned = plan(
            partner=view.partner,
            grants=view.grants,
            scopes=view.scopes,
            held=frozenset(held),
            purpose=purpose,
            paths=[path],
            catalogue=catalogue.fields,
            halted=Halted.nothing(),
            now=view.loaded_at,
        )
    except Refused:
        return Redaction(Rung.WITHHOLD)
    return planned.fields[path].redaction
