"""The closed lists and their tables: purposes, categories, bases, reasons, refusals. A new member has to be put in each."""

from itertools import product

from scopes import BASIS, CATEGORIES, PURPOSES, Basis, Kind, Purpose, Reason, Refusal, Refused, Role, Sensitivity, parents
from scopes.basis import _basis
from scopes.decide import CONSENT_LEDGERS

ANALYTICS = {Purpose.PRODUCT_IMPROVEMENT, Purpose.AD_MEASUREMENT, Purpose.AGGREGATE_INSIGHT}
ADVERTISING = {Purpose.ADVERTISING, Purpose.AD_MEASUREMENT}
NOT_ENTRUSTED = {Purpose.AGGREGATE_INSIGHT, Purpose.LEGAL_DISCLOSURE, Purpose.LOGIN}


def test_every_purpose_has_its_rule() -> None:
    """policy 2: a purpose outside the registered ones cannot be asked for."""
    assert {purpose: rule.clause for purpose, rule in PURPOSES.items()} == {
        Purpose.SERVICE_DELIVERY: "2.1",
        Purpose.PERSONALISATION: "2.2",
        Purpose.PRODUCT_IMPROVEMENT: "2.3",
        Purpose.SECURITY: "2.4",
        Purpose.ADVERTISING: "2.5",
        Purpose.AD_MEASUREMENT: "2.6",
        Purpose.SOFTWARE_MANAGEMENT: "2.7",
        Purpose.SURVEY: "2.8",
        Purpose.MESSAGE_DELIVERY: "6.2",
        Purpose.LOCATION_SERVICE: "6.2",
        Purpose.AGGREGATE_INSIGHT: "6.4",
        Purpose.LEGAL_DISCLOSURE: "6.5",
        Purpose.LOGIN: "1.5",
    }
    assert {purpose for purpose in Purpose if PURPOSES[purpose].is_analytics} == ANALYTICS
    assert {purpose for purpose in Purpose if PURPOSES[purpose].is_advertising} == ADVERTISING
    assert {purpose for purpose in Purpose if not PURPOSES[purpose].is_entrusted} == NOT_ENTRUSTED


def test_the_category_tree_is_the_one_of_chapter_1() -> None:
    """policy 1.2 to 1.5: what is sensitive, and what is identity."""
    told = {
        name: (category.sensitivity is Sensitivity.SENSITIVE, category.is_identity, category.clause)
        for name, category in CATEGORIES.items()
    }

    assert told == {
        "identity.real_name": (False, True, "1.2"),
        "identity.mobile_number": (False, True, "1.2"),
        "identity.national_id": (True, True, "1.2"),
        "identity.email": (False, True, "1.2"),
        "identity.account_id": (False, True, "1.2"),
        "profile.birth_date": (False, False, "1.2"),
        "profile.city": (False, False, "1.2"),
        "profile.language": (False, False, "1.2"),
        "profile.registered_at": (False, False, "1.2"),
        "contact.address": (False, True, "1.2"),
        "content.posts": (False, False, "1.2"),
        "content.photos": (True, False, "1.2"),
        "content.mentions": (False, False, "1.4"),
        "survey.answers": (False, False, "1.2"),
        "support.cases": (False, False, "1.2"),
        "log.events": (False, False, "1.3"),
        "log.ip_address": (False, False, "1.3"),
        "software.devices": (False, False, "1.3"),
        "partner.logins": (False, False, "1.5"),
        "location.precise": (True, False, "1.3"),
    }
    assert all(category.name == name for name, category in CATEGORIES.items())


def test_only_leaves_of_the_tree_are_categories() -> None:
    assert not {node for name in CATEGORIES for node in parents(name)} & CATEGORIES.keys()


def test_the_nodes_above_a_category_come_nearest_first() -> None:
    assert parents("a.b.c") == ("a.b", "a")
    assert parents("a") == ()


