"""Puts the values of synthetic data subjects into the adopter's own tables, where the catalogue says that they stand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import zip_longest
from typing import Final
from uuid import UUID, uuid5

import asyncpg

from gateway.catalogue.definition import Catalogue, Leaf, LeafList, RowList, Table
from gateway.contracts.subjects import Synthetic, Value
from gateway.store.pool import Connection
from scopes import Kind

_SOURCE: Final = re.compile(r"([a-z_][a-z0-9_$]*(?:\.[a-z_][a-z0-9_$]*)?) +(?:as +)?x", re.IGNORECASE)
_COLUMN: Final = re.compile(r"x\.([a-z_][a-z0-9_$]*)", re.IGNORECASE)
_DEGREES: Final = re.compile(r"(-?\d+(?:\.\d+)?), *(-?\d+(?:\.\d+)?)", re.ASCII)

# The columns of a table, with what an insert has to know of each.
# in:  table text
# row: name text, type text, is_key boolean (the whole primary key), is_filled boolean (a default or an identity fills it)
# pg_attribute_relid_attnum_index
_COLUMNS: Final = """
select a.attname as name, format_type(a.atttypid, a.atttypmod) as type, a.atthasdef or a.attidentity <> '' as is_filled,
       exists (select from pg_index i where i.indrelid = a.attrelid and i.indisprimary and i.indnkeyatts = 1
                  and i.indkey[0] = a.attnum) as is_key
  from pg_attribute a where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped"""


class Fault(StrEnum):
    """Why a value cannot be planted: a closed list."""

    NO_SUCH_TABLE = "no_such_table"
    NOT_ONE_TABLE = "not_one_table"
    NOT_A_COLUMN = "not_a_column"
    NOT_A_LIST = "not_a_list"
    NOT_ONE_VALUE = "not_one_value"
    IN_SEVERAL_LISTS = "in_several_lists"
    NO_UUID_KEY = "no_uuid_key"
    WRONG_FORM = "wrong_form"
    REFUSED_BY_TABLE = "refused_by_table"


class Unplantable(Exception):
    """A value of a synthetic data subject has no place that can be derived, or its place does not take it. path: its field's."""

    def __init__(self, fault: Fault, path: str) -> None:
        super().__init__(f"{path}: {fault.value}")
        self.fault, self.path = fault, path


@dataclass(frozen=True, slots=True)
class _Place:
    """One table of the adopter's. columns: schema path -> column. path: whose failure it is where the table itself fails."""

    table: str
    subject: str
    columns: Mapping[str, str]
    path: str


async def plant(conn: Connection, catalogue: Catalogue, wanted: Synthetic) -> None:
    """Give one data subject exactly these values: its own row is written over, its rows in lists are replaced.

    Runs in the caller's transaction. Raises Unplantable.
    """
    own, lists = _places(catalogue, wanted.values)
    await _write_own(conn, catalogue, own, wanted)
    for place in lists:
        await _write_rows(conn, catalogue, place, wanted)


def is_plantable(catalogue: Catalogue, path: str) -> bool:
    """Whether values of this field have a place that can be derived: a plain column of one table."""
    try:
        _places(catalogue, {path: ""})
    except Unplantable:
        return False
    return True


async def uproot(conn: Connection, catalogue: Catalogue, subject_id: UUID) -> None:
    """Remove whatever the adopter's tables hold of one data subject, as far as the catalogue knows of it."""
    for member in catalogue.subject.members.values():
        if isinstance(member.shared, LeafList | RowList):
            source, column = _SOURCE.fullmatch(member.shared.table.source), _COLUMN.fullmatch(member.shared.table.subject)
            if source is not None and column is not None:
                await conn.execute(f"delete from {source[1]} where {column[1]} = $1", subject_id)
    source, column = _SOURCE.fullmatch(catalogue.table), _COLUMN.fullmatch(catalogue.key)
    if source is not None and column is not None:
        await conn.execute(f"delete from {source[1]} where {column[1]} = $1", subject_id)


def _places(catalogue: Catalogue, values: Mapping[str, Value]) -> tuple[_Place, list[_Place]]:
    """The data subject's own table, and those of every list that can be derived or that a value wants."""
    own: dict[str, str] = {}
    lists = []
    for member in catalogue.subject.members.values():
        shared = member.shared
        if isinstance(shared, Leaf):
            if member.path in values or _COLUMN.fullmatch(shared.column):
                own[member.path] = _column(shared.column, member.path)
        elif isinstance(shared, LeafList):
            if member.path in values or _SOURCE.fullmatch(shared.table.source):
                column = {member.path: _column(shared.leaf.column, member.path)}
                lists.append(_place(shared.table, column, member.path))
        else:
            paths = _paths_of_rows(catalogue, shared, values)
            if _SOURCE.fullmatch(shared.table.source) or any(path in values for path in paths):
                lists.append(_place(shared.table, paths, member.path))
    key = Table(catalogue.table, order="", subject=catalogue.key)
    return _place(key, own, catalogue.subject.name), lists


