"""One more rule never shows more: tested on what comes out, for there the promise is, not on the names of rungs."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scopes import Kind, RawValue, Redaction, redact, strictest
from tests.support.values import edges, redactions, values

NOW = datetime(2026, 2, 28, 12, tzinfo=UTC)
KEY = b"k" * 32


def shown(kind: Kind, rules: Sequence[Redaction], value: RawValue) -> str | None:
    return redact(kind, strictest(kind, rules), value, at=NOW, key=KEY)


def assert_no_more_told(kind: Kind, rules: Sequence[Redaction], extra: Redaction, listed: Sequence[RawValue]) -> None:
    """Values that nobody can tell apart under the rules cannot be told apart under one rule more."""
    told: dict[str | None, str | None] = {}
    for value in listed:
        before, after = shown(kind, rules, value), shown(kind, [*rules, extra], value)
        assert told.setdefault(before, after) == after


@pytest.mark.parametrize("kind", Kind)
def test_one_more_rule_never_tells_edge_cases_apart(kind: Kind) -> None:
    """policy 6.2: whatever scopes a token collects, the strictest rule decides what can be inferred."""
    for rule, extra in product(redactions(kind), repeat=2):
        assert_no_more_told(kind, [rule], extra, edges(kind))


def near(value: RawValue, shift: int) -> RawValue:
    """Another value, alike at its beginning or end."""
    if isinstance(value, str):
        if not value:
            return "1"
        at = shift % len(value)
        return value[:at] + "17王.* "[shift % 6] + value[at + (shift % 2) :]
    try:
        if isinstance(value, datetime):
            return value + timedelta(hours=shift)
        if isinstance(value, date):
            return value + timedelta(days=shift)
    except OverflowError:
        return value
    if isinstance(value, IPv4Address | IPv6Address):
        return type(value)(int(value) ^ abs(shift))
    if isinstance(value, tuple):
        return value[0] + shift / 1_000_000, value[1] - shift / 2_000_000
    return value


@pytest.mark.parametrize("kind", Kind)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_one_more_rule_never_tells_values_apart(kind: Kind, data: st.DataObject) -> None:
    """policy 6.2: the same on generated values and their near neighbours."""
    every = st.sampled_from(redactions(kind))
    rules, extra = data.draw(st.lists(every, min_size=1, max_size=3)), data.draw(every)
    centre = data.draw(values(kind))
    shifts = data.draw(st.lists(st.integers(-400, 400), min_size=5, max_size=20))

    assert_no_more_told(kind, rules, extra, [centre, *(near(centre, shift) for shift in shifts)])


@pytest.mark.parametrize("kind", Kind)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_rule_shows_a_value_that_has_no_wire_form(kind: Kind, data: st.DataObject) -> None:
    """What has not the kind's shape is withheld at every rung, in clear too."""
    value = data.draw(values(kind))
    if redact(kind, redactions(kind)[0], value, at=NOW, key=KEY) is None:
        assert {redact(kind, rule, value, at=NOW, key=KEY) for rule in redactions(kind)} == {None}
