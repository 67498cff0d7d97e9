"""/sign-in/upstream: to the platform's OpenID provider and back, in one and the same browser."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway.oauth.proxy import Proxies
from gateway.store.pool import AnyConnection
from gateway.store.subjects import register
from gateway.subject import ceremony, cookies
from gateway.subject.cookies import Cookie
from gateway.subject.entrance import Door, enter
from gateway.subject.forms import next_path
from gateway.subject.sign_in import PATH
from gateway.subject.throttle import TooFast
from gateway.subject.upstream import CALLBACK, Trip, Upstream, UpstreamRefused

# in:  -; row: timestamptz
_NOW: Final = "select clock_timestamp()"


class SignInUpstream:
    """One for each worker."""

    def __init__(self, door: Door) -> None:
        self._door, self._upstream, self._proxies = door, Upstream(door.desk.settings), Proxies.of(door.desk.settings)

    def routes(self) -> list[Route]:
        """None where no provider is set."""
        if not self._door.desk.settings.upstream_issuer:
            return []
        return [Route(f"{PATH}/upstream", self.leave, methods=["GET"]), Route(CALLBACK, self.come_back, methods=["GET"])]

    async def leave(self, request: Request) -> Response:
        """GET /sign-in/upstream?next=: off to the provider. `step_up`: it asks again though it knows its user."""
        door, is_step_up = self._door, "step_up" in request.query_params
        max_age_s = 0 if is_step_up else door.desk.settings.session_lifetime_s
        trip = Trip.new(next_path(request.query_params.get("next", "")), max_age_s)
        peer = request.client.host if request.client else None
        forwarded = ", ".join(request.headers.getlist("x-forwarded-for")) or None
        try:
            address = await self._upstream.address(trip)
            async with door.desk.pool.acquire() as conn:
                await door.throttle.ceremony(conn, address=self._proxies.client_address(forwarded, peer))
                kept = {**trip.to_keep(), "began_at": (await _now(conn)).isoformat()}
                text = await ceremony.begin(conn, "upstream", kept)
        except (UpstreamRefused, TooFast):
            return self._failed(request)
        response = RedirectResponse(address, 303, headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})
        cookies.put(response, door.desk.settings, Cookie.CEREMONY, text)
        return response

    async def come_back(self, request: Request) -> Response:
        """GET /sign-in/upstream/callback: the provider's answer, once, in the browser that left."""
        desk, query = self._door.desk, request.query_params
        async with desk.pool.acquire() as conn:
            begun = await ceremony.finish(conn, "upstream", cookies.read(request, desk.settings, Cookie.CEREMONY))
            now = await _now(conn)
        is_plain = all(len(query.getlist(name)) <= 1 for name in ("code", "state", "iss"))
        if begun is None or not is_plain or "error" in query:
            return self._failed(request)
        trip, began_at = Trip.kept(begun.state), datetime.fromisoformat(begun.state["began_at"])
        try:
            person = await self._upstream.redeem(trip, query, began_at=began_at, now=now)
        except UpstreamRefused:
            return self._failed(request)
        async with desk.pool.acquire() as conn:
            await register(conn, subject_id=person.subject_id)  # the platform may know somebody before we do
        response = await enter(
            self._door,
            request,
            subject_id=person.subject_id,
            acr="upstream",
            leads_to=trip.leads_to,
            authenticated_at=person.authenticated_at,
        )
        cookies.drop(response, desk.settings, Cookie.CEREMONY)
        return response

    def _failed(self, request: Request) -> Response:
        response = self._door.desk.pages.render(request, "error.html", status=400, why="upstream")
        cookies.drop(response, self._door.desk.settings, Cookie.CEREMONY)
        return response


async def _now(conn: AnyConnection) -> datetime:
    now: datetime = await conn.fetchval(_NOW)
    return now