def _paths_of_rows(catalogue: Catalogue, shared: RowList, values: Mapping[str, Value]) -> dict[str, str]:
    found = {}
    lists = [member for member in catalogue.subject.members.values() if isinstance(member.shared, RowList)]
    is_shared = sum(member.shared == shared or _type_of(member.shared) == shared.type_name for member in lists) > 1
    for member in catalogue.types[shared.type_name].members.values():
        if is_shared and member.path in values:
            raise Unplantable(Fault.IN_SEVERAL_LISTS, member.path)
        if isinstance(member.shared, Leaf) and (member.path in values or _COLUMN.fullmatch(member.shared.column)):
            found[member.path] = _column(member.shared.column, member.path)
    return found


def _type_of(shared: object) -> str | None:
    return shared.type_name if isinstance(shared, RowList) else None


def _place(table: Table, columns: Mapping[str, str], path: str) -> _Place:
    source, subject = _SOURCE.fullmatch(table.source), _COLUMN.fullmatch(table.subject)
    if source is None or subject is None:
        raise Unplantable(Fault.NOT_ONE_TABLE, path)
    return _Place(source[1], subject[1], columns, path)


def _column(expression: str, path: str) -> str:
    found = _COLUMN.fullmatch(expression)
    if found is None:
        raise Unplantable(Fault.NOT_A_COLUMN, path)
    return found[1]


async def _write_own(conn: Connection, catalogue: Catalogue, place: _Place, wanted: Synthetic) -> None:
    types, _ = await _types(conn, place)
    row: dict[str, str | None] = _fixed(place, wanted, types)
    for path, column in place.columns.items():
        value = wanted.values.get(path)
        if value is not None and not isinstance(value, str):
            raise Unplantable(Fault.NOT_ONE_VALUE, path)
        row[column] = _stored(catalogue, path, value)
    changes = ", ".join(f"{column} = excluded.{column}" for column in row)
    await _insert(conn, place, types, wanted.subject_id, row, f"on conflict ({place.subject}) do update set {changes}")


async def _write_rows(conn: Connection, catalogue: Catalogue, place: _Place, wanted: Synthetic) -> None:
    """As many rows as the longest list of values; where no instant orders them, they are listed in the order given."""
    types, keys = await _types(conn, place)
    columns: list[Sequence[str | None]] = []
    for path in place.columns:
        value = wanted.values.get(path, ())
        if value is None or isinstance(value, str):
            raise Unplantable(Fault.NOT_A_LIST, path)
        columns.append([_stored(catalogue, path, item) for item in value])
    fixed = _fixed(place, wanted, types)
    rows = [fixed | dict(zip(place.columns.values(), items, strict=True)) for items in zip_longest(*columns)]
    await conn.execute(f"delete from {place.table} where {place.subject} = $1", wanted.subject_id)
    ids = sorted(str(uuid5(wanted.subject_id, f"{place.path}:{number}")) for number in range(len(rows)))
    for row, row_id in zip(rows, ids, strict=True):
        for key, is_filled in keys.items():
            if row.get(key) is None and types[key] == "uuid":
                row[key] = row_id
            elif row.get(key) is None and not is_filled:
                raise Unplantable(Fault.NO_UUID_KEY, place.path)
        await _insert(conn, place, types, wanted.subject_id, row, "")


def _fixed(place: _Place, wanted: Synthetic, types: Mapping[str, str]) -> dict[str, str | None]:
    """What the table's columns hold that no field names."""
    found = wanted.columns.get(place.table, {})
    if not found.keys() <= types.keys():
        raise Unplantable(Fault.NOT_A_COLUMN, place.path)
    return {**found}


async def _types(conn: Connection, place: _Place) -> tuple[Mapping[str, str], Mapping[str, bool]]:
    """The type of every column, and of the key's whether something fills it."""
    found = await conn.fetch(_COLUMNS, place.table)
    if not found:
        raise Unplantable(Fault.NO_SUCH_TABLE, place.path)
    types = {row["name"]: row["type"] for row in found}
    for path, column in place.columns.items():
        if column not in types:
            raise Unplantable(Fault.NOT_A_COLUMN, path)
    return types, {row["name"]: row["is_filled"] for row in found if row["is_key"]}


async def _insert(
    conn: Connection, place: _Place, types: Mapping[str, str], subject_id: UUID, row: Mapping[str, str | None], conflict: str
) -> None:
    # A column that is null is left to its default only where the row is new: a rewritten one becomes null
    kept = {column: value for column, value in row.items() if column != place.subject and (conflict or value is not None)}
    places = "".join(f", ${number}::text::{types[column]}" for number, column in enumerate(kept, 2))
    text = f"insert into {place.table} ({', '.join([place.subject, *kept])}) values ($1{places}) {conflict}"
    try:
        await conn.execute(text, subject_id, *kept.values())
    except asyncpg.IntegrityConstraintViolationError:
        raise Unplantable(Fault.REFUSED_BY_TABLE, place.path) from None
    except asyncpg.DataError:
        raise Unplantable(Fault.WRONG_FORM, place.path) from None


def _stored(catalogue: Catalogue, path: str, value: str | None) -> str | None:
    """As PostgreSQL reads it: a point is longitude, latitude, a location in a contract is the other way round, as in answers."""
    if value is None or catalogue.fields[path].kind is not Kind.LOCATION:
        return value
    found = _DEGREES.fullmatch(value)
    if found is None:
        raise Unplantable(Fault.WRONG_FORM, path)
    return f"({found[2]},{found[1]})"
