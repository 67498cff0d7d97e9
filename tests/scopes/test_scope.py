"""A scope version's review and its active time; a grant's and a partner's."""

from dataclasses import replace
from datetime import datetime

import pytest

from scopes import (
    MAINLAND,
    REVEAL,
    WITHHOLD,
    CatalogueField,
    Fault,
    Halted,
    Kind,
    Purpose,
    Redaction,
    ReviewFinding,
    Rung,
    ScopeField,
    review,
)
from tests.support.wills import CATALOGUE, DAY, NOON, a_grant, a_partner, a_scope

MASK = Redaction(Rung.MASK, head=1)


def test_a_scope_that_justifies_each_field_passes_review() -> None:
    """policy 1.1."""
    assert review(a_scope(fields={"Subject.realName": MASK, "Subject.city": REVEAL}), CATALOGUE) == []


@pytest.mark.parametrize("justification", ["", "  \n"])
def test_a_field_without_a_justification_is_found(justification: str) -> None:
    """policy 1.1: each scope must justify each field."""
    scope = replace(a_scope(), fields={"Subject.realName": ScopeField(MASK, justification)})

    assert review(scope, CATALOGUE) == [ReviewFinding("Subject.realName", Fault.NO_JUSTIFICATION)]


def test_a_field_outside_the_catalogue_is_found() -> None:
    """policy 1.1: only catalogued fields can ever be served."""
    assert review(a_scope(fields={"Subject.shoeSize": REVEAL}), CATALOGUE) == [
        ReviewFinding("Subject.shoeSize", Fault.UNKNOWN_PATH)
    ]


def test_a_catalogue_that_names_an_unknown_category_is_found() -> None:
    """policy 1.1: a column without a category does not exist for partners."""
    catalogue = {"Subject.shoeSize": CatalogueField("Subject.shoeSize", Kind.LABEL, "body.feet")}

    assert review(a_scope(fields={"Subject.shoeSize": REVEAL}), catalogue) == [
        ReviewFinding("Subject.shoeSize", Fault.UNKNOWN_CATEGORY)
    ]


def test_a_redaction_that_the_kind_does_not_know_is_found() -> None:
    scope = a_scope(fields={"Subject.city": MASK, "Subject.realName": Redaction(Rung.MASK, head=2)})

    assert review(scope, CATALOGUE) == [
        ReviewFinding("Subject.city", Fault.INVALID_REDACTION),
        ReviewFinding("Subject.realName", Fault.INVALID_REDACTION),
    ]


@pytest.mark.parametrize("purpose", [Purpose.PRODUCT_IMPROVEMENT, Purpose.AD_MEASUREMENT, Purpose.AGGREGATE_INSIGHT])
def test_identity_in_an_analytics_scope_is_found_unless_withheld(purpose: Purpose) -> None:
    """policy 2.8."""
    fields = {"Subject.realName": MASK, "Address.street": WITHHOLD, "Subject.city": REVEAL}

    assert review(a_scope(purpose=purpose, fields=fields), CATALOGUE) == [
        ReviewFinding("Subject.realName", Fault.ANALYTICS_IDENTITY)
    ]


def test_all_faults_of_a_field_are_told() -> None:
    fields = {"Subject.realName": ScopeField(Redaction(Rung.MASK, head=2), "")}
    scope = replace(a_scope(purpose=Purpose.AD_MEASUREMENT), fields=fields)

    assert [finding.fault for finding in review(scope, CATALOGUE)] == [
        Fault.NO_JUSTIFICATION,
        Fault.INVALID_REDACTION,
        Fault.ANALYTICS_IDENTITY,
    ]


@pytest.mark.parametrize(
    ("active_from", "retired_at", "is_active"),
    [
        (None, None, False),
        (NOON, None, True),
        (NOON + DAY, None, False),
        (NOON - DAY, NOON, False),
        (NOON - DAY, NOON + DAY, True),
    ],
)
def test_a_scope_version_is_active_from_one_instant_up_to_another(
    active_from: datetime | None, retired_at: datetime | None, *, is_active: bool
) -> None:
    assert a_scope(active_from=active_from, retired_at=retired_at).is_active(NOON) is is_active


def test_records_name_a_scope_with_its_version() -> None:
    assert a_scope("orders", version=3).label == "orders@3"


@pytest.mark.parametrize(
    ("starts_at", "ends_at", "revoked_at", "is_live"),
    [
        (NOON, NOON + DAY, None, True),
        (NOON + DAY, NOON + 2 * DAY, None, False),
        (NOON - DAY, NOON, None, False),
        (NOON - DAY, NOON + DAY, NOON, False),
        (NOON - DAY, NOON + DAY, NOON + DAY, True),
    ],
)
def test_a_grant_is_live_for_its_period_unless_revoked(
    starts_at: datetime, ends_at: datetime, revoked_at: datetime | None, *, is_live: bool
) -> None:
    assert a_grant(starts_at=starts_at, ends_at=ends_at, revoked_at=revoked_at).is_live(NOON) is is_live


@pytest.mark.parametrize(
    ("status", "starts_at", "ends_at", "is_live"),
    [
        ("active", NOON, NOON + DAY, True),
        ("suspended", NOON, NOON + DAY, False),
        ("ended", NOON, NOON + DAY, False),
        ("active", NOON + DAY, NOON + 2 * DAY, False),
        ("active", NOON - DAY, NOON, False),
    ],
)
def test_a_partner_is_live_under_an_agreement_in_force(
    status: str, starts_at: datetime, ends_at: datetime, *, is_live: bool
) -> None:
    """policy 6.2."""
    assert a_partner(status=status, starts_at=starts_at, ends_at=ends_at).is_live(NOON) is is_live


@pytest.mark.parametrize("location", ["HK", "TW", "SG", "US"])
def test_only_the_mainland_is_not_abroad(location: str) -> None:
    """policy 8.1: data collected in mainland China stays there."""
    assert a_partner(location=location).is_abroad
    assert not a_partner(location=MAINLAND).is_abroad


def test_no_halt_stops_nothing() -> None:
    assert Halted.nothing() == Halted(everything=False, partners=frozenset(), scopes=frozenset())
