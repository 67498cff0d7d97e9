"""JSON as SQL writes it. Every fragment is SQL of type text that is never null.

What stands around a list of data subjects is the same for every answer, so it never travels: it is added to the columns as they
come. Within the statement each `||` copies all that is before it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.request.selection import Selected
from gateway.store.clause import literal


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a root field's JSON that one column brings. column: SQL of type bytea, UTF-8 (textsend gives the connection's
    encoding, and asyncpg has no other). before, after: JSON around it. otherwise: JSON for all three where the column is null.
    """

    column: str
    before: bytes = b""
    after: bytes = b""
    otherwise: bytes = b""

    def behind(self, text: bytes) -> "Share":
        return replace(self, before=text + self.before, otherwise=text + self.otherwise)

    def ahead_of(self, text: bytes) -> "Share":
        return replace(self, after=self.after + text, otherwise=self.otherwise + text)


def shares(parts: Sequence[tuple[str, Share | bytes]]) -> tuple[Share, ...]:
    """One JSON object: of its members those that columns bring, with all that is constant around them."""
    found: list[Share] = []
    pending = b"{"
    for number, (key, value) in enumerate(parts):
        pending += (b"," if number else b"") + json.dumps(key, ensure_ascii=False).encode() + b":"
        if isinstance(value, Share):
            found.append(value.behind(pending))
            pending = b""
        else:
            pending += value
    last = found.pop() if found else Share("''::bytea")
    return (*found, last.ahead_of(pending + b"}"))


def listed(parts: Sequence[tuple[str, str]], rows: str) -> Share:
    """A JSON list with an object for each of the rows, in their order. rows: SQL, what stands after `from`."""
    first, item = "{", "''"
    for number, (key, value) in enumerate(parts):
        opening = ("," if number else "{") + json.dumps(key, ensure_ascii=False) + ":"
        first, item = (first, f"{item} || {literal(opening)} || {value}") if number else (opening, value)
    column = f"(select textsend(string_agg({item}, {literal('},' + first)})) from {rows})"
    return Share(column, b"[" + first.encode(), b"}]", b"[]")


def json_object(parts: Sequence[tuple[str, str]]) -> str:
    """SQL that concatenates one JSON object; the values are JSON themselves."""
    pieces: list[str] = []
    opening = "{"
    for key, value in parts:
        pieces.append(literal(opening + json.dumps(key, ensure_ascii=False) + ":"))
        pieces.append(value)
        opening = ","
    return "(" + " || ".join([*pieces, "'}'"]) + ")" if pieces else "'{}'"


def typename(field: Selected) -> str:
    return literal(json.dumps(field.type_name))


class ObjectWriter:
    """Writes SQL for one JSON object of strings, nulls and ready JSON, in the order in which they come.

    json_object(keys, values) escapes all strings of a run at once, in two thirds of json_build_object's time; its arrays have
    no limit on pairs, and its keys are constants. Runs and ready JSON are joined at their braces.
    """

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._keys: list[str] = []
        self._values: list[str] = []

    def string(self, key: str, value: str) -> None:
        """value: SQL of type text; null becomes null."""
        self._keys.append(literal(key))
        self._values.append(value)

    def json(self, key: str, value: str) -> None:
        """value: SQL of type text that is never null, JSON itself."""
        self._end_run()
        opening = "," if self._pieces else "{"
        self._pieces.append(f"{literal(opening + json.dumps(key, ensure_ascii=False) + ':')} || {value}")

    def written(self) -> str:
        if not self._pieces:
            return self._run() if self._keys else "'{}'"
        self._end_run()
        return "(" + " || ".join(self._pieces) + " || '}')"

    def _run(self) -> str:
        return f"json_object(array[{', '.join(self._keys)}], array[{', '.join(self._values)}]::text[])::text"

    def _end_run(self) -> None:
        """The run without its last brace; the first piece keeps its first one."""
        if self._keys:
            run = f"left({self._run()}, -1)"
            self._pieces.append(f"',' || substr({run}, 2)" if self._pieces else run)
            self._keys, self._values = [], []
