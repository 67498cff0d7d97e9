"""What a record means for one data subject: what the partner saw, in which form, and what was kept back and why (policy 6)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from gateway.catalogue.definition import Catalogue, LeafList, RowList
from gateway.store.subject_pages import KnownPartner, Position, RecordedDisclosure, RecordedField, Wanted
from scopes import Purpose, Reason, Rung

ZONE: Final = ZoneInfo("Asia/Shanghai")
WITHHELD_BY_RULE: Final = Rung.WITHHOLD.name.lower()
_POSITION: Final = re.compile(r"(\d{1,17})-([0-9a-f]{32})-(\d{1,5})", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class SeenField:
    """redaction: `scopes.Redaction.label()`."""

    path: str
    category: str
    redaction: str


@dataclass(frozen=True, slots=True)
class KeptField:
    """reason: None where a rule of the scope keeps the field back from everybody."""

    path: str
    category: str
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class Shown:
    """One disclosure as its data subject reads it. name, legal_name: of the partner.

    of_others: it went out only because the data subject appears in what others shared (policy 1.4).
    """

    position: Position
    name: str
    legal_name: str
    purpose: Purpose
    seen: tuple[SeenField, ...]
    kept: tuple[KeptField, ...]
    of_others: bool


def shown(record: RecordedDisclosure, catalogue: Catalogue) -> Shown:
    """What was selected under another root field than the subject was seen under did not concern it."""
    roots = record.position.roots
    of_others = roots == 0
    shared = _about_others(catalogue) if of_others else frozenset()
    seen: dict[str, SeenField] = {}
    kept: dict[str, KeptField] = {}
    for one in record.fields:
        if of_others:
            if one.path in shared:  # it went out only because the subject agreed to be shown in it
                seen[one.path] = SeenField(one.path, one.category, one.redaction)
        elif roots >> one.root & 1:
            _settle(one, record, seen, kept)
    return Shown(
        position=record.position,
        name=record.name,
        legal_name=record.legal_name,
        purpose=record.purpose,
        seen=tuple(seen.values()),
        kept=tuple(kept.values()),
        of_others=of_others,
    )


def _settle(one: RecordedField, record: RecordedDisclosure, seen: dict[str, SeenField], kept: dict[str, KeptField]) -> None:
    if one.redaction == WITHHELD_BY_RULE:
        kept[one.path] = KeptField(one.path, one.category, None)
    elif record.covered >> one.ordinal & 1:
        seen[one.path] = SeenField(one.path, one.category, one.redaction)
    else:
        reasons = record.reasons or ()
        reason = Reason(reasons[one.ordinal]) if one.ordinal < len(reasons) else Reason.NO_BASIS
        kept[one.path] = KeptField(one.path, one.category, reason)


@cache
def _about_others(catalogue: Catalogue) -> frozenset[str]:
    """The schema paths of content that can be about others than the one whom it belongs to."""
    found: set[str] = set()
    for shared_type in catalogue.types.values():
        for member in shared_type.members.values():
            if isinstance(member.shared, LeafList) and member.shared.table.others:
                found.add(member.path)
            elif isinstance(member.shared, RowList) and member.shared.table.others:
                found.update(inner.path for inner in catalogue.types[member.shared.type_name].members.values())
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Filter:
    """What the form of the page asked for.

    first, last: days in ZONE, both included. unreadable: the names of inputs that hold something else.
    """

    partner: KnownPartner | None = None
    purpose: Purpose | None = None
    first: date | None = None
    last: date | None = None
    unreadable: frozenset[str] = field(default_factory=frozenset)

    @property
    def wanted(self) -> Wanted:
        return Wanted(
            since=None if self.first is None else _midnight(self.first),
            until=None if self.last is None else _midnight(self.last + timedelta(days=1)),
            partner_id=None if self.partner is None else self.partner.partner_id,
            purpose=self.purpose,
        )

    @property
    def query(self) -> dict[str, str]:
        """The form's inputs that hold something, for links that keep them."""
        values = {
            "partner": self.partner.name if self.partner else "",
            "purpose": self.purpose.value if self.purpose else "",
            "from": self.first.isoformat() if self.first else "",
            "to": self.last.isoformat() if self.last else "",
        }
        return {name: value for name, value in values.items() if value}


def read_filter(query: Mapping[str, str], partners: Mapping[UUID, KnownPartner]) -> Filter:
    """From the page's own form. What cannot be read leaves its condition out and is named in `unreadable`."""
    by_name = {partner.name: partner for partner in partners.values()}
    unreadable = set()
    partner = by_name.get(query.get("partner", ""))
    if query.get("partner") and partner is None:
        unreadable.add("partner")
    purpose = Purpose(query["purpose"]) if query.get("purpose") in set(Purpose) else None
    if query.get("purpose") and purpose is None:
        unreadable.add("purpose")
    days: dict[str, date | None] = {}
    for name in ("from", "to"):
        days[name] = _day(query.get(name, ""))
        if query.get(name) and days[name] is None:
            unreadable.add(name)
    return Filter(partner, purpose, days["from"], days["to"], frozenset(unreadable))


def _day(text: str) -> date | None:
    """A day that lies where instants of a record can."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 1970 <= day.year <= 2999 else None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), ZONE)


def write_position(position: Position) -> str:
    """For a link to the next page."""
    microseconds = (position.disclosed_at - _EPOCH) // _MICROSECOND
    return f"{microseconds}-{position.disclosure_id.hex}-{position.roots}"


def read_position(text: str) -> Position | None:
    """None where it is not one: the page then begins with the newest record."""
    match = _POSITION.fullmatch(text)
    if match is None or int(match[3]) >= 2**15:
        return None
    return Position(_EPOCH + int(match[1]) * _MICROSECOND, UUID(match[2]), int(match[3]))
