"""The redacting SQL is what `scopes.redact` says, byte for byte, for whatever a column may hold."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.request.redact import expression, is_plain
from scopes import Kind, RawValue, Redaction, Rung, field_key, redact
from tests.support.database import Database
from tests.support.values import edges, redactions, values

Connection: TypeAlias = "asyncpg.Connection[Any]"

NOW = datetime(2026, 2, 28, 17, 30, tzinfo=UTC)
KEY = field_key(b"k" * 32, UUID(int=7), "service_delivery")
PADS = tuple(bytes(byte ^ pad for byte in KEY.ljust(64, b"\0")) for pad in (0x36, 0x5C))
COLUMN_TYPES = {
    Kind.BIRTH_DATE: "date",
    Kind.INSTANT: "timestamptz",
    Kind.IP: "inet",
    Kind.LOCATION: "point",
    Kind.IDENTIFIER: "uuid",
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def connection(module_database: Database) -> AsyncIterator[Connection]:
    """As the serving process connects, but under settings that would show in anything that leans on them."""
    connection = await asyncpg.connect(
        module_database.owner_url,
        server_settings={"role": "gateway", "timezone": "Asia/Shanghai", "datestyle": "German, DMY", "extra_float_digits": "-5"},
    )
    yield connection
    await connection.close()


def as_text(value: RawValue | None) -> str | None:
    """The value as PostgreSQL reads it."""
    if isinstance(value, tuple):
        return f"({value[0]!r},{value[1]!r})"
    return value.isoformat() if isinstance(value, date) else None if value is None else str(value)


async def in_sql(
    connection: Connection, kind: Kind, rules: Sequence[Redaction], texts: Sequence[str | None], at: datetime = NOW
) -> list[list[str | None]]:
    """What the database makes of each value, a list for each."""
    columns = ", ".join(
        expression(kind, rule, "x.v", key_pads=("$2::bytea", "$3::bytea"), at="$4::timestamptz") for rule in rules
    )
    rows = await connection.fetch(
        f"""select {columns} from (select t::{COLUMN_TYPES.get(kind, "text")} as v, n, $2::bytea, $3::bytea, $4::timestamptz
              from unnest($1::text[]) with ordinality u (t, n) offset 0) x order by x.n""",
        texts,
        *PADS,
        at,
    )
    return [list(row) for row in rows]


def in_python(
    kind: Kind, rules: Sequence[Redaction], listed: Sequence[RawValue | None], at: datetime = NOW
) -> list[list[str | None]]:
    return [[redact(kind, rule, value, at=at, key=KEY) for rule in rules] for value in listed]


@pytest.mark.parametrize("kind", Kind)
async def test_the_statement_redacts_each_edge_case_as_decided(connection: Connection, kind: Kind) -> None:
    """policy 6.2: protective measures are the gateway's own, whatever the column holds; null among it."""
    listed, rules = [*edges(kind), None], redactions(kind)

    assert await in_sql(connection, kind, rules, [as_text(value) for value in listed]) == in_python(kind, rules, listed)


@pytest.mark.parametrize("kind", Kind)
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_the_statement_redacts_any_value_as_decided(connection: Connection, kind: Kind, data: st.DataObject) -> None:
    """policy 6.2, 9.2: no value is treated otherwise by the fast way than by the obvious one."""
    listed, rules = data.draw(st.lists(values(kind), min_size=10, max_size=60)), redactions(kind)

    assert await in_sql(connection, kind, rules, [as_text(value) for value in listed]) == in_python(kind, rules, listed)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    born=st.lists(st.dates(date(1900, 1, 1), date(2030, 12, 31)), min_size=20, max_size=60),
    at=st.integers(0, 11 * 366 * 24).map(lambda hours: datetime(2019, 12, 31, tzinfo=UTC) + timedelta(hours=hours)),
)
async def test_an_age_band_is_the_same_at_any_instant(connection: Connection, born: list[date], at: datetime) -> None:
    """policy 1.1: an age stands for a birth date; birthdays, leap days and births to come included."""
    rules = [Redaction(Rung.GENERALISE, step="age_band")]
    listed = [*born, *(birthday(at.date(), years) for years in (14, 18, 25, 65))]

    assert await in_sql(connection, Kind.BIRTH_DATE, rules, [day.isoformat() for day in listed], at) == in_python(
        Kind.BIRTH_DATE, rules, listed, at
    )


def birthday(today: date, years: int) -> date:
    """Some day near the one on which a person completes that many years today."""
    return date(today.year - years, today.month, min(today.day, 28)) + timedelta(days=today.day % 3 - 1)


@pytest.mark.parametrize(
    ("kind", "unprintable"),
    [
        (Kind.BIRTH_DATE, ["infinity", "-infinity", "5874897-12-31", "10000-01-01", "4713-01-01 BC", "0001-12-31 BC"]),
        (
            Kind.INSTANT,
            ["infinity", "-infinity", "294276-12-31 23:59:59+00", "10000-01-01 00:00:00+00", "4713-01-01 00:00:00+00 BC"],
        ),
        (Kind.LOCATION, ["(infinity,0)", "(0,-infinity)", "(nan,nan)", "(1e308,1e308)"]),
    ],
)
async def test_what_has_no_wire_form_is_withheld_without_an_error(
    connection: Connection, kind: Kind, unprintable: list[str]
) -> None:
    """policy 9.2: an error text would quote the value, in the answer or in the database's log."""
    rules = redactions(kind)

    assert await in_sql(connection, kind, rules, unprintable) == [[None] * len(rules)] * len(unprintable)


@pytest.mark.parametrize("kind", Kind)
async def test_a_withheld_column_is_not_read(kind: Kind) -> None:
    """policy 6.2: what the plan withholds is not in the statement, nor is what no rule of the kind allows."""
    unknown = Redaction(Rung.GENERALISE, step="planet")
    for rule in (Redaction(Rung.WITHHOLD), unknown):
        assert "secret" not in expression(kind, rule, "x.secret", key_pads=("", ""), at="now()")


@pytest.mark.parametrize("kind", Kind)
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_plain_output_needs_no_escape_in_json(kind: Kind, data: st.DataObject) -> None:
    """Where `is_plain` says so the output is put between quotation marks as it is."""
    value = data.draw(values(kind))
    for rule in redactions(kind):
        shown = redact(kind, rule, value, at=NOW, key=KEY)
        if shown is not None and is_plain(kind, rule):
            assert shown.isascii()
            assert shown.isprintable()
            assert not set(shown) & set('"\\')
