"""Each value's rung of the ladder as an expression that the database evaluates: scopes.redact in SQL, built-in functions only.

No expression can raise, whatever the column holds: an error would quote the value. Masks are plain string functions; a regular
expression stands only where an address is cut to its city.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from gateway.store.clause import literal
from scopes import AGE_BANDS, CITY_ALONE, CITY_PATTERN, GRID, OLDEST_BAND, TEXT_MAX, Kind, Redaction, Rung

# Kinds whose output has no character that JSON would have to escape, whatever the value
PLAIN: Final = frozenset(
    {Kind.PHONE, Kind.NATIONAL_ID, Kind.POSTCODE, Kind.BIRTH_DATE, Kind.INSTANT, Kind.IP, Kind.LOCATION, Kind.IDENTIFIER}
)


def is_plain(kind: Kind, redaction: Redaction) -> bool:
    """Whether the output can stand between quotation marks as it is."""
    return kind in PLAIN or redaction.rung is Rung.PSEUDONYMISE


def expression(kind: Kind, redaction: Redaction, column: str, *, key_pads: tuple[str, str], at: str) -> str:
    """SQL of type text, null where nothing is shown. column: a reference of the kind's column type.

    key_pads: SQL of two bytea values, the 64-byte inner and outer padded keys of HMAC-SHA-256 (RFC 2104). at: SQL of a timestamptz.
    """
    rung = redaction.rung
    if rung is Rung.WITHHOLD:
        return "null::text"
    if rung is Rung.PSEUDONYMISE:
        return _case(_shape(kind, column), _hmac(kind, _revealed(kind, column), key_pads))
    if rung is Rung.REVEAL:
        return _case(_shape(kind, column), _revealed(kind, column))
    if rung is Rung.MASK:
        return _case(_shape(kind, column), _MASKS[kind](column, redaction.head, redaction.tail))
    return _generalised(kind, str(redaction.step), column, at)


def _case(shape: str, value: str) -> str:
    return f"case when {shape} then {value} end"


def _shape(kind: Kind, column: str) -> str:
    if kind in TEXT_MAX:
        return f"length({column}) between 1 and {TEXT_MAX[kind]}"
    return _SHAPES[kind].format(c=column)


_SHAPES: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        Kind.PHONE: "length({c}) between 5 and 20 and translate({c}, '0123456789+- ', '') = ''",
        Kind.NATIONAL_ID: (
            "((length({c}) = 18 and translate(left({c}, 17), '0123456789', '') = '' and translate(right({c}, 1), '0123456789X', '') = '')"
            " or (length({c}) = 15 and translate({c}, '0123456789', '') = ''))"
        ),
        Kind.EMAIL: (
            "length({c}) <= 254 and position('@' in {c}) between 2 and length({c}) - 1 and position(' ' in {c}) = 0"
            " and length({c}) - length(replace({c}, '@', '')) = 1"
        ),
        Kind.POSTCODE: "length({c}) = 6 and translate({c}, '0123456789', '') = ''",
        Kind.BIRTH_DATE: "{c} between date '0001-01-01' and date '9999-12-31'",
        Kind.INSTANT: "{c} >= timestamptz '0001-01-01 00:00:00+00' and {c} < timestamptz '10000-01-01 00:00:00+00'",
        Kind.IP: "((family({c}) = 4 and masklen({c}) = 32) or (family({c}) = 6 and masklen({c}) = 128 and {c} >= inet '1::'))",
        Kind.LOCATION: "({c})[0] between -180 and 180 and ({c})[1] between -90 and 90",
        Kind.IDENTIFIER: "{c} is not null",
    }
)


def _revealed(kind: Kind, column: str) -> str:
    return _REVEALED.get(kind, "{c}").format(c=column)


_REVEALED: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        Kind.BIRTH_DATE: "to_char({c}, 'YYYY-MM-DD')",
        Kind.INSTANT: """to_char({c} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')""",
        Kind.IP: "host({c})",
        Kind.LOCATION: "round(({c})[1]::numeric, 5)::text || ',' || round(({c})[0]::numeric, 5)::text",
        Kind.IDENTIFIER: "({c})::text",
    }
)


