"""/admin/sign-in/upstream: the platform's OpenID provider in place of the password.

The second factor is asked for here in any case: what a provider says about its own is not ours to rely on.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway.admin.console.desk import HOME, SIGN_IN
from gateway.admin.console.sign_in import Entrance, next_of
from gateway.stewardship import staff
from gateway.subject import ceremony, cookies
from gateway.subject.cookies import Cookie
from gateway.subject.throttle import TooFast
from gateway.subject.upstream import Trip, Upstream, UpstreamRefused

PATH: Final = f"{SIGN_IN}/upstream"
CALLBACK: Final = f"{PATH}/callback"
NOW: Final = "select clock_timestamp()"


class SignInUpstream:
    """One for each worker."""

    def __init__(self, entrance: Entrance) -> None:
        self._entrance, self._upstream = entrance, Upstream(entrance.console.settings, CALLBACK)

    def routes(self) -> list[Route]:
        """None where no provider is set."""
        if not self._entrance.console.settings.upstream_issuer:
            return []
        return [Route(PATH, self.leave, methods=["GET"]), Route(CALLBACK, self.come_back, methods=["GET"])]

    async def leave(self, request: Request) -> Response:
        """GET /admin/sign-in/upstream?next=: off to the provider, which asks its user again though it knows them."""
        console, trip = self._entrance.console, Trip.new(next_of(request.query_params.get("next", "")), 0)
        peer = request.client.host if request.client else None
        forwarded = ", ".join(request.headers.getlist("x-forwarded-for")) or None
        try:
            address = await self._upstream.address(trip)
            async with console.pool.acquire() as conn:
                await self._entrance.throttle.ceremony(conn, address=console.proxies.client_address(forwarded, peer))
                text = await ceremony.begin(conn, "staff_upstream", trip.to_keep())
        except (UpstreamRefused, TooFast):
            return self._failed(request)
        response = RedirectResponse(address, 303, headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})
        cookies.put(response, console.settings, Cookie.CEREMONY, text)
        return response

    async def come_back(self, request: Request) -> Response:
        """GET /admin/sign-in/upstream/callback: the provider's answer, once, in the browser that left."""
        console, query = self._entrance.console, request.query_params
        async with console.pool.acquire() as conn:
            begun = await ceremony.finish(conn, "staff_upstream", cookies.read(request, console.settings, Cookie.CEREMONY))
            now: datetime = await conn.fetchval(NOW)
        is_plain = all(len(query.getlist(name)) <= 1 for name in ("code", "state", "iss"))
        if begun is None or not is_plain or "error" in query:
            return self._failed(request)
        trip = Trip.kept(begun.state)
        try:
            claims = await self._upstream.claims(trip, query, now=now)
        except UpstreamRefused:
            return self._failed(request)
        async with console.pool.acquire() as conn:
            row = await staff.of_upstream(conn, str(claims["sub"]))
        if row is None:
            return self._failed(request)
        response = await self._entrance.enter(request, row["staff_id"], acr="upstream", leads_to=trip.leads_to)
        cookies.drop(response, console.settings, Cookie.CEREMONY)
        return response

    def _failed(self, request: Request) -> Response:
        response = self._entrance.form(request, leads_to=HOME, problem="upstream")
        cookies.drop(response, self._entrance.console.settings, Cookie.CEREMONY)
        return response
