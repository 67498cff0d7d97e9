"""Invented rows of the platform's tables: every table, ordinary values and those that should not be there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from random import Random
from typing import Final, TypeAlias
from uuid import UUID

from scopes import Kind, RawValue
from tests.support.values import edges

Cell: TypeAlias = "RawValue | bool | list[UUID | None] | None"
Row: TypeAlias = Mapping[str, Cell]

# Table -> its primary key and what its other columns hold
ACCOUNT: Final[Mapping[str, Kind]] = {
    "real_name": Kind.NAME,
    "mobile_number": Kind.PHONE,
    "national_id": Kind.NATIONAL_ID,
    "email": Kind.EMAIL,
    "birth_date": Kind.BIRTH_DATE,
    "city": Kind.CITY,
    "language": Kind.LABEL,
    "registered_at": Kind.INSTANT,
    "location": Kind.LOCATION,
}
TABLES: Final[Mapping[str, tuple[str, Mapping[str, Kind]]]] = {
    "address": (
        "address_id",
        {
            "recipient": Kind.NAME,
            "mobile_number": Kind.PHONE,
            "street": Kind.ADDRESS,
            "city": Kind.CITY,
            "postcode": Kind.POSTCODE,
        },
    ),
    "post": ("post_id", {"text": Kind.TEXT, "posted_at": Kind.INSTANT}),
    "photo": ("photo_id", {"url": Kind.URL, "taken_at": Kind.INSTANT}),
    "survey_answer": ("answer_id", {"text": Kind.TEXT, "answered_at": Kind.INSTANT}),
    "support_case": ("case_id", {"text": Kind.TEXT, "opened_at": Kind.INSTANT}),
    "service_event": (
        "event_id",
        {"kind": Kind.LABEL, "occurred_at": Kind.INSTANT, "ip_address": Kind.IP, "referrer": Kind.URL},
    ),
    "device": ("device_id", {"app_version": Kind.LABEL, "browser": Kind.LABEL}),
    "partner_login": ("login_id", {"partner_name": Kind.LABEL, "logged_in_at": Kind.INSTANT}),
}
SHARED: Final = frozenset({"post", "photo"})  # may show others, may be deleted or un-shared

ORDINARY: Final[Mapping[Kind, Sequence[RawValue]]] = {
    Kind.NAME: ("王伟", "欧阳娜娜", "Amy Smith", "阿卜杜拉·买买提"),
    Kind.PHONE: ("13812345678", "+8613900001111", "0755-12345678"),
    Kind.NATIONAL_ID: ("11010519491231002X", "440305199002280017"),
    Kind.EMAIL: ("zhang.wei@example.com", "z@example.com"),
    Kind.CITY: ("深圳市", "北京市"),
    Kind.ADDRESS: ("广东省深圳市南山区科技园路1号", "北京市朝阳区建国路87号"),
    Kind.POSTCODE: ("518000", "100020"),
    Kind.TEXT: ("晚上七点老地方见", "ok", "好" * 300),
    Kind.URL: ('https://example.com/?q=1&r="2"',),
    Kind.LABEL: ("zh-CN", "search", "fault"),
    Kind.LOCATION: ((116.39722, 39.91667), (-0.000001, 0.000015)),
    Kind.IP: (IPv4Address("203.0.113.77"), IPv6Address("2001:db8:85a3::8a2e:370:7334")),
}
# What breaks JSON, scripts and lines, in any column of text
HOSTILE: Final = (
    '"',
    "\\",
    '\\"},{"id":"x',
    "'; drop table platform.account; --",
    "\x01\x02\x1f\x7f",
    "a\u2028b\u2029c",
    "\r\n\t",
    "\U0001f600\U0001f468\u200d\U0001f469",
    "</script>",
    "\\u0041",
    "\ufffe\uffff",
    "$1",
    "{}",
)
LONG: Final = 3_000
LAST: Final = datetime.max.replace(tzinfo=UTC)  # asyncpg writes it as infinity, and the first one as minus infinity


def platform_rows(draw: Random, ids: Sequence[UUID], now: datetime) -> Mapping[UUID, tuple[Row, Mapping[str, list[Row]]]]:
    """For each data subject its account and its rows of every other table, those that mention it among them."""
    accounts = {subject_id: _account(draw, subject_id, now) for subject_id in ids}
    owned = {subject_id: {table: _rows(draw, table, subject_id, ids, now) for table in TABLES} for subject_id in ids}
    for subject_id in ids:
        owned[subject_id]["mention"] = []
    for author_id in ids:
        for post in owned[author_id]["post"]:
            for depicted_id in _mentioned(draw, post, ids):
                row = {"mention_id": _uuid(draw), "post_id": post["post_id"], "author_id": author_id, "depicted_id": depicted_id}
                owned[depicted_id]["mention"].append(row)
    return {subject_id: (accounts[subject_id], owned[subject_id]) for subject_id in ids}


def cell(draw: Random, kind: Kind, now: datetime) -> RawValue | None:
    """A value of the kind's column type: mostly ordinary, sometimes at an edge, hostile or missing."""
    chance = draw.random()
    if chance < 0.12:
        return None
    if chance > 0.72:
        if kind not in ORDINARY or kind in (Kind.IP, Kind.LOCATION):
            return draw.choice(edges(kind))
        if chance > 0.86:
            return draw.choice(HOSTILE)
        found = draw.choice(edges(kind))
        return found if draw.random() < 0.02 or len(str(found)) < LONG else None
    if kind is Kind.BIRTH_DATE:
        return date(draw.randint(1935, 2022), draw.randint(1, 12), draw.randint(1, 28))
    if kind is Kind.INSTANT:
        return now.astimezone(UTC) - timedelta(days=draw.randint(0, 5), microseconds=draw.choice((0, 0, 1)))  # some at once
    return draw.choice(ORDINARY[kind])


