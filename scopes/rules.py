"""What a controller lays down for all its scopes: what each purpose needs at all, and the floor of each redaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scopes.category import CATEGORIES
from scopes.purpose import Purpose
from scopes.redaction import InvalidRedaction, Kind, Redaction, is_valid, strictest


class InvalidRules(ValueError):
    """The rules name what does not exist. The text names the place, never a value of the data."""


@dataclass(frozen=True, slots=True)
class Rules:
    """needs: the categories that each purpose has a use for; a purpose that is not named needs nothing (policy 1.1, chapter 2).
    floors: by category and kind of value, the redaction that no scope may fall short of.
    """

    needs: Mapping[Purpose, frozenset[str]]
    floors: Mapping[str, Mapping[Kind, Redaction]]

    def is_needed(self, purpose: Purpose, category: str) -> bool:
        return category in self.needs.get(purpose, frozenset())

    def is_above_floor(self, category: str, kind: Kind, redaction: Redaction) -> bool:
        """Whether the redaction lets nothing be inferred that the floor would not."""
        floor = self.floors.get(category, {}).get(kind)
        return floor is None or strictest(kind, [redaction, floor]) == redaction

    def to_wire(self) -> dict[str, Any]:
        return {
            "needs": {purpose.value: sorted(categories) for purpose, categories in sorted(self.needs.items())},
            "floors": {
                category: {kind.value: redaction.to_wire() for kind, redaction in sorted(kinds.items())}
                for category, kinds in sorted(self.floors.items())
            },
        }

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> "Rules":
        """Raises InvalidRules: an unknown purpose, category or kind, or a redaction that this kind does not have."""
        try:
            needs = {Purpose(purpose): frozenset(categories) for purpose, categories in wire["needs"].items()}
            floors = {
                category: {Kind(kind): Redaction.from_wire(rule) for kind, rule in kinds.items()}
                for category, kinds in wire["floors"].items()
            }
        except (AttributeError, InvalidRedaction, KeyError, TypeError, ValueError):
            raise InvalidRules("a purpose, a kind or a redaction is not one that can be") from None
        named = {category for categories in needs.values() for category in categories} | floors.keys()
        for category in sorted(named - CATEGORIES.keys(), key=str):
            raise InvalidRules(f"no such category: {category}")
        for category, kinds in floors.items():
            for kind, redaction in kinds.items():
                if not is_valid(kind, redaction):
                    raise InvalidRules(f"{category}: a value of kind {kind.value} has no such redaction")
        return cls(needs, floors)
