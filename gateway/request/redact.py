"""Each value's rung of the ladder, as an expression that the database evaluates: what `scopes.redact` says, byte for byte.

Plain built-in functions only: regular expressions and PL/pgSQL cost several times as much a row. What could raise stands behind a
CASE, because an error text would quote the value. Nothing depends on DateStyle, TimeZone or a collation.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Final

from gateway.store.clause import literal
from scopes import (
    AGE_BANDS,
    CITY_ENDINGS,
    DOMAIN_CHARACTERS,
    LONGEST,
    LONGEST_LOCAL_PART,
    MUNICIPALITIES,
    NOT_IN_A_CITY,
    PHONE_CHARACTERS,
    PHONE_DIGITS,
    PROVINCES,
    SPECIAL_REGIONS,
    Kind,
    Redaction,
    Rung,
    is_valid,
)

NOTHING: Final = "null::text"
DIGITS: Final = "0123456789"
# ltrim and rtrim look each character up from the left of the set: frequent ones first
_FREQUENT: Final = "comaeqn.ilxsgur163tpdhyfbkvwjz"
DOMAIN: Final = "".join(sorted(DOMAIN_CHARACTERS, key=lambda c: ((_FREQUENT + c).index(c), c)))
PHONE: Final = "".join(sorted(PHONE_CHARACTERS, reverse=True))

# Kinds whose output has no character that JSON would have to escape, whatever the column holds
PLAIN: Final = frozenset(
    {Kind.PHONE, Kind.NATIONAL_ID, Kind.POSTCODE, Kind.BIRTH_DATE, Kind.INSTANT, Kind.IP, Kind.LOCATION, Kind.IDENTIFIER}
)


def is_plain(kind: Kind, redaction: Redaction) -> bool:
    """Whether the output can stand between quotation marks as it is."""
    return kind in PLAIN or redaction.rung is Rung.PSEUDONYMISE


def expression(kind: Kind, redaction: Redaction, column: str, *, key_pads: tuple[str, str], at: str) -> str:
    """SQL of type text, null where the value is withheld, over a reference to a column of the kind's type.

    Types: birth_date date, instant timestamptz, ip inet, location point (longitude, latitude), identifier uuid, all others text.
    key_pads: references to two bytea, the field key padded to 64 bytes and xored with 0x36 and with 0x5c (RFC 2104); read by the
    pseudonymise rung only. at: SQL of type timestamptz, the statement's instant.
    """
    if redaction.rung is Rung.WITHHOLD or not is_valid(kind, redaction):
        return NOTHING
    if redaction.rung is Rung.REVEAL:
        return _shaped(kind, column, _revealed(kind, column))
    if redaction.rung is Rung.PSEUDONYMISE:
        return _shaped(kind, column, _pseudonym(kind, _revealed(kind, column), key_pads))
    if redaction.rung is Rung.MASK:
        if kind in _FUSED:
            return _FUSED[kind](column, redaction.head, redaction.tail)
        return _shaped(kind, column, _MASKS[kind](column, redaction.head, redaction.tail))
    return _shaped(kind, column, _generalised(kind, str(redaction.step), column, at))


def _shaped(kind: Kind, column: str, value: str) -> str:
    return f"case when {_shape(kind, column)} then {value} end"


# Shapes: scopes.has_shape, and for typed columns the values that have a wire form at all


def _shape(kind: Kind, column: str) -> str:
    shape = _SHAPES.get(kind)
    return shape(column) if shape else f"length({column}) between 1 and {LONGEST[kind]}"


def _only(column: str, characters: str) -> str:
    """Whether the text holds nothing but these ASCII characters. Trimming bytes costs half of what trimming characters does."""
    return f"ltrim(textsend({column}), {_bytes(characters)}) = ''::bytea"


def _bytes(characters: str) -> str:
    return f"decode('{characters.encode().hex()}', 'hex')"


def _is_phone(column: str) -> str:
    digits = f"length(translate({column}, '+-() ', '')) between 1 and {PHONE_DIGITS}"
    no_short_id = f"(length({column}) <> 15 or left({column}, 1) = '0' or not {_only(column, DIGITS)})"
    return f"length({column}) between 1 and {LONGEST[Kind.PHONE]} and {_only(column, PHONE)} and {digits} and {no_short_id}"


def _is_mainland_mobile(column: str) -> str:
    return f"""({column} collate "C") like '1{"_" * 10}' and {_only(column, DIGITS)}"""


def _is_national_id(column: str) -> str:
    return f"({_is_long_id(column)} or {_is_short_id(column)})"


def _is_long_id(column: str) -> str:
    """What is left after the leading digits is nothing, or the X that stands for a check digit of ten."""
    left = f"ltrim(textsend({column}), {_bytes(DIGITS)})"
    return f"length({column}) = 18 and {left} in (''::bytea, {_bytes('X')}, {_bytes('x')})"


def _is_short_id(column: str) -> str:
    return f"length({column}) = 15 and {_only(column, DIGITS)}"


def _is_email(column: str) -> str:
    """Where nothing but domain characters follows the last @, rtrim leaves what ends with it: and it has to be the first one."""
    text = f"""({column} collate "C")"""
    at = f"position({_bytes('@')} in textsend({column}))"
    return (
        f"{text} like '_%@_%.%' and length({column}) <= {LONGEST[Kind.EMAIL]}"
        f" and position('@' in {column}) <= {LONGEST_LOCAL_PART + 1}"
        f" and octet_length(rtrim(textsend({column}), {_bytes(DOMAIN)})) = {at}"
        f" and {text} not like '% %' and {text} not like '%@.%' and {text} not like '%.'"
    )


_SHAPES: Final[Mapping[Kind, Callable[[str], str]]] = MappingProxyType(
    {
        Kind.PHONE: _is_phone,
        Kind.NATIONAL_ID: _is_national_id,
        Kind.EMAIL: _is_email,
        Kind.POSTCODE: lambda column: f"length({column}) = 6 and {_only(column, DIGITS)}",
        Kind.BIRTH_DATE: lambda column: f"{column} > date '0001-01-01' and {column} < date '9999-12-31'",
        Kind.INSTANT: lambda column: (
            f"{column} > timestamptz '0001-01-01 00:00:00+00' and {column} < timestamptz '9999-12-31 23:59:59.999999+00'"
        ),
        Kind.IP: lambda column: f"{column} is not null",
        # NaN is above every number
        Kind.LOCATION: lambda column: f"({column})[0] between -180 and 180 and ({column})[1] between -90 and 90",
        Kind.IDENTIFIER: lambda column: f"{column} is not null",
    }
)


# Reveal: the wire form


def _revealed(kind: Kind, column: str) -> str:
    return _REVEALED[kind](column) if kind in _REVEALED else column


def _date(column: str, form: str = "YYYY-MM-DD") -> str:
    return f"to_char({column}::timestamp, '{form}')"


def _instant(column: str, form: str = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') -> str:
    return f"to_char({column} at time zone 'UTC', '{form}')"


def _degrees(column: str, index: int) -> str:
    return f"round((({column})[{index}])::numeric, 5)"


def _place(latitude: str, longitude: str) -> str:
    return f"({latitude})::text || ',' || ({longitude})::text"


_REVEALED: Final[Mapping[Kind, Callable[[str], str]]] = MappingProxyType(
    {
        Kind.BIRTH_DATE: _date,
        Kind.INSTANT: _instant,
        Kind.IP: lambda column: f"host({column})",
        Kind.LOCATION: lambda column: _place(_degrees(column, 1), _degrees(column, 0)),
        Kind.IDENTIFIER: lambda column: f"{column}::text",
    }
)


def _pseudonym(kind: Kind, shown: str, key_pads: tuple[str, str]) -> str:
    """HMAC-SHA-256 from two sha256(): RFC 2104."""
    inner, outer = key_pads
    prefix = f"decode('{kind.encode().hex()}00', 'hex')"
    return f"encode(substr(sha256({outer} || sha256({inner} || {prefix} || convert_to({shown}, 'UTF8'))), 1, 16), 'hex')"


# Masks


def _first_half(column: str, length: str, head: int, stars: str) -> str:
    """The first `head` characters, but no more than half of `length`, and a fixed number of stars."""
    return f"left({column}, least({head}, {length} / 2)) || '{stars}'" if head else f"'{stars}'"


def _between(column: str, length: int, head: int, tail: int) -> str:
    return f"overlay({column} placing '{'*' * (length - head - tail)}' from {head + 1} for {length - head - tail})"


def _mask_phone(column: str, head: int, tail: int) -> str:
    first, last = f"least({head}, length({column}) / 4)", f"least({tail}, length({column}) / 4)"
    stars = f"repeat('*', length({column}) - {first} - {last})"
    return (
        f"case when {_is_mainland_mobile(column)} then {_between(column, 11, head, tail)}"
        f" when {_is_phone(column)} then left({column}, {first}) || {stars} || right({column}, {last}) end"
    )


def _mask_national_id(column: str, head: int, tail: int) -> str:
    return (
        f"case when {_is_long_id(column)} then {_between(column, 18, head, tail)}"
        f" when {_is_short_id(column)} then {_between(column, 15, head, tail)} end"
    )


# Kinds with several shapes, each masked in a way of its own: the most frequent is tried first, and each shape once
_FUSED: Final[Mapping[Kind, Callable[[str, int, int], str]]] = MappingProxyType(
    {Kind.PHONE: _mask_phone, Kind.NATIONAL_ID: _mask_national_id}
)


def _mask_email(column: str, head: int, _tail: int) -> str:
    local = f"(position('@' in {column}) - 1)"
    return f"{_first_half(column, local, head, '***@')} || split_part({column}, '@', 2)"


_MASKS: Final[Mapping[Kind, Callable[[str, int, int], str]]] = MappingProxyType(
    {
        Kind.NAME: lambda column, head, _tail: _first_half(column, f"length({column})", head, "**"),
        Kind.EMAIL: _mask_email,
        Kind.ADDRESS: lambda column, head, _tail: _first_half(column, f"length({column})", head, "****"),
        Kind.POSTCODE: lambda column, head, tail: _between(column, 6, head, tail),
        Kind.TEXT: lambda column, head, _tail: _first_half(column, f"length({column})", head, "***"),
    }
)


# Generalisations

_FORMS: Final = MappingProxyType({"year": "YYYY", "month": "YYYY-MM", "day": "YYYY-MM-DD"})


def _generalised(kind: Kind, step: str, column: str, at: str) -> str:
    match kind, step:
        case Kind.BIRTH_DATE, "age_band":
            return _age_band(column, at)
        case Kind.BIRTH_DATE, "decade":
            return f"left({_date(column, 'YYYY')}, 3) || '0s'"
        case Kind.BIRTH_DATE, _:
            return _date(column, _FORMS[step])
        case Kind.INSTANT, _:
            return _instant(column, _FORMS[step])
        case Kind.IP, _:
            return f"network(set_masklen({column}, case family({column}) when 4 then 24 else 48 end))::text"
        case Kind.LOCATION, _:
            return _place(_corner(column, 1), _corner(column, 0))
        case Kind.EMAIL, _:
            return f"split_part({column}, '@', 2)"
        case Kind.ADDRESS, _:
            return _city(column)
        case _:
            return NOTHING


def _corner(column: str, index: int) -> str:
    return f"floor({_degrees(column, index)} * 20) * 0.05"


def _age_band(column: str, at: str) -> str:
    """Two dates as numbers YYYYMMDD differ by 10,000 for each completed year."""
    today = f"to_char({at} at time zone 'UTC', 'YYYYMMDD')::integer"
    born = f"to_char({column}::timestamp, 'YYYYMMDD')::integer"
    names = [f"{first}-{end - 1}" for first, end in pairwise(AGE_BANDS)] + [f"{AGE_BANDS[-1]}+"]
    starts = ", ".join(map(str, AGE_BANDS[1:]))
    band = f"(array[{_listed(names)}])[1 + width_bucket(({today} - {born}) / 10000, array[{starts}])]"
    return f"case when {column} <= ({at} at time zone 'UTC')::date then {band} end"


def _city(column: str) -> str:
    """No province's name holds an ending of a city's, nor a character that no city's has: so all may be sought from the left."""
    length = f"coalesce(nullif(position('省' in left({column}, 4)), 0), position('自治区' in left({column}, 8)) + 2)"
    branches = [
        f"when left({column}, {len(names[0])}) in ({_listed(names)}) then left({column}, {len(names[0])})"
        for names in (MUNICIPALITIES, SPECIAL_REGIONS)
    ]
    named = []
    for ending, first, last in CITY_ENDINGS:
        begins = f"position({literal(ending)} in {column})"
        before = f"left({column}, {begins} - 1)"
        clean = f"translate({before}, {literal(''.join(sorted(NOT_IN_A_CITY)))}, '') = {before}"
        whole = f"left({column}, {begins} + {len(ending) - 1})"
        named.append(f"when {begins} - {length} between {first + 1} and {last + 1} then case when {clean} then {whole} end")
    branches.append(f"when left({column}, {length}) in ({_listed(PROVINCES)}) then case {' '.join(named)} end")
    return f"case {' '.join(branches)} end"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(literal, names))
