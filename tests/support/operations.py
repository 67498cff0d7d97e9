"""Invented operations over a partner's schema, with the paths that each asks for known beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from uuid import UUID

from gateway.catalogue.weidandan import CATALOGUE
from scopes import Purpose, Rung
from tests.support.permitted import LISTS, SUBJECT, offered_paths, path_of, representative
from tests.support.population import Population, Token


@dataclass(frozen=True, slots=True)
class Asked:
    """An operation. purpose: the one it names. paths: schema paths of its leaves, in order of their first appearance."""

    document: str
    purpose: Purpose | None
    paths: tuple[str, ...]


def asked(draw: Random, world: Population, token: Token, names: Sequence[UUID]) -> Asked | None:
    """An operation of one to three roots over what the partner's grants offer; None where they offer nothing.

    names: pseudonyms, of people that may be seen or not, to ask for and to go on from.
    """
    views = world.views_of(token.partner)
    offered = [path for path in CATALOGUE.fields if any(_gives(scope.fields, path) for scope in views)]
    if not offered:
        return None
    mine = [scope.purpose for scope in views if scope.scope in token.held]
    named = draw.choice(mine) if mine and draw.random() < 0.6 else None
    if draw.random() < 0.04:
        named = draw.choice(list(Purpose))
    purpose = named or (mine[0] if len(set(mine)) == 1 else None)
    given = offered_paths(world, token, purpose)
    # an operation that asks for one field too much is refused as a whole: most ask for what their token gives
    pool = [path for path in offered if path in given] if given and draw.random() < 0.9 else offered
    writer = _Writer(draw, world, token, purpose, pool)
    roots = [_root(draw, writer, names, number) for number in range(draw.choices((1, 2, 3), (6, 3, 1))[0])]
    directive = f"@purpose(is: {named.value}) " if named else ""
    return Asked(f"query {directive}{{ {' '.join(roots)} }}", named, tuple(writer.paths))


def _gives(fields: Mapping[str, object], path: str) -> bool:
    rule = getattr(fields.get(path), "redaction", None)
    return rule is not None and rule.rung is not Rung.WITHHOLD


def _root(draw: Random, writer: _Writer, names: Sequence[UUID], number: int) -> str:
    key = f"r{number}: " if number else ""
    kind = draw.choices(("subjects", "subject", "me"), (6, 3, 2))[0]
    if kind == "me":
        return f"{key}me {writer.node()}"
    if kind == "subject":
        return f'{key}subject(id: "{draw.choice(names)}") {writer.node()}'
    after = f', after: "{draw.choice(names)}"' if draw.random() < 0.3 else ""
    page = "pageInfo { endCursor hasNextPage startCursor hasPreviousPage }"
    edges = f"edges {{ cursor node {writer.node()} }}" if draw.random() < 0.95 else ""
    first = draw.choice((0, 1, 2, 3, 7, 20, 60))
    return f"{key}subjects(first: {first}{after}) {{ {' '.join(draw.sample([page, edges], 2))} }}"


@dataclass(slots=True)
class _Writer:
    """Writes selections over the paths of `pool` and keeps count of what they ask for."""

    draw: Random
    world: Population
    token: Token
    purpose: Purpose | None
    pool: Sequence[str]
    paths: dict[str, None] = field(default_factory=dict)

    def node(self) -> str:
        """The selection on a data subject."""
        choices = [name for name in SUBJECT if f"Subject.{name}" in self.pool]
        choices += [name for name, lines in LISTS.items() if any(path_of(name, leaf) in self.pool for leaf in lines.leaves)]
        chosen = self.draw.sample(choices, self.draw.randint(0, len(choices)))
        return f"{{ {' '.join(['id', *(self._field(name) for name in chosen)])} }}"

    def _field(self, name: str) -> str:
        if name in SUBJECT:
            self.paths[f"Subject.{name}"] = None
            return name
        lines = LISTS[name]
        first = self.draw.choice(("", "", "(first: 0)", "(first: 1)", "(first: 2)", "(first: 60)"))
        if lines.type_name is None:
            self.paths[f"Subject.{name}"] = None
            return name + first
        leaves = [leaf for leaf in lines.leaves if path_of(name, leaf) in self.pool]
        leaves = self.draw.sample(leaves, self.draw.randint(0, len(leaves)))
        self.paths.update(dict.fromkeys(path_of(name, leaf) for leaf in leaves))
        if not leaves:
            self.paths[representative(self.world, self.token, self.purpose, name)] = None
        return f"{name}{first} {{ {' '.join(leaves or ['__typename'])} }}"
