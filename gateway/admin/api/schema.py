"""The schema of the admin API, one for all members of the staff: what somebody may not do is refused, not hidden."""

from typing import Final

import strawberry
from graphql import GraphQLInputObjectType, GraphQLSchema, introspection_types, print_schema

from gateway.admin.api.mutation import Mutation
from gateway.admin.api.query import Query
from gateway.admin.api.words import CONFIG

_OWN: Final = "strawberry-definition"


def _built() -> GraphQLSchema:
    """The library's own schema underneath: the library runs it; limits, validation and errors are ours.

    Strawberry answers `isOneOf` itself, in the introspection types that every schema of the process shares, and fails at a
    non-null type there: partners' schemas get theirs back, and what it knows of oneOf inputs is told to the library.
    """
    shared = introspection_types["__Type"].fields  # type: ignore[attr-defined]  # it is an object type
    is_one_of = shared["isOneOf"]
    try:
        schema = strawberry.Schema(query=Query, mutation=Mutation, config=CONFIG)._schema  # noqa: SLF001
    finally:
        shared["isOneOf"] = is_one_of
    for named in schema.type_map.values():
        if isinstance(named, GraphQLInputObjectType):
            named.is_one_of = named.extensions[_OWN].is_one_of
    return schema


SCHEMA: Final = _built()


def sdl() -> str:
    return print_schema(SCHEMA) + "\n"
