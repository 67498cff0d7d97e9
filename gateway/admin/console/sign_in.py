"""/admin/sign-in: a password, then a code of the authenticator, and the duty of confidentiality first of all (policy 9.3).

What is right about a first factor alone opens one page: the one that asks for the second.
"""

from __future__ import annotations

import asyncio
import math
import re
from datetime import timedelta
from typing import Final
from urllib.parse import quote
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.admin.console.desk import DUTY, HOME, SECOND, SIGN_IN, Console, leave_for, render, stop
from gateway.admin.console.session import FIRST_FACTORS, StaffSession, begin, current, end
from gateway.oauth.refusal import InvalidRequest
from gateway.stewardship import staff
from gateway.stewardship.actor import ActRefused
from gateway.subject import cookies
from gateway.subject.cookies import Cookie
from gateway.subject.forms import NEXT_MAX, FormTokens
from gateway.subject.passwords import HASHING_AT_ONCE, fold
from gateway.subject.session import Forbidden, check_token
from gateway.subject.throttle import Throttle, TooFast

OUT: Final = "/admin/sign-out"
STATUS: Final = {"wrong": 422, "missing": 422, "slow": 429, "stale": 403, "passkey": 422, "upstream": 400, "code": 422}
_OWN: Final = re.compile(r"/admin(?:[/?][!-\[\]-~]*)?")


def next_of(text: str) -> str:
    """Where to go on after signing in: a page of the console, else its first one. No text can lead to another site.

    >>> next_of("/admin/changes?x=1"), next_of("//evil.example"), next_of("/me")
    ('/admin/changes?x=1', '/admin', '/admin')
    """
    return text if len(text) <= NEXT_MAX and _OWN.fullmatch(text) and not text.startswith(SIGN_IN) else HOME


class Entrance:
    """What the ways of signing in share. One for each worker."""

    def __init__(self, console: Console) -> None:
        self.console, self.tokens, self.throttle = console, FormTokens(console.settings), Throttle(console.settings)

    async def enter(self, request: Request, staff_id: UUID, *, acr: str, leads_to: str, device: str = "") -> Response:
        """Begin a session under a new text. Without the second factor it leads to the page that asks for it."""
        settings = self.console.settings
        async with self.console.pool.acquire() as conn, conn.transaction():
            before = await current(request, conn, settings)
            text = await begin(conn, before, staff_id=staff_id, acr=acr, settings=settings)
        is_halfway = acr in FIRST_FACTORS
        response = leave_for(f"{SECOND}?next={quote(leads_to, safe='')}" if is_halfway else leads_to, request)
        cookies.put(response, settings, Cookie.STAFF, text)
        if not is_halfway:
            cookies.drop(response, settings, Cookie.FORM)
        if device:
            cookies.put(response, settings, Cookie.DEVICE, device)
        return response

    def form(
        self, request: Request, *, leads_to: str, problem: str = "", login: str = "", wait: timedelta | None = None
    ) -> Response:
        """The sign-in page. problem: of STATUS."""
        token, text = self.tokens.issue(request)
        seconds = _seconds(wait)
        response = render(
            self.console, request, "console_sign_in.html", session=None, status=STATUS.get(problem, 200), csrf=token,
            leads_to=leads_to, problem=problem, login=login, seconds=seconds, is_out="out" in request.query_params,
            has_upstream=bool(self.console.settings.upstream_issuer),
        )  # fmt: skip
        return self._kept(response, text, seconds)

    def _kept(self, response: Response, text: str, seconds: int) -> Response:
        if seconds:
            response.headers["Retry-After"] = str(seconds)
        self.tokens.keep(response, text)
        return response


