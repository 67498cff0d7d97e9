"""From an operation's paths to the fields that may be fetched, or one refusal for the whole."""

from collections.abc import Callable, Iterable

import pytest

from scopes import (
    PSEUDONYMISE,
    REVEAL,
    WITHHOLD,
    Halted,
    Plan,
    PlannedField,
    Purpose,
    Redaction,
    Refusal,
    Refused,
    Rung,
    granted_scopes,
)
from tests.support.wills import CATALOGUE, DAY, NOON, OTHER_PARTNER_ID, PARTNER_ID, a_grant, a_partner, a_scope, planned

MASK = Redaction(Rung.MASK, head=1)
YEAR = Redaction(Rung.GENERALISE, step="year")
DECADE = Redaction(Rung.GENERALISE, step="decade")
ADS = Purpose.AD_MEASUREMENT


def refusal(attempt: Callable[[], Plan]) -> tuple[Refusal, str | None, str | None]:
    """Why an operation is refused: reason, scope and path."""
    with pytest.raises(Refused) as refused:
        attempt()
    return refused.value.reason, refused.value.scope, refused.value.path


def test_a_plan_names_each_field_with_its_rule_and_where_it_comes_from() -> None:
    scope = a_scope(version=2, fields={"Subject.realName": MASK, "Subject.birthDate": YEAR, "Subject.city": REVEAL})

    plan = planned("Subject.birthDate", "Subject.realName", scopes=[scope])

    assert list(plan.fields) == ["Subject.birthDate", "Subject.realName"]
    name = CATALOGUE["Subject.realName"]
    assert plan.fields["Subject.realName"] == PlannedField("Subject.realName", name.category, name.kind, MASK, ("orders@2",))
    assert (plan.purpose, plan.partner, plan.scopes) == (Purpose.SERVICE_DELIVERY, a_partner(), ("orders",))


def test_the_strictest_of_all_held_scopes_of_the_purpose_wins() -> None:
    """POLICY, terms: and all of them are named, versions of one scope too."""
    scopes = [
        a_scope("b", fields={"Subject.birthDate": DECADE}),
        a_scope("a", version=2, fields={"Subject.birthDate": YEAR}),
        a_scope("a", version=1, fields={"Subject.birthDate": REVEAL}),
        a_scope("c", fields={"Subject.city": REVEAL}),
    ]

    plan = planned("Subject.birthDate", scopes=scopes)

    assert plan.fields["Subject.birthDate"].redaction == DECADE
    assert plan.fields["Subject.birthDate"].scopes == ("a@1", "a@2", "b@1")
    assert plan.scopes == ("a", "b")


def test_rules_that_do_not_meet_leave_nothing() -> None:
    scopes = [a_scope("a", fields={"Subject.realName": MASK}), a_scope("b", fields={"Subject.realName": PSEUDONYMISE})]

    assert planned("Subject.realName", scopes=scopes).fields["Subject.realName"].redaction == WITHHOLD


def test_scopes_of_another_purpose_have_no_say() -> None:
    """policy 2: every disclosure happens under exactly one purpose."""
    scopes = [a_scope("a"), a_scope("b", purpose=Purpose.SURVEY, fields={"Subject.realName": MASK})]

    plan = planned("Subject.realName", scopes=scopes, purpose=Purpose.SERVICE_DELIVERY)

    assert plan.fields["Subject.realName"].redaction == REVEAL
    assert plan.scopes == ("a",)


def test_an_operation_without_fields_rests_on_all_held_scopes_of_its_purpose() -> None:
    """Pseudonyms alone tell who consented: a halt of any of these scopes halts it."""
    scopes = [a_scope("b"), a_scope("a"), a_scope("c"), a_scope("d", purpose=Purpose.SURVEY)]

    plan = planned(scopes=scopes, held=["a", "b", "d"], purpose=Purpose.SERVICE_DELIVERY)

    assert (plan.fields, plan.scopes) == ({}, ("a", "b"))


# What the token may do


def test_a_scope_that_the_token_does_not_hold_is_named() -> None:
    """DESIGN 2: the second ring: what the grants cover but the token's scopes do not."""
    scopes = [a_scope("a"), a_scope("c", fields={"Subject.city": REVEAL}), a_scope("b", fields={"Subject.city": MASK})]

    assert refusal(lambda: planned("Subject.realName", "Subject.city", scopes=scopes, held=["a"])) == (
        Refusal.INSUFFICIENT_SCOPE,
        "b",
        "Subject.city",
    )


def test_a_scope_of_the_same_purpose_is_named_first() -> None:
    scopes = [
        a_scope("z", fields={"Subject.realName": REVEAL}),
        a_scope("a", purpose=Purpose.SURVEY, fields={"Subject.city": REVEAL}),
        a_scope("y", fields={"Subject.city": REVEAL}),
    ]

    assert refusal(lambda: planned("Subject.city", scopes=scopes, held=["z"])) == (
        Refusal.INSUFFICIENT_SCOPE,
        "y",
        "Subject.city",
    )
    assert refusal(lambda: planned("Subject.city", scopes=scopes[:2], held=["z"])) == (
        Refusal.INSUFFICIENT_SCOPE,
        "a",
        "Subject.city",
    )


