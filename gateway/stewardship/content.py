"""What can be proposed, each kind in its own form; the same forms are the configuration as files.

Pydantic reads them strictly: an unknown member, a wrong type or an instant without a zone is refused with the place it stands at.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from gateway.stewardship.actor import ActRefused, Finding, StaffCode
from scopes import InvalidRedaction, InvalidRules, Purpose, Redaction, Role, Rules, ScopeField

YEARS: Final = range(1900, 3000)
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
ScopeName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.:-]{0,62}$")]
Line = Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S")]


def _in_utc(instant: datetime) -> datetime:
    """Drivers take the ends of the calendar for infinities, and spans are added to what is agreed."""
    if not YEARS.start < instant.year < YEARS.stop:
        raise ValueError(f"an instant lies between {YEARS.start} and {YEARS.stop}")
    return instant.astimezone(UTC)


Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]
Duty = Literal["confidentiality", "security", "deletion", "audit", "no_onward"]
Days = Annotated[int, Field(ge=1, le=36_500)]
DEEPEST: Final = 40
DUTIES_NEEDED: Final = frozenset({"confidentiality", "security"})
"""Policy 6.2: what every agreement binds its partner to."""


class ChangeKind(StrEnum):
    SCOPE = "scope"
    SCOPE_END = "scope_end"
    GRANT = "grant"
    GRANT_END = "grant_end"
    PARTNER = "partner"
    CLIENT = "client"
    RULES = "rules"


class Content(BaseModel):
    """What all have in common. `target`: the name under which the change is listed."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @property
    def target(self) -> str:
        raise NotImplementedError

    def wire(self) -> dict[str, Any]:
        """As it is stored and exported: JSON."""
        return self.model_dump(mode="json")

    def essence(self) -> dict[str, Any]:
        """`wire` without the instant at which it begins: equal to what stands where the change would change nothing."""
        return {name: value for name, value in self.wire().items() if name != "active_from"}


class FieldContent(Content):
    """One field of a scope. redaction: in its wire form; justification: why the purpose needs it (policy 1.1),
    in the controller's own language and in English."""

    path: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9]*\.[a-z][A-Za-z0-9]*$")]
    redaction: dict[str, Any]
    justification: Line
    justification_en: Annotated[str, Field(max_length=500)] = ""

    @field_validator("redaction")
    @classmethod
    def _is_a_redaction(cls, wire: dict[str, Any]) -> dict[str, Any]:
        try:
            return dict(Redaction.from_wire(wire).to_wire())
        except InvalidRedaction as invalid:
            raise ValueError(str(invalid)) from None

    def rule(self) -> ScopeField:
        return ScopeField(Redaction.from_wire(self.redaction), self.justification, self.justification_en)


class ScopeContent(Content):
    """The next version of a scope. active_from: None for the instant of its approval."""

    scope: ScopeName
    purpose: Purpose
    fields: Annotated[list[FieldContent], Field(min_length=1, max_length=500)]
    active_from: Instant | None = None

    @model_validator(mode="after")
    def _names_a_field_once(self) -> Self:
        if len({field.path for field in self.fields}) != len(self.fields):
            raise ValueError("a field stands there twice")
        return self

    @property
    def target(self) -> str:
        return self.scope

    def rules(self) -> dict[str, ScopeField]:
        return {field.path: field.rule() for field in self.fields}


class ScopeEndContent(Content):
    scope: ScopeName

    @property
    def target(self) -> str:
        return self.scope


class GrantContent(Content):
    """starts_at: None for the instant of its approval. retention_days: how long the partner may keep what it got (policy 8.2)."""

    partner: Name
    scope: ScopeName
    starts_at: Instant | None = None
    ends_at: Instant
    retention_days: Days

    @property
    def target(self) -> str:
        return self.partner

    @property
    def retention(self) -> timedelta:
        return timedelta(days=self.retention_days)


class GrantEndContent(Content):
    grant_id: UUID
    partner: Name
    scope: ScopeName

    @property
    def target(self) -> str:
        return self.partner


