"""/admin/partners, /admin/scopes, /admin/matrix, /admin/rules: the registers."""

from __future__ import annotations

from datetime import timedelta
from itertools import groupby

from starlette.responses import Response
from starlette.routing import Route

from gateway.admin.console.desk import Console, NotFound, Visit, page, see
from gateway.stewardship import changes, client_secrets, flow, initial_tokens, operations, registers
from gateway.stewardship.actor import ActRefused
from gateway.stewardship.examine import Examined
from gateway.stewardship.registers import VersionState
from gateway.stewardship.roles import Act

PARTNERS, SCOPES = "/admin/partners", "/admin/scopes"
LABEL_MAX = 64
HOURS = (1, 8, 24)


class Registers:
    """One for each worker."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def routes(self) -> list[Route]:
        console, one = self._console, f"{PARTNERS}/{{partner}}"
        return [
            Route(PARTNERS, page(console, self.partners), methods=["GET"]),
            Route(one, page(console, self.partner), methods=["GET"]),
            Route(f"{one}/suspend", page(console, self.suspend), methods=["POST"]),
            Route(f"{one}/initial-token", page(console, self.initial_token), methods=["POST"]),
            Route(f"{one}/secret", page(console, self.secret), methods=["POST"]),
            Route(f"{one}/operations", page(console, self.operation), methods=["GET"]),
            Route(f"{one}/operations", page(console, self.register), methods=["POST"]),
            Route(f"{one}/operations/end", page(console, self.end_operation), methods=["POST"]),
            Route(SCOPES, page(console, self.scopes), methods=["GET"]),
            Route(f"{SCOPES}/{{scope}}", page(console, self.scope), methods=["GET"]),
            Route("/admin/matrix", page(console, self.matrix), methods=["GET"]),
            Route("/admin/rules", page(console, self.rules), methods=["GET"]),
        ]

    async def partners(self, visit: Visit) -> Response:
        """GET /admin/partners."""
        halted = {one.partner for one in await registers.halts(visit.conn, visit.actor) if one.target == "partner"}
        return visit.page(
            "console_partners.html",
            here="partners",
            partners=await registers.partners(visit.conn, visit.actor),
            halted=halted,
            may_propose=visit.actor.may(Act.CHANGE_PROPOSE),
        )

    async def partner(self, visit: Visit, refused: ActRefused | None = None, issued: str = "") -> Response:
        """GET /admin/partners/{name}: all that is on record of it. issued: a secret that has just been made, shown this once."""
        conn, actor, name = visit.conn, visit.actor, visit.request.path_params["partner"]
        found = next((one for one in await registers.partners(conn, actor) if one.name == name), None)
        if found is None:
            raise NotFound
        waiting = await changes.listed(conn, actor, state="proposed", target=name) if actor.may(Act.CHANGES_READ) else ()
        return visit.page(
            "console_partner.html",
            refused=refused,
            here="partners",
            partner=found,
            clients=[one for one in await registers.clients(conn, actor) if one.partner == name],
            grants=[one for one in await registers.grants(conn, actor) if one.partner == name],
            operations=await operations.of_partner(conn, actor, partner=name),
            halts=[one for one in await registers.halts(conn, actor) if one.partner == name or one.target == "all"],
            waiting=waiting,
            issued=issued,
            hours=HOURS,
            may_issue=actor.may(Act.INITIAL_TOKEN_ISSUE) and found.status != "ended",
            may_add_secret=actor.may(Act.CLIENT_SECRET_ADD),
            may_propose=actor.may(Act.CHANGE_PROPOSE),
            may_suspend=actor.may(Act.PARTNER_SUSPEND) and found.status == "active",
            may_register=actor.may(Act.OPERATION_REGISTER),
            may_end_operation=actor.may(Act.OPERATION_END),
        )

    async def suspend(self, visit: Visit) -> Response:
        """POST /admin/partners/{name}/suspend."""
        name = visit.request.path_params["partner"]
        try:
            await flow.suspend(visit.conn, visit.actor, partner=name, reason=visit.one("reason"))
        except ActRefused as refused:
            return await self.partner(visit, refused)
        return see(f"{PARTNERS}/{name}", "suspended")

    async def initial_token(self, visit: Visit) -> Response:
        """POST /admin/partners/{name}/initial-token: the answer to this form alone shows it."""
        name, hours = visit.request.path_params["partner"], visit.one("hours")
        lifetime = timedelta(hours=int(hours)) if hours in {str(one) for one in HOURS} else timedelta()
        try:
            made = await initial_tokens.issue(visit.conn, visit.actor, partner=name, lifetime=lifetime)
        except ActRefused as refused:
            return await self.partner(visit, refused)
        return await self.partner(visit, issued=made.text)

    async def secret(self, visit: Visit) -> Response:
        """POST /admin/partners/{name}/secret: another one of a client; the answer to this form alone shows it."""
        try:
            made = await client_secrets.add(visit.conn, visit.actor, client_id=visit.one("client_id"))
        except ActRefused as refused:
            return await self.partner(visit, refused)
        return await self.partner(visit, issued=made.text)

    async def operation(self, visit: Visit, examined: Examined | None = None, refused: ActRefused | None = None) -> Response:
        """GET /admin/partners/{name}/operations: a document to look at. examined: what it would cost and get."""
        return visit.page(
            "console_operation.html",
            refused=refused,
            here="partners",
            partner=visit.request.path_params["partner"],
            examined=examined,
            may_register=visit.actor.may(Act.OPERATION_REGISTER),
            label_max=LABEL_MAX,
        )

    async def register(self, visit: Visit) -> Response:
        """POST /admin/partners/{name}/operations: look at the document; register it once that has been seen."""
        name, document = visit.request.path_params["partner"], visit.form.get("document", "").replace("\r\n", "\n")
        settings, examined = self._console.settings, None
        try:
            examined = await operations.look_at(visit.conn, visit.actor, settings, partner=name, document=document)
            if visit.one("seen") != examined.document_sha256:
                return await self.operation(visit, examined)
            label = visit.one("label")[:LABEL_MAX]
            await operations.register(visit.conn, visit.actor, settings, partner=name, document=document, label=label)
        except ActRefused as refused:
            return await self.operation(visit, examined, refused)
        return see(f"{PARTNERS}/{name}", "operation_registered")

    async def end_operation(self, visit: Visit) -> Response:
        """POST /admin/partners/{name}/operations/end."""
        name = visit.request.path_params["partner"]
        try:
            await operations.end(visit.conn, visit.actor, partner=name, document_sha256=visit.one("document_sha256"))
        except ActRefused as refused:
            return await self.partner(visit, refused)
        return see(f"{PARTNERS}/{name}", "operation_ended")

    async def scopes(self, visit: Visit) -> Response:
        """GET /admin/scopes: each with the version that counts."""
        entries = await registers.scopes(visit.conn, visit.actor, self._console.catalogue)
        grants = [one for one in await registers.grants(visit.conn, visit.actor) if one.is_live]
        groups = [list(group) for _, group in groupby(entries, key=lambda one: one.scope)]
        return visit.page(
            "console_scopes.html",
            here="scopes",
            scopes=[(next((one for one in group if one.state is VersionState.ACTIVE), group[0]), len(group)) for group in groups],
            partners={group[0].scope: sorted({one.partner for one in grants if one.scope == group[0].scope}) for group in groups},
            may_propose=visit.actor.may(Act.CHANGE_PROPOSE),
        )

    async def scope(self, visit: Visit) -> Response:
        """GET /admin/scopes/{scope}?version=: its fields, why each is needed and how it comes out; every version."""
        name, wanted = visit.request.path_params["scope"], visit.asked("version")
        everything = await registers.scopes(visit.conn, visit.actor, self._console.catalogue)
        entries = [one for one in everything if one.scope == name]
        active = next((one for one in entries if one.state is VersionState.ACTIVE), None)
        named = [one for one in entries if str(one.version) == wanted] if wanted else [active or one for one in entries]
        if not named:
            raise NotFound
        grants = await registers.grants(visit.conn, visit.actor)
        may_read = visit.actor.may(Act.CHANGES_READ)
        return visit.page(
            "console_scope.html",
            here="scopes",
            scope=named[0],
            active=active,
            versions=entries,
            partners=sorted({one.partner for one in grants if one.scope == name and one.is_live}),
            waiting=await changes.listed(visit.conn, visit.actor, state="proposed", target=name) if may_read else (),
            may_propose=visit.actor.may(Act.CHANGE_PROPOSE),
        )

    async def matrix(self, visit: Visit) -> Response:
        """GET /admin/matrix: field by partner."""
        found = await registers.matrix(visit.conn, visit.actor, self._console.catalogue)
        return visit.page("console_matrix.html", here="matrix", matrix=found)

    async def rules(self, visit: Visit) -> Response:
        """GET /admin/rules: what each purpose needs, and the floors."""
        found = await registers.rules(visit.conn, visit.actor)
        return visit.page("console_rules.html", here="rules", entry=found, may_propose=visit.actor.may(Act.CHANGE_PROPOSE))
