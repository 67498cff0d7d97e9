"""The ladder: its wire form, what each kind knows, and the laws of holding two rules at once."""

from itertools import product

import pytest

from scopes import (
    MASKS,
    PSEUDONYMISE,
    REVEAL,
    STEPS,
    WITHHOLD,
    InvalidRedaction,
    Kind,
    Redaction,
    Rung,
    check,
    default_mask,
    is_valid,
    meet,
    strictest,
)
from tests.support.values import redactions


def mask(head: int = 0, tail: int = 0) -> Redaction:
    return Redaction(Rung.MASK, head=head, tail=tail)


def to(step: str) -> Redaction:
    return Redaction(Rung.GENERALISE, step=step)


def test_the_ladder_has_five_rungs_in_order() -> None:
    assert [rung.name for rung in sorted(Rung)] == ["REVEAL", "MASK", "GENERALISE", "PSEUDONYMISE", "WITHHOLD"]


@pytest.mark.parametrize(
    ("redaction", "wire", "label"),
    [
        (REVEAL, {"rung": "reveal"}, "reveal"),
        (mask(3, 4), {"rung": "mask", "head": 3, "tail": 4}, "mask(3,4)"),
        (mask(1), {"rung": "mask", "head": 1, "tail": 0}, "mask(1,0)"),
        (to("year"), {"rung": "generalise", "step": "year"}, "generalise(year)"),
        (PSEUDONYMISE, {"rung": "pseudonymise"}, "pseudonymise"),
        (WITHHOLD, {"rung": "withhold"}, "withhold"),
    ],
)
def test_a_redaction_has_one_wire_form_and_one_label(redaction: Redaction, wire: dict[str, object], label: str) -> None:
    assert redaction.to_wire() == wire
    assert Redaction.from_wire(wire) == redaction
    assert redaction.label() == label


def test_a_mask_on_the_wire_keeps_nothing_that_it_does_not_name() -> None:
    assert Redaction.from_wire({"rung": "mask"}) == mask()
    assert Redaction.from_wire({"rung": "mask", "tail": 4}) == mask(0, 4)


@pytest.mark.parametrize(
    ("wire", "fault"),
    [
        (None, "a redaction is an object"),
        ("reveal", "a redaction is an object"),
        ({}, "no such rung"),
        ({"rung": "Reveal"}, "no such rung"),
        ({"rung": ["mask"]}, "no such rung"),
        ({"rung": "encrypt"}, "no such rung"),
        ({"rung": "reveal", "head": 0}, "a redaction has no such member"),
        ({"rung": "mask", "step": "year"}, "a redaction has no such member"),
        ({"rung": "generalise", "step": "year", "keep": 1}, "a redaction has no such member"),
        ({"rung": "mask", "head": "3"}, "a mask keeps a whole number of characters"),
        ({"rung": "mask", "head": True}, "a mask keeps a whole number of characters"),
        ({"rung": "mask", "tail": 1.0}, "a mask keeps a whole number of characters"),
        ({"rung": "mask", "head": -1}, "a mask keeps no less than nothing"),
        ({"rung": "mask", "tail": -1}, "a mask keeps no less than nothing"),
        ({"rung": "generalise"}, "a generalisation, and nothing else, has a step"),
        ({"rung": "generalise", "step": 1}, "a step is a name"),
    ],
)
def test_another_wire_form_is_refused(wire: object, fault: str) -> None:
    with pytest.raises(InvalidRedaction) as refused:
        Redaction.from_wire(wire)

    assert str(refused.value) == fault


@pytest.mark.parametrize(("head", "tail"), [(1, 0), (0, 1)])
def test_only_a_mask_keeps_characters(head: int, tail: int) -> None:
    with pytest.raises(InvalidRedaction) as refused:
        Redaction(Rung.REVEAL, head=head, tail=tail)

    assert str(refused.value) == "only a mask keeps characters"


@pytest.mark.parametrize("redaction", [(Rung.MASK, "year"), (Rung.GENERALISE, None)])
def test_only_a_generalisation_has_a_step(redaction: tuple[Rung, str | None]) -> None:
    with pytest.raises(InvalidRedaction) as refused:
        Redaction(redaction[0], step=redaction[1])

    assert str(refused.value) == "a generalisation, and nothing else, has a step"


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_can_be_revealed_pseudonymised_and_withheld(kind: Kind) -> None:
    for redaction in (REVEAL, PSEUDONYMISE, WITHHOLD):
        check(kind, redaction)


@pytest.mark.parametrize(
    ("kind", "head", "tail"),
    [
        (Kind.NAME, 1, 0),
        (Kind.PHONE, 3, 4),
        (Kind.NATIONAL_ID, 3, 4),
        (Kind.EMAIL, 3, 0),
        (Kind.ADDRESS, 6, 0),
        (Kind.POSTCODE, 3, 0),
        (Kind.TEXT, 6, 0),
    ],
)
def test_a_mask_keeps_at_most_what_its_kind_allows(kind: Kind, head: int, tail: int) -> None:
    """policy 6.2: no scope can ask for a mask that hides next to nothing."""
    check(kind, mask(head, tail))

    for wider in (mask(head + 1, tail), mask(head, tail + 1)):
        with pytest.raises(InvalidRedaction) as refused:
            check(kind, wider)
        assert str(refused.value) == f"a mask of {kind} keeps at most {head} and {tail} characters"


