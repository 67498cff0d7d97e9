"""/admin/halts: stop the flow with one button, let it go on, change the signing key (policy 9.4)."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

from gateway.admin.console.desk import Console, Visit, page, see
from gateway.stewardship import flow, registers
from gateway.stewardship.actor import ActRefused
from gateway.stewardship.registers import VersionState
from gateway.stewardship.roles import Act

PATH = "/admin/halts"
TARGETS = ("all", "partner", "scope")


class Halts:
    """One for each worker."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def routes(self) -> list[Route]:
        console = self._console
        return [
            Route(PATH, page(console, self.show), methods=["GET"]),
            Route(PATH, page(console, self.halt), methods=["POST"]),
            Route(f"{PATH}/lift", page(console, self.lift), methods=["POST"]),
            Route("/admin/keys", page(console, self.rotate), methods=["POST"]),
        ]

    async def show(self, visit: Visit, refused: ActRefused | None = None) -> Response:
        """GET /admin/halts: those in force, and the buttons."""
        entries = await registers.scopes(visit.conn, visit.actor, self._console.catalogue)
        return visit.page(
            "console_halts.html",
            refused=refused,
            here="halts",
            halts=await registers.halts(visit.conn, visit.actor),
            partners=[one for one in await registers.partners(visit.conn, visit.actor) if one.status != "ended"],
            scopes=[one.scope for one in entries if one.state is VersionState.ACTIVE],
            may_halt=visit.actor.may(Act.HALT_ADD),
            may_lift=visit.actor.may(Act.HALT_LIFT),
            may_rotate=visit.actor.may(Act.KEYS_ROTATE),
        )

    async def halt(self, visit: Visit) -> Response:
        """POST /admin/halts."""
        partner, scope = _target(visit)
        try:
            await flow.halt(visit.conn, visit.actor, reason=visit.one("reason"), partner=partner, scope=scope)
        except ActRefused as refused:
            return await self.show(visit, refused)
        return see(PATH, "halted")

    async def lift(self, visit: Visit) -> Response:
        """POST /admin/halts/lift."""
        partner, scope = _target(visit)
        try:
            await flow.lift(visit.conn, visit.actor, reason=visit.one("reason"), partner=partner, scope=scope)
        except ActRefused as refused:
            return await self.show(visit, refused)
        return see(PATH, "lifted")

    async def rotate(self, visit: Visit) -> Response:
        """POST /admin/keys."""
        try:
            await flow.rotate_keys(visit.conn, visit.actor, self._console.signing, reason=visit.one("reason"))
        except ActRefused as refused:
            return await self.show(visit, refused)
        return see(PATH, "rotated")


def _target(visit: Visit) -> tuple[str | None, str | None]:
    """Partner and scope. A target that is named and empty is a name that nobody has, never everything."""
    target = visit.one("target")
    if target == "all":
        return None, None
    return (None, visit.one("scope")) if target == "scope" else (visit.one("partner"), None)
