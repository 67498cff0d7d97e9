"""Closed lists and scalars of the schema: the words are those of the files, the commands and the record."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import strawberry
from strawberry.schema.config import StrawberryConfig

from gateway.stewardship.content import ChangeKind
from gateway.stewardship.impact import Effect, Severity
from gateway.stewardship.registers import VersionState
from gateway.stewardship.roles import StaffRole
from scopes import Basis, ConsentKind, Purpose, Role, Sensitivity


class ChangeState(StrEnum):
    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class Status(StrEnum):
    """Of a partner or a client. What has ended does not begin again."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    ENDED = "ended"


class Duty(StrEnum):
    CONFIDENTIALITY = "confidentiality"
    SECURITY = "security"
    DELETION = "deletion"
    AUDIT = "audit"
    NO_ONWARD = "no_onward"


class Mechanism(StrEnum):
    ASSESSMENT = "assessment"
    STANDARD_CONTRACT = "standard_contract"
    CERTIFICATION = "certification"


class SigningAlgorithm(StrEnum):
    """What `gateway.oauth.keys` signs with."""

    ES256 = "ES256"
    EDDSA = "Ed25519"


# Under the values that they have everywhere else: `ad_measurement`, not `AD_MEASUREMENT`
for _words in (
    ChangeKind,
    ChangeState,
    VersionState,
    StaffRole,
    Status,
    Duty,
    Mechanism,
    SigningAlgorithm,
    Sensitivity,
    Effect,
    Severity,
):
    strawberry.enum(_words, graphql_name_from="value")
strawberry.enum(ConsentKind, description="The latest word about a consent.", graphql_name_from="value")
strawberry.enum(Basis, name="LegalBasis", description="What has to be there before a value goes out.", graphql_name_from="value")
strawberry.enum(Purpose, description="Policy chapter 2.", graphql_name_from="value")
strawberry.enum(
    Role, name="PartnerRole", description="What a partner is to the controller (policy 6).", graphql_name_from="value"
)


def _instant(text: object) -> datetime:
    """Raises ValueError, whose text goes no further than the library."""
    if not isinstance(text, str) or len(text) > 64:
        raise ValueError("an instant is a string")
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError("an instant has a zone")
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError("no calendar has this instant") from None


CONFIG: Final = StrawberryConfig(
    scalar_map={
        datetime: strawberry.scalar(
            name="DateTime",
            description="An instant with its zone (RFC 3339); what comes back is in UTC.",
            serialize=datetime.isoformat,
            parse_value=_instant,
        )
    },
)
