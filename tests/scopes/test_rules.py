"""What a controller lays down for all its scopes: which categories a purpose needs at all, and how much of them may be shown."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopes import CATEGORIES, REVEAL, WITHHOLD, InvalidRules, Kind, Purpose, Redaction, Rules, Rung, strictest
from scopes.redaction import MASKS, STEPS, is_valid

PHONE = "identity.mobile_number"
NARROW, WIDE = Redaction(Rung.MASK, head=1, tail=2), Redaction(Rung.MASK, head=3, tail=4)
RULES = Rules({Purpose.SURVEY: frozenset({"profile.city", PHONE})}, {PHONE: {Kind.PHONE: NARROW}})
WIRE: dict[str, Any] = {
    "needs": {"survey": [PHONE, "profile.city"]},
    "floors": {PHONE: {"phone": {"rung": "mask", "head": 1, "tail": 2}}},
}


IMPOSSIBLE = "^a purpose, a kind or a redaction is not one that can be$"


def redactions(kind: Kind) -> list[Redaction]:
    """All that exist for the kind, but few of its masks."""
    masks = [Redaction(Rung.MASK, head=head, tail=tail) for head in range(4) for tail in range(5)] if kind in MASKS else []
    steps = [Redaction(Rung.GENERALISE, step=step) for chain in STEPS.get(kind, ()) for step in chain]
    every = [REVEAL, WITHHOLD, Redaction(Rung.PSEUDONYMISE), *masks, *steps]
    return [redaction for redaction in every if is_valid(kind, redaction)]


PAIRS = st.sampled_from(Kind).flatmap(
    lambda kind: st.tuples(st.just(kind), st.sampled_from(redactions(kind)), st.sampled_from(redactions(kind)))
)


def test_a_purpose_needs_what_it_is_said_to_need_and_nothing_else() -> None:
    """policy 1.1, chapter 2."""
    needed = {(purpose, category) for purpose in Purpose for category in CATEGORIES if RULES.is_needed(purpose, category)}

    assert needed == {(Purpose.SURVEY, "profile.city"), (Purpose.SURVEY, PHONE)}


def test_what_is_wider_than_the_floor_falls_short_of_it() -> None:
    above = [redaction for redaction in redactions(Kind.PHONE) if RULES.is_above_floor(PHONE, Kind.PHONE, redaction)]

    assert above == [
        redaction
        for redaction in redactions(Kind.PHONE)
        if redaction is WITHHOLD or (redaction.rung is Rung.MASK and redaction.head <= 1 and redaction.tail <= 2)
    ]


def test_a_category_or_a_kind_without_a_floor_may_be_shown() -> None:
    assert RULES.is_above_floor("profile.city", Kind.CITY, REVEAL)
    assert RULES.is_above_floor(PHONE, Kind.TEXT, REVEAL)


@given(PAIRS)
def test_the_floor_itself_is_enough_and_so_is_all_that_is_stricter(pair: tuple[Kind, Redaction, Redaction]) -> None:
    kind, floor, other = pair
    rules = Rules({}, {"profile.city": {kind: floor}})

    assert rules.is_above_floor("profile.city", kind, floor)
    assert rules.is_above_floor("profile.city", kind, strictest(kind, [floor, other]))


def test_rules_travel_in_order_and_come_back_as_they_were() -> None:
    assert RULES.to_wire() == WIRE
    assert Rules.from_wire(WIRE) == RULES
    two = Rules(
        {Purpose.SURVEY: frozenset(), Purpose.LOGIN: frozenset()},
        {PHONE: {Kind.TEXT: REVEAL, Kind.PHONE: REVEAL}, "identity.email": {}},
    ).to_wire()
    assert [list(two["needs"]), list(two["floors"]), list(two["floors"][PHONE])] == [
        ["login", "survey"],
        ["identity.email", PHONE],
        ["phone", "text"],
    ]


@pytest.mark.parametrize(
    ("wire", "said"),
    [
        ({}, IMPOSSIBLE),
        ({"needs": {}}, IMPOSSIBLE),
        ({"floors": {}}, IMPOSSIBLE),
        ({"needs": [], "floors": {}}, IMPOSSIBLE),
        ({"needs": {"nonsense": []}, "floors": {}}, IMPOSSIBLE),
        ({"needs": {"survey": 5}, "floors": {}}, IMPOSSIBLE),
        ({"needs": {"survey": [["profile.city"]]}, "floors": {}}, IMPOSSIBLE),
        ({"needs": {}, "floors": {PHONE: {"nonsense": {"rung": "withhold"}}}}, IMPOSSIBLE),
        ({"needs": {}, "floors": {PHONE: {"phone": {"rung": "nonsense"}}}}, IMPOSSIBLE),
        ({"needs": {}, "floors": {PHONE: {"phone": 5}}}, IMPOSSIBLE),
        ({"needs": {}, "floors": {PHONE: 5}}, IMPOSSIBLE),
        ({"needs": {"survey": ["profile.nonsense"]}, "floors": {}}, "no such category: profile.nonsense"),
        ({"needs": {"survey": [5, "profile.city"]}, "floors": {}}, "no such category: 5"),
        ({"needs": {"survey": ["b", 5, "a"]}, "floors": {}}, "no such category: 5"),
        ({"needs": {}, "floors": {"profile.nonsense": {}}}, "no such category: profile.nonsense"),
        ({"needs": {}, "floors": {"profile": {}}}, "no such category: profile"),
        ({"needs": {}, "floors": {PHONE: {"phone": {"rung": "mask", "head": 9}}}}, f"{PHONE}: a value of kind phone has no such"),
        ({"needs": {}, "floors": {PHONE: {"city": {"rung": "mask"}}}}, f"{PHONE}: a value of kind city has no such redaction"),
    ],
)
def test_rules_about_what_does_not_exist_are_none(wire: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRules, match=said):
        Rules.from_wire(wire)
