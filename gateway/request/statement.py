"""One planned operation as one SQL statement: decide, read, redact and record under one snapshot (DESIGN section 1)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Final

import asyncpg

from gateway.catalogue.definition import Catalogue
from gateway.request.consent import caller
from gateway.request.fetch import Fetcher, Reading
from gateway.request.json_sql import Share
from gateway.request.record import Projection, projection, recording
from gateway.request.run import Run, RunArguments
from gateway.request.selection import Selected
from gateway.store.clause import Arguments
from scopes import Plan

FIXED_COLUMNS: Final = 3  # verdict, subjects, withheld


@dataclass(frozen=True, slots=True)
class Withheld:
    """One field that evidence may withhold; its count stands at `index` of the statement's `withheld` column."""

    path: str
    index: int


Placed = tuple[int, Share]  # the column's place in the row, from 0


@dataclass(frozen=True, slots=True)
class Statement:
    """A compiled statement.

    Its row: verdict text (null: unknown token), subjects integer, withheld integer[], then the bytea columns that the data roots
    are made of. Only `verdict` where there is no data root.
    """

    text: str
    sources: tuple[Callable[[Run], object], ...]
    withheld: tuple[Withheld, ...]
    projection: Projection | None
    roots: tuple[tuple[Placed, ...], ...] = ()

    def answer(self, number: int, row: asyncpg.Record) -> list[bytes]:
        """The JSON of data root `number` from the statement's row, in pieces."""
        pieces: list[bytes] = []
        for index, share in self.roots[number]:
            value = row[index]
            pieces += (share.before, value, share.after) if value is not None else (share.otherwise,)
        return pieces

    def arguments(self, run: Run) -> list[object]:
        return [source(run) for source in self.sources]


def liveness() -> Statement:
    """Whether the caller still stands; for operations that ask for no data subject's data."""
    arguments: RunArguments = Arguments()
    text = f"with {caller(arguments, ())}\nselect (select verdict from caller) as verdict"
    return Statement(text, tuple(arguments.sources), (), None)


def compile_statement(
    catalogue: Catalogue,
    plan: Plan,
    roots: Sequence[Selected],
    *,
    document: str,
    ordinals: Mapping[str, int],
    is_bound: bool,
    field_key: bytes,
) -> Statement:
    """The statement for the data roots of an operation, in answer order. field_key: 32 bytes, of this partner and purpose."""
    arguments: RunArguments = Arguments()
    gate = caller(arguments, plan.scopes)
    fetcher = Fetcher(
        catalogue=catalogue,
        fields=plan.fields,
        ordinals=ordinals,
        arguments=arguments,
        purpose=arguments.constant(plan.purpose.value, "text"),
        field_key=field_key,
        is_bound=is_bound,
    )
    readings = [fetcher.root(number, root) for number, root in enumerate(roots)]
    projected = projection(document, plan, [root.name for root in roots], readings, ordinals)
    ctes = [
        gate,
        *(cte for reading in readings for cte in reading.ctes),
        *recording(arguments, readings, ordinals, plan, projected),
    ]
    withheld, counts = _withheld(plan, readings, ordinals)
    columns: list[str] = []
    placed: list[tuple[Placed, ...]] = []
    for n, reading in enumerate(readings):
        placed.append(tuple((FIXED_COLUMNS + len(columns) + m, share) for m, share in enumerate(reading.answer)))
        columns += (f",\n  {share.column} as root_{n}_{m}" for m, share in enumerate(reading.answer))
    text = (
        "with "
        + ",\n".join(ctes)
        + "\nselect (select verdict from caller) as verdict, (select subjects from counted)::integer as subjects,"
        + f" {counts} as withheld{''.join(columns)}"
    )
    return Statement(text, tuple(arguments.sources), withheld, projected, tuple(placed))


def _withheld(plan: Plan, readings: Sequence[Reading], ordinals: Mapping[str, int]) -> tuple[tuple[Withheld, ...], str]:
    """Per field the roots that ask for it; per (category, roots) one count of distinct subjects, settled without the value."""
    asking: dict[str, int] = {}
    for number, reading in enumerate(readings):
        for path in reading.asked:
            asking[path] = asking.get(path, 0) | 1 << number
    places: dict[tuple[int, int], int] = {}
    withheld = [
        Withheld(path, places.setdefault((ordinals[plan.fields[path].category], roots), len(places)))
        for path, roots in asking.items()
    ]
    if not places:
        return (), "'{}'::bigint[]"
    counts = ", ".join(
        f"count(*) filter (where covered & {1 << ordinal} = 0" + (f" and roots & {roots} <> 0)" if len(readings) > 1 else ")")
        for ordinal, roots in places
    )
    every = reduce(or_, (1 << ordinal for ordinal, _ in places))
    # most data subjects lack nothing, and then there is nothing to count
    return tuple(withheld), f"(select array[{counts}] from seen where covered & {every} <> {every})"
