"""shopmate's routes: log in with the platform, see what arrived, ask again, refresh, log out."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone
from typing import Any, Final
from urllib.parse import parse_qsl

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from gateway.demo.shopmate.client import Answer, Client, NotForUs, Refused, Registration, Tokens, Unreachable
from gateway.demo.shopmate.fields import QUERY, Line, lines
from gateway.demo.shopmate.pages import HERE, LANGUAGE_COOKIE, LANGUAGES, Pages, field_key, how_key, language_of
from gateway.demo.shopmate.proofs import UntrustedIdToken
from gateway.demo.shopmate.visits import Login, Visit, Visits

COOKIE: Final = "shopmate"
TIMEOUT_S: Final = 20
FORM_MAX: Final = 4096
LANGUAGE_KEPT_FOR_S: Final = 365 * 24 * 3600
CHINA: Final = timezone(timedelta(hours=8))

Step = Callable[[Request, Visit], Awaitable[Response]]


class Site:
    """The pages and what stands behind them: the client, and who visits."""

    def __init__(self, registration: Registration) -> None:
        self._registration, self._visits = registration, Visits()
        self._http = httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False)  # an environment's proxy has no business on loopback
        self._client = Client(registration, self._http)
        self._pages = Pages(registration.issuer)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/", self._front),
                Route("/callback", self._callback),
                Route("/account", self._account),
                Route("/privacy", self._privacy),
                Route("/language", self._language),
                Route("/log-in", self._form(self._log_in), methods=["POST"]),
                Route("/ask", self._form(self._ask), methods=["POST"]),
                Route("/refresh", self._form(self._refresh), methods=["POST"]),
                Route("/log-out", self._form(self._log_out), methods=["POST"]),
                Mount("/static", StaticFiles(directory=HERE / "static")),
            ],
            exception_handlers={404: self._not_found},
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        async with self._http:
            yield

    async def _front(self, request: Request) -> Response:
        cookie = request.cookies.get(COOKIE)
        visit = self._visits.find(cookie)
        if visit is None:
            visit = Visit()
            cookie = self._visits.begin(visit)
        response = self._pages.render(request, "front.html", csrf=visit.csrf, is_signed_in=visit.login is not None)
        _keep(response, cookie or "")
        return response

    async def _log_in(self, request: Request, visit: Visit) -> Response:
        asks_again = visit.login is not None
        address, pending = await self._client.begin(language_of(request), asks_again=asks_again)
        visit.expect(pending)
        return RedirectResponse(address, 303)

    async def _callback(self, request: Request) -> Response:
        """RFC 6749 4.1.2. What comes back is taken once, and then stands in no address any more."""
        cookie = request.cookies.get(COOKIE)
        visit = self._visits.find(cookie)
        pending = visit.pending.pop(request.query_params.get("state", ""), None) if visit is not None else None
        if visit is None or pending is None:
            return self._problem(request, "problem_not_for_us")
        try:
            tokens = await self._client.finish(pending, request.query_params)
            login = Login(
                tokens=tokens,
                userinfo=await self._client.userinfo(tokens) if tokens.id_token is not None else {},
                answer=await self._data(tokens),
                news="news_allowed",
            )
        except (Refused, NotForUs, UntrustedIdToken, Unreachable) as error:
            return self._failed(request, error)
        self._visits.end(cookie)  # whoever knew the cookie from before the login knows nothing now
        response = RedirectResponse("/account", 303)
        _keep(response, self._visits.begin(Visit(login=login)))
        return response

    async def _account(self, request: Request) -> Response:
        visit = self._visits.find(request.cookies.get(COOKIE))
        if visit is None or visit.login is None:
            return RedirectResponse("/", 303)
        login, answer = visit.login, visit.login.answer
        subject = None if answer is None else (answer.data or {}).get("me")
        extensions = {} if answer is None else answer.extensions
        return self._pages.render(
            request,
            "account.html",
            csrf=visit.csrf,
            news=login.news,
            pseudonym=login.userinfo.get("sub"),
            signed_in_at=_instant(login.tokens.claims),
            lives_for_s=login.tokens.lives_for_s,
            refusal=_refusal(answer),
            lines=None if subject is None else [_row(line) for line in lines(subject, extensions)],
            disclosure=extensions.get("disclosure", {}).get("id"),
            question=QUERY,
            platform=f"{self._registration.issuer}/me",
            can_refresh=login.tokens.refresh_token is not None,
        )

    async def _ask(self, _: Request, visit: Visit) -> Response:
        if visit.login is not None:
            await self._ask_anew(visit.login, visit.login.tokens, "news_asked")
        return RedirectResponse("/account", 303)

    async def _refresh(self, _: Request, visit: Visit) -> Response:
        login = visit.login
        if login is not None:
            try:
                tokens = await self._client.refresh(login.tokens)
            except Refused as refused:
                login.news, login.answer = "news_not_refreshed", Answer(400, None, {}, (refused.error,))
            else:
                await self._ask_anew(login, tokens, "news_refreshed")
        return RedirectResponse("/account", 303)

    async def _ask_anew(self, login: Login, tokens: Tokens, news: str) -> None:
        login.tokens = tokens
        login.answer = await self._data(tokens)
        login.news = news

    async def _data(self, tokens: Tokens) -> Answer | None:
        """The answer to our question; a token that is for signing in alone need not ask it."""
        return await self._client.query(tokens, QUERY) if tokens.scopes & {*self._registration.scopes} else None

    async def _log_out(self, request: Request, visit: Visit) -> Response:
        """Here at once; and at the platform, which asks the visitor."""
        self._visits.end(request.cookies.get(COOKIE))
        id_token = None if visit.login is None else visit.login.tokens.id_token
        address = "/" if id_token is None else await self._client.logout_address(id_token)
        response = RedirectResponse(address, 303)
        response.delete_cookie(COOKIE)
        return response

    async def _privacy(self, request: Request) -> Response:
        return self._pages.render(request, "privacy.html")

    async def _language(self, request: Request) -> Response:
        response = RedirectResponse("/account", 303)
        wanted = request.query_params.get("to")
        if wanted in LANGUAGES:
            response.set_cookie(LANGUAGE_COOKIE, wanted, max_age=LANGUAGE_KEPT_FOR_S, httponly=True, samesite="lax")
        return response

    async def _not_found(self, request: Request, _: Exception) -> Response:
        return self._problem(request, "problem_not_found", status=404)

    def _form(self, step: Step) -> Callable[[Request], Awaitable[Response]]:
        """A step that only a form of this visit's own page may take."""

        async def answer(request: Request) -> Response:
            visit = self._visits.find(request.cookies.get(COOKIE))
            body = bytearray()
            async for chunk in request.stream():
                body += chunk
                if len(body) > FORM_MAX:
                    return PlainTextResponse("too large", 413)
            given = dict(parse_qsl(body.decode("ascii", "replace"))).get("csrf", "")
            if visit is None or not secrets.compare_digest(given.encode(), visit.csrf.encode()):
                return RedirectResponse("/", 303)
            try:
                return await step(request, visit)
            except (Refused, NotForUs, UntrustedIdToken, Unreachable) as error:
                return self._failed(request, error)

        return answer

    def _failed(self, request: Request, error: Exception) -> Response:
        if isinstance(error, Refused):
            if error.error == "access_denied":  # nothing is wrong: that is what they decided
                return self._problem(request, "problem_access_denied", status=200)
            return self._problem(request, "problem_refused", detail=error.error)
        if isinstance(error, Unreachable):
            return self._problem(request, "problem_unreachable", status=502)
        return self._problem(request, "problem_not_for_us")

    def _problem(self, request: Request, key: str, *, detail: str = "", status: int = 400) -> Response:
        return self._pages.render(request, "problem.html", status=status, key=key, detail=detail)


def _keep(response: Response, cookie: str) -> None:
    """Lax, since the platform's redirect to /callback comes from another site and needs it. Plain http: loopback only."""
    response.set_cookie(COOKIE, cookie, httponly=True, samesite="lax")


def _refusal(answer: Answer | None) -> str:
    """What to show where no data came for a reason that has a name; empty else."""
    if answer is not None and answer.codes:
        return f"{answer.status} {' '.join(sorted(set(answer.codes)))}"
    return ""


def _instant(claims: Mapping[str, Any]) -> str:
    """When somebody signed in, in China's time, where shopmate is."""
    seconds = claims.get("auth_time", claims.get("iat", 0))
    return f"{datetime.fromtimestamp(seconds, CHINA):%Y-%m-%d %H:%M:%S} (UTC+8)"


def _row(line: Line) -> dict[str, Any]:
    return {"key": field_key(line.name), "name": line.name, "values": line.values, "how_key": how_key(line.how), "how": line.how}
