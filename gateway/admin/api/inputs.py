"""What a proposal takes: the forms of `gateway.stewardship.content`, which judges them."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from gateway.admin.api.words import Duty, Mechanism, Status
from gateway.request.codes import Code, GatewayError
from gateway.stewardship.content import ChangeKind
from scopes import Purpose, Role


@strawberry.input(description="One field of a scope.")
class ScopeFieldInput:
    path: str = strawberry.field(description="Such as `Subject.city`.")
    redaction: JSON = strawberry.field(
        description='Such as {"rung": "reveal"}, {"rung": "mask", "head": 3, "tail": 4}, {"rung": "generalise", "step": "year"}, '
        '{"rung": "pseudonymise"}, {"rung": "withhold"}.'
    )
    justification: str = strawberry.field(description="Why the purpose needs it (policy 1.1), in the controller's own language.")
    justification_en: str | None = None


@strawberry.input(description="The next version of a scope.")
class ScopeInput:
    scope: str
    purpose: Purpose
    fields: list[ScopeFieldInput]
    active_from: datetime | None = strawberry.field(default=None, description="Null: the instant of its approval.")


@strawberry.input(description="A partner's right to use a scope.")
class GrantInput:
    partner: str
    scope: str
    ends_at: datetime
    retention_days: int = strawberry.field(description="How long the partner may keep what it got (policy 8.2).")
    starts_at: datetime | None = strawberry.field(default=None, description="Null: the instant of its approval.")


@strawberry.input(description="All that is on record of a partner (policy 6.2); of a new one, or in place of what stands there.")
class PartnerInput:
    name: str
    legal_name: str
    contact: str
    role: Role
    kind: str = strawberry.field(description="Of the list in policy 6.2 where it is a processor.")
    processing_location: str = strawberry.field(description="ISO 3166-1 alpha-2.")
    agreement_starts_at: datetime
    agreement_ends_at: datetime
    duties: list[Duty]
    cross_border_mechanism: Mechanism | None = None
    agreement_sha256: str | None = strawberry.field(default=None, description="Of the signed document, in hexadecimal.")
    notice_contacts: list[str] | None = None
    retention_days: int | None = strawberry.field(default=None, description="The longest that any of its grants may name.")
    registered_only: bool | None = None
    status: Status | None = None


@strawberry.input(description="A client of a partner.")
class ClientInput:
    partner: str
    metadata: JSON = strawberry.field(description="Of RFC 7591, `client_id` and public keys included, never a secret.")
    status: Status | None = None


@strawberry.input(description="What each purpose needs, and the floors of redaction, for all scopes.")
class RulesInput:
    needs: JSON = strawberry.field(description='Categories by purpose: {"survey": ["profile.city"]}.')
    floors: JSON = strawberry.field(
        description='Redactions by category and kind: {"contact.phone": {"phone": {"rung": "mask"}}}.'
    )


@strawberry.input(description="The scope that retires without a next version.")
class ScopeEndInput:
    scope: str


@strawberry.input(description="The grant that ends, with the partner and the scope that it is of.")
class GrantEndInput:
    grant_id: UUID
    partner: str
    scope: str


@strawberry.input(description="A change of one kind, proposed or not yet.", one_of=True)
class ChangeInput:
    scope: strawberry.Maybe[ScopeInput]
    scope_end: strawberry.Maybe[ScopeEndInput]
    grant: strawberry.Maybe[GrantInput]
    grant_end: strawberry.Maybe[GrantEndInput]
    partner: strawberry.Maybe[PartnerInput]
    client: strawberry.Maybe[ClientInput]
    rules: strawberry.Maybe[RulesInput]

    def read(self) -> tuple[ChangeKind, Mapping[str, Any]]:
        """The kind, and the content in its wire form."""
        for kind in ChangeKind:
            if (given := getattr(self, kind.value)) is not None:
                return kind, content_of(given.value)
        raise GatewayError(Code.VARIABLES)


@strawberry.input(description="Which disclosures; null leaves out a condition. since is included, until is not.")
class DisclosureFilter:
    partner: str | None = None
    purpose: Purpose | None = None
    since: datetime | None = None
    until: datetime | None = None
    subject_id: UUID | None = None


def content_of(given: object) -> Mapping[str, Any]:
    """An input as the content of a change, in its wire form; what is null is left to the form's own default."""
    wired = _wire(given)
    assert isinstance(wired, dict)  # noqa: S101 - inputs are objects
    return wired


def _wire(value: Any) -> Any:
    if is_dataclass(value):
        named = {field.name: getattr(value, field.name) for field in fields(value)}
        return {name: _wire(one) for name, one in named.items() if one is not None}
    if isinstance(value, list):
        return [_wire(one) for one in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    return value.value if isinstance(value, Enum) else value