class SignIn:
    """One for each worker."""

    def __init__(self, entrance: Entrance) -> None:
        self._entrance, self._console = entrance, entrance.console
        self._hashing = asyncio.Semaphore(HASHING_AT_ONCE)

    def routes(self) -> list[Route]:
        return [
            Route(SIGN_IN, self.show, methods=["GET"]),
            Route(SIGN_IN, self.check, methods=["POST"]),
            Route(SECOND, self.ask, methods=["GET"]),
            Route(SECOND, self.complete, methods=["POST"]),
            Route(DUTY, self.duty, methods=["GET"]),
            Route(DUTY, self.accept, methods=["POST"]),
            Route(OUT, self.leave, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """GET /admin/sign-in?next=: the form. Who is signed in goes on, unless the address asks to sign in again."""
        leads_to = next_of(request.query_params.get("next", ""))
        session = await self._session(request)
        if session is not None and session.is_complete and "again" not in request.query_params:
            return leave_for(leads_to, request)
        return self._entrance.form(request, leads_to=leads_to)

    async def check(self, request: Request) -> Response:
        """POST /admin/sign-in: a login and its password. An unknown login costs a hash as well."""
        entrance, leads_to, login = self._entrance, HOME, ""
        try:
            form = await entrance.tokens.read(request)
            leads_to, login = next_of(form.single.get("next", "")), fold(form.single.get("login", ""))
            password = form.single.get("password", "")
            if not login or not password:
                return entrance.form(request, leads_to=leads_to, problem="missing", login=login)
            device = cookies.read(request, self._console.settings, Cookie.DEVICE)
            async with self._hashing, self._console.pool.acquire() as conn:
                paid = await entrance.throttle.attempt(conn, login=f"staff {login}", address=form.address, device=device)
                row = await staff.check_password(conn, login, password)
                if row is None:
                    return entrance.form(request, leads_to=leads_to, problem="wrong", login=login)
                await entrance.throttle.give_back(conn, paid)
        except (Forbidden, InvalidRequest):
            return entrance.form(request, leads_to=leads_to, problem="stale", login=login)
        except TooFast as fast:
            return entrance.form(request, leads_to=leads_to, problem="slow", login=login, wait=fast.wait)
        return await entrance.enter(request, row["staff_id"], acr="pwd", leads_to=leads_to)

    async def ask(self, request: Request) -> Response:
        """GET /admin/sign-in/second: for somebody halfway in."""
        session = await self._session(request)
        if session is None or session.is_complete:
            return leave_for(SIGN_IN if session is None else HOME, request)
        return self._second(request, session, leads_to=next_of(request.query_params.get("next", "")))

    async def complete(self, request: Request) -> Response:
        """POST /admin/sign-in/second: the code, once (RFC 6238 5.2). A new session takes the place of the one halfway."""
        entrance, session = self._entrance, await self._session(request)
        if session is None or session.is_complete:
            return leave_for(SIGN_IN if session is None else HOME, request)
        leads_to = HOME
        try:
            form = await self._console.form(request)
            check_token(session.csrf, form)
            leads_to = next_of(form.single.get("next", ""))
            name, device = f"staff {session.actor.name}", cookies.read(request, self._console.settings, Cookie.DEVICE)
            async with self._console.pool.acquire() as conn:
                paid = await entrance.throttle.second_factor(conn, login=name)
                code = "".join(form.single.get("code", "").split())
                if not await staff.check_totp(conn, self._console.vault, session.staff_id, code):
                    return self._second(request, session, leads_to=leads_to, problem="code")
                await entrance.throttle.give_back(conn, paid)
        except (Forbidden, InvalidRequest):
            return self._second(request, session, leads_to=leads_to, problem="stale")
        except TooFast as fast:
            return self._second(request, session, leads_to=leads_to, problem="slow", wait=fast.wait)
        known = entrance.throttle.remember(device, name)
        return await entrance.enter(request, session.staff_id, acr=f"{session.acr}+otp", leads_to=leads_to, device=known)

    async def duty(self, request: Request) -> Response:
        """GET /admin/confidentiality: what has to be accepted before anything else."""
        session = await self._session(request)
        if session is None or not session.is_complete:
            return leave_for(SIGN_IN, request)
        return self._duty(request, session)

    async def accept(self, request: Request) -> Response:
        """POST /admin/confidentiality."""
        session = await self._session(request)
        if session is None or not session.is_complete:
            return leave_for(SIGN_IN, request)
        try:
            check_token(session.csrf, await self._console.form(request))
            async with self._console.pool.acquire() as conn:
                await staff.accept_confidentiality(conn, session.actor)
        except (Forbidden, InvalidRequest):
            return render(self._console, request, "console_stop.html", session=session, status=403, why="forged")
        except ActRefused as refused:
            return stop(self._console, request, session, refused)
        return leave_for(HOME, request)

    async def leave(self, request: Request) -> Response:
        """POST /admin/sign-out: this session ends, here and in the table."""
        session = await self._session(request)
        if session is not None:
            try:
                check_token(session.csrf, await self._console.form(request))
            except (Forbidden, InvalidRequest):
                return render(self._console, request, "console_stop.html", session=session, status=403, why="forged")
            async with self._console.pool.acquire() as conn:
                await end(conn, session)
        response = leave_for(f"{SIGN_IN}?out=1", request)
        cookies.drop(response, self._console.settings, Cookie.STAFF)
        return response

    async def _session(self, request: Request) -> StaffSession | None:
        async with self._console.pool.acquire() as conn:
            return await current(request, conn, self._console.settings)

    def _duty(self, request: Request, session: StaffSession) -> Response:
        return render(self._console, request, "console_duty.html", session=session, wording=staff.CONFIDENTIALITY)

    def _second(
        self, request: Request, session: StaffSession, *, leads_to: str, problem: str = "", wait: timedelta | None = None
    ) -> Response:
        seconds = _seconds(wait)
        response = render(
            self._console, request, "console_second.html", session=session, status=STATUS.get(problem, 200),
            leads_to=leads_to, problem=problem, seconds=seconds,
        )  # fmt: skip
        if seconds:
            response.headers["Retry-After"] = str(seconds)
        return response


def _seconds(wait: timedelta | None) -> int:
    return 0 if wait is None else max(1, math.ceil(wait.total_seconds()))
