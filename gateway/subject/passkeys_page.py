"""Signing in with a passkey, and /me/passkeys: those that a data subject has, to add to and to remove."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.oauth.refusal import InvalidRequest
from gateway.settings import Settings
from gateway.store.pool import AnyConnection
from gateway.subject import cookies, desk, passkeys
from gateway.subject.cookies import Cookie
from gateway.subject.desk import Visit, see
from gateway.subject.entrance import Door, enter
from gateway.subject.forms import next_path
from gateway.subject.passkeys import LABEL_MAX, Party, PasskeyRefused
from gateway.subject.session import Forbidden
from gateway.subject.sign_in import form_page
from gateway.subject.throttle import TooFast

SIGN_IN: Final = "/sign-in/passkey"
MINE: Final = "/me/passkeys"
FRESH_FOR: Final = timedelta(minutes=10)
"""A passkey outlives every session: whoever adds one has signed in within this time."""
DONE: Final = frozenset({"passkey_added", "passkey_removed", "passkey_gone", "passkey_refused"})

# in:  authenticated_at timestamptz, within interval; row: bool
_IS_FRESH: Final = "select $1::timestamptz > clock_timestamp() - $2::interval"


class SignInByPasskey:
    """One for each worker."""

    def __init__(self, door: Door) -> None:
        self._door, self._party = door, Party.of(door.desk.settings)

    def routes(self) -> list[Route]:
        return [
            Route(f"{SIGN_IN}/options", self.ask, methods=["POST"]),
            Route(SIGN_IN, self.check, methods=["POST"]),
        ]

    async def ask(self, request: Request) -> Response:
        """POST /sign-in/passkey/options: what the script hands to the authenticator."""
        door = self._door
        try:
            form = await door.tokens.read(request)
            async with door.desk.pool.acquire() as conn:
                await door.throttle.ceremony(conn, address=form.address)
                options, text = await self._party.ask_sign_in(conn)
        except (Forbidden, InvalidRequest):
            return nothing(403)
        except TooFast:
            return nothing(429)
        return options_response(door.desk.settings, options, text)

    async def check(self, request: Request) -> Response:
        """POST /sign-in/passkey: what the authenticator answered."""
        door, leads_to = self._door, next_path("")
        try:
            form = await door.tokens.read(request)
            leads_to = next_path(form.single.get("next", ""))
            text = cookies.read(request, door.desk.settings, Cookie.CEREMONY)
            async with door.desk.pool.acquire() as conn:
                subject_id = await self._party.sign_in(conn, text, form.single.get("credential", ""))
        except (Forbidden, InvalidRequest):
            return form_page(door, request, leads_to=leads_to, problem="stale")
        except PasskeyRefused:
            return form_page(door, request, leads_to=leads_to, problem="passkey")
        response = await enter(door, request, subject_id=subject_id, acr="passkey", leads_to=leads_to)
        cookies.drop(response, door.desk.settings, Cookie.CEREMONY)
        return response


class MyPasskeys:
    """One for each worker."""

    def __init__(self, own: desk.Desk) -> None:
        self._desk, self._party = own, Party.of(own.settings)

    def routes(self) -> list[Route]:
        return [
            Route(MINE, desk.page(self._desk, self.show), methods=["GET"]),
            Route(MINE, desk.page(self._desk, self.add), methods=["POST"]),
            Route(f"{MINE}/options", desk.page(self._desk, self.ask), methods=["POST"]),
            Route(f"{MINE}/remove", desk.page(self._desk, self.remove), methods=["POST"]),
        ]

    async def show(self, visit: Visit) -> Response:
        """GET /me/passkeys."""
        found = visit.request.query_params.get("done", "")
        return visit.page(
            "passkeys.html",
            here="passkeys",
            done=visit.t(f"passkeys.done_{found}") if found in DONE else "",
            passkeys=await passkeys.of_subject(visit.conn, visit.session.subject_id),
            is_fresh=await _is_fresh(visit.conn, visit.session.authenticated_at),
            has_passkeys=self._party.has_passkeys,
            step_up=f"/sign-in?step_up=1&next={MINE}",
            label_max=LABEL_MAX,
        )

    async def ask(self, visit: Visit) -> Response:
        """POST /me/passkeys/options: what the script hands to the authenticator."""
        if not await _is_fresh(visit.conn, visit.session.authenticated_at):
            return nothing(403)
        return options_response(self._desk.settings, *await self._party.ask_registration(visit.conn, visit.session.subject_id))

    async def add(self, visit: Visit) -> Response:
        """POST /me/passkeys: what the authenticator made, and the data subject's own word for it."""
        text = cookies.read(visit.request, self._desk.settings, Cookie.CEREMONY)
        label = " ".join(visit.one("label").split()) or visit.t("passkeys.unnamed")
        try:
            await self._party.register(visit.conn, visit.session.subject_id, text, visit.one("credential"), label)
        except PasskeyRefused:
            return see(MINE, done="passkey_refused")
        response = see(MINE, done="passkey_added")
        cookies.drop(response, self._desk.settings, Cookie.CEREMONY)
        return response

    async def remove(self, visit: Visit) -> Response:
        """POST /me/passkeys/remove."""
        is_gone = await passkeys.remove(visit.conn, visit.session.subject_id, visit.one("passkey"))
        return see(MINE, done="passkey_removed" if is_gone else "passkey_gone")


async def _is_fresh(conn: AnyConnection, at: datetime) -> bool:
    fresh: bool = await conn.fetchval(_IS_FRESH, at, FRESH_FOR)
    return fresh


def options_response(settings: Settings, options: str, text: str) -> Response:
    """What the script hands to the authenticator, and the cookie that binds the ceremony to this browser."""
    response = Response(options, media_type="application/json", headers={"Cache-Control": "no-store"})
    cookies.put(response, settings, Cookie.CEREMONY, text)
    return response


def nothing(status: int) -> Response:
    """The script says in words that it did not work."""
    return Response("{}", status, media_type="application/json", headers={"Cache-Control": "no-store"})
