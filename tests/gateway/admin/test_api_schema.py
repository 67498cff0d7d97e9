"""The admin API's schema, beside the schemas of the partners in one process."""

from __future__ import annotations

from graphql import build_schema, graphql_sync

from gateway.admin.api.ask import ACT
from gateway.admin.api.schema import SCHEMA
from gateway.catalogue.weidandan import CATALOGUE
from gateway.schema.sdl import write_sdl

IS_ONE_OF = "{ __schema { types { isOneOf fields { type { isOneOf ofType { isOneOf } } } } } }"


def test_introspection_of_either_schema_answers_in_full() -> None:
    """Strawberry changes what all schemas of a process share; partners do not get to notice."""
    partners = build_schema(write_sdl(CATALOGUE, {"Subject.city": ["some: reveal"]}))

    assert graphql_sync(partners, IS_ONE_OF).errors is None
    assert graphql_sync(SCHEMA, IS_ONE_OF).errors is None
    assert graphql_sync(SCHEMA, '{ __type(name: "ChangeInput") { isOneOf } }').data == {"__type": {"isOneOf": True}}


def test_every_root_field_names_its_act_and_can_be_null() -> None:
    """A refusal of one leaves what was done by another in the answer."""
    assert SCHEMA.query_type is not None
    assert SCHEMA.mutation_type is not None
    roots = {**SCHEMA.query_type.fields, **SCHEMA.mutation_type.fields}

    assert all(ACT in field.extensions["strawberry-definition"].metadata for field in roots.values())
    assert not [name for name, field in roots.items() if str(field.type).endswith("!")]
