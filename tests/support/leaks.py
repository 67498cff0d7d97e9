"""Finds what must not be there: a canary's value, or more than six characters of it in a row, in any of the usual encodings.

What a partner's scope reveals is taken out of an answer first, and only there where the scope puts it: at the path of the field,
in the node of the very canary. Everything else that is left of a value is a finding.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from gateway.catalogue.definition import RowList
from gateway.catalogue.weidandan import CATALOGUE
from gateway.contracts.encodings import views
from gateway.demo.canaries import aviary
from gateway.demo.load import SEED
from gateway.demo.partners import GRANTED
from scopes import Rung
from tests.support.world import ACCOUNT


def _listed(values: str | Sequence[str]) -> Sequence[str]:
    return [values] if isinstance(values, str) else values


KEPT = 6  # characters of a value in a row that a mask may leave
REVEALED = frozenset(
    (partner.name, field.path) for partner, scope in GRANTED for field in scope.fields if field.redaction.rung is Rung.REVEAL
)
MARKS = frozenset(
    [
        *(str(value) for name, value in ACCOUNT.items() if name in {"real_name", "mobile_number", "national_id", "email"}),
        *(mark for canary in aviary(SEED).canaries for found in canary.values.values() for mark in _listed(found)),
    ]
)
"""Whole values that tests and the demo give to data subjects, and that nothing which a run writes down holds."""
_ROWS = {
    name: member.shared.type_name for name, member in CATALOGUE.subject.members.items() if isinstance(member.shared, RowList)
}
_SUBJECT = CATALOGUE.subject.name
_UUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}")
# Random or of the clock, and long enough to hold seven given digits by chance
_CHANCE = re.compile(_UUID.pattern + r"|[0-9a-f]{40,}|\d{4}-\d\d-\d\d[t ]\d\d:\d\d:\d\d\.\d+|\d+\.\d{7,}|\d\.\d+e[+-]?\d+")


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """All bytes of one answer. partner: whose token asked, None for nobody's. what: of the request, for a person who reads it."""

    partner: str | None
    what: str
    status: int
    head: str
    body: str

    @property
    def data(self) -> Mapping[str, Any]:
        """GraphQL's `data`; empty where the answer has none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        data = found.get("data") if isinstance(found, dict) else None
        return data if isinstance(data, dict) else {}


@dataclass(frozen=True, slots=True)
class Shown:
    """One value of an answer. known_as: the pseudonym of its data subject, where the operation asked for it."""

    path: str
    value: str
    known_as: str | None


def shown(data: Mapping[str, Any]) -> Iterator[Shown]:
    """Every string of the catalogued fields of `data`. An alias ends in `_` and the field's name."""
    for value in data.values():
        for node in _nodes(value):
            known_as = node.get("id")
            for key, found in node.items():
                yield from _of_field(key.rpartition("_")[2], found, known_as)


