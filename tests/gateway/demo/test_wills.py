"""What the invented subjects agreed to."""

from collections import Counter
from itertools import chain

from gateway.catalogue.weidandan import CATALOGUE
from gateway.demo.partners import GRANTED
from gateway.demo.people import folk
from gateway.demo.wills import POLICY, Consent, agree_to_everything, wills
from scopes import CATEGORIES

PEOPLE = folk(7, 2000)
WILLS = list(wills(PEOPLE, CATALOGUE.fields, size=700))
CONSENTS = [consent for will in WILLS for consent in will.consents]


def latest(consents: list[Consent]) -> list[Consent]:
    return list({(consent.subject_id, consent.partner): consent for consent in consents}.values())


def test_the_same_seed_gives_the_same_wills_in_batches_of_any_size() -> None:
    again = list(wills(PEOPLE, CATALOGUE.fields, size=501))

    assert list(chain.from_iterable(will.consents for will in again)) == CONSENTS


def test_about_seventy_in_a_hundred_consent_differently_per_partner() -> None:
    given = Counter(consent.partner for consent in CONSENTS if consent.kind == "given")
    shares = {partner: count / 2000 for partner, count in given.items()}

    assert 0.65 < sum(shares.values()) / len(shares) < 0.75
    assert len({round(share, 1) for share in shares.values()}) > 1


def test_some_consents_are_narrowed_withdrawn_over_or_go_across_borders() -> None:
    kinds = Counter(consent.kind for consent in latest(CONSENTS))

    assert kinds["narrowed"] > 50
    assert kinds["withdrawn"] > 50
    assert any(consent.ends_at for consent in CONSENTS)
    assert {consent.partner for consent in CONSENTS if consent.cross_border} == {"overseas"}


def test_only_leaves_that_the_scope_reads_are_consented_to() -> None:
    read = {partner.name: {CATALOGUE.fields[field.path].category for field in scope.fields} for partner, scope in GRANTED}

    assert all(set(consent.categories) <= read[consent.partner] for consent in CONSENTS)
    assert all(bool(consent.categories) == (consent.kind != "withdrawn") for consent in CONSENTS)


def test_nearly_everybody_accepted_the_policy_in_force_and_some_have_settings() -> None:
    versions = Counter(acceptance.policy_version for will in WILLS for acceptance in will.acceptances)
    settings = [setting for will in WILLS for setting in will.settings]

    assert versions[POLICY] > 1800
    assert sum(versions.values()) > versions[POLICY]
    assert {setting.switch for setting in settings} == {"sharing", "advertising"}
    assert {setting.category in CATEGORIES for setting in settings if setting.category} == {True, False}


def test_canaries_agree_to_every_category_for_every_partner_and_purpose() -> None:
    subjects = PEOPLE.subject_ids[:5]
    will = agree_to_everything(subjects, 7)

    assert len(will.consents) == len(subjects) * len(GRANTED)
    assert all(
        consent.categories == tuple(CATEGORIES) and consent.cross_border and consent.ends_at is None for consent in will.consents
    )
