"""/cookies: each cookie that these pages set, what it is for and how long it stays (policy 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.subject.cookies import DAY_S, Cookie, lifetime_s, name_of
from gateway.subject.desk import Desk
from gateway.subject.page import language_of
from gateway.subject.session import current

PATH: Final = "/cookies"


@dataclass(frozen=True, slots=True)
class Row:
    cookie: str
    name: str
    kept_for: str


def routes(desk: Desk) -> list[Route]:
    """The one page."""

    async def show(request: Request) -> Response:
        async with desk.pool.acquire() as conn:
            session = await current(request, conn)
        say, _ = desk.pages.speech(language_of(request))
        rows = []
        for cookie in Cookie:
            unit, count = _span(lifetime_s(desk.settings, cookie))
            rows.append(Row(cookie.value, name_of(desk.settings, cookie), say(f"cookies.{unit}", count=count)))
        return desk.pages.render(request, "cookies.html", session=session, rows=rows)

    return [Route(PATH, show, methods=["GET"])]


def _span(seconds: int) -> tuple[str, int]:
    """The largest unit that the span has several of, and nothing left over."""
    for unit, length in (("days", DAY_S), ("hours", 3_600), ("minutes", 60)):
        if seconds > length and seconds % length == 0:
            return unit, seconds // length
    return "seconds", seconds
