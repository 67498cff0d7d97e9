"""The registers in the schema, as `gateway.stewardship.registers` reads them."""

from datetime import date, datetime
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from gateway.admin.api.words import Duty, Mechanism, Status
from gateway.stewardship import overview, registers, reviews
from gateway.stewardship.registers import VersionState
from gateway.stewardship.roles import StaffRole
from scopes import Purpose, Role, Sensitivity


@strawberry.type(description="All that is on record of a partner (policy 6.2). scopes: those that live grants give it.")
class Partner:
    name: str
    legal_name: str
    contact: str
    role: Role
    kind: str
    processing_location: str
    cross_border_mechanism: Mechanism | None
    agreement_sha256: str | None
    agreement_starts_at: datetime
    agreement_ends_at: datetime
    duties: list[Duty]
    notice_contacts: list[str]
    retention_days: int | None
    registered_only: bool
    status: Status
    clients: list[str]
    scopes: list[str]


@strawberry.type(description="metadata: of RFC 7591, public keys only.")
class Client:
    client_id: str
    partner: str
    status: Status
    is_contract_runner: bool
    created_at: datetime
    metadata: JSON


@strawberry.type(description="changeId: the change that it came of; null where it was there before there were changes.")
class Grant:
    grant_id: UUID
    partner: str
    scope: str
    starts_at: datetime
    ends_at: datetime
    retention_days: int
    revoked_at: datetime | None
    is_live: bool
    change_id: UUID | None


@strawberry.type(description="redaction: as a proposal has it; label: as partners read it, such as `mask(3,4)`.")
class ScopeField:
    path: str
    category: str | None
    redaction: JSON
    label: str
    justification: str
    justification_en: str


@strawberry.type(description="One version of a scope.")
class ScopeVersion:
    scope: str
    version: int
    purpose: Purpose
    state: VersionState
    active_from: datetime | None
    retired_at: datetime | None
    fields: list[ScopeField]


@strawberry.type(description="A halt in force. target: partner, scope or all.")
class Halt:
    halt_id: UUID
    target: str
    partner: str | None
    scope: str | None
    reason: str
    begun_at: datetime


@strawberry.type(description="rules: as a proposal has them. version 0: nobody has laid down any, and no purpose needs anything.")
class RulesInForce:
    version: int

    @strawberry.field
    @staticmethod
    def rules(root: strawberry.Parent[registers.RulesEntry]) -> JSON:
        return JSON(root.rules.to_wire())


@strawberry.type(description="A field of the catalogue.")
class MatrixRow:
    path: str
    category: str
    sensitivity: Sensitivity


@strawberry.type(description="A partner under one of its purposes. isStopped: it gets nothing now, whatever the cells say.")
class MatrixColumn:
    partner: str
    role: Role
    purpose: Purpose
    scopes: list[str]
    is_stopped: bool


@strawberry.type(description="What one partner may see of one field, at most, under one purpose.")
class MatrixCell:
    path: str
    partner: str
    purpose: Purpose
    redaction: str


@strawberry.type(
    description="Field by partner and purpose; a pair without a cell is a field that does not exist for that partner."
)
class Matrix:
    rows: list[MatrixRow]
    columns: list[MatrixColumn]

    @strawberry.field
    @staticmethod
    def cells(root: strawberry.Parent[registers.Matrix]) -> list[MatrixCell]:
        return [
            MatrixCell(path=path, partner=partner, purpose=purpose, redaction=label)
            for (path, partner, purpose), label in root.cells.items()
        ]


@strawberry.type(description="How often something happened, by its code or reason.")
class Count:
    name: str
    count: int


@strawberry.type(
    description="One day in UTC, contract runs left out. requests: those of authenticated clients that were answered or refused. "
    "subjects: data subjects that the disclosures were about, counted once in each."
)
class Day:
    day: date
    requests: int
    disclosures: int
    subjects: int
    consents_given: int
    consents_narrowed: int
    consents_withdrawn: int

    @strawberry.field
    @staticmethod
    def refusals(root: strawberry.Parent[overview.Day]) -> list[Count]:
        return [Count(name=code, count=count) for code, count in root.refusals.items()]


@strawberry.type(description="One of the staff with the roles and the tokens that open a door now.")
class StaffAccess:
    login: str
    name: str
    roles: list[StaffRole]
    token_count: int
    created_at: datetime
    last_seen_at: datetime | None
    last_acted_at: datetime | None


@strawberry.type(description="When a client last got something; null where that is longer ago than the review looks back.")
class ClientUse:
    client_id: str
    last_used_at: datetime | None


@strawberry.type(description="A live grant and each client's use of it.")
class GrantAccess:
    grant_id: UUID
    partner: str
    scope: str
    starts_at: datetime
    ends_at: datetime

    @strawberry.field
    @staticmethod
    def clients(root: strawberry.Parent[reviews.GrantAccess]) -> list[ClientUse]:
        return [ClientUse(client_id=one, last_used_at=root.last_used_at.get(one)) for one in root.clients]


@strawberry.type(description="Who has what, and when it was last used (policy 9.3).")
class AccessReview:
    staff: list[StaffAccess]
    grants: list[GrantAccess]


@strawberry.type(description="One YAML file of the configuration.")
class ConfigurationFile:
    name: str
    text: str
