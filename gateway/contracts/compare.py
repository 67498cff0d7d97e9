"""One expectation held against what came out. Says how it differs without quoting a value: it could be somebody else's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from ipaddress import ip_address
from typing import Final
from uuid import UUID

from gateway.contracts.contract import Expectation, Must
from gateway.contracts.subjects import Value
from scopes import STEPS, CatalogueField, Kind, RawValue, Redaction, Rung, redact

_PSEUDONYM: Final = re.compile(r"[0-9a-f]{32}")
_NO_KEY: Final = bytes(32)  # read by the pseudonymise rung only, which is compared by its form

Shown = Sequence[str | None]


def difference(expected: Expectation, shown: Shown, raw: Value, field: CatalogueField, *, at: datetime) -> str | None:
    """What is wrong, None where nothing is. raw: the planted value or values. at: for ages. Raises nothing."""
    clear = _redacted(field.kind, raw, Redaction(Rung.REVEAL), at)
    if expected.must is Must.NULL:
        return None if shown and all(value is None for value in shown) else described(shown, clear)
    if expected.must is Must.PSEUDONYM:
        holds = bool(shown) and all(value is not None and _PSEUDONYM.fullmatch(value) and value not in clear for value in shown)
        return None if holds else described(shown, clear)
    wanted, is_whole = _wanted(expected, shown, raw, field, at)
    holds = follows(shown, wanted, is_whole=is_whole) if shown else not wanted
    return None if holds else described(shown, clear)


def follows(shown: Shown, wanted: Shown, *, is_whole: bool = False) -> bool:
    """Whether these are the values wanted, in order, as often as the operation reads the field.

    An operation may read a field under several aliases, and cut a list short: each time the values begin anew.
    is_whole: and none of them is missing at any time.
    """
    ends = {0}  # how many of the values wanted may have come out since they last began anew
    for item in shown:
        anew = {0} if not is_whole or len(wanted) in ends else set[int]()
        ends = {end + 1 for end in ends | anew if end < len(wanted) and wanted[end] == item}
    return (len(wanted) in ends) if is_whole else bool(ends)


def described(shown: Shown, clear: Shown) -> str:
    """What came out, in words."""
    if not shown:
        return "no value"
    if all(value is None for value in shown):
        return "null"
    if all(value is None or value in clear for value in shown):
        return "the value in clear"
    lengths = sorted({len(value) for value in shown if value is not None})
    return f"another text of {' or '.join(map(str, lengths))} characters"


def step_of(kind: Kind, text: object) -> str | None:
    """The step of a generalisation that a contract names, where it names one and does not quote what comes out."""
    return text if isinstance(text, str) and any(text in chain for chain in STEPS.get(kind, ())) else None


def _wanted(expected: Expectation, shown: Shown, raw: Value, field: CatalogueField, at: datetime) -> tuple[Shown, bool]:
    """What must come out, and whether all of it: a list whose items the contract quotes is not cut short."""
    step = step_of(field.kind, expected.text) if expected.must is Must.GENERALISED else None
    if expected.must is Must.REVEALED or step is not None:
        redaction = Redaction(Rung.REVEAL) if step is None else Redaction(Rung.GENERALISE, step=step)
        return _redacted(field.kind, raw, redaction, at), False
    if isinstance(expected.text, str):
        return [expected.text] * max(1, len(shown)), True
    return expected.text or (), True


def _redacted(kind: Kind, raw: Value, redaction: Redaction, at: datetime) -> Shown:
    if isinstance(raw, str) or raw is None:
        return [redact(kind, redaction, raw_value(kind, raw), at=at, key=_NO_KEY)]
    return [redact(kind, redaction, raw_value(kind, item), at=at, key=_NO_KEY) for item in raw]


def raw_value(kind: Kind, text: str | None) -> RawValue | None:
    """A planted text as the database's driver would hand its value over; None where it has not the form."""
    if text is None:
        return None
    try:
        match kind:
            case Kind.BIRTH_DATE:
                return date.fromisoformat(text)
            case Kind.INSTANT:
                return datetime.fromisoformat(text).astimezone(UTC)
            case Kind.IP:
                return ip_address(text)
            case Kind.LOCATION:
                latitude, _, longitude = text.partition(",")
                return float(longitude), float(latitude)
            case Kind.IDENTIFIER:
                return UUID(text)
    except ValueError:
        return None
    return text