def test_a_scope_that_withholds_would_not_do() -> None:
    scopes = [a_scope("a"), a_scope("b", fields={"Subject.city": WITHHOLD}), a_scope("c", fields={"Subject.city": REVEAL})]

    assert refusal(lambda: planned("Subject.city", scopes=scopes, held=["a"]))[1] == "c"
    assert refusal(lambda: planned("Subject.city", scopes=scopes[:2], held=["a"])) == (Refusal.NOT_IN_SCOPE, None, "Subject.city")


def test_a_field_held_under_another_purpose_is_not_in_scope() -> None:
    """policy 1.3: data for another purpose needs another scope."""
    scopes = [a_scope("a"), a_scope("b", purpose=Purpose.SURVEY, fields={"Subject.city": REVEAL})]

    assert refusal(lambda: planned("Subject.city", scopes=scopes, purpose=Purpose.SERVICE_DELIVERY)) == (
        Refusal.NOT_IN_SCOPE,
        None,
        "Subject.city",
    )


@pytest.mark.parametrize("path", ["Subject.city", "Subject.shoeSize"])
def test_a_field_that_no_grant_covers_is_not_in_scope(path: str) -> None:
    """policy 1.1: also where a scope names it and the catalogue does not."""
    scopes = [a_scope(fields={"Subject.realName": REVEAL, "Subject.shoeSize": REVEAL})]

    assert refusal(lambda: planned(path, scopes=scopes)) == (Refusal.NOT_IN_SCOPE, None, path)


def test_a_token_without_scopes_is_told_the_one_that_would_do() -> None:
    scopes = [a_scope("a"), a_scope("b", fields={"Subject.city": REVEAL})]

    assert refusal(lambda: planned("Subject.city", scopes=scopes, held=[])) == (Refusal.INSUFFICIENT_SCOPE, "b", "Subject.city")
    assert refusal(lambda: planned(scopes=scopes, held=[])) == (Refusal.INSUFFICIENT_SCOPE, "a", None)
    assert refusal(lambda: planned("Subject.location", scopes=scopes, held=["x"])) == (
        Refusal.INSUFFICIENT_SCOPE,
        None,
        "Subject.location",
    )


def test_one_purpose_has_to_be_chosen_out_of_several() -> None:
    """DESIGN 2: one operation runs under one purpose."""
    scopes = [a_scope("a"), a_scope("b", purpose=Purpose.SURVEY)]

    assert refusal(lambda: planned("Subject.realName", scopes=scopes)) == (Refusal.PURPOSE_REQUIRED, None, None)
    assert planned("Subject.realName", scopes=scopes, held=["b"]).purpose is Purpose.SURVEY
    assert planned("Subject.realName", scopes=scopes, purpose=Purpose.SURVEY).purpose is Purpose.SURVEY


def test_a_purpose_that_the_token_does_not_hold_is_refused() -> None:
    """policy 2."""
    scopes = [a_scope("a"), a_scope("b", purpose=Purpose.SURVEY)]

    assert refusal(lambda: planned("Subject.realName", scopes=scopes, held=["a"], purpose=Purpose.SURVEY)) == (
        Refusal.PURPOSE_NOT_HELD,
        None,
        None,
    )


# What the partner may do


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: planned(grants=[]),
        lambda: planned(grants=[a_grant("other")]),
        lambda: planned(grants=[a_grant("orders", ends_at=NOON)]),
        lambda: planned(grants=[a_grant("orders", starts_at=NOON + DAY)]),
        lambda: planned(grants=[a_grant("orders", revoked_at=NOON)]),
        lambda: planned(scopes=[a_scope(active_from=None)]),
        lambda: planned(scopes=[a_scope(retired_at=NOON)]),
        lambda: planned(partner=a_partner(status="suspended")),
        lambda: planned(partner=a_partner(ends_at=NOON)),
        lambda: planned(partner=a_partner(starts_at=NOON + DAY)),
    ],
)
def test_without_a_live_grant_nothing_is_disclosed(attempt: Callable[[], Plan]) -> None:
    """policy 6.2: under an agreement, for a period."""
    assert refusal(attempt) == (Refusal.NO_LIVE_GRANT, None, None)


def test_granted_scopes_come_in_the_order_of_their_names() -> None:
    scopes = [a_scope("b"), a_scope("a", version=2), a_scope("a", version=1), a_scope("c")]

    found = granted_scopes(a_partner(), [a_grant("a"), a_grant("b"), a_grant("b")], scopes, NOON)

    assert [scope.label for scope in found] == ["a@1", "a@2", "b@1"]