def _hmac(kind: Kind, text: str, key_pads: tuple[str, str]) -> str:
    tag = f"'\\x{kind.value.encode().hex()}00'::bytea"
    inner = f"sha256({key_pads[0]} || {tag} || convert_to({text}, 'UTF8'))"
    return f"left(encode(sha256({key_pads[1]} || {inner}), 'hex'), 32)"


def _start(column: str, head: int, stars: str) -> str:
    return f"left({column}, least({head}, length({column}) / 2)) || '{stars}'"


def _fixed(column: str, head: int, tail: int) -> str:
    return f"left({column}, {head}) || repeat('*', length({column}) - {head + tail}) || right({column}, {tail})"


def _phone(column: str, head: int, tail: int) -> str:
    mainland = f"length({column}) = 11 and left({column}, 1) = '1' and translate({column}, '0123456789', '') = ''"
    kept = f"left({column}, {head}) || '{'*' * (11 - head - tail)}' || right({column}, {tail})"
    return f"case when {mainland} then {kept} else '****' || right({column}, {min(tail, 2)}) end"


def _email(column: str, head: int, _tail: int) -> str:
    place = f"position('@' in {column})"
    return f"left({column}, least({head}, ({place} - 1) / 2)) || '***' || substr({column}, {place})"


_MASKS: Final[Mapping[Kind, Callable[[str, int, int], str]]] = MappingProxyType(
    {
        Kind.NAME: lambda column, head, _tail: _start(column, head, "**"),
        Kind.PHONE: _phone,
        Kind.NATIONAL_ID: _fixed,
        Kind.EMAIL: _email,
        Kind.ADDRESS: lambda column, head, _tail: _start(column, head, "****"),
        Kind.POSTCODE: _fixed,
        Kind.TEXT: lambda column, head, _tail: _start(column, head, "***"),
    }
)


def _generalised(kind: Kind, step: str, column: str, at: str) -> str:
    shape = _shape(kind, column)
    if kind is Kind.EMAIL:
        return _case(shape, f"substr({column}, position('@' in {column}) + 1)")
    if kind is Kind.ADDRESS:
        alone = " ".join(f"when starts_with({column}, {literal(name)}) then {literal(name)}" for name in CITY_ALONE)
        return _case(shape, f"case {alone} else substring({column} from {literal(CITY_PATTERN)}) end")
    if kind is Kind.IP:
        return _case(shape, f"network(set_masklen({column}, case family({column}) when 4 then 24 else 48 end))::text")
    if kind is Kind.LOCATION:
        return _case(shape, f"{_corner(f'({column})[1]')} || ',' || {_corner(f'({column})[0]')}")
    if step == "age_band":
        return _age_band(column, shape, at)
    if step == "decade":
        return _case(shape, f"left(to_char({column}, 'YYYY'), 3) || '0s'")
    local = f"{column} at time zone 'UTC'" if kind is Kind.INSTANT else column
    form = {"year": "YYYY", "month": "YYYY-MM", "day": "YYYY-MM-DD"}[step]
    return _case(shape, f"to_char({local}, '{form}')")


def _corner(degrees: str) -> str:
    return f"round((floor({degrees} * {GRID}) * 5)::numeric / 100, 2)::text"


def _age_band(column: str, shape: str, at: str) -> str:
    today = f"({at} at time zone 'UTC')::date"
    birthday_ahead = f"to_char({today}, 'MMDD') < to_char({column}, 'MMDD')"
    age = f"extract(year from {today})::int - extract(year from {column})::int - ({birthday_ahead})::int"
    bands = " ".join(f"when {age} < {limit} then '{band}'" for limit, band in AGE_BANDS)
    return _case(f"{shape} and {column} <= {today}", f"case {bands} else '{OLDEST_BAND}' end")