def test_every_purpose_role_and_sensitivity_has_its_basis() -> None:
    """policy 6.1 to 6.5: who needs what; a processor only for the purposes that clause 6.2 lists."""
    ordinary, sensitive = Sensitivity.ORDINARY, Sensitivity.SENSITIVE
    for purpose in set(Purpose) - {Purpose.AGGREGATE_INSIGHT}:
        is_legal, is_entrusted = purpose is Purpose.LEGAL_DISCLOSURE, purpose not in NOT_ENTRUSTED
        consent = (Basis.NONE, Basis.NONE) if is_legal else (Basis.SEPARATE_CONSENT, Basis.SENSITIVE_CONSENT)
        expected = {
            Role.PROCESSOR: (Basis.POLICY_ACCEPTANCE, Basis.SENSITIVE_CONSENT) if is_entrusted else (Basis.NONE, Basis.NONE),
            Role.RECIPIENT: consent,
            Role.SUCCESSOR: consent,
            Role.AUTHORITY: (Basis.LEGAL_ORDER, Basis.LEGAL_ORDER) if is_legal else (Basis.NONE, Basis.NONE),
            Role.PUBLIC: (Basis.NONE, Basis.NONE),
        }
        assert {role: (BASIS[purpose, role, ordinary], BASIS[purpose, role, sensitive]) for role in Role} == expected
        assert {role: (_basis(purpose, role, ordinary), _basis(purpose, role, sensitive)) for role in Role} == expected
    assert {BASIS[Purpose.AGGREGATE_INSIGHT, role, sensitive] for role in Role} == {Basis.ANONYMOUS}
    assert {BASIS[Purpose.AGGREGATE_INSIGHT, role, ordinary] for role in Role} == {Basis.ANONYMOUS}
    assert BASIS.keys() == set(product(Purpose, Role, Sensitivity))


def test_no_basis_but_consent_and_acceptance_covers_anything_yet() -> None:
    """policy 6.4, 6.5: aggregates hold nobody's value, and a legal order cannot be recorded yet."""
    satisfiable = {Basis.POLICY_ACCEPTANCE, Basis.SEPARATE_CONSENT, Basis.SENSITIVE_CONSENT}

    assert satisfiable == CONSENT_LEDGERS
    assert set(BASIS.values()) == satisfiable | {Basis.LEGAL_ORDER, Basis.ANONYMOUS, Basis.NONE}


def test_reasons_keep_the_numbers_that_records_hold() -> None:
    assert {reason.wire: int(reason) for reason in Reason} == {
        "CONSENTED": 0,
        "CONSENT_MISSING": 1,
        "CONSENT_WITHDRAWN": 2,
        "CONSENT_EXPIRED": 3,
        "POLICY_NOT_ACCEPTED": 4,
        "POLICY_SUPERSEDED": 5,
        "SETTING_OFF": 6,
        "ADVERTISING_OFF": 7,
        "CROSS_BORDER_MISSING": 8,
        "NO_BASIS": 9,
    }


def test_refusals_are_wire_words_and_carry_names_only() -> None:
    refused = Refused(Refusal.INSUFFICIENT_SCOPE, scope="orders", path="Subject.realName")

    assert (str(refused), refused.reason, refused.scope, refused.path) == (
        "INSUFFICIENT_SCOPE",
        Refusal.INSUFFICIENT_SCOPE,
        "orders",
        "Subject.realName",
    )
    assert [refusal.value for refusal in Refusal] == [refusal.name for refusal in Refusal]


def test_the_words_of_wire_and_database_are_these() -> None:
    assert [kind.value for kind in Kind] == [kind.name.lower() for kind in Kind]
    assert [purpose.value for purpose in Purpose] == [purpose.name.lower() for purpose in Purpose]
    assert [role.value for role in Role] == [role.name.lower() for role in Role]
    assert [basis.value for basis in Basis] == [basis.name.lower() for basis in Basis]
    assert [sensitivity.value for sensitivity in Sensitivity] == ["ordinary", "sensitive"]
