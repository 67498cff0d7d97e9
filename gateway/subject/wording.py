"""The words of one language that a page's Python needs, as its template does: fields, reasons, sentences."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from scopes import Reason

FIELDS: Final = frozenset(tomllib.loads((Path(__file__).parent / "text" / "fields.toml").read_text(encoding="utf-8")))


class Sentences(Protocol):
    """A text of text/*.toml by `file.key`, with its placeholders filled."""

    def __call__(self, key: str, /, **values: object) -> str: ...


class ClosedLists(Protocol):
    """Words for the members of closed lists."""

    def category(self, name: str, /) -> str: ...
    def purpose(self, name: str, /) -> str: ...
    def redaction(self, label: str, /) -> str: ...
    def reason(self, code: str, /) -> str: ...


@dataclass(frozen=True, slots=True)
class Wording:
    t: Sentences
    words: ClosedLists

    def field(self, path: str, category: str) -> str:
        """A field of the catalogue in words; one that nobody named yet goes by its category."""
        key = path.replace(".", "_")
        return self.t(f"fields.{key}") if key in FIELDS else self.words.category(category)

    def reason(self, reason: Reason | None) -> str:
        """Why a field was kept back; None: a rule of the scope keeps it from everybody."""
        return self.t("me.kept_by_rule") if reason is None else self.words.reason(reason.name)
