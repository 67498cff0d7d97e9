"""Documents that hypothesis-graphql draws over a schema, made harder to execute: plausible arguments, variables with and without
defaults, aliases, fragments, repeated fields, @skip and @include, several operations."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    get_named_type,
    is_object_type,
    print_ast,
)

from tests.support.population import Draw

ALIASES: Final = ("a", "_", "realName", "id", "x" * 70, "Zz9_")
JUNK: Final = ('王\u2028"\\\n\U0001f600', "", 5, "00000000-0000-0000-0000-000000000000")  # an ID may be an integer
EXTRAS: Final = (
    "__typename",
    "__schema { queryType { name } types { name kind } }",
    '__type(name: "Subject") { name kind fields { name description args { name defaultValue } } }',
    "access { partner purpose scopes fields { path category redaction requires scopes __typename } }",
    "again: access { sdl fields { path } }",
)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A document with what a request sends along."""

    text: str
    variables: dict[str, object]
    operation_name: str | None


@dataclass(slots=True)
class Hardener:
    """ids: pseudonyms to ask for and to go on from."""

    draw: Draw
    schema: GraphQLSchema
    ids: Sequence[str]
    declared: list[str] = field(default_factory=list)
    fragments: list[str] = field(default_factory=list)
    variables: dict[str, object] = field(default_factory=dict)
    numbered: int = 0

    def harden(self, document: DocumentNode) -> Drawn:
        """document: one query, as hypothesis-graphql draws it."""
        (operation,) = document.definitions
        assert isinstance(operation, OperationDefinitionNode)
        query = self.schema.query_type
        assert query is not None
        parts = self._parts(query, operation.selection_set)
        parts += self.draw.sample(EXTRAS, self.draw.choices((0, 1, 2), (6, 3, 1))[0])
        self.draw.shuffle(parts)
        body = self._set(query, parts)
        declared = f"({', '.join(self.declared)})" if self.declared else ""
        others = ["query Other { __typename }"] if self.draw.happens(0.2) else []
        name = f"Q{self.numbered}" if others or self.draw.happens(0.2) else ""
        definitions = [f"query {name}{declared} {body}", *self.fragments, *others]
        self.draw.shuffle(definitions)
        return Drawn("\n".join(definitions), self.variables, name or None)

    def _parts(self, parent: GraphQLObjectType, selection_set: SelectionSetNode) -> list[str]:
        """Each selection as text, some twice."""
        found: list[str] = []
        for node in _fields(selection_set.selections):
            found += self._field(parent, node)
        if self.draw.happens(0.15):
            found.append("__typename")
        return found

    def _field(self, parent: GraphQLObjectType, node: FieldNode) -> list[str]:
        name = node.name.value
        inner = get_named_type(parent.fields[name].type)
        alias = f"{self.draw.choice(ALIASES)}{self._number()}: " if self.draw.happens(0.2) or node.alias else ""
        head = f"{alias}{name}{self._arguments(parent, name)}"
        if node.selection_set is None or not is_object_type(inner):
            return [head + self._directive()] * (2 if self.draw.happens(0.05) else 1)
        assert isinstance(inner, GraphQLObjectType)
        parts = self._parts(inner, node.selection_set)
        found = [f"{head}{self._directive()} {self._set(inner, parts)}"]
        if self.draw.happens(0.15):  # once more, with some of the same: the two merge
            again = self.draw.sample(parts, self.draw.randint(1, len(parts)))
            found.append(f"{head}{self._directive()} {self._set(inner, [*again, '__typename'])}")
        return found

    def _set(self, parent: GraphQLObjectType, parts: list[str]) -> str:
        """A selection set; some of it in a fragment."""
        if self.draw.happens(0.3):
            few = self.draw.sample(parts, self.draw.randint(1, len(parts)))
            rest = [part for part in parts if part not in few or self.draw.happens(0.1)]
            inner = f"{{ {' '.join(few)} }}"
            kind = self.draw.choice(("bare", "typed", "named", "named twice"))
            if kind.startswith("named"):
                name = f"F{self._number()}"
                self.fragments.append(f"fragment {name} on {parent.name} {inner}")
                wrapped = f"...{name}{self._directive()}" + (f" ...{name}" if kind == "named twice" else "")
            else:
                wrapped = f"...{f' on {parent.name}' if kind == 'typed' else ''}{self._directive()} {inner}"
            parts = [*rest, wrapped]
            self.draw.shuffle(parts)
        return f"{{ {' '.join(parts)} }}"

    def _arguments(self, parent: GraphQLObjectType, name: str) -> str:
        written = []
        for argument in parent.fields[name].args:
            if argument == "id":
                written.append(f"id: {self._id()}")
            elif argument == "after" and self.draw.happens(0.4):
                written.append(f"after: {self._after()}")
            elif argument == "first" and (name == "subjects" or self.draw.happens(0.6)):
                written.append(f"first: {self._first(has_default=name != 'subjects')}")
        return f"({', '.join(written)})" if written else ""

    def _id(self) -> str:
        value: object = self.draw.choice(self.ids if self.draw.happens(0.8) else JUNK)
        if self.draw.happens(0.5):
            return self._variable("ID!", value)
        return json.dumps(value)

    def _after(self) -> str:
        value = self.draw.choice((self.draw.choice(self.ids), None))
        shape = self.draw.choice(("literal", "given", "absent", "default"))
        if shape == "literal":
            return json.dumps(value)
        if shape == "default":
            return self._variable(f"String = {json.dumps(value)}")
        return self._variable("String") if shape == "absent" else self._variable("String", value)

    def _first(self, *, has_default: bool) -> str:
        value = self.draw.randint(0, 7)
        shapes = ("literal", "literal", "given", "default", "nullable default", *(("absent",) if has_default else ()))
        shape = self.draw.choice(shapes)
        if shape == "literal":
            return str(value)
        if shape == "given":
            return self._variable(self.draw.choice(("Int!", "Int! = 1", "Int = 1")), value)
        if shape == "absent":
            return self._variable("Int")
        return self._variable(f"Int{'' if shape == 'nullable default' else '!'} = {value}")

    def _directive(self) -> str:
        if not self.draw.happens(0.1):
            return ""
        value = self.draw.happens(0.6)
        name = "include" if self.draw.happens(0.6) else "skip"
        literal = json.dumps(value if name == "include" else not value)
        shape = self.draw.choice(("literal", "given", "default"))
        if shape == "given":
            literal = self._variable("Boolean!", json.loads(literal))
        elif shape == "default":
            literal = self._variable(f"Boolean = {literal}")
        return f" @{name}(if: {literal})" + (" @skip(if: false)" if name == "include" and self.draw.happens(0.2) else "")

    def _variable(self, declared: str, *values: object) -> str:
        """A new variable; without a value the request leaves it out."""
        name = f"v{self._number()}"
        self.declared.append(f"${name}: {declared}")
        if values:
            self.variables[name] = values[0]
        return f"${name}"

    def _number(self) -> int:
        self.numbered += 1
        return self.numbered


def _fields(selections: Iterable[SelectionNode]) -> list[FieldNode]:
    found: list[FieldNode] = []
    for node in selections:
        if isinstance(node, FieldNode):
            found.append(node)
        else:
            assert isinstance(node, InlineFragmentNode), print_ast(node)
            found += _fields(node.selection_set.selections)
    return found
