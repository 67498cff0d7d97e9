"""What a change would do, in the schema, as `gateway.stewardship.impact` tells it."""

from datetime import datetime

import strawberry

from gateway.stewardship.content import ChangeKind
from gateway.stewardship.impact import Effect, Severity
from scopes import Basis, Purpose, Sensitivity


@strawberry.type(description="What a token for one scope alone gets. sample: made of the field's made-up value.")
class SeenAlone:
    scope: str
    redaction: str
    sample: str | None


@strawberry.type(
    description="How a field comes out under one purpose: under a token with all of its scopes, and alone by each scope that "
    "shows anything. Where one shows more, a token for it alone gets that."
)
class Seen:
    redaction: str
    sample: str | None
    alone: list[SeenAlone]


@strawberry.type(
    description="A field that a partner gains, loses or sees differently. widens: some token lets something be inferred that "
    "none did before. sample: a made-up value in clear. before, after: null where nothing of it is seen."
)
class FieldImpact:
    path: str
    category: str
    sensitivity: Sensitivity
    effect: Effect
    widens: bool
    sample: str
    before: Seen | None
    after: Seen | None


@strawberry.type(
    description="A category that the purpose reads then. covered, missing: data subjects whose evidence gives it or not."
)
class CategoryCover:
    category: str
    sensitivity: Sensitivity
    is_new: bool
    requires: list[Basis]
    covered: int
    missing: int


@strawberry.type(description="Data subjects with live evidence, and those of them who would have to be asked again.")
class Cover:
    subjects_before: int
    subjects_after: int
    covered: int
    to_ask: int
    categories: list[CategoryCover]


@strawberry.type
class PurposeImpact:
    purpose: Purpose
    fields: list[FieldImpact]
    cover: Cover


@strawberry.type
class ClientField:
    purpose: Purpose
    path: str
    effect: Effect


@strawberry.type(description="statusBefore: null for a client that is new.")
class ClientImpact:
    client_id: str
    status_before: str | None
    status_after: str
    fields: list[ClientField]


@strawberry.type(description="Labels; null where the operation does not get the field.")
class OperationField:
    path: str
    redaction_before: str | None
    redaction_after: str | None


@strawberry.type(description="A registered operation that is answered otherwise. Refusals: the code that a request gets.")
class OperationImpact:
    document_sha256: str
    operation: str | None
    purpose: Purpose | None
    refused_before: str | None
    refused_after: str | None
    fields: list[OperationField]


@strawberry.type(description="kind: as GraphQL tools name it (FIELD_REMOVED ...), or REDACTION_CHANGED.")
class SchemaChange:
    severity: Severity
    kind: str
    text: str


@strawberry.type(description="diff: of the SDL, unified, by lines.")
class SchemaDifference:
    diff: list[str]
    changes: list[SchemaChange]
    is_breaking: bool


@strawberry.type(
    description="fromAt: the first instant from which it makes a difference to the partner. schema: null where it stays as it is."
)
class PartnerImpact:
    partner: str
    from_at: datetime
    purposes: list[PurposeImpact]
    clients: list[ClientImpact]
    registered_only_before: bool
    registered_only_after: bool
    operations: list[OperationImpact]
    schema: SchemaDifference | None


@strawberry.type(description="takesEffectAt: if it is approved now. partners: those to which it makes a difference.")
class Impact:
    kind: ChangeKind
    target: str
    takes_effect_at: datetime
    partners: list[PartnerImpact]
