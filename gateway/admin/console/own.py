"""/admin/own: what one of the staff carries: passkeys and bearer tokens of their own."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from starlette.responses import Response
from starlette.routing import Route

from gateway.admin.console.desk import SIGN_IN, Console, Visit, page, see, uuid_of
from gateway.admin.console.keys import OfStaff
from gateway.stewardship import passkeys, staff
from gateway.stewardship.actor import ActRefused
from gateway.subject import cookies
from gateway.subject.cookies import Cookie
from gateway.subject.passkeys import LABEL_MAX, Party, PasskeyRefused, id_of
from gateway.subject.passkeys_page import nothing, options_response

PATH: Final = "/admin/own"
DAYS: Final = (7, 30, 90)


class Own:
    """One for each worker."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def routes(self) -> list[Route]:
        handlers = {
            "": self.show, "/passkeys": self.add, "/passkeys/options": self.ask, "/passkeys/remove": self.remove,
            "/tokens": self.issue, "/tokens/revoke": self.revoke,
        }  # fmt: skip
        return [
            Route(f"{PATH}{path}", page(self._console, handler), methods=["POST" if path else "GET"])
            for path, handler in handlers.items()
        ]

    async def show(self, visit: Visit, issued: staff.StaffToken | None = None, refused: ActRefused | None = None) -> Response:
        """GET /admin/own. issued: a token that has just been made, shown this once."""
        keeper = OfStaff()
        return visit.page(
            "console_own.html",
            refused=refused,
            here="own",
            issued=issued,
            passkeys=await keeper.of(visit.conn, visit.session.staff_id),
            tokens=await staff.own_tokens(visit.conn, visit.actor),
            is_fresh=visit.session.is_fresh,
            has_passkeys=Party.of(self._console.settings, keeper).has_passkeys,
            step_up=f"{SIGN_IN}?again=1&next={PATH}",
            label_max=LABEL_MAX,
            days=DAYS,
        )

    async def ask(self, visit: Visit) -> Response:
        """POST /admin/own/passkeys/options: only shortly after signing in, since a passkey outlives every session."""
        if not visit.session.is_fresh:
            return nothing(403)
        party = Party.of(self._console.settings, OfStaff())
        return options_response(self._console.settings, *await party.ask_registration(visit.conn, visit.session.staff_id))

    async def add(self, visit: Visit) -> Response:
        """POST /admin/own/passkeys."""
        text = cookies.read(visit.request, self._console.settings, Cookie.CEREMONY)
        label = " ".join(visit.one("label").split()) or visit.actor.name
        party = Party.of(self._console.settings, OfStaff(visit.actor))
        try:
            await party.register(visit.conn, visit.session.staff_id, text, visit.one("credential"), label)
        except PasskeyRefused:
            return see(PATH, "passkey_refused")
        response = see(PATH, "passkey_added")
        cookies.drop(response, self._console.settings, Cookie.CEREMONY)
        return response

    async def remove(self, visit: Visit) -> Response:
        """POST /admin/own/passkeys/remove."""
        await passkeys.remove(visit.conn, visit.actor, credential_id=id_of(visit.one("passkey")))
        return see(PATH, "passkey_removed")

    async def issue(self, visit: Visit) -> Response:
        """POST /admin/own/tokens, shortly after signing in. The answer to this form alone shows the token."""
        if not visit.session.is_fresh:
            return see(PATH, "not_fresh")
        days = int(visit.one("days")) if visit.one("days").isdecimal() and len(visit.one("days")) < 4 else 0
        try:
            issued = await staff.issue_token(
                visit.conn, visit.actor, label=visit.one("label")[:LABEL_MAX], lifetime=timedelta(days=days)
            )
        except ActRefused as refused:
            return await self.show(visit, refused=refused)
        return await self.show(visit, issued)

    async def revoke(self, visit: Visit) -> Response:
        """POST /admin/own/tokens/revoke."""
        await staff.revoke_token(visit.conn, visit.actor, token_id=uuid_of(visit.one("token")))
        return see(PATH, "token_revoked")
