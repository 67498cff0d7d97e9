"""Compiled SQL: text whose names come from the catalogue, and whose values are arguments, always."""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Run = TypeVar("Run")


class Arguments(Generic[Run]):
    """Numbers the placeholders of one statement and remembers how each value is read from a request.

    `Run` is whatever a request brings to the statement. The same key and type give the same placeholder.
    """

    def __init__(self) -> None:
        self._numbers: dict[Hashable, str] = {}
        self.sources: list[Callable[[Run], object]] = []

    def add(self, key: Hashable, sql_type: str, source: Callable[[Run], object]) -> str:
        """The placeholder for what `source` reads, cast to `sql_type`."""
        found = self._numbers.get((key, sql_type))
        if found is None:
            self.sources.append(source)
            found = self._numbers[key, sql_type] = f"${len(self.sources)}::{sql_type}"
        return found

    def constant(self, value: Hashable, sql_type: str) -> str:
        """The placeholder for a value that is the same for every request of the statement."""
        return self.add(("constant", value), sql_type, lambda _run: value)


def literal(text: str) -> str:
    """`text` as an SQL string constant, whatever standard_conforming_strings says."""
    quoted = text.replace("'", "''")
    return f"'{quoted}'" if "\\" not in quoted else "E'" + quoted.replace("\\", "\\\\") + "'"
