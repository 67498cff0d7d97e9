"""The last step of every way of signing in, and what the ways share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gateway.subject import cookies
from gateway.subject.cookies import Cookie
from gateway.subject.desk import Desk
from gateway.subject.forms import FormTokens
from gateway.subject.session import current, replace
from gateway.subject.throttle import Throttle


@dataclass(frozen=True, slots=True, repr=False)
class Door:
    """What the ways of signing in work with."""

    desk: Desk
    tokens: FormTokens
    throttle: Throttle


async def enter(
    door: Door,
    request: Request,
    *,
    subject_id: UUID,
    acr: str,
    leads_to: str,
    device: str = "",
    authenticated_at: datetime | None = None,
) -> Response:
    """Sign in. Whatever session text the browser had counts no longer.

    leads_to: checked. device: the cookie, if it changes. authenticated_at: where that was earlier than now.
    """
    settings = door.desk.settings
    async with door.desk.pool.acquire() as conn, conn.transaction():
        before = await current(request, conn)
        _, text = await replace(
            conn, before, subject_id=subject_id, acr=acr, settings=settings, authenticated_at=authenticated_at
        )
    response = RedirectResponse(leads_to, 303, headers={"Cache-Control": "no-store"})
    cookies.put(response, settings, Cookie.SESSION, text)
    cookies.drop(response, settings, Cookie.FORM)
    if device:
        cookies.put(response, settings, Cookie.DEVICE, device)
    return response