def test_a_partner_abroad_without_a_mechanism_gets_nothing() -> None:
    """policy 8.1, 9.5."""
    assert refusal(lambda: planned(partner=a_partner(location="SG"))) == (Refusal.RESIDENCY, None, None)
    assert planned(partner=a_partner(location="SG", mechanism="standard_contract")).scopes == ("orders",)


# Analytics and identity


@pytest.mark.parametrize("rule", [REVEAL, MASK, PSEUDONYMISE])
@pytest.mark.parametrize("purpose", [Purpose.PRODUCT_IMPROVEMENT, ADS, Purpose.AGGREGATE_INSIGHT])
def test_identity_under_an_analytics_purpose_is_refused_as_a_whole(rule: Redaction, purpose: Purpose) -> None:
    """policy 2.8: at any redaction short of withhold, and whatever else is asked."""
    scope = a_scope(purpose=purpose, fields={"Subject.city": REVEAL, "Subject.realName": rule})

    assert refusal(lambda: planned("Subject.city", "Subject.realName", scopes=[scope])) == (
        Refusal.ANALYTICS_IDENTITY,
        None,
        "Subject.realName",
    )
    assert planned("Subject.city", scopes=[scope]).purpose is purpose


def test_identity_that_analytics_withholds_is_no_combination() -> None:
    """policy 2.8."""
    scope = a_scope(purpose=ADS, fields={"Subject.city": REVEAL, "Subject.realName": WITHHOLD})

    assert planned("Subject.city", "Subject.realName", scopes=[scope]).fields["Subject.realName"].redaction == WITHHOLD


def test_identity_of_another_scope_is_not_combined_with_analytics() -> None:
    """policy 2.8: it says so before it says which scope would do."""
    scopes = [a_scope("a", purpose=ADS, fields={"Subject.city": REVEAL}), a_scope("b")]

    assert refusal(lambda: planned("Subject.city", "Subject.realName", scopes=scopes, purpose=ADS)) == (
        Refusal.ANALYTICS_IDENTITY,
        None,
        "Subject.realName",
    )


# Halts


@pytest.mark.parametrize(
    ("halted", "scope"),
    [
        (Halted(everything=True), None),
        (Halted(partners=frozenset({PARTNER_ID})), None),
        (Halted(scopes=frozenset({"orders"})), "orders"),
    ],
)
def test_a_halt_stops_the_operation(halted: Halted, scope: str | None) -> None:
    """policy 9.4: one partner, one scope, or all; an operation that asks for no field as well."""
    assert refusal(lambda: planned("Subject.realName", halted=halted)) == (Refusal.HALTED, scope, None)
    assert refusal(lambda: planned(halted=halted)) == (Refusal.HALTED, scope, None)


def test_a_halt_of_another_stops_nothing() -> None:
    """policy 9.4."""
    halted = Halted(partners=frozenset({OTHER_PARTNER_ID}), scopes=frozenset({"b"}))
    scopes = [a_scope("a"), a_scope("b", fields={"Subject.city": REVEAL})]

    assert planned("Subject.realName", scopes=scopes, halted=halted).scopes == ("a",)


def test_a_halted_scope_stops_what_it_shares_with_others() -> None:
    """policy 9.4: lifting its rule by halting it would show more."""
    scopes = [a_scope("a"), a_scope("b", fields={"Subject.realName": MASK})]

    assert refusal(lambda: planned("Subject.realName", scopes=scopes, halted=Halted(scopes=frozenset({"b"})))) == (
        Refusal.HALTED,
        "b",
        None,
    )


@pytest.mark.parametrize("paths", [["Subject.realName"], ["Subject.realName", "Subject.realName"]])
def test_a_path_asked_twice_is_planned_once(paths: Iterable[str]) -> None:
    assert list(planned(*paths).fields) == ["Subject.realName"]


def test_a_field_outside_the_tokens_categories_is_as_if_its_scopes_had_it_not() -> None:
    """RFC 9396 9.1: authorization_details narrow a scope; the refusal names the scope that would do."""
    scope = a_scope(fields={"Subject.realName": MASK, "Subject.city": REVEAL})

    kept = planned("Subject.city", scopes=[scope], categories=["profile.city"])

    assert kept.fields["Subject.city"].redaction == REVEAL
    asked = refusal(lambda: planned("Subject.city", "Subject.realName", scopes=[scope], categories=["profile.city"]))
    assert asked == (Refusal.INSUFFICIENT_SCOPE, "orders", "Subject.realName")


def test_a_token_narrowed_to_nothing_may_fetch_nothing() -> None:
    """Deny wins: an empty set of categories is not the same as none being named."""
    scope = a_scope(fields={"Subject.city": REVEAL})

    assert refusal(lambda: planned("Subject.city", scopes=[scope], categories=[]))[0] is Refusal.INSUFFICIENT_SCOPE
