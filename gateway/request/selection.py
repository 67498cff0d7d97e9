"""The fields an operation selects, with fragments spread, equal response keys merged and @skip/@include settled.

Works on validated documents only. Every fragment is spread at most once for each level, so the work is linear in the document
(GraphQL specification, CollectFields and MergeSelectionSets).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from graphql import (
    BooleanValueNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    value_from_ast,
)

LOCAL_ROOTS = frozenset({"__schema", "__type", "access"})


@dataclass(frozen=True, slots=True)
class Literal:
    """An argument's value as the document writes it, coerced to the argument's type."""

    value: object


@dataclass(frozen=True, slots=True)
class Variable:
    """An argument's value that the request brings; default holds where the request brings none."""

    name: str
    default: object


Argument = Literal | Variable


@dataclass(frozen=True, slots=True)
class Selected:
    """One field of the answer. key: the response key, the partner's own word. type_name: of the object that has the field."""

    key: str
    name: str
    type_name: str
    arguments: Mapping[str, Argument]
    children: tuple["Selected", ...]
    nodes: tuple[FieldNode, ...]

    @property
    def path(self) -> str:
        return f"{self.type_name}.{self.name}"


def select(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
    switches: Mapping[str, bool],
) -> tuple[Selected, ...]:
    """The root fields in answer order. switches: the values of the Boolean variables that @skip and @include read."""
    query = cast(GraphQLObjectType, schema.query_type)
    return _Collector(schema, fragments, switches).level(query, [operation.selection_set])


def switch_names(operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]) -> tuple[str, ...]:
    """The variables that any @skip or @include of the operation or of a fragment reads, sorted."""
    found: set[str] = set()
    waiting: list[SelectionSetNode] = [operation.selection_set, *(fragment.selection_set for fragment in fragments.values())]
    while waiting:
        for node in waiting.pop().selections:
            for directive in node.directives or ():
                if directive.name.value in {"skip", "include"}:
                    found.update(
                        argument.value.name.value
                        for argument in directive.arguments or ()
                        if isinstance(argument.value, VariableNode)
                    )
            if isinstance(node, FieldNode | InlineFragmentNode) and node.selection_set:
                waiting.append(node.selection_set)
    return tuple(sorted(found))


@dataclass(frozen=True, slots=True)
class _Collector:
    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    switches: Mapping[str, bool]

    def level(self, parent: GraphQLObjectType, sets: Iterable[SelectionSetNode]) -> tuple[Selected, ...]:
        groups: dict[str, list[FieldNode]] = {}
        spread: set[str] = set()
        for selection_set in sets:
            self._collect(selection_set, groups, spread)
        return tuple(self._selected(parent, key, nodes) for key, nodes in groups.items())

    def _collect(self, selection_set: SelectionSetNode, groups: dict[str, list[FieldNode]], spread: set[str]) -> None:
        for node in selection_set.selections:
            if not self._is_included(node):
                continue
            if isinstance(node, FieldNode):
                groups.setdefault(node.alias.value if node.alias else node.name.value, []).append(node)
            elif isinstance(node, InlineFragmentNode):
                self._collect(node.selection_set, groups, spread)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in spread:
                spread.add(node.name.value)
                self._collect(self.fragments[node.name.value].selection_set, groups, spread)

    def _is_included(self, node: SelectionNode) -> bool:
        for directive in node.directives or ():
            if directive.name.value not in {"skip", "include"}:
                continue
            condition = next(argument.value for argument in directive.arguments or ())
            if isinstance(condition, VariableNode):
                holds = self.switches[condition.name.value]
            else:
                holds = cast(BooleanValueNode, condition).value
            if holds is (directive.name.value == "skip"):
                return False
        return True

    def _selected(self, parent: GraphQLObjectType, key: str, nodes: list[FieldNode]) -> Selected:
        name = nodes[0].name.value
        if name.startswith("__") or (parent is self.schema.query_type and name in LOCAL_ROOTS):
            return Selected(key, name, parent.name, {}, (), tuple(nodes))
        field = parent.fields[name]
        inner = get_named_type(field.type)
        children: tuple[Selected, ...] = ()
        if isinstance(inner, GraphQLObjectType):
            children = self.level(inner, [node.selection_set for node in nodes if node.selection_set])
        return Selected(key, name, parent.name, _arguments(field, nodes[0]), children, tuple(nodes))


def _arguments(field: GraphQLField, node: FieldNode) -> Mapping[str, Argument]:
    written = {argument.name.value: argument.value for argument in node.arguments or ()}
    found: dict[str, Argument] = {}
    for name, argument in field.args.items():
        default = argument.default and argument.default.literal and value_from_ast(argument.default.literal, argument.type)
        given = written.get(name)
        if isinstance(given, VariableNode):
            found[name] = Variable(given.name.value, default)
        else:
            found[name] = Literal(default if given is None else value_from_ast(given, argument.type))
    return found
