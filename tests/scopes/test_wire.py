"""The form in which each kind of value leaves in clear, and what never does."""

from datetime import UTC, date, datetime, timedelta, timezone
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address
from string import ascii_letters, digits
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopes import PSEUDONYMISE, REVEAL, WITHHOLD, Kind, RawValue, Redaction, Rung, redact, wire_form
from scopes.wire import fixed
from tests.support.values import redactions

NOW = datetime(2026, 2, 28, 12, tzinfo=UTC)
BEIJING = timezone(timedelta(hours=8))


@pytest.mark.parametrize(
    ("kind", "value", "form"),
    [
        (Kind.BIRTH_DATE, date(2004, 2, 29), "2004-02-29"),
        (Kind.BIRTH_DATE, date(1, 1, 2), "0001-01-02"),
        (Kind.BIRTH_DATE, date(9999, 12, 30), "9999-12-30"),
        (Kind.BIRTH_DATE, date.min, None),
        (Kind.BIRTH_DATE, date.max, None),
        (Kind.BIRTH_DATE, NOW, None),
        (Kind.BIRTH_DATE, "2004-02-29", None),
        (Kind.INSTANT, datetime(2024, 3, 1, 8, tzinfo=BEIJING), "2024-03-01T00:00:00.000000Z"),
        (Kind.INSTANT, datetime(987, 6, 5, 4, 3, 2, 1, tzinfo=UTC), "0987-06-05T04:03:02.000001Z"),
        (Kind.INSTANT, datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC), "0001-01-01T00:00:00.000001Z"),
        (Kind.INSTANT, datetime(9999, 12, 31, 23, 59, 59, 999_998, tzinfo=UTC), "9999-12-31T23:59:59.999998Z"),
        (Kind.INSTANT, datetime.min.replace(tzinfo=UTC), None),
        (Kind.INSTANT, datetime.max.replace(tzinfo=UTC), None),
        (Kind.INSTANT, datetime.min.replace(tzinfo=BEIJING), None),
        (Kind.INSTANT, NOW.replace(tzinfo=None), None),
        (Kind.INSTANT, date(2024, 3, 1), None),
        (Kind.IP, IPv4Address("203.0.113.77"), "203.0.113.77"),
        (Kind.IP, IPv4Interface("203.0.113.77/24"), "203.0.113.77"),
        (Kind.IP, IPv6Address("2001:0db8::0001"), "2001:db8::1"),
        (Kind.IP, IPv6Interface("2001:db8::1/48"), "2001:db8::1"),
        (Kind.IP, IPv6Address("::ffff:1.2.3.4"), "::ffff:1.2.3.4"),
        (Kind.IP, IPv6Address("::1.2.3.4"), "::1.2.3.4"),
        (Kind.IP, IPv6Address("::1:0"), "::0.1.0.0"),
        (Kind.IP, IPv6Address("::ffff"), "::ffff"),
        (Kind.IP, IPv6Address("::1:0:0"), "::1:0:0"),
        (Kind.IP, IPv6Address("::"), "::"),
        (Kind.IP, "203.0.113.77", None),
        (Kind.LOCATION, (116.397221, 39.916674999), "39.91667,116.39722"),
        (Kind.LOCATION, (-0.000005, 0.000004999), "0.00000,-0.00001"),
        (Kind.LOCATION, (-0.0, -0.000001), "0.00000,0.00000"),
        (Kind.LOCATION, (180.0, -90.0), "-90.00000,180.00000"),
        (Kind.LOCATION, (-180.0, 90.0), "90.00000,-180.00000"),
        (Kind.LOCATION, (180.00001, 0.0), None),
        (Kind.LOCATION, (0.0, float("inf")), None),
        (Kind.LOCATION, "39.9,116.4", None),
        (Kind.LOCATION, (1.0, 2.0, 3.0), None),
        (Kind.IDENTIFIER, UUID("01900000-0000-7000-8000-0000000000AB"), "01900000-0000-7000-8000-0000000000ab"),
        (Kind.IDENTIFIER, "01900000-0000-7000-8000-0000000000ab", None),
        (Kind.NAME, "王", "王"),
        (Kind.NAME, "", None),
        (Kind.NAME, date(2004, 2, 29), None),
        (Kind.NAME, "王\0", None),
        (Kind.NAME, "\ud7ff\ue000", "\ud7ff\ue000"),
        (Kind.PHONE, "13812345678", "13812345678"),
        (Kind.PHONE, "+(0123456789)- ", "+(0123456789)- "),
        (Kind.PHONE, "11010519491231002X", None),
        (Kind.NATIONAL_ID, "13812345678", None),
        (Kind.NATIONAL_ID, "12345678901234567X", "12345678901234567X"),
        (Kind.NATIONAL_ID, "1234567890123456AX", None),
        (Kind.NATIONAL_ID, "1A345678901234567X", None),
        (Kind.EMAIL, "13812345678", None),
        (Kind.EMAIL, f"z@{ascii_letters}{digits}-.com", f"z@{ascii_letters}{digits}-.com"),
        (Kind.POSTCODE, "13812345678", None),
        (Kind.CITY, "市" * 64, "市" * 64),
        (Kind.CITY, "市" * 65, None),
        (Kind.URL, "u" * 2_048, "u" * 2_048),
        (Kind.URL, "u" * 2_049, None),
        (Kind.LABEL, "l" * 256, "l" * 256),
        (Kind.LABEL, "l" * 257, None),
    ],
)
def test_a_value_in_clear_has_one_form_or_none(kind: Kind, value: RawValue, form: str | None) -> None:
    """policy 1.1: what stands in a column without being of its kind is not shared under that kind."""
    assert wire_form(kind, value) == form
    assert redact(kind, REVEAL, value, at=NOW, key=b"") == form


