"""Grant, scope version and purpose: from an operation to its plan and its compiled statement, or one refusal for the whole."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.catalogue.definition import Catalogue
from gateway.request.authenticate import Caller
from gateway.request.fetch import DATA_ROOTS, leaf_paths, nodes_of
from gateway.request.parse import Operation
from gateway.request.selection import LOCAL_ROOTS, Argument, Selected, select
from gateway.request.statement import Statement, compile_statement, liveness
from gateway.store.view import GrantView
from scopes import CATEGORIES, Halted, Plan, Purpose, Rung, Sensitivity, field_key, plan


@dataclass(frozen=True, slots=True)
class Slot:
    """One root field of the answer: its key as JSON, and either the data root's number or its JSON as it stands."""

    key: bytes
    number: int
    fixed: bytes | None


@dataclass(frozen=True, slots=True, eq=False)
class Planned:
    """All that can be settled before a request's values are known.

    plan: None where the operation asks for no data subject. sizes: each data root's page size argument, None for one subject.
    redacted: the constant part of extensions.disclosure, JSON. is_sensitive: it reads sensitive data (PIPL 28).
    """

    plan: Plan | None
    statement: Statement
    slots: tuple[Slot, ...]
    local: tuple[Selected, ...]
    sizes: tuple[Argument | None, ...]
    redacted: str
    is_sensitive: bool

    @property
    def purpose(self) -> Purpose | None:
        return self.plan.purpose if self.plan else None


@dataclass(frozen=True, slots=True)
class Authoriser:
    """Plans operations over one catalogue. key: the secret that `scopes.field_key` derives from."""

    catalogue: Catalogue
    key: bytes

    def planned(
        self,
        operation: Operation,
        document: str,
        view: GrantView,
        caller: Caller,
        *,
        named: Purpose | None,
        switches: Mapping[str, bool],
    ) -> Planned:
        """named: the purpose that the operation names. Raises Refused."""
        roots = select(operation.partner_schema.schema, operation.node, operation.fragments, switches)
        data = [root for root in roots if root.name in DATA_ROOTS]
        local = tuple(root for root in roots if root.name in LOCAL_ROOTS)
        slots = tuple(self._slot(root, data) for root in roots)
        if not data:
            return Planned(None, liveness(), slots, local, (), "", is_sensitive=False)
        decided = decide(self.catalogue, view, data, named=named, held=caller.scopes, categories=caller.categories)
        statement = compile_statement(
            self.catalogue,
            decided,
            data,
            document=document,
            ordinals=view.ordinals,
            is_bound=caller.is_bound,
            field_key=field_key(self.key, view.partner.partner_id, decided.purpose.value),
        )
        redacted = [
            {"field": path, "redaction": field.redaction.label()}
            for path, field in decided.fields.items()
            if field.redaction.rung is not Rung.REVEAL
        ]
        sizes = tuple(root.arguments.get("first") for root in data)
        is_sensitive = any(
            CATEGORIES[field.category].sensitivity is Sensitivity.SENSITIVE and field.redaction.rung is not Rung.WITHHOLD
            for field in decided.fields.values()
        )
        told = json.dumps(redacted, separators=(",", ":"))
        return Planned(decided, statement, slots, local, sizes, told, is_sensitive)

    def _slot(self, root: Selected, data: list[Selected]) -> Slot:
        key = json.dumps(root.key, ensure_ascii=False).encode()
        if root.name in DATA_ROOTS:
            return Slot(key, next(n for n, other in enumerate(data) if other is root), None)
        return Slot(key, -1, b'"Query"' if root.name == "__typename" else None)


def decide(
    catalogue: Catalogue,
    view: GrantView,
    data: Sequence[Selected],
    *,
    named: Purpose | None,
    held: frozenset[str],
    categories: frozenset[str] | None,
) -> Plan:
    """What an operation may fetch. data: its data root fields. named: the purpose that it names. held, categories: the token's
    scopes and what they are narrowed to. Raises Refused."""
    purposes = {scope.purpose for scope in view.scopes if scope.scope in held}
    purpose = named or (next(iter(purposes)) if len(purposes) == 1 else None)
    readable = {
        path
        for path, offers in view.offers.items()
        if (categories is None or catalogue.fields[path].category in categories)
        and any(o.scope in held and o.purpose is purpose for o in offers)
    }
    paths: dict[str, None] = {}
    for root in data:
        for node in nodes_of(root):
            paths.update(dict.fromkeys(leaf_paths(catalogue, [readable, view.offers], node.children, catalogue.subject.name)))
    return plan(
        partner=view.partner,
        grants=view.grants,
        scopes=view.scopes,
        held=held,
        purpose=named,
        paths=list(paths),
        categories=categories,
        catalogue=catalogue.fields,
        halted=Halted.nothing(),
        now=view.loaded_at,
    )
