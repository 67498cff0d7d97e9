"""How an adopter says what may be shared: Strawberry types whose fields name category, kind and column.

An adopter's module defines one Strawberry type for the data subject and one for each kind of row that belongs to a subject, and
ends with `CATALOGUE = Catalogue(subject=..., table=...)`. A column that no field names does not exist for partners (policy 1.1).
"""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import strawberry
from strawberry.types import get_object_definition
from strawberry.types.base import StrawberryList, StrawberryOptional
from strawberry.types.field import StrawberryField
from strawberry.utils.str_converters import to_camel_case

from scopes import CATEGORIES, CatalogueField, Kind

METADATA_KEY = "gateway.shared"


class InvalidCatalogue(Exception):
    """The adopter's catalogue module contradicts itself; the start stops."""


@dataclass(frozen=True, slots=True)
class OtherPersons:
    """Data subjects besides the owner of the row whom a piece of content is also about (policy 1.4).

    column: an SQL expression of type uuid[] over the alias `x`. category: what each of them must cover.
    """

    column: str
    category: str


@dataclass(frozen=True, slots=True)
class Table:
    """Where the rows of a list come from.

    source: an SQL FROM item whose main alias is `x`. subject: the uuid column of the data subject it belongs to.
    order: the ORDER BY terms, unique in total. shown: a condition that deleted or un-shared rows do not meet (policy 4).
    """

    source: str
    order: str
    subject: str = "x.subject_id"
    shown: str | None = None
    others: tuple[OtherPersons, ...] = ()


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value of a row. column: an SQL expression over the row's alias `x`."""

    kind: Kind
    category: str
    column: str


@dataclass(frozen=True, slots=True)
class LeafList:
    """A list of values: one column of a table of its own."""

    leaf: Leaf
    table: Table


@dataclass(frozen=True, slots=True)
class RowList:
    """A list of rows, each an object of type `type_name`."""

    type_name: str
    table: Table


SharedMember = Leaf | LeafList | RowList


@dataclass(frozen=True, slots=True)
class Member:
    """A field of a catalogued type, as its partner sees it. path: `Subject.realName`."""

    name: str
    path: str
    description: str
    shared: SharedMember


@dataclass(frozen=True, slots=True)
class SharedType:
    name: str
    description: str
    members: Mapping[str, Member]


def value(
    kind: Kind, category: str, column: str, *, description: str
) -> Any:  # Any: a dataclass field of whatever the class declares
    """A personal value in a column of the type's own row."""
    return strawberry.field(description=description, metadata={METADATA_KEY: Leaf(kind, category, f"x.{column}")})


def values(kind: Kind, category: str, column: str, *, table: Table, description: str) -> Any:
    """A list of personal values, one column of another table."""
    return strawberry.field(
        description=description, metadata={METADATA_KEY: LeafList(Leaf(kind, category, f"x.{column}"), table)}
    )


def rows(table: Table, *, description: str) -> Any:
    """A list of rows of another table; the field's annotation names their type."""
    return strawberry.field(description=description, metadata={METADATA_KEY: table})


class Catalogue:
    """All that can ever be shared, read from the adopter's Strawberry types.

    subject: the Strawberry type of the data subject. table: SQL FROM item with alias `x`, one row a subject.
    key: its uuid column. Raises InvalidCatalogue.
    """

    def __init__(self, *, subject: type, table: str, key: str = "x.subject_id") -> None:
        self.table, self.key = table, key
        self.types: dict[str, SharedType] = {}
        self._read(subject)
        self.subject = self.types[_definition_name(subject)]

    @cached_property
    def fields(self) -> Mapping[str, CatalogueField]:
        """Every leaf by schema path, as `scopes` wants it."""
        found: dict[str, CatalogueField] = {}
        for shared_type in self.types.values():
            for member in shared_type.members.values():
                leaf = member.shared.leaf if isinstance(member.shared, LeafList) else member.shared
                if isinstance(leaf, Leaf):
                    found[member.path] = CatalogueField(path=member.path, kind=leaf.kind, category=leaf.category)
        return found

    def _read(self, python_type: object) -> None:
        definition = get_object_definition(python_type, strict=True)
        name = _definition_name(python_type)
        if name in self.types:
            return
        members: dict[str, Member] = {}
        self.types[name] = SharedType(name, definition.description or "", members)
        for field in definition.fields:
            member = self._member(name, field)
            members[member.name] = member
        if not members:
            raise InvalidCatalogue(f"type {name} shares nothing")

    def _member(self, type_name: str, field: StrawberryField) -> Member:
        name = field.graphql_name or to_camel_case(field.python_name)
        path = f"{type_name}.{name}"
        shared = field.metadata.get(METADATA_KEY)
        inner = field.type.of_type if isinstance(field.type, StrawberryOptional) else None
        if inner is None:
            raise InvalidCatalogue(f"{path} must be nullable: consent may withhold it")
        if isinstance(shared, Table):
            if not isinstance(inner, StrawberryList):
                raise InvalidCatalogue(f"{path} names a table and must be a list")
            item = inner.of_type.of_type if isinstance(inner.of_type, StrawberryOptional) else inner.of_type
            self._read(item)
            shared = RowList(_definition_name(item), shared)
        elif not isinstance(shared, Leaf | LeafList):
            raise InvalidCatalogue(f"{path} names no category: use value(), values() or rows()")
        for category in _categories(shared):
            if category not in CATEGORIES:
                raise InvalidCatalogue(f"{path} names the unknown category {category}")
        return Member(name, path, field.description or "", shared)


def _categories(shared: SharedMember) -> Sequence[str]:
    if isinstance(shared, Leaf):
        return [shared.category]
    own = [shared.leaf.category] if isinstance(shared, LeafList) else []
    return [*own, *(others.category for others in shared.table.others)]


def _definition_name(python_type: object) -> str:
    return get_object_definition(python_type, strict=True).name


def load(module: str) -> Catalogue:
    """The catalogue of an adopter's module, named in the settings. Raises InvalidCatalogue."""
    try:
        found = importlib.import_module(module).CATALOGUE
    except (ImportError, AttributeError) as error:
        raise InvalidCatalogue(f"module {module} offers no CATALOGUE") from error
    if not isinstance(found, Catalogue):
        raise InvalidCatalogue(f"CATALOGUE of module {module} is not a Catalogue")
    return found


__all__ = [
    "Catalogue",
    "InvalidCatalogue",
    "Leaf",
    "LeafList",
    "Member",
    "OtherPersons",
    "RowList",
    "SharedType",
    "Table",
    "load",
]
