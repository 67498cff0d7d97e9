"""What every page of the console goes through: both factors, the duty of confidentiality, a token with every form.

What somebody may do is decided by the functions of the stewardship alone; the pages only leave out what would be refused.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gateway.admin.console.nav import allowed
from gateway.admin.console.session import StaffSession, current
from gateway.catalogue.definition import Catalogue
from gateway.oauth.form import Form, read_form
from gateway.oauth.keys import KeyStore
from gateway.oauth.proxy import Proxies
from gateway.oauth.refusal import InvalidRequest
from gateway.settings import Settings
from gateway.stewardship.actor import Actor, ActRefused, StaffCode
from gateway.stewardship.effect import Ground
from gateway.stewardship.staff import Vault
from gateway.store.consents import PseudonymKeys
from gateway.store.pool import AnyConnection, Pool
from gateway.subject.page import SCRIPT, Pages, Shelf, language_of
from gateway.subject.session import Forbidden, check_token
from scopes import Reason

HOME: Final = "/admin"
SIGN_IN: Final = "/admin/sign-in"
SECOND: Final = "/admin/sign-in/second"
DUTY: Final = "/admin/confidentiality"
FORM_MOST: Final = 262_144
"""Bytes of a form: a scope may have many fields, each with its reasons in two languages."""
PARAMETERS_MOST: Final = 2_500
FOLDER: Final = Path(__file__).parent
SHELF: Final = Shelf(FOLDER, "/admin/static", {"console.css": "text/css; charset=utf-8", "htmx.min.js": SCRIPT})
UNKNOWN: Final = frozenset({"CHANGE_UNKNOWN", "PARTNER_UNKNOWN", "SCOPE_UNKNOWN", "GRANT_UNKNOWN", "CLIENT_UNKNOWN"})


class NotFound(Exception):
    """Nothing is there."""


@dataclass(frozen=True, slots=True, repr=False)
class Console:
    """What a worker's pages work with."""

    settings: Settings
    pool: Pool
    pages: Pages
    keys: PseudonymKeys
    signing: KeyStore
    catalogue: Catalogue
    vault: Vault
    proxies: Proxies

    @property
    def ground(self) -> Ground:
        return Ground(self.catalogue.fields, self.keys)

    async def form(self, request: Request) -> Form:
        """The form that was sent. Raises InvalidRequest."""
        within = self.settings.body_timeout_s
        return await read_form(request, within_s=within, proxies=self.proxies, body_max=FORM_MOST, parameters_max=PARAMETERS_MOST)


@dataclass(frozen=True, slots=True, repr=False)
class Visit:
    """One request of one of the staff. form: of a post, its token checked."""

    console: Console
    request: Request
    conn: AnyConnection
    session: StaffSession
    form: Mapping[str, str]

    @property
    def actor(self) -> Actor:
        return self.session.actor

    def one(self, name: str) -> str:
        """A field of the form; empty where it is not there."""
        return self.form.get(name, "").strip()

    def asked(self, name: str) -> str:
        """A parameter of the address; empty where it is not there."""
        return self.request.query_params.get(name, "").strip()

    def page(self, template: str, *, status: int = 200, refused: ActRefused | None = None, **context: object) -> Response:
        """A page. refused: why nothing was done, to be said on it."""
        return render(
            self.console, self.request, template, session=self.session, status=_status(refused) if refused else status,
            refused=refused, typed=self.form, **context,
        )  # fmt: skip


Handler = Callable[[Visit], Awaitable[Response]]


def render(
    console: Console, request: Request, template: str, *, session: StaffSession | None, status: int = 200, **context: object
) -> Response:
    """A page of the console, also for somebody who is not, or not wholly, signed in."""
    say, words = console.pages.speech(language_of(request))

    def in_words(prefix: str, code: str) -> str:
        if prefix == "reason" and code in Reason.__members__:
            return words.reason(code)
        key = f"console.{prefix}_{code}"
        return say(key) if console.pages.has(key) else code

    actor = session.actor if session is not None and session.is_complete else None
    shown: dict[str, Any] = {
        "here": "",
        "refused": None,
        "typed": {},
        "actor": actor,
        "nav": allowed(actor) if actor is not None and actor.has_accepted else (),
        "done": request.query_params.get("done", ""),
        "in_words": in_words,
        "pretty": pretty,
        **context,
    }
    return console.pages.render(request, template, session=session, status=status, **shown)


def pretty(value: object) -> str:
    """JSON to look at."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def page(console: Console, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint behind a handler: without both factors it leads to signing in, without the accepted duty to that."""

    async def endpoint(request: Request) -> Response:
        if "\0" in request.url.path or any("\0" in value for value in request.query_params.values()):
            return render(console, request, "console_stop.html", session=None, status=404, why="not_found")  # no text holds one
        async with console.pool.acquire() as conn:
            session = await current(request, conn, console.settings)
            if session is None:
                return leave_for(f"{SIGN_IN}?next={quote(_address(request), safe='')}", request)
            if not session.is_complete:
                return leave_for(SECOND, request)
            if not session.actor.has_accepted:
                return leave_for(DUTY, request)
            try:
                return await handler(Visit(console, request, conn, session, await _sent(console, request, session)))
            except ActRefused as refused:
                return stop(console, request, session, refused)
            except NotFound:
                return render(console, request, "console_stop.html", session=session, status=404, why="not_found")
            except Forbidden:
                return render(console, request, "console_stop.html", session=session, status=403, why="forged")
            except InvalidRequest as error:
                return render(console, request, "console_stop.html", session=session, status=error.status_code, why="forged")

    return endpoint


def stop(console: Console, request: Request, session: StaffSession, refused: ActRefused) -> Response:
    """The page that says why nothing was done."""
    status = _status(refused)
    return render(console, request, "console_stop.html", session=session, status=status, why="refused", refused=refused)


def _status(refused: ActRefused) -> int:
    return 403 if refused.code == StaffCode.ROLE_MISSING else 404 if refused.code in UNKNOWN else 422


async def _sent(console: Console, request: Request, session: StaffSession) -> Mapping[str, str]:
    if request.method != "POST":
        return {}
    form = await console.form(request)
    check_token(session.csrf, form)
    if any("\0" in value for value in form.single.values()):
        raise InvalidRequest  # no text of the database holds one
    return form.single


def leave_for(address: str, request: Request) -> Response:
    """To another page; htmx, which would follow in silence and show it inside this one, is told to go there."""
    if request.headers.get("hx-request") == "true":
        return Response(status_code=204, headers={"HX-Redirect": address, "Cache-Control": "no-store"})
    return RedirectResponse(address, 303, headers={"Cache-Control": "no-store"})


def see(path: str, done: str = "") -> Response:
    """After a form: the page it was on, by GET, so that loading it again repeats nothing."""
    address = f"{path}{'&' if '?' in path else '?'}done={done}" if done else path
    return RedirectResponse(address, 303, headers={"Cache-Control": "no-store"})


def uuid_of(text: str) -> UUID:
    """An id in an address or a form. Raises NotFound."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound from None


def _address(request: Request) -> str:
    """Where to come back to: the page itself, or the first one where a form was sent."""
    if request.method == "POST":
        return HOME
    return f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
