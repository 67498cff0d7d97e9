"""Values that stand nowhere else, of the shape that each kind expects: what the sweep plants, and then looks for."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from gateway.catalogue.definition import Catalogue
from gateway.contracts.subjects import Synthetic, Value
from scopes import Kind

_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # GB 11643-1999
_CHECKS: Final = "10X98765432"
_CITIES: Final = ("深圳市", "广州市", "成都市", "哈尔滨市", "呼和浩特市", "苏州市", "昆明市")
_SHAPED: Final = frozenset({Kind.NAME, Kind.PHONE, Kind.NATIONAL_ID, Kind.EMAIL, Kind.POSTCODE})
_CHARACTERS: Final = "岚屿澜汐砚棠筠霁皓翊瑾湉珩葭芷蘅沅湘黛璟琬琰昭曜熠煜焱烨晟晔暄晗旻昉昕晏"


Columns = Mapping[str, int | None]
"""By schema path, how many values stand there: None for one of the data subject's own row, else as many as a list has items."""


def columns_of(subjects: Sequence[Synthetic], catalogue: Catalogue) -> Columns:
    """Every column that any of them has a value in, as long as the longest list, and the keys of those lists' rows."""
    found: dict[str, int | None] = {}
    rows: dict[str, int] = {}
    for path, value in ((path, value) for one in subjects for path, value in one.values.items()):
        if value is None or isinstance(value, str):
            found.setdefault(path, None)
        else:
            found[path] = max(found.get(path) or 0, len(value))
            owner = path.partition(".")[0]
            if owner != catalogue.subject.name:
                rows[owner] = max(rows.get(owner, 0), len(value))
    for path, field in catalogue.fields.items():
        owner = path.partition(".")[0]
        if owner in rows and (path in found or field.kind is Kind.IDENTIFIER):
            found[path] = rows[owner]
    return found


def with_canaries(
    subject: Synthetic, columns: Columns, catalogue: Catalogue, *, name: str, is_misshapen: bool = False
) -> Synthetic:
    """The same data subject under another name, with values of its own in every one of these columns.

    is_misshapen: of a shape that none of the rules expects, where the kind has one.
    """
    chooser = random.Random(f"sweep:{name}")  # noqa: S311 - the same values for the same name
    values: dict[str, Value] = {}
    for path, count in columns.items():
        kind = catalogue.fields[path].kind
        make = _misshapen if is_misshapen and kind in _SHAPED else _canary
        made = [make(kind, path, chooser) for _ in range(1 if count is None else count)]
        values[path] = made[0] if count is None else sorted(made) if kind is Kind.IDENTIFIER else made
    _newest_first(values)
    return replace(subject, name=name, values=values)


def a_value(kind: Kind, path: str, chooser: random.Random) -> str:
    """A value of this kind, as subjects.yaml would write it."""
    make = _MAKERS.get(kind)
    if make is not None:
        return make(chooser)
    return _word(chooser) if path in _WORDS else f"{_han(chooser)}{_word(chooser)}"


def _digits(chooser: random.Random, count: int) -> str:
    return "".join(chooser.choices(string.digits, k=count))


def _word(chooser: random.Random) -> str:
    return "".join(chooser.choices(string.ascii_lowercase, k=12))


def _han(chooser: random.Random, count: int = 10) -> str:
    return "".join(chooser.sample(_CHARACTERS, count))


def _day(chooser: random.Random) -> datetime:
    return datetime(1950, 1, 1, tzinfo=UTC) + timedelta(days=chooser.randrange(20_000))


def _national_id(chooser: random.Random) -> str:
    body = f"110101{_day(chooser):%Y%m%d}{_digits(chooser, 3)}"
    return body + _CHECKS[sum(int(one) * weight for one, weight in zip(body, _WEIGHTS, strict=True)) % 11]


def _canary(kind: Kind, path: str, chooser: random.Random) -> str:
    """A value, and of a name a long one: of three characters no part could be told."""
    return _han(chooser, 8) if kind is Kind.NAME else a_value(kind, path, chooser)


def _misshapen(kind: Kind, _path: str, chooser: random.Random) -> str:
    """What no rule for the kind expects; a name that is too long."""
    return _word(chooser) * 6 if kind is Kind.NAME else f"{_han(chooser)}{_digits(chooser, 9)}"


def _address(chooser: random.Random) -> str:
    if chooser.random() < 0.5:
        return f"2408:8256:{':'.join(f'{chooser.randrange(0x1000, 0x10000):x}' for _ in range(6))}"
    return ".".join(str(chooser.randrange(low, 255)) for low in (11, 100, 100, 1))


def _instant(chooser: random.Random) -> str:
    return f"{datetime(2023, 1, 1, tzinfo=UTC) + timedelta(seconds=chooser.randrange(30_000_000)):%Y-%m-%dT%H:%M:%SZ}"


_MAKERS: Final[Mapping[Kind, Callable[[random.Random], str]]] = {
    Kind.NAME: lambda chooser: _han(chooser, 3),
    Kind.PHONE: lambda chooser: f"1{chooser.choice('3589')}{_digits(chooser, 9)}",
    Kind.NATIONAL_ID: _national_id,
    Kind.EMAIL: lambda chooser: f"{_word(chooser)}@example.com",
    Kind.BIRTH_DATE: lambda chooser: f"{_day(chooser):%Y-%m-%d}",
    Kind.CITY: lambda chooser: chooser.choice(_CITIES),  # of a small domain: no canary
    Kind.ADDRESS: lambda chooser: f"广东省深圳市南山区{_han(chooser)}路{_digits(chooser, 3)}号",
    Kind.POSTCODE: lambda chooser: _digits(chooser, 6),
    Kind.IP: _address,
    Kind.INSTANT: _instant,
    Kind.LOCATION: lambda chooser: f"{chooser.uniform(22, 40):.5f},{chooser.uniform(100, 120):.5f}",
    Kind.IDENTIFIER: lambda chooser: str(UUID(int=chooser.getrandbits(128), version=4)),
    Kind.URL: lambda chooser: f"https://canary.example.com/{_word(chooser)}/{_digits(chooser, 9)}",
}
_WORDS: Final = frozenset(
    {"ServiceEvent.kind", "Device.appVersion", "Device.browser", "PartnerLogin.partner", "Subject.language"}
)
"""Labels: an adopter's column may hold no Chinese."""


def _newest_first(values: dict[str, Value]) -> None:
    """Rows come out newest first: so that the first planted is the first to come out, instants go down."""
    for path, found in values.items():
        if isinstance(found, list) and all(item and item.endswith("Z") and item[4:5] == "-" for item in found):
            values[path] = sorted(found, reverse=True)
