"""/admin/acts, /admin/reviews, /admin/staff: what the staff did, who has what, and who they are (policy 9.3)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from starlette.responses import Response
from starlette.routing import Route

from gateway.admin.console.desk import Console, NotFound, Visit, page, see
from gateway.admin.console.difference import difference
from gateway.admin.console.export import FORMS, acts_csv, acts_json, attachment
from gateway.stewardship import records, reviews, staff
from gateway.stewardship.actor import ActRefused
from gateway.stewardship.records import ActEntry
from gateway.stewardship.reviews import LOOKED_BACK_DAYS
from gateway.stewardship.roles import Act

PAGE_SIZE: Final = 50


class Records:
    """One for each worker."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def routes(self) -> list[Route]:
        console = self._console
        return [
            Route("/admin/acts", page(console, self.acts), methods=["GET"]),
            Route("/admin/acts.{form}", page(console, self.export), methods=["GET"]),
            Route("/admin/reviews", page(console, self.review), methods=["GET"]),
            Route("/admin/reviews", page(console, self.confirm), methods=["POST"]),
            Route("/admin/staff", page(console, self.staff), methods=["GET"]),
        ]

    async def acts(self, visit: Visit) -> Response:
        """GET /admin/acts?by=&target=&act=&at=&before=: newest first, a page at a time."""
        given, act = _asked(visit)
        rows = await records.acts(
            visit.conn,
            visit.actor,
            before=_place(visit),
            by=given.get("by"),
            target=given.get("target"),
            act=act,
            row_count=PAGE_SIZE + 1,
        )
        last = rows[PAGE_SIZE - 1] if len(rows) > PAGE_SIZE else None
        older = "" if last is None else urlencode({**given, "at": last.acted_at.isoformat(), "before": str(last.act_id)})
        return visit.page(
            "console_acts.html",
            here="acts",
            rows=[(one, _changed(one)) for one in rows[:PAGE_SIZE]],
            older=older,
            asked=given,
            query=urlencode(given),
            acts=list(Act),
            is_later=bool(visit.asked("before")),
        )

    async def export(self, visit: Visit) -> Response:
        """GET /admin/acts.csv, .json: all that match, written while they are read. That it was done is on record first."""
        form = visit.request.path_params["form"]
        given, act = _asked(visit)
        if form not in FORMS or (act is None and "act" in given):
            raise NotFound  # never more than was asked for
        found = await records.export_acts(
            self._console.pool, visit.actor, by=given.get("by"), target=given.get("target"), act=act
        )
        return attachment("acts", form, acts_csv(found) if form == "csv" else acts_json(found))

    async def review(self, visit: Visit, refused: ActRefused | None = None) -> Response:
        """GET /admin/reviews: who has what, and when it was last used."""
        found = await reviews.access(visit.conn, visit.actor)
        return visit.page("console_reviews.html", refused=refused, here="reviews", review=found, looked_back=LOOKED_BACK_DAYS)

    async def confirm(self, visit: Visit) -> Response:
        """POST /admin/reviews: the review was made."""
        try:
            await reviews.confirm(visit.conn, visit.actor, note=visit.one("reason"))
        except ActRefused as refused:
            return await self.review(visit, refused)
        return see("/admin/reviews", "reviewed")

    async def staff(self, visit: Visit) -> Response:
        """GET /admin/staff."""
        return visit.page("console_staff.html", here="staff", members=await staff.everybody(visit.conn, visit.actor))


def _asked(visit: Visit) -> tuple[Mapping[str, str], Act | None]:
    """What the address asks for, and the act that it names."""
    given = {name: visit.asked(name) for name in ("by", "target", "act") if visit.asked(name)}
    return given, next((one for one in Act if one.value == given.get("act")), None)


def _place(visit: Visit) -> tuple[datetime, UUID] | None:
    at, before = visit.asked("at"), visit.asked("before")
    if not before:
        return None
    try:
        place = datetime.fromisoformat(at), UUID(before)
    except ValueError:
        raise NotFound from None
    if place[0].tzinfo is None:
        raise NotFound
    return place


def _changed(one: ActEntry) -> str:
    """Before and after as lines."""
    if not isinstance(one.before, dict | None) or not isinstance(one.after, dict | None):
        return json.dumps([one.before, one.after], ensure_ascii=False)
    lines = difference(one.before, one.after or {})
    return "\n".join(f"{line.name}: {line.before or '–'} → {line.after or '–'}" for line in lines if line.is_changed)
