"""A scope: one purpose, the fields it reads, why it needs each, how each is redacted; versioned, and reviewed before use."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from scopes.category import CATEGORIES
from scopes.purpose import PURPOSES, Purpose
from scopes.redaction import Kind, Redaction, Rung, is_valid
from scopes.rules import Rules


@dataclass(frozen=True, slots=True)
class CatalogueField:
    """One value that the adopter's catalogue offers. path: of the schema, `Subject.realName`; category: a leaf of the tree."""

    path: str
    kind: Kind
    category: str


@dataclass(frozen=True, slots=True)
class ScopeField:
    """justification: why the purpose needs it, in the controller's own language; justification_en: in English, if at all."""

    redaction: Redaction
    justification: str
    justification_en: str = ""

    def because(self, language: str) -> str:
        """The justification for a reader of this language, `zh-CN` or `en`."""
        return self.justification_en if language == "en" and self.justification_en else self.justification


@dataclass(frozen=True, slots=True)
class ScopeVersion:
    """fields: by schema path. active_from: None for a draft."""

    scope: str
    version: int
    purpose: Purpose
    active_from: datetime | None
    retired_at: datetime | None
    fields: Mapping[str, ScopeField]

    def is_active(self, now: datetime) -> bool:
        return self.active_from is not None and self.active_from <= now and (self.retired_at is None or now < self.retired_at)

    @property
    def label(self) -> str:
        """As records name it: `name@version`."""
        return f"{self.scope}@{self.version}"


class Fault(StrEnum):
    """Why a scope version may not become active."""

    NO_JUSTIFICATION = "no_justification"  # policy 1.1
    UNKNOWN_PATH = "unknown_path"  # policy 1.1
    UNKNOWN_CATEGORY = "unknown_category"
    INVALID_REDACTION = "invalid_redaction"
    ANALYTICS_IDENTITY = "analytics_identity"  # policy 2.8
    NOT_NEEDED = "not_needed"  # policy 1.1, chapter 2
    BELOW_FLOOR = "below_floor"  # policy 6.2


@dataclass(frozen=True, slots=True)
class ReviewFinding:
    path: str
    fault: Fault


def review(scope: ScopeVersion, catalogue: Mapping[str, CatalogueField], rules: Rules | None = None) -> list[ReviewFinding]:
    """All that speaks against this scope version, in the order of its fields; empty where nothing does (policy 1.1, 2.8).

    rules: what the controller has laid down for all its scopes; None where that is not asked.
    """
    return [
        ReviewFinding(path, fault)
        for path, field in scope.fields.items()
        for fault in (*_faults(scope.purpose, path, field, catalogue), *_broken(scope.purpose, path, field, catalogue, rules))
    ]


def _faults(purpose: Purpose, path: str, field: ScopeField, catalogue: Mapping[str, CatalogueField]) -> list[Fault]:
    faults = [] if field.justification.strip() else [Fault.NO_JUSTIFICATION]
    offered = catalogue.get(path)
    if offered is None:
        return [*faults, Fault.UNKNOWN_PATH]
    if not is_valid(offered.kind, field.redaction):
        faults.append(Fault.INVALID_REDACTION)
    category = CATEGORIES.get(offered.category)
    if category is None:
        faults.append(Fault.UNKNOWN_CATEGORY)
    elif category.is_identity and PURPOSES[purpose].is_analytics and field.redaction.rung is not Rung.WITHHOLD:
        faults.append(Fault.ANALYTICS_IDENTITY)
    return faults


def _broken(
    purpose: Purpose, path: str, field: ScopeField, catalogue: Mapping[str, CatalogueField], rules: Rules | None
) -> list[Fault]:
    """What the controller's own rules have against it. A field that gives nothing breaks none."""
    offered = catalogue.get(path)
    if rules is None or offered is None or field.redaction.rung is Rung.WITHHOLD:
        return []
    faults = [] if rules.is_needed(purpose, offered.category) else [Fault.NOT_NEEDED]
    if not rules.is_above_floor(offered.category, offered.kind, field.redaction):
        faults.append(Fault.BELOW_FLOOR)
    return faults
