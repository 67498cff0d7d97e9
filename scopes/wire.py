"""The one text form in which each kind of value leaves in clear; every redaction is computed from it, so none shows more.

A value without such a form (an infinite date, a point that is not on Earth, a phone number with letters) is withheld everywhere.
"""

from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from ipaddress import IPv4Address, IPv6Address
from typing import Final, TypeAlias
from uuid import UUID

from scopes.redaction import Kind
from scopes.shape import has_shape

# As asyncpg hands them over: date, timestamptz, inet, point (longitude, latitude), uuid, text. Interfaces are addresses.
RawValue: TypeAlias = str | date | datetime | IPv4Address | IPv6Address | UUID | tuple[float, float]

# The drivers' stand-ins for infinity. No person and no event is that old or that late, so nothing is lost with them.
_FIRST_DATE, _LAST_DATE = date.min, date.max
_FIRST_INSTANT, _LAST_INSTANT = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

DEGREE: Final = 100_000  # units of a location: 0.00001 degree, a metre or so


def wire_form(kind: Kind, value: RawValue | None) -> str | None:
    """The value in clear; None where it is null or not of the kind's type or shape. Never raises: an error would quote it.

    birth_date: YYYY-MM-DD. instant: UTC, YYYY-MM-DDTHH:MM:SS.ffffffZ. ip: as RFC 5952, without a prefix length.
    location: latitude,longitude in degrees with 5 decimals. identifier: a UUID in lower case. All others: the text as it stands.
    """
    match kind:
        case Kind.BIRTH_DATE:
            return _date(value)
        case Kind.INSTANT:
            return _instant(value)
        case Kind.IP:
            return _address(value)
        case Kind.LOCATION:
            return _location(value)
        case Kind.IDENTIFIER:
            return str(value) if isinstance(value, UUID) else None
        case _:
            return value if isinstance(value, str) and _is_storable(value) and has_shape(kind, value) else None


def _is_storable(text: str) -> bool:
    """Whether a database can hold the text: lone surrogates are no characters, and PostgreSQL knows no NUL."""
    return not any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text)


def _date(value: RawValue | None) -> str | None:
    if not isinstance(value, date) or isinstance(value, datetime):
        return None
    return value.isoformat() if _FIRST_DATE < value < _LAST_DATE else None


def _instant(value: RawValue | None) -> str | None:
    if not isinstance(value, datetime) or value.tzinfo is None:
        return None
    try:
        instant = value.astimezone(UTC)
    except OverflowError:
        return None
    if not _FIRST_INSTANT < instant < _LAST_INSTANT:
        return None
    return instant.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _address(value: RawValue | None) -> str | None:
    if isinstance(value, IPv4Address):
        return str(IPv4Address(int(value)))
    if not isinstance(value, IPv6Address):
        return None
    number = int(value)
    # RFC 5952 section 5: addresses known to embed an IPv4 one end in its dotted form
    if number >> 32 == 0xFFFF:
        return f"::ffff:{IPv4Address(number & 0xFFFF_FFFF)}"
    if number >> 32 == 0 and number >> 16:
        return f"::{IPv4Address(number)}"
    return str(IPv6Address(number))


def _location(value: RawValue | None) -> str | None:
    if not isinstance(value, tuple) or len(value) != 2:
        return None
    longitude, latitude = value
    if not (-180 <= longitude <= 180 and -90 <= latitude <= 90):  # NaN is neither
        return None
    return f"{fixed(_units(latitude), 5)},{fixed(_units(longitude), 5)}"


def _units(degrees: float) -> int:
    """Degrees in units, by way of 15 significant digits and rounding half away from zero, as PostgreSQL casts and rounds."""
    return int((Decimal(f"{degrees:.15g}") * DEGREE).to_integral_value(ROUND_HALF_UP))


def fixed(units: int, decimals: int) -> str:
    """A number of units of 10^-decimals in plain decimal notation.

    >>> fixed(-5, 2)
    '-0.05'
    """
    whole, rest = divmod(abs(units), 10**decimals)
    return f"{'-' if units < 0 else ''}{whole}.{rest:0{decimals}d}"
