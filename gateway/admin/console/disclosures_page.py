"""/admin/disclosures: who got what, why, and what was kept back for which exact reason; never a value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from starlette.responses import Response
from starlette.routing import Route

from gateway.admin.console.desk import Console, NotFound, Visit, page
from gateway.admin.console.export import FORMS, attachment, disclosures_csv, disclosures_json
from gateway.stewardship import records, registers
from gateway.stewardship.records import Wanted
from gateway.stewardship.roles import Act
from gateway.subject.page import ZONE
from scopes import Purpose

PATH: Final = "/admin/disclosures"
PAGE_SIZE: Final = 25


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for. query: the same, to go on with; unreadable: names of what could not be read, and is left out."""

    wanted: Wanted
    query: str
    unreadable: tuple[str, ...]


def asked(visit: Visit) -> Asked:
    """Days are whole days in China."""
    unreadable: list[str] = []

    def read(name: str, make: Any) -> Any:
        text = visit.asked(name)
        try:
            return make(text) if text else None
        except (ValueError, OverflowError):
            unreadable.append(name)
            return None

    first, last = read("from", _day), read("to", _day)
    wanted = Wanted(
        partner=visit.asked("partner") or None,
        purpose=read("purpose", Purpose),
        since=None if first is None else _start(first),
        until=None if last is None else _start(last + timedelta(days=1)),
        subject_id=read("subject", UUID),
    )
    given = {name: visit.asked(name) for name in ("partner", "purpose", "from", "to", "subject") if visit.asked(name)}
    return Asked(wanted, urlencode({name: text for name, text in given.items() if name not in unreadable}), tuple(unreadable))


class Disclosures:
    """One for each worker."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def routes(self) -> list[Route]:
        return [
            Route(PATH, page(self._console, self.show), methods=["GET"]),
            Route(f"{PATH}.{{form}}", page(self._console, self.export), methods=["GET"]),
        ]

    async def show(self, visit: Visit) -> Response:
        """GET /admin/disclosures?partner=&purpose=&from=&to=&subject=&before=: newest first, a page at a time."""
        found, before = asked(visit), visit.asked("before")
        try:
            last = UUID(before) if before else None
        except ValueError:
            raise NotFound from None
        rows = await records.disclosures(visit.conn, visit.actor, found.wanted, before=last, row_count=PAGE_SIZE + 1)
        older = urlencode({"before": str(rows[PAGE_SIZE - 1].disclosure_id)}) if len(rows) > PAGE_SIZE else ""
        return visit.page(
            "console_disclosures.html",
            here="disclosures",
            rows=rows[:PAGE_SIZE],
            query=found.query,
            unreadable=found.unreadable,
            older=f"{found.query}&{older}" if found.query and older else older,
            is_later=last is not None,
            partners=await registers.partners(visit.conn, visit.actor),
            purposes=list(Purpose),
            asked={name: visit.asked(name) for name in ("partner", "purpose", "from", "to", "subject")},
            may_export=visit.actor.may(Act.DISCLOSURES_EXPORT),
        )

    async def export(self, visit: Visit) -> Response:
        """GET /admin/disclosures.csv, .json: all that match, written while they are read. That it was done is on record first."""
        form = visit.request.path_params["form"]
        if form not in FORMS:
            raise NotFound
        found = asked(visit)
        if found.unreadable:
            raise NotFound  # never more than was asked for
        entries = await records.export(self._console.pool, visit.actor, found.wanted)
        return attachment("disclosures", form, disclosures_csv(entries) if form == "csv" else disclosures_json(entries))


def _day(text: str) -> date:
    """Raises ValueError, also where no disclosure could be."""
    day = date.fromisoformat(text)
    if not 2000 <= day.year <= 2999:
        raise ValueError
    return day


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), ZONE)
