"""Looks for what an answer must not hold: raw values, whole or in part, and raw ids, in every byte and however wrapped."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.contracts.client import Answer
from gateway.contracts.encodings import base64_bytes, views
from gateway.contracts.expected import Promise, raw_items
from scopes import Kind

WINDOW: Final = 7
"""Characters of a raw value in a row that the rule does not keep: a breach."""
SHORTEST: Final = 4
"""Of values that are looked for as a whole, since they have no part of that length."""
_HTTP_DATE: Final = re.compile(r"[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT")  # RFC 9110 5.6.7
_UUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Trace:
    """path: empty where it is the id of a data subject."""

    subject: str
    path: str
    encoding: str


@dataclass(frozen=True, slots=True)
class Traces:
    """What to look for. parts: windows of raw values; wholes: values that are shorter; ids: hexadecimal without dashes; each with
    whose and which field's it is. known_as: pseudonyms, which hold digits by chance."""

    parts: Mapping[str, tuple[str, str]]
    wholes: Mapping[str, tuple[str, str]]
    ids: Mapping[str, tuple[str, str]]
    known_as: Collection[str]

    def of(self, answer: Answer, document: str, allowed: Collection[str]) -> Iterator[Trace]:
        """allowed: the texts that came out by right. document: what the partner sent, it knows already."""
        text = "\n".join([answer.text, *(f"{name}: {value}" for name, value in answer.headers.items())])
        by_right = {value.replace("-", "").casefold() for value in allowed}
        yield from self._bytes_in(text)
        kept = {part for value in (*allowed, document) for part in windows(value)}
        for encoding, view in views(self._without_chance(text, answer)):
            folded = view.casefold()
            found = {self.parts[part] for part in (windows(folded) & self.parts.keys()) - kept}
            if encoding != "reversed":
                found |= {whose for whole, whose in self.wholes.items() if whole not in by_right and _stands_in(whole, folded)}
            dashless = folded.replace("-", "")
            found |= {whose for one, whose in self.ids.items() if one in dashless and one not in by_right}
            yield from (Trace(subject, path, encoding) for subject, path in sorted(found))

    def _bytes_in(self, text: str) -> Iterator[Trace]:
        """Raw ids as they are: 16 bytes, which are no text."""
        pieces = [piece for piece in base64_bytes(text) if len(piece) >= 16]
        everything = b"\n".join(pieces)
        for one, whose in self.ids.items():
            if bytes.fromhex(one) in everything:
                yield Trace(*whose, "bytes in base64")

    def _without_chance(self, text: str, answer: Answer) -> str:
        """Without what is drawn anew for each answer, ids and the clock's instant: of many digits, seven stand in some value by
        chance."""
        told = (answer.body.get("extensions") or {}).get("disclosure") or {}
        for drawn in (*self.known_as, str(told.get("id", "")), answer.headers.get("x-request-id", "")):
            if _UUID.fullmatch(drawn) and drawn.replace("-", "") not in self.ids:
                text = text.replace(drawn, "")
        date = answer.headers.get("date", "")
        return text.replace(f"date: {date}", "") if _HTTP_DATE.fullmatch(date) else text


def traces_of(promise: Promise, names: Collection[str], known_as: Collection[str]) -> Traces:
    """Of the values of these data subjects: nobody else's stand nowhere else. Of all of them the ids."""
    parts: dict[str, tuple[str, str]] = {}
    wholes: dict[str, tuple[str, str]] = {}
    ids = {one.subject_id.hex: (name, "") for name, one in promise.subjects.items()}
    for name in names:
        for path in promise.subjects[name].values:
            kind = promise.catalogue.fields[path].kind
            for value in filter(None, raw_items(promise, name, path)):
                if kind is Kind.IDENTIFIER:
                    ids[value.replace("-", "")] = (name, path)
                elif len(value) >= WINDOW:
                    parts |= dict.fromkeys(windows(value), (name, path))
                elif len(value) >= SHORTEST and kind is not Kind.CITY:
                    wholes[value.casefold()] = (name, path)
    return Traces(parts, wholes, ids, known_as)


def windows(text: str) -> set[str]:
    """Every seven characters in a row."""
    folded = text.casefold()
    return {folded[start : start + WINDOW] for start in range(len(folded) - WINDOW + 1)}


def _stands_in(whole: str, text: str) -> bool:
    """As a value of its own: 518057 does not stand in 1518057."""
    return whole in text and re.search(rf"(?<!\w){re.escape(whole)}(?!\w)", text) is not None
