"""What a document looks like before anybody asks what it costs or whether it is valid: its selection sets, and who spreads whom.

Nothing here recurses, and each selection is visited a fixed number of times.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Self

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from gateway.request.codes import Code, GatewayError

# Merging equal response keys is checked pair by pair (GraphQL specification 5.3.2): quadratic in the number of equal ones
MERGE_PAIRS: Final = 40_000

Sets = list[tuple[SelectionSetNode, bool]]  # with: whether its fields are root fields


@dataclass(frozen=True, slots=True)
class Shape:
    """A document, walked once. order: names of all fragments, each after those that it spreads."""

    operations: tuple[OperationDefinitionNode, ...]
    fragments: Mapping[str, FragmentDefinitionNode]
    bodies: Mapping[int, Sets]
    spreads: Mapping[str, list[str]]
    order: tuple[str, ...]
    steps: int

    @classmethod
    def of(cls, document: DocumentNode) -> Self:
        """Raises GatewayError: VALIDATION, TOO_MANY_FIELDS where too many response keys are equal."""
        operations, fragments = _definitions(document)
        bodies = {id(node): _sets(node.selection_set, is_root=True) for node in operations}
        for node in fragments.values():
            bodies[id(node)] = _sets(node.selection_set, is_root=node.type_condition.name.value == "Query")
        spreads = {name: spread_names(bodies[id(node)]) for name, node in fragments.items()}
        keys: dict[str, int] = {}
        steps = 0
        for sets in bodies.values():
            for selection_set, _ in sets:
                for selection in selection_set.selections:
                    steps += 1
                    if isinstance(selection, FieldNode):
                        key = selection.alias.value if selection.alias else selection.name.value
                        keys[key] = keys.get(key, 0) + 1
        if sum(count * count for count in keys.values()) > MERGE_PAIRS:
            raise GatewayError(Code.TOO_MANY_FIELDS, extensions={"maximum": MERGE_PAIRS})
        return cls(tuple(operations), fragments, bodies, spreads, tuple(_in_order(spreads)), steps)

    def reached(self, names: Iterable[str]) -> set[str]:
        """The fragments of these names and all that they spread, directly or not."""
        found: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name in self.fragments and name not in found:
                found.add(name)
                waiting.extend(self.spreads[name])
        return found


def _definitions(document: DocumentNode) -> tuple[list[OperationDefinitionNode], dict[str, FragmentDefinitionNode]]:
    operations: list[OperationDefinitionNode] = []
    fragments: dict[str, FragmentDefinitionNode] = {}
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            operations.append(node)
        elif isinstance(node, FragmentDefinitionNode) and node.name.value not in fragments:
            fragments[node.name.value] = node
        else:  # type definitions, and two fragments of one name: neither can run, nor be measured as if it could
            raise GatewayError(Code.VALIDATION)
    return operations, fragments


def _sets(root: SelectionSetNode, *, is_root: bool) -> Sets:
    """A selection set and all below it, parents before children, fragments not spread."""
    found: Sets = []
    waiting: Sets = [(root, is_root)]
    while waiting:
        selection_set, at_root = waiting.pop()
        found.append((selection_set, at_root))
        for node in selection_set.selections:
            if isinstance(node, FieldNode | InlineFragmentNode) and node.selection_set is not None:
                waiting.append((node.selection_set, at_root and isinstance(node, InlineFragmentNode)))
    return found


def spread_names(sets: Sets) -> list[str]:
    """The fragments that these sets spread, in no particular order, repeated as often as they are."""
    return [node.name.value for entry, _ in sets for node in entry.selections if isinstance(node, FragmentSpreadNode)]


def _in_order(spreads: Mapping[str, list[str]]) -> Iterator[str]:
    """Names, each after all that it spreads: a depth-first walk with its own stack."""
    done: set[str] = set()
    open_: set[str] = set()
    for start in spreads:
        waiting = [] if start in done else [(start, iter(spreads[start]))]
        open_.update(name for name, _ in waiting)
        while waiting:
            name, rest = waiting[-1]
            below = next((other for other in rest if other in spreads and other not in done), None)
            if below is None:
                waiting.pop()
                open_.discard(name)
                done.add(name)
                yield name
            elif below in open_:
                raise GatewayError(Code.VALIDATION)
            else:
                open_.add(below)
                waiting.append((below, iter(spreads[below])))
