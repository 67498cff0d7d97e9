"""Every root field of the admin API as an operation that is valid and harmless, made from the schema: none can be forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    get_named_type,
    is_leaf_type,
    is_required_argument,
    is_required_input_field,
)

from gateway.admin.api.ask import ACT
from gateway.admin.api.schema import SCHEMA
from gateway.stewardship.roles import Act

LITERALS = {
    "String": '"x"',
    "Int": "1",
    "Boolean": "true",
    "UUID": '"00000000-0000-4000-8000-000000000000"',
    "DateTime": '"2030-01-01T00:00:00Z"',
    "JSON": "{}",
}


@dataclass(frozen=True)
class Root:
    """document: of an operation that has this root field alone. act: None for what every token may ask."""

    name: str
    act: Act | None
    is_mutation: bool
    document: str


def every_root() -> Iterator[Root]:
    assert SCHEMA.query_type is not None
    assert SCHEMA.mutation_type is not None
    for kind, type_ in (("query", SCHEMA.query_type), ("mutation", SCHEMA.mutation_type)):
        for name, field in type_.fields.items():
            given = [f"{one}: {literal(arg.type)}" for one, arg in field.args.items() if is_required_argument(arg)]
            arguments = f"({', '.join(given)})" if given else ""
            selection = "" if is_leaf_type(get_named_type(field.type)) else " { __typename }"
            act = field.extensions["strawberry-definition"].metadata[ACT]
            yield Root(name, act, kind == "mutation", f"{kind} {{ {name}{arguments}{selection} }}")


def literal(type_: GraphQLInputType) -> str:
    """The smallest value of an input type."""
    if isinstance(type_, GraphQLNonNull):
        return literal(type_.of_type)
    if isinstance(type_, GraphQLList):
        return "[]"
    if isinstance(type_, GraphQLEnumType):
        names: list[str] = [*type_.values]
        return names[0]
    if isinstance(type_, GraphQLInputObjectType):
        fields = {name: one for name, one in type_.fields.items() if is_required_input_field(one)}
        if type_.is_one_of:
            fields = dict([next(iter(type_.fields.items()))])
        return "{" + ", ".join(f"{name}: {literal(one.type)}" for name, one in fields.items()) + "}"
    return LITERALS[type_.name]