class PartnerContent(Content):
    """All that is on record of a partner (policy 6.2); of a new one, or in place of what stands there.

    kind: of the list in policy 6.2 where it is a processor. retention_days: the longest that any of its grants may name.
    """

    name: Name
    legal_name: Line
    contact: Line
    role: Role
    kind: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]
    processing_location: Annotated[str, Field(pattern="^[A-Z]{2}$")]
    cross_border_mechanism: Literal["assessment", "standard_contract", "certification"] | None = None
    agreement_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    agreement_starts_at: Instant
    agreement_ends_at: Instant
    duties: list[Duty]
    notice_contacts: Annotated[list[Line], Field(max_length=20)] = []
    retention_days: Days | None = None
    registered_only: bool = False
    status: Literal["active", "suspended", "ended"] = "active"

    @field_validator("duties")
    @classmethod
    def _binds_the_partner(cls, duties: list[Duty]) -> list[Duty]:
        if missing := DUTIES_NEEDED - set(duties):
            raise ValueError(f"an agreement binds its partner to {' and '.join(sorted(missing))} (policy 6.2)")
        return sorted(set(duties))

    @property
    def target(self) -> str:
        return self.name


class ClientContent(Content):
    """A client of a partner: metadata of RFC 7591, public keys included, never a secret."""

    partner: Name
    metadata: dict[str, Any]
    status: Literal["active", "suspended", "ended"] = "active"

    @property
    def target(self) -> str:
        return self.partner


class RulesContent(Content):
    """What each purpose needs, and the floors of redaction: `scopes.Rules` in its wire form."""

    needs: dict[str, list[str]]
    floors: dict[str, dict[str, dict[str, Any]]]

    @model_validator(mode="after")
    def _are_rules(self) -> Self:
        try:
            self.rules()
        except InvalidRules as invalid:
            raise ValueError(str(invalid)) from None
        return self

    @property
    def target(self) -> str:
        return ""

    def rules(self) -> Rules:
        return Rules.from_wire({"needs": self.needs, "floors": self.floors})


FORMS: Final[dict[ChangeKind, type[Content]]] = {
    ChangeKind.SCOPE: ScopeContent,
    ChangeKind.SCOPE_END: ScopeEndContent,
    ChangeKind.GRANT: GrantContent,
    ChangeKind.GRANT_END: GrantEndContent,
    ChangeKind.PARTNER: PartnerContent,
    ChangeKind.CLIENT: ClientContent,
    ChangeKind.RULES: RulesContent,
}


def read(kind: ChangeKind, wire: object) -> Content:
    """Content in its form. Raises ActRefused CHANGE_INVALID with what is wrong where, and no value of it."""
    if (unheld := _unstorable(wire)) is not None:
        raise ActRefused(StaffCode.CHANGE_INVALID, "the change is not one that can be", (unheld,))
    try:
        return FORMS[kind].model_validate(wire)
    except ValidationError as invalid:
        found = tuple(
            Finding(".".join(map(str, error["loc"])), error["msg"])
            for error in invalid.errors(include_input=False, include_url=False, include_context=False)
        )
        raise ActRefused(StaffCode.CHANGE_INVALID, "the change is not one that can be", found) from None


def is_storable(text: str) -> bool:
    """Whether the database holds such a text: PostgreSQL knows no NUL, and UTF-8 no lone surrogate."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _unstorable(wire: object) -> Finding | None:
    """What the database does not hold, and where. Without recursion: nobody has bounded the depth yet."""
    waiting: list[tuple[tuple[str, ...], object]] = [((), wire)]
    while waiting:
        way, value = waiting.pop()
        names = [value] if isinstance(value, str) else list(map(str, value)) if isinstance(value, Mapping) else []
        if not all(map(is_storable, names)):
            return Finding(".".join(way), "a character that no text of the database holds")
        if len(way) > DEEPEST:
            return Finding(".".join(way[:1]), "nested too deeply")
        if isinstance(value, Mapping):
            waiting += [((*way, str(name)), inner) for name, inner in value.items()]
        elif isinstance(value, list):
            waiting += [((*way, str(index)), inner) for index, inner in enumerate(value)]
    return None
