"""What an answer shows of whom: its data walked along the operation that asked for it, fragments and aliases undone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    parse,
    value_from_ast_untyped,
)

UNASKED = "?"


@dataclass(slots=True)
class Seen:
    """shown: by pseudonym and schema path, the values in the order of the answer; no items: an empty list.

    missing: pseudonyms asked for by `subject(id:)` that came out as null. nameless: whether values came out whose data subject
    cannot be told, since the operation does not select `id`. unasked: response keys that the operation did not ask for.
    """

    shown: dict[str, dict[str, list[str | None]]] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    nameless: bool = False
    unasked: list[str] = field(default_factory=list)


def observe(document: str, variables: Mapping[str, Any], schema: GraphQLSchema, subject: str, data: Mapping[str, Any]) -> Seen:
    """Walk the data of an answer. document: one that is valid under the schema. subject: the type of the data subject."""
    return _Walk(parse(document), variables, schema, subject).run(data)


class _Walk:
    def __init__(self, document: DocumentNode, variables: Mapping[str, Any], schema: GraphQLSchema, subject: str) -> None:
        nodes = document.definitions
        self._operation = next(node for node in nodes if isinstance(node, OperationDefinitionNode))
        self._fragments = {node.name.value: node for node in nodes if isinstance(node, FragmentDefinitionNode)}
        defaults = {
            node.variable.name.value: value_from_ast_untyped(node.default_value)
            for node in self._operation.variable_definitions or ()
            if node.default_value is not None
        }
        self._variables = {**defaults, **variables}
        self._schema, self._subject, self._seen = schema, subject, Seen()

    def run(self, data: Mapping[str, Any]) -> Seen:
        self._object([self._operation.selection_set], "Query", data, None)
        return self._seen

    def _object(self, sets: list[SelectionSetNode], type_name: str, data: Mapping[str, Any], who: str | None) -> None:
        fields: dict[str, list[FieldNode]] = {}
        for selection_set in sets:
            for node in self._fields(selection_set):
                fields.setdefault(node.alias.value if node.alias else node.name.value, []).append(node)
        self._seen.unasked += [key for key in data if key not in fields]
        if type_name == self._subject:
            who = self._identity(fields, data) or who
            if who is None:
                self._seen.nameless = True
            self._seen.shown.setdefault(who or UNASKED, {})
        for key, nodes in fields.items():
            if key in data:  # @skip and @include leave a key out
                self._field(type_name, nodes, data[key], who)

    def _fields(self, selection_set: SelectionSetNode) -> Iterator[FieldNode]:
        for node in selection_set.selections:
            if isinstance(node, FieldNode):
                yield node
            elif isinstance(node, InlineFragmentNode):
                yield from self._fields(node.selection_set)
            elif isinstance(node, FragmentSpreadNode):
                yield from self._fields(self._fragments[node.name.value].selection_set)

    @staticmethod
    def _identity(fields: Mapping[str, list[FieldNode]], data: Mapping[str, Any]) -> str | None:
        return next((str(data[key]) for key, nodes in fields.items() if nodes[0].name.value == "id" and key in data), None)

    def _field(self, type_name: str, nodes: list[FieldNode], value: Any, who: str | None) -> None:
        name = nodes[0].name.value
        if name.startswith("__"):  # introspection tells of the schema
            return
        inner = self._type_of(type_name, name)
        below = [node.selection_set for node in nodes if node.selection_set is not None]
        if inner is None:
            if who is not None and not (type_name == self._subject and name == "id"):
                items = value if isinstance(value, list) else [value]
                self._shown(who, f"{type_name}.{name}").extend(items)
        elif inner == self._subject and type_name == "Query":
            self._root(nodes[0], below, value)
        elif value == []:
            for path in self._leaves(below, inner):
                self._shown(who or UNASKED, path)
        else:
            for item in value if isinstance(value, list) else [value]:
                self._item(below, inner, item, who)

    def _item(self, below: list[SelectionSetNode], inner: str, item: Any, who: str | None) -> None:
        if item is None:
            for path in self._leaves(below, inner):
                self._shown(who or UNASKED, path).append(None)
        else:
            self._object(below, inner, item, who)

    def _root(self, node: FieldNode, below: list[SelectionSetNode], value: Any) -> None:
        """`subject(id:)` and `me`: whom it is about is known from the argument, also where nothing comes out."""
        named = [argument.value for argument in node.arguments or () if argument.name.value == "id"]
        asked = str(value_from_ast_untyped(named[0], self._variables)) if named else None
        if value is not None:
            self._object(below, self._subject, value, asked)
        elif asked is not None:
            self._seen.missing.add(asked)

    def _leaves(self, sets: list[SelectionSetNode], type_name: str) -> Iterator[str]:
        """The schema paths below a list that holds nothing, for a type whose fields are all leaves."""
        if type_name == self._subject or type_name.endswith(("Connection", "Edge")):
            return
        for selection_set in sets:
            for node in self._fields(selection_set):
                yield f"{type_name}.{node.name.value}"

    def _shown(self, who: str, path: str) -> list[str | None]:
        return self._seen.shown.setdefault(who, {}).setdefault(path, [])

    def _type_of(self, type_name: str, name: str) -> str | None:
        """The object type that a field leads to; None for a leaf."""
        parent = self._schema.get_type(type_name)
        if not isinstance(parent, GraphQLObjectType) or name not in parent.fields:
            return None
        found = get_named_type(parent.fields[name].type)
        return found.name if isinstance(found, GraphQLObjectType) else None