def _nodes(root: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(root, dict):
        edges = root.get("edges")
        yield from (edge.get("node", {}) for edge in edges) if isinstance(edges, list) else [root]


def _of_field(name: str, found: Any, known_as: str | None) -> Iterator[Shown]:
    for item in found if isinstance(found, list) else [found]:
        if isinstance(item, str):
            yield from _known(f"{_SUBJECT}.{name}", item, known_as)
        elif isinstance(item, dict) and name in _ROWS:
            for key, value in item.items():
                if isinstance(value, str):
                    yield from _known(f"{_ROWS[name]}.{key.rpartition('_')[2]}", value, known_as)


def _known(path: str, value: str, known_as: str | None) -> Iterator[Shown]:
    if path in CATALOGUE.fields:
        yield Shown(path, value, known_as)


def require_no_mark(where: str, text: str) -> None:
    """Raises AssertionError, without quoting anything, where `text` holds one of `MARKS`."""
    count = sum(mark in text for mark in MARKS)
    assert count == 0, f"{where} holds {count} values of data subjects"


class Leaks:
    """What to look for. canaries: demo.json's; raw_ids: keys of the platform's rows; elsewhere: everybody else's data, whose
    every part may be met by right; wholes: further values of the canaries by path, too short for their parts to say anything."""

    def __init__(
        self,
        canaries: Sequence[Mapping[str, Any]],
        raw_ids: Collection[str],
        elsewhere: str,
        wholes: Iterable[tuple[str, str]] = (),
    ) -> None:
        self._canaries = canaries
        self._raw_ids = frozenset(_dashless(raw) for raw in raw_ids)
        common = _parts(elsewhere.casefold())
        owners: dict[str, set[tuple[str, int]]] = {}
        for number, canary in enumerate(canaries):
            for path, values in canary["values"].items():
                if path != "Post.id":  # its parts would be met by chance: raw_ids holds it whole
                    for value in _listed(values):
                        for part in _parts(value.casefold()):
                            owners.setdefault(part, set()).add((path, number))
        # the beginning of an address that every canary shares is no canary's
        self.parts = {
            part: f"{min(found)[0]} of canary {min(found)[1]}"
            for part, found in owners.items()
            if part not in common and len({number for _, number in found}) <= 2
        }
        self._wholes = {value.casefold(): path for path, value in wholes if value.casefold() not in elsewhere.casefold()}
        self._in_text = cache(self._look_through)

    def of(self, answer: Answer) -> list[str]:
        """What stands in an answer and may not: the path, never the value."""
        found = [*self._in_text(self._without_revealed(answer))]
        for line in answer.head.split("\n"):
            found += self._in_text(line)
        return [f"{answer.partner}, {answer.what}, {answer.status}: {one}" for one in found]

    def in_text(self, text: str, *, known_ids: Collection[str] = ()) -> list[str]:
        """Everything of a canary, and every raw id but `known_ids`, in a text that no partner's scope opens."""
        return list(self._look_through(text, frozenset(map(_dashless, known_ids))))

    def _look_through(self, text: str, known_ids: frozenset[str] = frozenset()) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for encoding, view in _views(text):
            folded = view.casefold()
            quiet = _CHANCE.sub(" ", folded)
            found |= {f"{self.parts[part]}, {encoding}": None for part in sorted(_parts(quiet) & self.parts.keys())}
            found |= {f"{path}, {encoding}": None for whole, path in self._wholes.items() if _stands_in(whole, folded)}
            ids = {_dashless(match) for match in _UUID.findall(folded)} & self._raw_ids - known_ids
            found |= {f"raw id, {encoding}": None for _ in ids}
        return tuple(found)

    def revealed(self, answer: Answer) -> Iterator[tuple[str, int, Shown]]:
        """(schema path, number of the canary) of what this partner's scope shows of a canary by right."""
        for one in shown(answer.data):
            if answer.status == 200 and (answer.partner, one.path) in REVEALED:
                for number, canary in enumerate(self._canaries):
                    is_this_one = one.known_as in (None, canary["pseudonyms"].get(answer.partner))
                    if is_this_one and one.value in _listed(canary["values"].get(one.path, ())):
                        yield one.path, number, one

    def _without_revealed(self, answer: Answer) -> str:
        text = answer.body
        for _, _, one in self.revealed(answer):
            text = text.replace(json.dumps(one.value, ensure_ascii=False), '""', 1)
        return text


def _dashless(identifier: str) -> str:
    return identifier.replace("-", "").casefold()


def _parts(text: str) -> set[str]:
    return {text[start : start + KEPT + 1] for start in range(len(text) - KEPT)}


def _stands_in(whole: str, text: str) -> bool:
    """As a value of its own: 10.0.0.1 does not stand in 10.0.0.17."""
    return whole in text and re.search(rf"(?<![\w.:]){re.escape(whole)}(?![\w:]|\.\d)", text) is not None


def _views(text: str) -> Iterator[tuple[str, str]]:
    """Of thousands of answers, each backwards, some would hold seven given digits by chance."""
    return (found for found in views(text) if "reversed" not in found[0])
