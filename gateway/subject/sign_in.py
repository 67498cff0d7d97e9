"""/sign-in and /sign-out, by plain forms: the ways in, and the password of a local account.

Where an upstream provider is set, passwords are its business and nobody is asked for one here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway.oauth.form import Form
from gateway.oauth.refusal import InvalidRequest
from gateway.subject import cookies
from gateway.subject.cookies import Cookie
from gateway.subject.entrance import Door, enter
from gateway.subject.forms import next_path
from gateway.subject.passwords import Busy, Passwords, fold
from gateway.subject.session import Forbidden, check_csrf, current, end
from gateway.subject.texts import LANGUAGES
from gateway.subject.throttle import TooFast

PATH: Final = "/sign-in"
OUT: Final = "/sign-out"

STATUS: Final[Mapping[str, int]] = {"wrong": 422, "missing": 422, "slow": 429, "busy": 503, "stale": 403, "passkey": 422}
"""Why the form is shown again."""


class SignIn:
    """One for each worker."""

    def __init__(self, door: Door) -> None:
        self._door, self._passwords = door, Passwords()

    def routes(self) -> list[Route]:
        return [
            Route(PATH, self.show, methods=["GET"]),
            Route(PATH, self.check, methods=["POST"]),
            Route(OUT, self.leave, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """GET /sign-in?next=: the form; who is signed in goes straight on, unless `step_up` asks again."""
        leads_to, is_step_up = next_path(request.query_params.get("next", "")), "step_up" in request.query_params
        if not is_step_up:
            async with self._door.desk.pool.acquire() as conn:
                if await current(request, conn) is not None:
                    return RedirectResponse(leads_to, 303, headers={"Cache-Control": "no-store"})
        return form_page(self._door, request, leads_to=leads_to, is_step_up=is_step_up, is_out="out" in request.query_params)

    async def check(self, request: Request) -> Response:
        """POST /sign-in: a login and its password."""
        door, leads_to, login = self._door, next_path(""), ""
        if door.desk.settings.upstream_issuer:
            return RedirectResponse(PATH, 303)
        try:
            form = await door.tokens.read(request)
            leads_to, login = next_path(form.single.get("next", "")), fold(form.single.get("login", ""))
            missing = [name for name in ("login", "password") if not form.single.get(name, "").strip()]
            if missing:
                return form_page(door, request, leads_to=leads_to, problem="missing", login=login, missing=missing)
            return await self._open(request, form, login, leads_to)
        except (Forbidden, InvalidRequest):
            return form_page(door, request, leads_to=leads_to, problem="stale", login=login)
        except TooFast as fast:
            return form_page(door, request, leads_to=leads_to, problem="slow", login=login, wait=fast.wait)
        except Busy:
            return form_page(door, request, leads_to=leads_to, problem="busy", login=login)

    async def _open(self, request: Request, form: Form, login: str, leads_to: str) -> Response:
        door, device = self._door, cookies.read(request, self._door.desk.settings, Cookie.DEVICE)
        async with door.desk.pool.acquire() as conn:
            paid = await door.throttle.attempt(conn, login=login, address=form.address, device=device)
        account = await self._passwords.check(door.desk.pool, login, form.single["password"])
        if account is None:
            return form_page(door, request, leads_to=leads_to, problem="wrong", login=login)
        async with door.desk.pool.acquire() as conn:
            await door.throttle.give_back(conn, paid)
        known = door.throttle.remember(device, account.login)
        return await enter(door, request, subject_id=account.subject_id, acr="pwd", leads_to=leads_to, device=known)

    async def leave(self, request: Request) -> Response:
        """POST /sign-out: this session ends, here and in the table."""
        desk = self._door.desk
        async with desk.pool.acquire() as conn:
            session = await current(request, conn)
            if session is not None:
                try:
                    check_csrf(session, await desk.form(request))
                except (Forbidden, InvalidRequest):
                    return desk.pages.render(request, "error.html", status=403, session=session, why="forged")
                await end(conn, session.session_id)
        response = RedirectResponse(f"{PATH}?out=1", 303, headers={"Cache-Control": "no-store"})
        cookies.drop(response, desk.settings, Cookie.SESSION)
        return response


def form_page(
    door: Door,
    request: Request,
    *,
    leads_to: str,
    is_step_up: bool = False,
    is_out: bool = False,
    problem: str = "",
    login: str = "",
    missing: Sequence[str] = (),
    wait: timedelta | None = None,
) -> Response:
    """The sign-in page. problem: of STATUS. wait: with "slow"."""
    token, text = door.tokens.issue(request)
    seconds = 0 if wait is None else max(1, math.ceil(wait.total_seconds()))
    step_up = {"step_up": "1"} if is_step_up else {}
    response = door.desk.pages.render(
        request,
        "sign_in.html",
        status=STATUS[problem] if problem else 200,
        csrf=token,
        leads_to=leads_to,
        login=login,
        problem=problem,
        missing=missing,
        seconds=seconds,
        is_step_up=is_step_up,
        is_out=is_out,
        has_passwords=not door.desk.settings.upstream_issuer,
        upstream_address=f"{PATH}/upstream?{urlencode({'next': leads_to, **step_up})}",
        languages={language: f"{PATH}?{urlencode({'next': leads_to, **step_up, 'lang': language})}" for language in LANGUAGES},
    )
    if seconds:
        response.headers["Retry-After"] = str(seconds)
    door.tokens.keep(response, text)
    return response
