"""Passkeys of the staff: signing in with one, which is both factors at once, since its authenticator verifies who holds it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.admin.console.desk import HOME, SIGN_IN
from gateway.admin.console.sign_in import Entrance, next_of
from gateway.oauth.refusal import InvalidRequest
from gateway.stewardship import passkeys, staff
from gateway.stewardship.actor import Actor, ActRefused
from gateway.store.pool import AnyConnection
from gateway.subject import cookies
from gateway.subject.ceremony import Kind
from gateway.subject.cookies import Cookie
from gateway.subject.passkeys import Held, Made, Party, Passkey, PasskeyRefused
from gateway.subject.passkeys_page import nothing, options_response
from gateway.subject.session import Forbidden
from gateway.subject.throttle import TooFast

PATH: Final = f"{SIGN_IN}/passkey"


class OfStaff:
    """Where the staff's passkeys are kept. actor: who adds one; None for signing in."""

    registering: Kind = "staff_passkey_register"
    signing_in: Kind = "staff_passkey_sign_in"

    def __init__(self, actor: Actor | None = None) -> None:
        self._actor = actor

    async def login(self, conn: AnyConnection, owner: UUID) -> str | None:
        row = await conn.fetchrow(staff.BY_ID, owner)
        return None if row is None else row["login"]

    async def of(self, conn: AnyConnection, owner: UUID) -> Sequence[Passkey]:
        return [Passkey(**row) for row in await passkeys.of_staff(conn, owner)]

    async def add(self, conn: AnyConnection, owner: UUID, made: Made, label: str) -> bool:
        if self._actor is None or self._actor.staff_id != owner:
            return False
        try:
            await passkeys.add(
                conn,
                self._actor,
                credential_id=made.credential_id,
                public_key=made.public_key,
                sign_count=made.sign_count,
                label=label,
            )
        except ActRefused:
            return False
        return True

    async def find(self, conn: AnyConnection, credential_id: bytes) -> Held | None:
        row = await passkeys.find(conn, credential_id)
        return None if row is None else Held(row["staff_id"], row["public_key"], row["sign_count"])

    async def used(self, conn: AnyConnection, credential_id: bytes, sign_count: int) -> None:
        await passkeys.used(conn, credential_id, sign_count)


class SignInByPasskey:
    """One for each worker."""

    def __init__(self, entrance: Entrance) -> None:
        self._entrance, self._party = entrance, Party.of(entrance.console.settings, OfStaff())

    def routes(self) -> list[Route]:
        return [Route(f"{PATH}/options", self.ask, methods=["POST"]), Route(PATH, self.check, methods=["POST"])]

    async def ask(self, request: Request) -> Response:
        """POST /admin/sign-in/passkey/options: what the script hands to the authenticator."""
        entrance = self._entrance
        try:
            form = await entrance.tokens.read(request)
            async with entrance.console.pool.acquire() as conn:
                await entrance.throttle.ceremony(conn, address=form.address)
                options, text = await self._party.ask_sign_in(conn)
        except (Forbidden, InvalidRequest):
            return nothing(403)
        except TooFast:
            return nothing(429)
        return options_response(entrance.console.settings, options, text)

    async def check(self, request: Request) -> Response:
        """POST /admin/sign-in/passkey: what the authenticator answered."""
        entrance, leads_to = self._entrance, HOME
        try:
            form = await entrance.tokens.read(request)
            leads_to = next_of(form.single.get("next", ""))
            text = cookies.read(request, entrance.console.settings, Cookie.CEREMONY)
            async with entrance.console.pool.acquire() as conn:
                staff_id = await self._party.sign_in(conn, text, form.single.get("credential", ""))
        except (Forbidden, InvalidRequest):
            return entrance.form(request, leads_to=leads_to, problem="stale")
        except PasskeyRefused:
            return entrance.form(request, leads_to=leads_to, problem="passkey")
        response = await entrance.enter(request, staff_id, acr="passkey", leads_to=leads_to)
        cookies.drop(response, entrance.console.settings, Cookie.CEREMONY)
        return response