def test_kinds_without_a_mask_refuse_one_and_default_to_nothing() -> None:
    without = set(Kind) - MASKS.keys()

    assert without == {Kind.BIRTH_DATE, Kind.CITY, Kind.IP, Kind.INSTANT, Kind.LOCATION, Kind.URL, Kind.IDENTIFIER, Kind.LABEL}
    for kind in without:
        assert default_mask(kind) == WITHHOLD
        with pytest.raises(InvalidRedaction) as refused:
            check(kind, mask())
        assert str(refused.value) == f"{kind} has no mask"


def test_default_masks_are_what_order_platforms_show() -> None:
    assert {kind: default_mask(kind).label() for kind in MASKS} == {
        Kind.NAME: "mask(1,0)",
        Kind.PHONE: "mask(3,4)",
        Kind.NATIONAL_ID: "mask(1,1)",
        Kind.EMAIL: "mask(1,0)",
        Kind.ADDRESS: "mask(6,0)",
        Kind.POSTCODE: "mask(2,0)",
        Kind.TEXT: "mask(1,0)",
    }
    assert all(is_valid(kind, default_mask(kind)) for kind in MASKS)


@pytest.mark.parametrize(
    ("kind", "steps"),
    [
        (Kind.BIRTH_DATE, {"month", "year", "decade", "age_band"}),
        (Kind.ADDRESS, {"city"}),
        (Kind.IP, {"network"}),
        (Kind.INSTANT, {"day", "month", "year"}),
        (Kind.LOCATION, {"district"}),
        (Kind.EMAIL, {"domain"}),
        (Kind.CITY, set()),
        (Kind.NAME, set()),
    ],
)
def test_a_kind_knows_its_own_steps_only(kind: Kind, steps: set[str]) -> None:
    every = {step for chains in STEPS.values() for chain in chains for step in chain}

    assert {step for step in every if is_valid(kind, to(step))} == steps
    for step in {*every, "planet"} - steps:
        with pytest.raises(InvalidRedaction) as refused:
            check(kind, to(step))
        assert str(refused.value) == f"{kind} has no such step"


def test_no_rule_at_all_withholds() -> None:
    """policy 1.1: nobody said that anything may be shown."""
    assert strictest(Kind.NAME, []) == WITHHOLD


@pytest.mark.parametrize("kind", Kind)
def test_meeting_is_commutative_associative_and_idempotent(kind: Kind) -> None:
    """POLICY, terms: an ordered lattice; in which order scopes are read makes no difference."""
    every = redactions(kind)
    for a, b in product(every, repeat=2):
        assert meet(kind, a, b) == meet(kind, b, a)
    for a in every:
        assert meet(kind, a, a) == strictest(kind, [a]) == a
        assert meet(kind, a, REVEAL) == a
        assert meet(kind, a, WITHHOLD) == WITHHOLD
    for a, b, c in product(every, repeat=3):
        assert meet(kind, meet(kind, a, b), c) == meet(kind, a, meet(kind, b, c)) == strictest(kind, [a, b, c])


@pytest.mark.parametrize("kind", Kind)
def test_a_meeting_is_a_rule_of_the_kind(kind: Kind) -> None:
    for a, b in product(redactions(kind), repeat=2):
        check(kind, meet(kind, a, b))


@pytest.mark.parametrize(
    ("kind", "a", "b", "both"),
    [
        (Kind.PHONE, mask(3, 0), mask(1, 4), mask(1, 0)),
        (Kind.PHONE, mask(2, 4), mask(3, 2), mask(2, 2)),
        (Kind.PHONE, mask(3, 4), PSEUDONYMISE, WITHHOLD),
        (Kind.BIRTH_DATE, to("month"), to("decade"), to("decade")),
        (Kind.BIRTH_DATE, to("year"), to("month"), to("year")),
        (Kind.BIRTH_DATE, to("year"), to("age_band"), WITHHOLD),
        (Kind.INSTANT, to("day"), to("year"), to("year")),
        (Kind.EMAIL, mask(3), to("domain"), to("domain")),
        (Kind.ADDRESS, mask(6), to("city"), WITHHOLD),
        (Kind.EMAIL, to("domain"), PSEUDONYMISE, WITHHOLD),
        (Kind.CITY, PSEUDONYMISE, REVEAL, PSEUDONYMISE),
    ],
)
def test_two_rules_meet_where_either_output_would_tell(kind: Kind, a: Redaction, b: Redaction, both: Redaction) -> None:
    assert meet(kind, a, b) == both


@pytest.mark.parametrize("other", [REVEAL, PSEUDONYMISE, to("day"), mask(1)])
def test_a_rule_that_the_kind_does_not_know_withholds(other: Redaction) -> None:
    """policy 1.1: a rule nobody can apply is no licence to show."""
    assert meet(Kind.CITY, to("day"), other) == meet(Kind.CITY, other, to("day")) == WITHHOLD
    assert strictest(Kind.CITY, [to("day")]) == WITHHOLD
