"""The demo's partners and scopes."""

import pytest

from gateway.catalogue.weidandan import CATALOGUE
from gateway.demo.canaries import aviary
from gateway.demo.partners import AGREED_AT, GRANTED, PARTNERS, DemoScope
from scopes import CATEGORIES, PURPOSES, Role, Rung, ScopeVersion, review

SCOPES = [scope for _, scope in GRANTED]


def version_of(scope: DemoScope) -> ScopeVersion:
    fields = {field.path: field.rule for field in scope.fields}
    return ScopeVersion(scope=scope.name, version=1, purpose=scope.purpose, active_from=AGREED_AT, retired_at=None, fields=fields)


@pytest.mark.parametrize("scope", SCOPES, ids=lambda scope: scope.name)
def test_a_review_finds_nothing_against_a_scope(scope: DemoScope) -> None:
    """policy 1.1, 2.8: known fields, each justified, redactions that exist, no identity under analytics."""
    assert review(version_of(scope), CATALOGUE.fields) == []


@pytest.mark.parametrize("scope", SCOPES, ids=lambda scope: scope.name)
def test_no_field_stands_twice_in_a_scope(scope: DemoScope) -> None:
    assert len({field.path for field in scope.fields}) == len(scope.fields)


def test_the_advertising_partner_reads_no_identity() -> None:
    """policy 2.8: what an analytics purpose reads is never combined with identity."""
    adlens = next(scope for partner, scope in GRANTED if partner.name == "adlens")

    assert PURPOSES[adlens.purpose].is_analytics
    assert not any(CATEGORIES[CATALOGUE.fields[field.path].category].is_identity for field in adlens.fields)


def test_each_role_and_the_partner_abroad_are_there() -> None:
    abroad = [partner for partner in PARTNERS if partner.location != "CN"]

    assert {partner.role for partner in PARTNERS} == {Role.RECIPIENT, Role.PROCESSOR}
    assert [(partner.name, partner.mechanism) for partner in abroad] == [("overseas", "standard_contract")]
    assert [partner.name for partner in PARTNERS if partner.scope is None] == ["newcomer"]


def test_no_rule_shows_more_than_six_characters_of_a_marker_in_a_row_unless_it_reveals() -> None:
    """The sweep for leaks takes seven characters of a marker for a leak."""
    for scope in SCOPES:
        for field in scope.fields:
            if field.redaction.rung is Rung.MASK:
                assert max(field.redaction.head, field.redaction.tail) <= 6


def test_canaries_live_in_cities_whose_names_a_generalised_address_may_show() -> None:
    for canary in aviary(7).canaries:
        for street in canary.values["Address.street"]:
            assert street.index("市") < 6
