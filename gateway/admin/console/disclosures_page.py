"""/admin/disclosures: who got what, why, and what was kept back for which exact reason; never a value."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from gateway.admin.console.desk import Console, NotFound, Visit, page
from gateway.stewardship import records, registers
from gateway.stewardship.records import DisclosureEntry, Wanted
from gateway.stewardship.roles import Act
from gateway.subject.export import BOM, cell
from gateway.subject.page import ZONE
from scopes import Purpose

PATH: Final = "/admin/disclosures"
PAGE_SIZE: Final = 25
HEAD: Final = (
    "disclosure_id", "disclosed_at", "partner", "client_id", "purpose", "scopes", "subject_count", "is_contract_run", "root",
    "field", "category", "redaction", "shown", "kept_back", "in_content_of_others",
)  # fmt: skip


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
        if form not in ("csv", "json"):
            raise NotFound
        found = asked(visit)
        if found.unreadable:
            raise NotFound  # never more than was asked for
        entries = await records.export(self._console.pool, visit.actor, found.wanted)
        headers = {
            "Content-Disposition": f'attachment; filename="disclosures.{form}"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        }
        if form == "csv":
            return StreamingResponse(as_csv(entries), headers=headers, media_type="text/csv; charset=utf-8")
        return StreamingResponse(as_json(entries), headers=headers, media_type="application/json")


async def as_csv(entries: AsyncIterator[DisclosureEntry]) -> AsyncIterator[bytes]:
    """RFC 4180 in UTF-8 with a byte order mark: a line for each field of each disclosure, in no language."""
    yield (BOM + _line(list(HEAD))).encode()
    async for one in entries:
        start = [
            str(one.disclosure_id), one.disclosed_at.isoformat(), one.partner, one.client_id, one.purpose.value,
            " ".join(one.scopes), str(one.subject_count), str(one.is_contract_run).lower(),
        ]  # fmt: skip
        others = str(one.in_content_of_others)
        lines = [
            [
                *start, field.root, field.path, field.category, field.redaction, str(field.shown),
                " ".join(f"{reason}:{count}" for reason, count in field.kept.items()), others,
            ]
            for field in one.fields
        ]  # fmt: skip
        yield "".join(map(_line, lines or [[*start, "", "", "", "", "", "", others]])).encode()


async def as_json(entries: AsyncIterator[DisclosureEntry]) -> AsyncIterator[bytes]:
    """One object with a member `disclosures`."""
    yield b'{"disclosures":['
    separator = b"\n"
    async for one in entries:
        entry = {
            "disclosure_id": str(one.disclosure_id),
            "disclosed_at": one.disclosed_at.isoformat(),
            "partner": one.partner,
            "client_id": one.client_id,
            "purpose": one.purpose.value,
            "scopes": list(one.scopes),
            "subject_count": one.subject_count,
            "is_contract_run": one.is_contract_run,
            "fields": [
                {
                    "root": field.root,
                    "path": field.path,
                    "category": field.category,
                    "redaction": field.redaction,
                    "shown": field.shown,
                    "kept_back": dict(field.kept),
                }
                for field in one.fields
            ],
            "in_content_of_others": one.in_content_of_others,
        }
        yield separator + json.dumps(entry, ensure_ascii=False).encode()
        separator = b",\n"
    yield b"\n]}\n"


def _line(cells: list[str]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerow([cell(text) for text in cells])
    return written.getvalue()


def _day(text: str) -> date:
    """Raises ValueError, also where no disclosure could be."""
    day = date.fromisoformat(text)
    if not 2000 <= day.year <= 2999:
        raise ValueError
    return day


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), ZONE)
