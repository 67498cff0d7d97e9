"""/admin/changes: what waits for a second person, what was decided, and what approving would do."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

from gateway.admin.console.desk import Console, Visit, page, see, uuid_of
from gateway.admin.console.difference import difference
from gateway.stewardship import changes
from gateway.stewardship.actor import ActRefused
from gateway.stewardship.changes import Change
from gateway.stewardship.impact import impact_of
from gateway.stewardship.roles import Act

PATH = "/admin/changes"
STATES = ("proposed", "approved", "rejected", "withdrawn")
SHOWN = 200


class Changes:
    """One for each worker."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def routes(self) -> list[Route]:
        console = self._console
        return [
            Route(PATH, page(console, self.listed), methods=["GET"]),
            Route(f"{PATH}/{{change}}", page(console, self.show), methods=["GET"]),
            Route(f"{PATH}/{{change}}/impact", page(console, self.impact), methods=["GET"]),
            Route(f"{PATH}/{{change}}/{{decision}}", page(console, self.decide), methods=["POST"]),
        ]

    async def listed(self, visit: Visit) -> Response:
        """GET /admin/changes?state=&target=: those that wait first."""
        state = visit.asked("state") if visit.asked("state") in STATES else None
        found = await changes.listed(visit.conn, visit.actor, state=state, target=visit.asked("target") or None, row_count=SHOWN)
        return visit.page(
            "console_changes.html",
            here="changes",
            changes=found,
            state=state,
            states=STATES,
            target=visit.asked("target"),
            may_propose=visit.actor.may(Act.CHANGE_PROPOSE),
        )

    async def show(self, visit: Visit, refused: ActRefused | None = None) -> Response:
        """GET /admin/changes/{id}: before and after; what it would do is loaded afterwards, since that takes a while."""
        change, actor = await self._change(visit), visit.actor
        is_own = change.proposed_by == actor.staff_id
        return visit.page(
            "console_change.html",
            refused=refused,
            here="changes",
            change=change,
            lines=difference(change.base, change.content),
            is_own=is_own,
            is_stale=change.is_pending and await changes.is_stale(visit.conn, change),
            may_decide=change.is_pending and actor.may(Act.CHANGE_APPROVE),
            may_withdraw=change.is_pending and is_own and actor.may(Act.CHANGE_WITHDRAW),
        )

    async def impact(self, visit: Visit) -> Response:
        """GET /admin/changes/{id}/impact: as a page, or as a part of one for htmx. What it found is not kept."""
        change, refused, found = await self._change(visit), None, None
        try:
            found = await impact_of(
                visit.conn,
                visit.actor,
                self._console.ground,
                self._console.settings,
                kind=change.kind,
                content=change.content,
            )
        except ActRefused as why:
            refused = why
        is_part = visit.request.headers.get("hx-request") == "true"
        answer = visit.page(
            "console_impact_part.html" if is_part else "console_impact.html",
            here="changes",
            change=change,
            impact=found,
            hindered=refused,
        )
        answer.headers["Vary"] = "HX-Request"
        return answer

    async def decide(self, visit: Visit) -> Response:
        """POST /admin/changes/{id}/approve, /reject, /withdraw."""
        decision, change_id = visit.request.path_params["decision"], uuid_of(visit.request.path_params["change"])
        words = visit.one("decision")
        try:
            if decision == "approve":
                await changes.approve(visit.conn, visit.actor, self._console.ground, change_id=change_id, decision=words)
            elif decision == "reject":
                await changes.reject(visit.conn, visit.actor, change_id=change_id, decision=words)
            elif decision == "withdraw":
                await changes.withdraw(visit.conn, visit.actor, change_id=change_id)
        except ActRefused as refused:
            return await self.show(visit, refused)
        return see(f"{PATH}/{change_id}", decision)

    async def _change(self, visit: Visit) -> Change:
        return await changes.find(visit.conn, visit.actor, uuid_of(visit.request.path_params["change"]))
