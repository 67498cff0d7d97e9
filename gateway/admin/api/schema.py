"""The schema of the admin API, one for all members of the staff: what somebody may not do is refused, not hidden."""

from typing import Final

import strawberry
from graphql import GraphQLSchema, print_schema

from gateway.admin.api.mutation import Mutation
from gateway.admin.api.query import Query
from gateway.admin.api.words import CONFIG

# The library's own schema underneath: it is run by the library, and measured, validated and answered in words of ours
SCHEMA: Final[GraphQLSchema] = strawberry.Schema(query=Query, mutation=Mutation, config=CONFIG)._schema  # noqa: SLF001


def sdl() -> str:
    return print_schema(SCHEMA) + "\n"