def _account(draw: Random, subject_id: UUID, now: datetime) -> Row:
    cells = {column: cell(draw, kind, now) for column, kind in ACCOUNT.items()}
    return {"subject_id": subject_id, **cells, "login": None if draw.random() < 0.3 else subject_id.hex}


def _rows(draw: Random, table: str, subject_id: UUID, ids: Sequence[UUID], now: datetime) -> list[Row]:
    key, columns = TABLES[table]
    found: list[Row] = []
    for _ in range(draw.choices((0, 1, 2, 3, 6), (3, 3, 2, 1, 1))[0]):
        row: dict[str, Cell] = {key: _uuid(draw), "subject_id": subject_id}
        row |= {column: cell(draw, kind, now) for column, kind in columns.items()}
        if table in SHARED:
            row["depicted_ids"] = _depicted(draw, subject_id, ids)
            row["deleted_at"] = draw.choices((None, now, LAST), (85, 10, 5))[0]
            row["is_shared"] = draw.random() < 0.9
        found.append(row)
    return found


def _depicted(draw: Random, subject_id: UUID, ids: Sequence[UUID]) -> list[UUID | None]:
    """Nobody, some known ones, and now and then the author, a stranger, nobody's id, or somebody twice."""
    found: list[UUID | None] = list(draw.choices(ids, k=draw.choices((0, 1, 2, 3), (4, 3, 2, 1))[0]))
    odd = draw.choices(((), (subject_id,), (_uuid(draw),), (None,)), (88, 6, 4, 2))[0]
    return [*found, *odd]


def _mentioned(draw: Random, post: Row, ids: Sequence[UUID]) -> Iterable[UUID]:
    """Whom the platform says a post mentions: mostly just those whom it depicts."""
    depicted = post["depicted_ids"]
    assert isinstance(depicted, list)
    known = [person for person in dict.fromkeys(depicted) if person in ids and isinstance(person, UUID)]
    if draw.random() < 0.1:
        known.append(draw.choice(ids))
    return [person for person in known if draw.random() < 0.95]


def _uuid(draw: Random) -> UUID:
    return UUID(int=draw.getrandbits(128))
