"""The pages of the console in the order of the navigation, each with the act that it begins with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.stewardship.actor import Actor
from gateway.stewardship.roles import Act


@dataclass(frozen=True, slots=True)
class Place:
    """name: of its text and of its address."""

    name: str
    act: Act

    @property
    def address(self) -> str:
        return f"/admin/{self.name}"


PLACES: Final = (
    Place("overview", Act.OVERVIEW_READ),
    Place("support", Act.SUBJECT_CONSENTS_READ),
    Place("changes", Act.CHANGES_READ),
    Place("partners", Act.REGISTERS_READ),
    Place("scopes", Act.REGISTERS_READ),
    Place("matrix", Act.REGISTERS_READ),
    Place("rules", Act.REGISTERS_READ),
    Place("halts", Act.REGISTERS_READ),
    Place("disclosures", Act.DISCLOSURES_READ),
    Place("acts", Act.ACTS_READ),
    Place("reviews", Act.ACCESS_REVIEW),
    Place("staff", Act.STAFF_READ),
)


def allowed(actor: Actor) -> tuple[Place, ...]:
    """Those that this person may open."""
    return tuple(place for place in PLACES if actor.may(place.act))