@pytest.mark.parametrize("code_point", [0xD800, 0xDBFF, 0xDC00, 0xDFFF])
def test_half_a_surrogate_pair_is_no_text(code_point: int) -> None:
    """policy 9.2: encoding it would raise an error that quotes the value."""
    for rule in redactions(Kind.NAME):
        assert redact(Kind.NAME, rule, "王" + chr(code_point), at=NOW, key=b"") is None


@pytest.mark.parametrize("kind", Kind)
def test_nothing_comes_of_null(kind: Kind) -> None:
    assert {redact(kind, rule, None, at=NOW, key=b"") for rule in redactions(kind)} == {None}


@pytest.mark.parametrize("kind", Kind)
def test_a_withheld_value_and_an_unknown_rule_show_nothing(kind: Kind) -> None:
    """policy 1.1: a rule that the kind does not know withholds, it does not pass."""
    values: list[RawValue] = ["王伟", date(2004, 2, 29), NOW, IPv4Address("203.0.113.77"), (116.4, 39.9), UUID(int=1)]

    for value in values:
        assert redact(kind, WITHHOLD, value, at=NOW, key=b"") is None
        assert redact(kind, Redaction(Rung.GENERALISE, step="planet"), value, at=NOW, key=b"") is None
        assert redact(kind, Redaction(Rung.MASK, head=60), value, at=NOW, key=b"") is None


def test_a_pseudonym_of_a_value_is_that_of_its_wire_form() -> None:
    instant = datetime(2024, 3, 1, 8, tzinfo=BEIJING)

    told = redact(Kind.INSTANT, PSEUDONYMISE, instant, at=NOW, key=b"k")

    assert told == redact(Kind.INSTANT, PSEUDONYMISE, instant.astimezone(UTC), at=NOW, key=b"k")
    assert told is not None
    assert len(told) == 32


@given(st.ip_addresses(v=6))
def test_an_ipv6_form_reads_back_as_the_same_address(address: IPv6Address) -> None:
    form = wire_form(Kind.IP, address)

    assert form is not None
    assert ip_address(form) == address


@pytest.mark.parametrize(
    ("units", "decimals", "text"),
    [(0, 2, "0.00"), (-5, 2, "-0.05"), (5, 2, "0.05"), (-105, 2, "-1.05"), (3_991_667, 5, "39.91667")],
)
def test_fixed_point_numbers_are_plain(units: int, decimals: int, text: str) -> None:
    assert fixed(units, decimals) == text
