"""/oauth/logout as a data subject meets it: a client asks to end the session, and unless it shows that the data subject signed in
there, the data subject is asked (OpenID Connect RP-Initiated Logout 1.0, section 2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway.oauth import end_session
from gateway.oauth.end_session import EndSession, read_request
from gateway.oauth.keys import KeyStore
from gateway.oauth.refusal import InvalidRequest
from gateway.subject import cookies
from gateway.subject.cookies import Cookie
from gateway.subject.desk import Desk
from gateway.subject.page import form_source
from gateway.subject.session import Forbidden, Session, check_csrf, current, end

CONFIRM: Final = f"{end_session.PATH}/confirm"
SIGNED_OUT: Final = "/sign-in?out=1"


class SignOut:
    """One for each worker."""

    def __init__(self, desk: Desk, keys: KeyStore) -> None:
        self._desk, self._keys = desk, keys

    def routes(self) -> list[Route]:
        return [
            Route(end_session.PATH, self.ask, methods=["GET"]),
            Route(end_session.PATH, self.repeat, methods=["POST"]),
            Route(CONFIRM, self.confirm, methods=["POST"]),
        ]

    async def ask(self, request: Request) -> Response:
        """GET: at once where the client shows an ID token of who is signed in here, else the question."""
        given = dict(request.query_params)
        async with self._desk.pool.acquire() as conn:
            asked = await read_request(conn, self._desk.settings, self._keys, given)
            session = await current(request, conn)
            if session is None:
                return self._leave(asked)
            if asked.is_of(self._desk.settings, session.subject_id):
                await end(conn, session.session_id)
                return self._leave(asked)
        return self._question(request, session, asked, given)

    async def repeat(self, request: Request) -> Response:
        """POST by the client: as GET. Browsers keep our cookies back from another site's form, and bring them with a link."""
        try:
            form = await self._desk.form(request)
        except InvalidRequest as error:
            return self._desk.pages.render(request, "error.html", status=error.status_code, why="forged")
        return RedirectResponse(f"{end_session.PATH}?{urlencode(_of_the_request(form.single))}", 303, headers=_NO_STORE)

    async def confirm(self, request: Request) -> Response:
        """POST from our own page."""
        desk = self._desk
        async with desk.pool.acquire() as conn:
            session = await current(request, conn)
            try:
                form = await desk.form(request)
                if session is not None:
                    check_csrf(session, form)
                    await end(conn, session.session_id)
            except (Forbidden, InvalidRequest):
                return desk.pages.render(request, "error.html", status=403, session=session, why="forged")
            return self._leave(await read_request(conn, desk.settings, self._keys, form.single))

    def _leave(self, asked: EndSession) -> Response:
        response = RedirectResponse(asked.leads_to or SIGNED_OUT, 303, headers=_NO_STORE)
        cookies.drop(response, self._desk.settings, Cookie.SESSION)
        return response

    def _question(self, request: Request, session: Session, asked: EndSession, given: Mapping[str, str]) -> Response:
        back = None if asked.leads_to is None else urlsplit(asked.leads_to)
        return self._desk.pages.render(
            request,
            "sign_out.html",
            session=session,
            form_action="" if asked.leads_to is None else form_source(asked.leads_to),
            action=CONFIRM,
            fields=_of_the_request(given) if asked.client is not None else {},
            site=None if back is None else back.netloc,
        )


_NO_STORE: Final = {"Cache-Control": "no-store"}


def _of_the_request(given: Mapping[str, str]) -> dict[str, str]:
    return {name: given[name] for name in end_session.PARAMETERS if name in given}
