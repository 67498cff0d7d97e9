"""What happened day by day, in numbers: answered, refused and why, agreed to and taken back."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from gateway.stewardship.actor import Actor, permit
from gateway.stewardship.roles import Act
from gateway.store.pool import AnyConnection
from gateway.store.questions import question

DAYS = question("reading", "days")
ANSWERED = question("reading", "answered_by_day")
REFUSED = question("reading", "refused_by_day")
CONSENTED = question("reading", "consented_by_day")

DAYS_MOST: Final = 92


@dataclass(frozen=True, slots=True)
class Day:
    """One day in UTC. subjects: data subjects that the disclosures were about, counted once in each. refusals: by code.

    Runs of contract tests are left out.
    """

    day: date
    disclosures: int
    subjects: int
    refusals: Mapping[str, int]
    consents_given: int
    consents_narrowed: int
    consents_withdrawn: int

    @property
    def requests(self) -> int:
        """Those of authenticated clients that were answered or refused."""
        return self.disclosures + sum(self.refusals.values())


async def days(conn: AnyConnection, actor: Actor, *, day_count: int = 30) -> tuple[Day, ...]:
    """The last days, today included, oldest first. day_count: clipped to 1..92. Raises ActRefused ROLE_MISSING."""
    permit(actor, Act.OVERVIEW_READ)
    count = min(max(day_count, 1), DAYS_MOST)
    answered = {row["day"]: row for row in await conn.fetch(ANSWERED, count)}
    refused: dict[date, dict[str, int]] = defaultdict(dict)
    for row in await conn.fetch(REFUSED, count):
        refused[row["day"]][row["code"]] = row["refusals"]
    agreed = {(row["day"], row["kind"]): row["events"] for row in await conn.fetch(CONSENTED, count)}
    return tuple(
        Day(
            day=day,
            disclosures=answered[day]["disclosures"] if day in answered else 0,
            subjects=answered[day]["subjects"] if day in answered else 0,
            refusals=dict(sorted(refused[day].items())),
            consents_given=agreed.get((day, "given"), 0),
            consents_narrowed=agreed.get((day, "narrowed"), 0),
            consents_withdrawn=agreed.get((day, "withdrawn"), 0),
        )
        for day in (row["day"] for row in await conn.fetch(DAYS, count))
    )
