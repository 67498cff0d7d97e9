"""How a partner's schema changes: as a difference of SDL, and what of it breaks operations or gives answers another meaning."""

import difflib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from graphql import BreakingChange, DangerousChange, GraphQLSchema, find_breaking_changes, find_dangerous_changes

from gateway.schema.view import PartnerSchema
from gateway.store.view import GrantView

MEANING: Final = "REDACTION_CHANGED"


class Severity(StrEnum):
    """breaking: an operation that was valid no longer is. dangerous: it may behave otherwise. meaning: the same field, redacted
    by other rules."""

    BREAKING = "breaking"
    DANGEROUS = "dangerous"
    MEANING = "meaning"


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """kind: as graphql-core names it (FIELD_REMOVED ...), or REDACTION_CHANGED. text: in English, names only."""

    severity: Severity
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class SchemaDifference:
    """diff: of the SDL, unified, by lines without their ends. changes: the worst first; a field that is only new is none."""

    diff: tuple[str, ...]
    changes: tuple[SchemaChange, ...]

    @property
    def is_breaking(self) -> bool:
        return any(change.severity is Severity.BREAKING for change in self.changes)


def difference(before: PartnerSchema, after: PartnerSchema, views: tuple[GrantView, GrantView]) -> SchemaDifference | None:
    """views: those that the schemas were built from. None where nothing changes."""
    if before.sdl == after.sdl:
        return None
    diff = difflib.unified_diff(before.sdl.splitlines(), after.sdl.splitlines(), "before", "after", n=3, lineterm="")
    return SchemaDifference(tuple(diff), (*_structural(before.schema, after.schema), *_meanings(*views)))


def _structural(before: GraphQLSchema, after: GraphQLSchema) -> list[SchemaChange]:
    found: list[tuple[Severity, BreakingChange | DangerousChange]] = [
        *((Severity.BREAKING, change) for change in find_breaking_changes(before, after)),
        *((Severity.DANGEROUS, change) for change in find_dangerous_changes(before, after)),
    ]
    return [SchemaChange(severity, change.type.name, change.description) for severity, change in found]


def _meanings(before: GrantView, after: GrantView) -> list[SchemaChange]:
    """Fields that stay, told to be redacted otherwise: no comparison of types sees what a directive says."""
    return [
        SchemaChange(Severity.MEANING, MEANING, f"{path}: {', '.join(was)} became {', '.join(becomes)}.")
        for path, was, becomes in (
            (path, _told(before, path), _told(after, path)) for path in before.offers if path in after.offers
        )
        if was != becomes
    ]


def _told(view: GrantView, path: str) -> list[str]:
    return [f"{offer.scope}: {offer.redaction.label()}" for offer in view.offers[path]]
