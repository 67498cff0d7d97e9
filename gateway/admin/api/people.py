"""The staff, their tokens and their registered operations in the schema."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

import strawberry

from gateway.stewardship import examine
from gateway.stewardship.actor import Actor
from gateway.stewardship.roles import PERMITTED, StaffRole
from gateway.stewardship.staff import CONFIDENTIALITY
from scopes import Purpose, Sensitivity


@strawberry.type(
    description="Who asks. may: what the roles allow, by the names that the record of acts uses. "
    "confidentiality: the duty that `acceptConfidentiality` accepts, and before which nothing may be done (policy 9.3)."
)
class Me:
    """From an Actor."""

    name: strawberry.Private[str]
    roles: list[StaffRole]
    has_accepted: bool

    @strawberry.field
    def login(self) -> str:
        return self.name

    @strawberry.field
    def may(self) -> list[str]:
        return sorted(act.value for act, roles in PERMITTED.items() if roles & set(self.roles))

    @strawberry.field
    def confidentiality(self) -> str:
        return CONFIDENTIALITY

    @classmethod
    def of(cls, actor: Actor, *, has_accepted: bool) -> "Me":
        return cls(name=actor.name, roles=sorted(actor.roles), has_accepted=has_accepted)


@strawberry.type(description="A bearer token of one's own. Its text is told once, when it is issued.")
class Token:
    token_id: UUID
    label: str
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime


@strawberry.type(description="token: shown this once.")
class IssuedToken:
    token_id: UUID
    expires_at: datetime
    token: str


@strawberry.type(description="clientSecret: shown this once.")
class IssuedSecret:
    secret_id: UUID
    client_secret: str


@strawberry.type
class Member:
    login: str
    name: str
    roles: list[StaffRole]
    has_password: bool
    has_totp: bool
    has_passkey: bool
    confidentiality_accepted_at: datetime | None
    created_at: datetime
    ended_at: datetime | None
    last_seen_at: datetime | None
    last_acted_at: datetime | None


@strawberry.type(description="A new signing key. It signs from `signsAt`; the retired ones until then.")
class KeyRotation:
    kid: str
    algorithm: str
    signs_at: datetime
    retired: list[str]


@strawberry.type(description="A document that a partner may name by its SHA-256.")
class RegisteredOperation:
    document_sha256: str
    document: str
    label: str
    registered_at: datetime
    ended_at: datetime | None


@strawberry.type(description="In the document, counted from 1.")
class Place:
    line: int
    column: int


@strawberry.type(description="The error that a request would get.")
class Hindrance:
    code: str
    places: list[Place]


@strawberry.type(description="One field and how it comes out. scopes: the versions that give it, `name@version`.")
class ExaminedField:
    path: str
    category: str
    sensitivity: Sensitivity
    redaction: str
    scopes: list[str]


@strawberry.type(description="An operation under one purpose. hindrance: null where it would be answered.")
class UnderPurpose:
    purpose: Purpose | None
    scopes: list[str]
    fields: list[ExaminedField]

    @strawberry.field
    @staticmethod
    def hindrance(root: strawberry.Parent[examine.UnderPurpose]) -> Hindrance | None:
        return _hindrance(root.hindrance)


@strawberry.type(
    description="One operation of a document. costLeast: page sizes that variables decide count as 1; costMost: as the largest "
    "there may be, null where some values of the variables are refused as too dear."
)
class ExaminedOperation:
    name: str | None
    cost_least: int
    cost_most: int | None
    under: list[UnderPurpose]

    @strawberry.field
    @staticmethod
    def hindrance(root: strawberry.Parent[examine.ExaminedOperation]) -> Hindrance | None:
        return _hindrance(root.hindrance)


@strawberry.type(description="What a document would cost and get. hindrance: why no operation of it would be answered.")
class ExaminedDocument:
    document_sha256: str
    can_be_answered: bool
    operations: list[ExaminedOperation]

    @strawberry.field
    @staticmethod
    def hindrance(root: strawberry.Parent[examine.Examined]) -> Hindrance | None:
        return _hindrance(root.hindrance)


def _hindrance(found: examine.Hindrance | None) -> Hindrance | None:
    return None if found is None else Hindrance(code=found.code.value, places=[*_places(found)])


def _places(found: examine.Hindrance) -> Iterator[Place]:
    for problem in found.problems:
        yield from (Place(line=line, column=column) for line, column in problem.locations)
