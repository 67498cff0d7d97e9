"""/admin/propose/<kind>: the forms that put up a change. Nothing takes effect before somebody else approves."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from starlette.responses import Response
from starlette.routing import Route

from gateway.admin.console.desk import Console, NotFound, Visit, page, see
from gateway.admin.console.reading import (
    DUTIES,
    client_of,
    grant_of,
    partner_form,
    partner_of,
    rows_in,
    rules_form,
    rules_of,
    scope_form,
    scope_of,
)
from gateway.stewardship import changes, registers
from gateway.stewardship.actor import ActRefused, permit
from gateway.stewardship.content import ChangeKind, PartnerContent
from gateway.stewardship.effect import base_of
from gateway.stewardship.registers import ScopeEntry, VersionState
from gateway.stewardship.roles import Act
from gateway.store.partners import KINDS
from scopes import CATEGORIES, MASKS, STEPS, Kind, Purpose, Role

PATH: Final = "/admin/propose"
BLANK_ROWS: Final = 3
END_KINDS: Final = {ChangeKind.SCOPE_END: ("scope",), ChangeKind.GRANT_END: ("grant_id", "partner", "scope")}
MECHANISMS: Final = ("assessment", "standard_contract", "certification")
STATUSES: Final = ("active", "suspended", "ended")
REDACTIONS: Final = tuple(
    dict.fromkeys(
        [
            "reveal",
            *(rule.default.label() for rule in MASKS.values()),
            *(f"generalise({step})" for chains in STEPS.values() for chain in chains for step in chain),
            "pseudonymise",
            "withhold",
        ]
    )
)

Values = Mapping[str, str]


class Proposals:
    """One for each worker."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._forms: Mapping[ChangeKind, tuple[Callable[[Visit], Awaitable[Values]], Callable[[Values], dict[str, Any]]]] = {
            ChangeKind.SCOPE: (self._scope, scope_of),
            ChangeKind.PARTNER: (self._partner, partner_of),
            ChangeKind.CLIENT: (self._client, client_of),
            ChangeKind.GRANT: (self._grant, grant_of),
            ChangeKind.RULES: (self._rules, rules_of),
        }

    def routes(self) -> list[Route]:
        return [
            Route(f"{PATH}/{{kind}}", page(self._console, self.ask), methods=["GET"]),
            Route(f"{PATH}/{{kind}}", page(self._console, self.propose), methods=["POST"]),
        ]

    async def ask(self, visit: Visit) -> Response:
        """GET: the form, with what stands now."""
        permit(visit.actor, Act.CHANGE_PROPOSE)
        kind = _kind(visit)
        if kind in END_KINDS:
            return self._ending(visit, kind, visit.request.query_params)
        first, _ = self._forms[kind]
        return await self._show(visit, kind, await first(visit))

    async def propose(self, visit: Visit) -> Response:
        """POST: put it up, or show the form again with what speaks against it."""
        kind = _kind(visit)
        if kind is ChangeKind.SCOPE and "more" in visit.form:
            return await self._show(visit, kind, visit.form)
        content = _ending_of(kind, visit.form) if kind in END_KINDS else self._forms[kind][1](visit.form)
        try:
            change_id = await changes.propose(
                visit.conn, visit.actor, self._console.ground, kind=kind, content=content, reason=visit.one("reason")
            )
        except ActRefused as refused:
            if kind in END_KINDS:
                return self._ending(visit, kind, visit.form, refused)
            return await self._show(visit, kind, visit.form, refused)
        return see(f"/admin/changes/{change_id}", "proposed")

    async def _show(self, visit: Visit, kind: ChangeKind, values: Values, refused: ActRefused | None = None) -> Response:
        shown: dict[str, Any] = {"kind": kind.value, "values": values, "here": _HERE[kind]}
        if kind is ChangeKind.SCOPE:
            shown |= {
                "rows": rows_in(values) + BLANK_ROWS,
                "purposes": list(Purpose),
                "paths": sorted(self._console.catalogue.fields),
                "redactions": REDACTIONS,
            }
        elif kind is ChangeKind.PARTNER:
            shown |= {"roles": list(Role), "kinds": sorted(KINDS), "duties": DUTIES, "mechanisms": MECHANISMS}
            shown |= {"statuses": STATUSES}
        elif kind is ChangeKind.CLIENT:
            shown |= {"statuses": STATUSES}
        elif kind is ChangeKind.GRANT:
            entries = await registers.scopes(visit.conn, visit.actor, self._console.catalogue)
            shown |= {"scopes": [one for one in entries if one.state is VersionState.ACTIVE]}
        else:
            shown |= {"purposes": list(Purpose), "categories": sorted(CATEGORIES), "value_kinds": list(Kind)}
        return visit.page(f"console_propose_{kind.value}.html", refused=refused, **shown)

    def _ending(self, visit: Visit, kind: ChangeKind, given: Values, refused: ActRefused | None = None) -> Response:
        values = _ending_of(kind, given)
        return visit.page("console_propose_end.html", refused=refused, kind=kind.value, values=values, here=_HERE[kind])

    async def _scope(self, visit: Visit) -> Values:
        """?scope=&from=: a version to begin with: the active one unless another one is named."""
        name, wanted = visit.asked("scope"), visit.asked("from")
        if not name:
            return {}
        entries = [one for one in await registers.scopes(visit.conn, visit.actor, self._console.catalogue) if one.scope == name]
        active = [one for one in entries if one.state is VersionState.ACTIVE]
        found = [one for one in entries if str(one.version) == wanted] if wanted else active or entries
        if not found:
            raise NotFound
        return scope_form(content_of(found[0]))

    async def _partner(self, visit: Visit) -> Values:
        name = visit.asked("partner")
        if not name:
            return {"duty_confidentiality": "on", "duty_security": "on", "status": "active", "processing_location": "CN"}
        content = await base_of(PartnerContent.model_construct(name=name), visit.conn)
        if content is None:
            raise NotFound
        return partner_form(content)

    async def _client(self, visit: Visit) -> Values:
        name, client_id = visit.asked("partner"), visit.asked("client")
        values = {"partner": name, "status": "active"}
        for one in await registers.clients(visit.conn, visit.actor):
            if one.client_id == client_id and one.partner == name:
                values |= {"metadata": json.dumps(one.metadata, indent=2, ensure_ascii=False), "status": one.status}
        return values

    async def _grant(self, visit: Visit) -> Values:
        return {"partner": visit.asked("partner"), "scope": visit.asked("scope")}

    async def _rules(self, visit: Visit) -> Values:
        return rules_form((await registers.rules(visit.conn, visit.actor)).rules.to_wire())


def content_of(entry: ScopeEntry) -> dict[str, Any]:
    """A version as content of kind `scope`: what a roll-back proposes."""
    fields = [
        {
            "path": one.path,
            "redaction": one.redaction,
            "justification": one.justification,
            "justification_en": one.justification_en,
        }
        for one in entry.fields
    ]
    return {"scope": entry.scope, "purpose": entry.purpose.value, "fields": fields}


def _kind(visit: Visit) -> ChangeKind:
    try:
        return ChangeKind(visit.request.path_params["kind"])
    except ValueError:
        raise NotFound from None


def _ending_of(kind: ChangeKind, given: Values) -> dict[str, str]:
    return {name: given.get(name, "") for name in END_KINDS[kind]}


_HERE: Final = {
    ChangeKind.SCOPE: "scopes",
    ChangeKind.SCOPE_END: "scopes",
    ChangeKind.RULES: "rules",
    **dict.fromkeys((ChangeKind.PARTNER, ChangeKind.CLIENT, ChangeKind.GRANT, ChangeKind.GRANT_END), "partners"),
}
