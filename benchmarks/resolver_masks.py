"""The resolvers' redactions: per value, in Python, as a team would write them that knows the rules and watches the clock."""

import hmac
import re
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Final
from uuid import UUID

_MAINLAND: Final = re.compile(r"1[0-9]{10}")
_PHONE: Final = re.compile(r"(?=.*[0-9])[0-9+\-() ]{1,32}")
_NATIONAL_ID: Final = re.compile(r"[0-9]{17}[0-9Xx]|[0-9]{15}")
_EMAIL: Final = re.compile(r"([^@ ]{1,64})@([A-Za-z0-9\-][A-Za-z0-9.\-]*\.[A-Za-z0-9.\-]*[A-Za-z0-9\-])")
_POSTCODE: Final = re.compile(r"[0-9]{6}")


def name(value: str | None) -> str | None:
    return f"{value[: min(1, len(value) // 2)]}**" if value and len(value) <= 64 else None


def phone(value: str | None) -> str | None:
    if value is None:
        return None
    if _MAINLAND.fullmatch(value):
        return f"{value[:3]}****{value[7:]}"
    if not _PHONE.fullmatch(value):
        return None
    quarter = len(value) // 4
    head, tail = min(3, quarter), min(4, quarter)
    return value[:head] + "*" * (len(value) - head - tail) + value[len(value) - tail :]


def national_id(value: str | None) -> str | None:
    if value is None or not _NATIONAL_ID.fullmatch(value):
        return None
    return value[0] + "*" * (len(value) - 2) + value[-1]


def email(value: str | None) -> str | None:
    match = _EMAIL.fullmatch(value) if value is not None and len(value) <= 254 else None
    return f"{match[1][: min(1, len(match[1]) // 2)]}***@{match[2]}" if match else None


def year(value: date | None) -> str | None:
    return f"{value.year:04}" if value is not None else None


def street(value: str | None) -> str | None:
    return f"{value[: min(6, len(value) // 2)]}****" if value and len(value) <= 256 else None


def city(value: str | None) -> str | None:
    return value if value and len(value) <= 64 else None


def postcode(value: str | None) -> str | None:
    return f"{value[:2]}****" if value is not None and _POSTCODE.fullmatch(value) else None


def text(value: str | None) -> str | None:
    return value if value and len(value) <= 20_000 else None


def instant(value: datetime | None) -> str | None:
    if value is None:
        return None
    return (
        value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if value.tzinfo is not UTC else f"{value:%Y-%m-%dT%H:%M:%S.%fZ}"
    )


def item_id(key: bytes, value: UUID) -> str:
    return hmac.digest(key, b"identifier\0" + str(value).encode(), sha256)[:16].hex()
