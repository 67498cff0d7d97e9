"""What every page under /me goes through: a session, a CSRF token with every form, and 404 for whatever is not one's own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode
from uuid import UUID

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gateway.catalogue.definition import Catalogue
from gateway.oauth.form import Form, read_form
from gateway.oauth.refusal import InvalidRequest
from gateway.settings import Settings
from gateway.store.consents import PseudonymKeys
from gateway.store.pool import AnyConnection, Pool
from gateway.subject.page import Pages, language_of
from gateway.subject.session import Forbidden, Session, check_csrf, current
from gateway.subject.wording import Wording

REPEATABLE: Final = frozenset({"category"})  # boxes, as many as are ticked


class NotFound(Exception):
    """Nothing is there, or it is somebody else's: the two look the same."""


@dataclass(frozen=True, slots=True, repr=False)
class Desk:
    """What a worker's pages work with."""

    settings: Settings
    pool: Pool
    pages: Pages
    keys: PseudonymKeys
    catalogue: Catalogue

    async def form(self, request: Request) -> Form:
        """The form that was sent. Raises InvalidRequest."""
        return await read_form(request, within_s=self.settings.body_timeout_s, repeatable=REPEATABLE)


@dataclass(frozen=True, slots=True, repr=False)
class Visit:
    """One request of a signed-in data subject. form: of a post, its CSRF token checked."""

    desk: Desk
    request: Request
    conn: AnyConnection
    session: Session
    form: Form | None

    @property
    def wording(self) -> Wording:
        """The reader's language."""
        return Wording(*self.desk.pages.speech(language_of(self.request)))

    def t(self, key: str, **values: object) -> str:
        """A sentence in the reader's language."""
        return self.wording.t(key, **values)

    def one(self, name: str) -> str:
        """A field of the form; empty where it is not there."""
        return next(iter(self.all(name)), "")

    def all(self, name: str) -> Sequence[str]:
        """All values of a field of the form that may come several times."""
        return () if self.form is None else self.form.values.get(name, ())

    def done(self, known: Collection[str]) -> str:
        """What the form that led here came to, in words; empty where it is none of `known`."""
        code = self.request.query_params.get("done", "")
        return self.t(f"me.done_{code}") if code in known else ""

    def page(self, template: str, *, status: int = 200, **context: object) -> Response:
        """A page of the data subject's own."""
        shown: dict[str, object] = {"done": "", **context}
        return self.desk.pages.render(self.request, template, status=status, session=self.session, form_action="", **shown)


Handler = Callable[[Visit], Awaitable[Response]]


def page(desk: Desk, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint behind a handler: without a session it leads to signing in and back."""

    async def endpoint(request: Request) -> Response:
        async with desk.pool.acquire() as conn:
            session = await current(request, conn)
            if session is None:
                return RedirectResponse(f"/sign-in?next={quote(_address(request), safe='')}", status_code=303)
            form = None
            try:
                if request.method == "POST":
                    form = await desk.form(request)
                    check_csrf(session, form)
                return await handler(Visit(desk, request, conn, session, form))
            except NotFound:
                return _stop(desk, request, session, "not_found", 404)
            except Forbidden:
                return _stop(desk, request, session, "refused", 403)
            except InvalidRequest as error:
                return _stop(desk, request, session, "refused", error.status_code)

    return endpoint


def _stop(desk: Desk, request: Request, session: Session, why: str, status: int) -> Response:
    return desk.pages.render(request, "me_stop.html", status=status, session=session, here="", done="", why=why)


def _address(request: Request) -> str:
    """Where to come back to: the page itself, or the overview where a form was sent, which cannot be sent again by a link."""
    if request.method == "POST":
        return "/me"
    return f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path


def see(path: str, **query: str) -> Response:
    """After a form: the page it was on, by GET, so that loading it again repeats nothing. query: a status for the page."""
    return RedirectResponse(f"{path}?{urlencode(query)}" if query else path, status_code=303)


def path_id(request: Request, name: str) -> UUID:
    """An id in the address, in the one form that links use. Raises NotFound."""
    text = request.path_params[name]
    try:
        found = UUID(text)
    except ValueError:
        raise NotFound from None
    if str(found) != text:
        raise NotFound
    return found
