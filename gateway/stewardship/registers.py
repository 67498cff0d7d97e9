"""The registers as the staff read them: partners, clients, scopes, grants, halts, and what each partner may see of each field."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from gateway.catalogue.definition import Catalogue
from gateway.stewardship import rules as rule_book
from gateway.stewardship.actor import Actor, permit
from gateway.stewardship.roles import Act
from gateway.stewardship.sights import sight_of
from gateway.store import grants as scope_register
from gateway.store import halts as halt_register
from gateway.store import partners as partner_register
from gateway.store.pool import AnyConnection
from gateway.store.questions import question
from gateway.store.view import GrantView, load_view_of_partner
from scopes import CATEGORIES, Purpose, Role, Rules, Rung, Sensitivity

PARTNERS = question("reading", "partners")
CLIENTS = question("reading", "clients")
GRANTS = question("reading", "grants")


@dataclass(frozen=True, slots=True)
class PartnerEntry:
    """All that is on record of a partner (policy 6.2). agreement_sha256: hexadecimal. scopes: those that live grants give it."""

    name: str
    legal_name: str
    contact: str
    role: Role
    kind: str
    processing_location: str
    cross_border_mechanism: str | None
    agreement_sha256: str | None
    agreement_starts_at: datetime
    agreement_ends_at: datetime
    duties: tuple[str, ...]
    notice_contacts: tuple[str, ...]
    retention_days: int | None
    registered_only: bool
    status: str
    clients: tuple[str, ...]
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClientEntry:
    """metadata: of RFC 7591, public keys only."""

    client_id: str
    partner: str
    status: str
    is_contract_runner: bool
    created_at: datetime
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class GrantEntry:
    """change_id: the change that it came of; None where it was there before there were changes."""

    grant_id: UUID
    partner: str
    scope: str
    starts_at: datetime
    ends_at: datetime
    retention_days: int
    revoked_at: datetime | None
    is_live: bool
    change_id: UUID | None


class VersionState(StrEnum):
    DRAFT = "draft"
    COMING = "coming"
    ACTIVE = "active"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class FieldEntry:
    """redaction: in its wire form; label: the same as `scopes.Redaction.label()`."""

    path: str
    category: str | None
    redaction: Mapping[str, Any]
    label: str
    justification: str
    justification_en: str


@dataclass(frozen=True, slots=True)
class ScopeEntry:
    """One version of a scope."""

    scope: str
    version: int
    purpose: Purpose
    state: VersionState
    active_from: datetime | None
    retired_at: datetime | None
    fields: tuple[FieldEntry, ...]


@dataclass(frozen=True, slots=True)
class HaltEntry:
    """target: partner, scope or all."""

    halt_id: UUID
    target: str
    partner: str | None
    scope: str | None
    reason: str
    begun_at: datetime


@dataclass(frozen=True, slots=True)
class RulesEntry:
    """version 0: nobody has laid down any rules, and no purpose needs anything."""

    version: int
    rules: Rules


@dataclass(frozen=True, slots=True)
class Row:
    """A field of the catalogue."""

    path: str
    category: str
    sensitivity: Sensitivity


@dataclass(frozen=True, slots=True)
class Column:
    """A partner under one of its purposes. is_stopped: it gets nothing now, whatever the cells say."""

    partner: str
    role: Role
    purpose: Purpose
    scopes: tuple[str, ...]
    is_stopped: bool


@dataclass(frozen=True, slots=True)
class Matrix:
    """What each partner gets of each field with a token for all its scopes of a purpose, and how; a token for one of them alone
    may get more, where the rules of the others do not hold. cells: label of the redaction that all come to, by (path, partner,
    purpose); where there is none, the partner sees nothing of the field."""

    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    cells: Mapping[tuple[str, str, Purpose], str]


async def partners(conn: AnyConnection, actor: Actor) -> tuple[PartnerEntry, ...]:
    """By name. Raises ActRefused ROLE_MISSING, as all here."""
    permit(actor, Act.REGISTERS_READ)
    listed = ("duties", "notice_contacts", "clients", "scopes")
    return tuple(
        PartnerEntry(**{**row, "role": Role(row["role"]), **{name: tuple(row[name]) for name in listed}})
        for row in await conn.fetch(PARTNERS)
    )


async def clients(conn: AnyConnection, actor: Actor) -> tuple[ClientEntry, ...]:
    """By partner and client_id."""
    permit(actor, Act.REGISTERS_READ)
    return tuple(ClientEntry(**{**row, "metadata": json.loads(row["metadata"])}) for row in await conn.fetch(CLIENTS))


async def grants(conn: AnyConnection, actor: Actor) -> tuple[GrantEntry, ...]:
    """Those that stand before those that do not."""
    permit(actor, Act.REGISTERS_READ)
    return tuple(GrantEntry(**row) for row in await conn.fetch(GRANTS))


async def scopes(conn: AnyConnection, actor: Actor, catalogue: Catalogue) -> tuple[ScopeEntry, ...]:
    """Every version of every scope, by name, newest first within a scope."""
    permit(actor, Act.REGISTERS_READ)
    return tuple(_scope(row, catalogue) for row in await scope_register.everything(conn))


async def halts(conn: AnyConnection, actor: Actor) -> tuple[HaltEntry, ...]:
    """Those in force, oldest first."""
    permit(actor, Act.REGISTERS_READ)
    return tuple(HaltEntry(**row) for row in await halt_register.in_force(conn))


async def rules(conn: AnyConnection, actor: Actor) -> RulesEntry:
    permit(actor, Act.REGISTERS_READ)
    return RulesEntry(*await rule_book.in_force(conn))


async def matrix(conn: AnyConnection, actor: Actor, catalogue: Catalogue) -> Matrix:
    """Field by partner and purpose, as the gate would plan it now; evidence and halts of single scopes left out."""
    permit(actor, Act.REGISTERS_READ)
    stopped = {halt.partner for halt in await halts(conn, actor) if halt.target != "scope"}
    columns: list[Column] = []
    cells: dict[tuple[str, str, Purpose], str] = {}
    for partner in await partners(conn, actor):
        view = await load_view_of_partner(conn, await partner_register.find(conn, partner.name))
        if view is not None and view.scopes:
            for column, shown in _columns(view, catalogue, is_stopped=bool(stopped & {None, partner.name})):
                columns.append(column)
                cells |= {(path, column.partner, column.purpose): label for path, label in shown.items()}
    rows = tuple(Row(path, one.category, CATEGORIES[one.category].sensitivity) for path, one in catalogue.fields.items())
    return Matrix(rows, tuple(columns), cells)


def _columns(view: GrantView, catalogue: Catalogue, *, is_stopped: bool) -> Sequence[tuple[Column, Mapping[str, str]]]:
    """By purpose; every scope of the purpose that a token can hold is held."""
    sight = sight_of(catalogue, view)
    found = []
    for purpose in sorted({scope.purpose for scope in view.scopes}, key=list(Purpose).index):
        under = {path: one.together for (seen_for, path), one in sight.items() if seen_for is purpose}
        shown = {path: redaction.label() for path, redaction in under.items() if redaction.rung is not Rung.WITHHOLD}
        names = tuple(scope.label for scope in view.scopes if scope.purpose is purpose)
        found.append((Column(view.partner.name, view.partner.role, purpose, names, is_stopped or not sight), shown))
    return found


def _scope(row: Mapping[str, Any], catalogue: Catalogue) -> ScopeEntry:
    labels = scope_register.rules_of(row["fields"])
    fields = tuple(
        FieldEntry(
            path=one["path"],
            category=catalogue.fields[one["path"]].category if one["path"] in catalogue.fields else None,
            redaction=one["redaction"],
            label=labels[one["path"]].redaction.label(),
            justification=one["justification"],
            justification_en=one["justification_en"],
        )
        for one in row["fields"]
    )
    return ScopeEntry(
        row["scope"], row["version"], Purpose(row["purpose"]), _state(row), row["active_from"], row["retired_at"], fields
    )


def _state(row: Mapping[str, Any]) -> VersionState:
    if row["active_from"] is None:
        return VersionState.DRAFT
    if row["is_active"]:
        return VersionState.ACTIVE
    return VersionState.COMING if row["is_coming"] else VersionState.RETIRED
