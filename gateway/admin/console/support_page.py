"""/admin/support: one data subject's consents, once a reason is given; each look is on record (policy 9.3)."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response
from starlette.routing import Route

from gateway.admin.console.desk import Console, NotFound, Visit, page, uuid_of
from gateway.stewardship import registers, support
from gateway.stewardship.actor import ActRefused, StaffCode, permit
from gateway.stewardship.roles import Act
from scopes import Purpose

PATH: Final = "/admin/support"


class Support:
    """One for each worker."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def routes(self) -> list[Route]:
        return [
            Route(PATH, page(self._console, self.ask), methods=["GET"]),
            Route(PATH, page(self._console, self.look), methods=["POST"]),
            Route(f"{PATH}/withdraw", page(self._console, self.withdraw), methods=["POST"]),
        ]

    async def ask(
        self, visit: Visit, refused: ActRefused | None = None, found: support.SubjectConsents | None = None, said: str = ""
    ) -> Response:
        """GET /admin/support: whose, and why. An address never holds a data subject's id: browsers keep addresses."""
        permit(visit.actor, Act.SUBJECT_CONSENTS_READ)
        partners = {one.name: one.legal_name for one in await registers.partners(visit.conn, visit.actor)} if found else {}
        return visit.page("console_support.html", refused=refused, here="support", found=found, said=said, partners=partners)

    async def look(self, visit: Visit) -> Response:
        """POST /admin/support."""
        try:
            subject_id = uuid_of(visit.one("subject"))
        except NotFound:
            return await self.ask(visit, ActRefused(StaffCode.SUBJECT_UNKNOWN, "no such data subject"))
        try:
            found = await support.consents_of(visit.conn, visit.actor, subject_id=subject_id, reason=visit.one("reason"))
        except ActRefused as refused:
            return await self.ask(visit, refused)
        return await self.ask(visit, found=found)

    async def withdraw(self, visit: Visit) -> Response:
        """POST /admin/support/withdraw: in the data subject's name; the page then shows what stands."""
        subject_id, reason = uuid_of(visit.one("subject")), visit.one("reason")
        try:
            purpose = Purpose(visit.one("purpose"))
        except ValueError:
            raise NotFound from None
        try:
            await support.withdraw(
                visit.conn,
                visit.actor,
                self._console.keys,
                subject_id=subject_id,
                partner=visit.one("partner"),
                purpose=purpose,
                reason=reason,
            )
            found = await support.consents_of(visit.conn, visit.actor, subject_id=subject_id, reason=reason)
        except ActRefused as refused:
            return await self.ask(visit, refused)
        return await self.ask(visit, found=found, said="withdrawn")
