"""The operations of a sweep: every field alone, and drawn combinations of all that a document can be made of."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Final
from uuid import UUID

from gateway.catalogue.definition import Catalogue, LeafList, RowList
from scopes import Purpose

FEW: Final = 3
"""Data subjects on a page of several."""
ROOTS: Final = 8
"""Root fields of one operation: fewer than a gateway's limit, unless somebody sets it very low."""


@dataclass(frozen=True, slots=True)
class Operation:
    """shape: what is special about it, in a word. paths: the fields it asks for, whatever its switches say. pages: whether it
    asks for everybody, so that whoever may be seen must be there. names_purpose: so that its token may be one for several."""

    shape: str
    document: str
    paths: tuple[str, ...]
    variables: Mapping[str, Any] = field(default_factory=dict)
    pages: bool = False
    names_purpose: bool = False


class Draw:
    """Writes operations. size: of a page that holds everybody. seed: the same one draws the same ones."""

    def __init__(self, catalogue: Catalogue, seed: str, *, purpose: Purpose, size: int) -> None:
        self._size, self._purpose = size, purpose
        self._catalogue, self._chooser = catalogue, random.Random(seed)  # noqa: S311 - drawn again the same way
        members = catalogue.subject.members.items()
        self._cut = {name for name, one in members if isinstance(one.shared, LeafList)}
        shapes = (self._fragment, self._aliases, self._switches, self._variables, self._roots, self._small, self._me)
        self._shapes = cycle([*shapes, self._named_purpose])
        self._lists = {one.shared.type_name: name for name, one in members if isinstance(one.shared, RowList)}

    def alone(self, path: str, ids: Sequence[UUID]) -> Iterator[Operation]:
        """One field: of everybody in a page, and under an alias of each of these by id."""
        inner = self.selection([path], prefix="x_")
        yield self.page([path])
        for start in range(0, len(ids), ROOTS):
            some = enumerate(ids[start : start + ROOTS])
            roots = " ".join(f's{number}: subject(id: "{one}") {{ id {inner} }}' for number, one in some)
            yield Operation("by id", f"{{ {roots} }}", (path,))

    def drawn(self, paths: Sequence[str], ids: Sequence[UUID]) -> Operation:
        """Some of these fields, in one shape after the other."""
        chosen = tuple(self._chooser.sample(list(paths), self._chooser.randint(1, min(6, len(paths)))))
        return next(self._shapes)(chosen, list(ids))

    def page(self, paths: Sequence[str]) -> Operation:
        """Everybody, with these fields."""
        document = f"{{ subjects(first: {self._size}) {{ edges {{ node {{ id {self.selection(paths)} }} }} }} }}"
        return Operation("page", document, tuple(paths), pages=True)

    def by_id(self, paths: Sequence[str]) -> str:
        """A document for the data subject `$id`, with these fields."""
        return f"query ($id: ID!) {{ subject(id: $id) {{ id {self.selection(paths)} }} }}"

    def page_after(self, paths: Sequence[str], after: str | None) -> Operation:
        """A page of few, with all that pages tell of themselves. after: the cursor that the one before ended with."""
        told = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
        document = (
            f"query ($first: Int!, $after: String) {{ subjects(first: $first, after: $after) {{ {told} "
            f"edges {{ cursor node {{ id {self.selection(paths)} }} }} }} }}"
        )
        return Operation("pages", document, tuple(paths), {"first": FEW, "after": after})

    def selection(self, paths: Sequence[str], *, prefix: str = "", first: int | None = None) -> str:
        """These fields inside a data subject. prefix: of aliases. first: how many items of each list of rows."""
        own: list[str] = []
        rows: dict[str, list[str]] = {}
        for path in paths:
            owner, _, name = path.partition(".")
            called = f"{prefix}{name}: {name}" if prefix else name
            if first is not None and owner == self._catalogue.subject.name and name in self._cut:
                called += f"(first: {first})"
            (own if owner == self._catalogue.subject.name else rows.setdefault(owner, [])).append(called)
        size = "" if first is None else f"(first: {first})"
        for owner, inner in rows.items():
            name = self._lists.get(owner, owner)
            own.append(f"{prefix + name + ': ' if prefix else ''}{name}{size} {{ {' '.join(inner)} }}")
        return " ".join(own)

    def _fragment(self, paths: tuple[str, ...], _ids: list[UUID]) -> Operation:
        subject = self._catalogue.subject.name
        document = (
            f"fragment F on {subject} {{ id ...G }} fragment G on {subject} {{ ... on {subject} {{ {self.selection(paths)} }} }} "
            f"{{ subjects(first: {self._size}) {{ edges {{ node {{ ...F __typename }} }} }} }}"
        )
        return Operation("fragments", document, paths, pages=True)

    def _aliases(self, paths: tuple[str, ...], _ids: list[UUID]) -> Operation:
        inner = f"{self.selection(paths, prefix='x_')} {self.selection(paths, prefix='y_')} {self.selection(paths)}"
        return Operation(
            "aliases", f"{{ subjects(first: {self._size}) {{ edges {{ node {{ known: id {inner} }} }} }} }}", paths, pages=True
        )

    def _switches(self, paths: tuple[str, ...], _ids: list[UUID]) -> Operation:
        subject, inner = self._catalogue.subject.name, self.selection(paths)
        document = (
            f"query ($yes: Boolean!, $no: Boolean!) {{ subjects(first: {self._size}) {{ edges {{ node {{ id "
            f"... on {subject} @include(if: $yes) {{ {inner} }} ... on {subject} @skip(if: $no) {{ {inner} }} }} }} }} }}"
        )
        return Operation("switches", document, paths, {"yes": self._chooser.random() < 0.5, "no": False}, pages=True)

    def _variables(self, paths: tuple[str, ...], ids: list[UUID]) -> Operation:
        by_id = f"subject(id: $id) {{ id {self.selection(paths)} }}"
        page = "subjects(first: $first) { pageInfo { hasNextPage endCursor } edges { cursor node { id } } }"
        document = f"query Q($id: ID!, $first: Int! = 2) {{ {by_id} {page} }}"
        return Operation("variables", document, paths, {"id": str(self._chooser.choice(ids))})

    def _roots(self, paths: tuple[str, ...], ids: list[UUID]) -> Operation:
        chosen = self._chooser.sample(ids, min(3, len(ids)))
        roots = [f'r{number}: subject(id: "{one}") {{ id {self.selection(paths)} }}' for number, one in enumerate(chosen)]
        roots.append(f"subjects(first: 3) {{ edges {{ node {{ id {self.selection(paths)} }} }} }}")
        return Operation("several roots", f"{{ {' '.join(roots)} access {{ partner }} }}", paths)

    def _small(self, paths: tuple[str, ...], _ids: list[UUID]) -> Operation:
        node = f"id {self.selection(paths, first=self._chooser.randint(1, 2))}"
        page = f"edges {{ cursor node {{ {node} }} }} pageInfo {{ startCursor endCursor hasNextPage }}"
        document = f"{{ subjects(first: {self._size}) {{ {page} }} }}"
        return Operation("short lists", document, paths, pages=True)

    def _named_purpose(self, paths: tuple[str, ...], _ids: list[UUID]) -> Operation:
        document = (
            f"query @purpose(is: {self._purpose.value}) "
            f"{{ subjects(first: {self._size}) {{ edges {{ node {{ id {self.selection(paths)} }} }} }} }}"
        )
        return Operation("a named purpose", document, paths, pages=True, names_purpose=True)

    def _me(self, paths: tuple[str, ...], _ids: list[UUID]) -> Operation:
        return Operation("me", f"{{ me {{ id {self.selection(paths)} }} }}", paths)
