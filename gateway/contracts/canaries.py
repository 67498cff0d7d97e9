"""Values that stand nowhere else, of the shape that each kind expects: what the sweep plants, and then looks for."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from gateway.contracts.subjects import Synthetic, Value
from scopes import CatalogueField, Kind

_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # GB 11643-1999
_CHECKS: Final = "10X98765432"
_CHARACTERS: Final = "岚屿澜汐砚棠筠霁皓翊瑾湉珩葭芷蘅沅湘黛璟琬琰昭曜熠煜焱烨晟晔暄晗旻昉昕晏"


def with_canaries(subject: Synthetic, fields: Sequence[CatalogueField], *, name: str) -> Synthetic:
    """The same data subject under another name, with values of its own: of as many items, and of the same kinds."""
    chooser = random.Random(f"sweep:{name}")  # noqa: S311 - the same values for the same name
    kinds = {field.path: field.kind for field in fields}
    values: dict[str, Value] = {}
    for path, before in subject.values.items():
        if before is None or isinstance(before, str):
            values[path] = before and a_value(kinds[path], path, chooser)
        else:
            values[path] = [item and a_value(kinds[path], path, chooser) for item in before]
    _newest_first(values)
    return Synthetic(
        name=name,
        about=subject.about,
        values=values,
        agreements=subject.agreements,
        sharing_off=subject.sharing_off,
        allows_advertising=subject.allows_advertising,
        accepts_policy=subject.accepts_policy,
        collected_in_mainland=subject.collected_in_mainland,
        columns=subject.columns,
    )


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


def _address(chooser: random.Random) -> str:
    return ".".join(str(chooser.randrange(low, 255)) for low in (11, 100, 100, 1))


def _instant(chooser: random.Random) -> str:
    return f"{datetime(2023, 1, 1, tzinfo=UTC) + timedelta(seconds=chooser.randrange(30_000_000)):%Y-%m-%dT%H:%M:%SZ}"


_MAKERS: Final[Mapping[Kind, Callable[[random.Random], str]]] = {
    Kind.NAME: lambda chooser: _han(chooser, 3),
    Kind.PHONE: lambda chooser: f"1{chooser.choice('3589')}{_digits(chooser, 9)}",
    Kind.NATIONAL_ID: _national_id,
    Kind.EMAIL: lambda chooser: f"{_word(chooser)}@example.com",
    Kind.BIRTH_DATE: lambda chooser: f"{_day(chooser):%Y-%m-%d}",
    Kind.CITY: lambda _chooser: "深圳市",  # of a small domain: no canary
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
