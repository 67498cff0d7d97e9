"""Plain words for the members of closed lists, in one language: categories, purposes, roles, places, redactions, reasons."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from babel import Locale

from gateway.subject.texts import Language, Texts

_MASK: Final = re.compile(r"mask\((\d+),(\d+)\)")
_STEP: Final = re.compile(r"generalise\((\w+)\)")
OWN_PLACES: Final = frozenset({"CN", "HK", "MO", "TW"})
"""Places that the law on leaving the mainland tells apart; the others go by the names that CLDR has for them."""

LOCALE: Final = {"zh-CN": Locale("zh", "CN", script="Hans"), "en": Locale("en", "GB")}


@dataclass(frozen=True, slots=True)
class Words:
    """Each method takes the wire form of a member and raises KeyError for what is none."""

    texts: Texts
    language: Language

    def category(self, name: str, /) -> str:
        """A leaf of the tree of data categories."""
        return self._say(f"category_{name.replace('.', '_')}")

    def purpose(self, name: str, /) -> str:
        return self._say(f"purpose_{name}")

    def role(self, name: str, /) -> str:
        return self._say(f"role_{name}")

    def location(self, name: str, /) -> str:
        """A country or region by its ISO 3166-1 alpha-2 code; one that CLDR does not know stays a code."""
        if name in OWN_PLACES:
            return self._say(f"location_{name}")
        known: Mapping[str, str] = LOCALE[self.language].territories
        return known.get(name, name)

    def reason(self, code: str, /) -> str:
        """Why a field was shown or kept back, by the name of its `scopes.Reason`."""
        return self._say(f"reason_{code}")

    def redaction(self, label: str, /) -> str:
        """What is left of a value, from `scopes.Redaction.label()`."""
        if mask := _MASK.fullmatch(label):
            head, tail = int(mask[1]), int(mask[2])
            ends = {(True, True): "both", (True, False): "head", (False, True): "tail", (False, False): "all"}
            return self._say(f"mask_{ends[head > 0, tail > 0]}", head=head, tail=tail)
        if step := _STEP.fullmatch(label):
            return self._say(f"generalise_{step[1]}")
        return self._say(f"rung_{label}")

    def _say(self, key: str, **values: object) -> str:
        return self.texts.say(self.language, f"words.{key}", **values)
