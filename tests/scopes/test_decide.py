"""One data subject's evidence and an instant: what each category's cover is, until when, and why not."""

from collections.abc import Iterable
from datetime import datetime

import pytest

from scopes import (
    CATEGORIES,
    FOREVER,
    REVEAL,
    WITHHOLD,
    ConsentKind,
    Cover,
    Evidence,
    FieldDecision,
    Partner,
    Purpose,
    Reason,
    Redaction,
    Role,
    Rung,
    SettingEvent,
    cover,
    decide,
    is_visible,
)
from tests.support.wills import (
    COMING_POLICY,
    DAY,
    NOON,
    OLD_POLICY,
    OTHER_PARTNER_ID,
    PARTNER_ID,
    POLICY,
    a_consent,
    a_partner,
    a_scope,
    a_withdrawal,
    advertising,
    an_evidence,
    planned,
    sharing,
)

NAME = "identity.real_name"
NATIONAL_ID = "identity.national_id"
PROCESSOR = a_partner(role=Role.PROCESSOR)
ABROAD = a_partner(location="SG", mechanism="standard_contract")
ENDLESS = Cover(FOREVER, Reason.CONSENTED)


def found(
    evidence: Evidence,
    *,
    category: str = NAME,
    partner: Partner | None = None,
    purpose: Purpose = Purpose.SERVICE_DELIVERY,
    now: datetime = NOON,
) -> Cover:
    return cover(category, evidence, partner=partner or a_partner(), purpose=purpose, now=now)


def withheld(reason: Reason) -> Cover:
    return Cover(None, reason)


# Separate and sensitive consent: policy 6.1, 1.2


def test_without_any_consent_nothing_goes_out() -> None:
    """policy 6.1: prior separate consent."""
    assert found(an_evidence()) == withheld(Reason.CONSENT_MISSING)


def test_a_consent_covers_the_categories_it_names_until_it_is_withdrawn() -> None:
    """policy 6.1; a sensitive category has to be named as well (policy 1.2)."""
    evidence = an_evidence(a_consent(NAME))

    assert found(evidence) == ENDLESS
    assert found(evidence, category=NATIONAL_ID) == withheld(Reason.CONSENT_MISSING)
    assert found(an_evidence(a_consent(NATIONAL_ID)), category=NATIONAL_ID) == ENDLESS


def test_an_inner_node_named_in_a_consent_covers_nothing() -> None:
    """policy 6.1: consent is given category by category, to leaves."""
    assert found(an_evidence(a_consent("identity"))) == withheld(Reason.CONSENT_MISSING)


def test_a_consent_ends_at_its_end() -> None:
    """policy 8.2: consents expire; at the instant itself it is over."""
    evidence = an_evidence(a_consent(NAME, ends_at=NOON + DAY))

    assert found(evidence) == Cover(NOON + DAY, Reason.CONSENT_EXPIRED)
    assert found(evidence, now=NOON + DAY) == withheld(Reason.CONSENT_EXPIRED)


def test_a_withdrawal_takes_everything_back_at_once() -> None:
    """policy 6.1."""
    evidence = an_evidence(a_consent(NAME), a_withdrawal())

    assert found(evidence) == withheld(Reason.CONSENT_WITHDRAWN)
    assert found(evidence, category=NATIONAL_ID) == withheld(Reason.CONSENT_MISSING)


def test_the_latest_event_is_the_will() -> None:
    """policy 6.1: narrowed, given anew, and never the sum of what was ever given."""
    narrowed = an_evidence(a_consent(NAME, "profile.city"), a_consent("profile.city", kind=ConsentKind.NARROWED))
    again = an_evidence(a_consent(NAME), a_withdrawal(), a_consent(NAME, ends_at=NOON + DAY))
    longer = an_evidence(a_consent(NAME, ends_at=NOON + DAY), a_consent(NAME))

    assert found(narrowed) == withheld(Reason.CONSENT_WITHDRAWN)
    assert found(narrowed, category="profile.city") == ENDLESS
    assert found(again) == Cover(NOON + DAY, Reason.CONSENT_EXPIRED)
    assert found(longer) == ENDLESS


def test_a_consent_concerns_one_partner_and_one_purpose() -> None:
    """policy 6.1, 2: consent to somebody else, or for something else, is none."""
    for event in (a_consent(NAME, partner_id=OTHER_PARTNER_ID), a_consent(NAME, purpose=Purpose.SURVEY)):
        assert found(an_evidence(event)) == withheld(Reason.CONSENT_MISSING)
    for event in (a_withdrawal(partner_id=OTHER_PARTNER_ID), a_withdrawal(purpose=Purpose.SURVEY)):
        assert found(an_evidence(a_consent(NAME), event)) == ENDLESS


# Policy acceptance: policy 6.2


def test_a_processor_may_have_ordinary_data_once_the_policy_is_accepted() -> None:
    """policy 6.2: sensitive data needs its own consent still (policy 1.2)."""
    evidence = an_evidence(accepted=["current"])

    assert found(evidence, partner=PROCESSOR) == ENDLESS
    assert found(evidence, partner=PROCESSOR, category=NATIONAL_ID) == withheld(Reason.CONSENT_MISSING)
    assert found(an_evidence(a_consent(NATIONAL_ID)), partner=PROCESSOR, category=NATIONAL_ID) == ENDLESS
    assert found(evidence) == withheld(Reason.CONSENT_MISSING)


def test_a_consent_is_no_acceptance() -> None:
    """policy 6.2."""
    assert found(an_evidence(a_consent(NAME)), partner=PROCESSOR) == withheld(Reason.POLICY_NOT_ACCEPTED)
    assert found(an_evidence(accepted=["unheard-of"]), partner=PROCESSOR) == withheld(Reason.POLICY_NOT_ACCEPTED)


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        (["old"], withheld(Reason.POLICY_SUPERSEDED)),
        (["current"], Cover(COMING_POLICY.effective_at, Reason.POLICY_SUPERSEDED)),
        (["current", "old"], Cover(COMING_POLICY.effective_at, Reason.POLICY_SUPERSEDED)),
        (["current", "coming"], ENDLESS),
    ],
)
def test_an_acceptance_covers_until_the_next_version_is_in_force(accepted: list[str], expected: Cover) -> None:
    """POLICY, changes: whatever order versions are listed or accepted in; announced is not yet in force."""
    evidence = an_evidence(accepted=accepted, policies=[COMING_POLICY, OLD_POLICY, POLICY])

    assert found(evidence, partner=PROCESSOR) == expected


def test_a_superseded_acceptance_is_over_at_the_instant_itself() -> None:
    evidence = an_evidence(accepted=["current"], policies=[POLICY, COMING_POLICY])

    assert found(evidence, partner=PROCESSOR, now=COMING_POLICY.effective_at) == withheld(Reason.POLICY_SUPERSEDED)


# No basis


@pytest.mark.parametrize(
    ("role", "purpose"),
    [
        (Role.PROCESSOR, Purpose.AGGREGATE_INSIGHT),
        (Role.PROCESSOR, Purpose.LOGIN),
        (Role.AUTHORITY, Purpose.LEGAL_DISCLOSURE),
        (Role.AUTHORITY, Purpose.SERVICE_DELIVERY),
        (Role.PUBLIC, Purpose.SERVICE_DELIVERY),
        (Role.RECIPIENT, Purpose.LEGAL_DISCLOSURE),
    ],
)
def test_where_nothing_suffices_nothing_goes_out(role: Role, purpose: Purpose) -> None:
    """policy 6.4, 6.5: also with everything agreed to."""
    evidence = an_evidence(a_consent(*CATEGORIES, purpose=purpose), accepted=["current"])

    assert found(evidence, partner=a_partner(role=role), purpose=purpose) == withheld(Reason.NO_BASIS)
    assert not is_visible(a_partner(role=role), purpose, evidence, NOON)


# Privacy settings: policy 4, 10


@pytest.mark.parametrize("partner_id", [None, PARTNER_ID])
@pytest.mark.parametrize("category", [None, "identity", NAME])
def test_a_setting_that_matches_beats_every_consent(partner_id: object, category: str | None) -> None:
    """policy 4: per category and per partner; an inner node stands for all below it."""
    off = sharing("off", partner_id=PARTNER_ID if partner_id else None, category=category)

    assert found(an_evidence(a_consent(NAME), settings=[off])) == withheld(Reason.SETTING_OFF)
    assert found(an_evidence(accepted=["current"], settings=[off]), partner=PROCESSOR) == withheld(Reason.SETTING_OFF)


@pytest.mark.parametrize(
    "off",
    [
        sharing("off", partner_id=OTHER_PARTNER_ID),
        sharing("off", category="profile"),
        sharing("off", category="identity.email"),
        sharing("off", category="ident"),
        sharing("off", partner_id=OTHER_PARTNER_ID, category=NAME),
        advertising("off"),
    ],
)
def test_a_setting_about_something_else_changes_nothing(off: SettingEvent) -> None:
    """policy 4."""
    assert found(an_evidence(a_consent(NAME), settings=[off])) == ENDLESS


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([sharing("off"), sharing("on")], ENDLESS),
        ([sharing("on"), sharing("off")], withheld(Reason.SETTING_OFF)),
        ([sharing("off"), sharing("on", category=NAME)], withheld(Reason.SETTING_OFF)),
        ([sharing("off", category=NAME), sharing("on")], withheld(Reason.SETTING_OFF)),
        ([sharing("off", partner_id=PARTNER_ID), sharing("on")], withheld(Reason.SETTING_OFF)),
        ([sharing("off", category="identity"), sharing("on", category=NAME)], withheld(Reason.SETTING_OFF)),
        ([sharing("on")], ENDLESS),
    ],
)
def test_on_undoes_the_same_setting_only(events: list[SettingEvent], expected: Cover) -> None:
    """policy 4: off narrows; on never widens what another setting took away."""
    assert found(an_evidence(a_consent(NAME), settings=events)) == expected


def test_on_is_no_consent() -> None:
    """policy 4: settings narrow, they never give."""
    assert found(an_evidence(settings=[sharing("on")])) == withheld(Reason.CONSENT_MISSING)


@pytest.mark.parametrize("purpose", [Purpose.ADVERTISING, Purpose.AD_MEASUREMENT])
def test_one_switch_turns_advertising_off_for_all_partners(purpose: Purpose) -> None:
    """policy 10, 2.5."""
    consent = a_consent("profile.city", purpose=purpose)

    def city(*events: SettingEvent) -> Cover:
        return found(an_evidence(consent, settings=events), category="profile.city", purpose=purpose)

    assert city() == ENDLESS
    assert city(advertising("off")) == withheld(Reason.ADVERTISING_OFF)
    assert city(advertising("off"), advertising("on")) == ENDLESS
    assert city(advertising("on"), advertising("off")) == withheld(Reason.ADVERTISING_OFF)
    assert city(advertising("off"), sharing("on")) == withheld(Reason.ADVERTISING_OFF)


# Residency: policy 8.1, 9.5


def test_data_of_the_mainland_crosses_the_border_with_consent_to_that() -> None:
    """policy 8.1, 9.5: on top of the consent itself."""
    assert found(an_evidence(a_consent(NAME)), partner=ABROAD) == withheld(Reason.CROSS_BORDER_MISSING)
    assert found(an_evidence(), partner=ABROAD) == withheld(Reason.CROSS_BORDER_MISSING)
    assert found(an_evidence(a_consent(NAME, cross_border=True)), partner=ABROAD) == ENDLESS
    assert found(an_evidence(a_consent("profile.city", cross_border=True)), partner=ABROAD) == withheld(Reason.CONSENT_MISSING)


def test_consent_to_crossing_goes_with_the_event_that_gave_it() -> None:
    """policy 9.5: withdrawn, or given anew without it."""
    given = a_consent(NAME, cross_border=True)

    for later in (a_withdrawal(), a_consent(NAME)):
        assert found(an_evidence(given, later), partner=ABROAD) == withheld(Reason.CROSS_BORDER_MISSING)


def test_crossing_ends_with_the_consent() -> None:
    """policy 9.5: for a processor, whose basis itself does not end, too."""
    event = a_consent(NAME, cross_border=True, ends_at=NOON + DAY)
    processor = a_partner(role=Role.PROCESSOR, location="SG", mechanism="assessment")

    for partner in (ABROAD, processor):
        evidence = an_evidence(event, accepted=["current"])
        assert found(evidence, partner=partner) == Cover(NOON + DAY, Reason.CROSS_BORDER_MISSING)
        assert found(evidence, partner=partner, now=NOON + DAY) == withheld(Reason.CROSS_BORDER_MISSING)


def test_a_processor_abroad_needs_the_policy_accepted_as_well() -> None:
    """policy 6.2, 9.5."""
    processor = a_partner(role=Role.PROCESSOR, location="SG", mechanism="assessment")
    crossing = a_consent(NAME, cross_border=True)

    assert found(an_evidence(crossing), partner=processor) == withheld(Reason.POLICY_NOT_ACCEPTED)
    assert found(an_evidence(accepted=["current"]), partner=processor) == withheld(Reason.CROSS_BORDER_MISSING)
    assert found(an_evidence(crossing, accepted=["current"]), partner=processor) == ENDLESS


def test_without_a_mechanism_no_consent_suffices() -> None:
    """policy 8.1."""
    evidence = an_evidence(a_consent(NAME, cross_border=True))

    assert found(evidence, partner=a_partner(location="SG")) == withheld(Reason.NO_BASIS)


@pytest.mark.parametrize("mechanism", [None, "assessment"])
def test_data_collected_elsewhere_crosses_no_border(mechanism: str | None) -> None:
    """policy 8.1: collected in mainland China."""
    evidence = an_evidence(a_consent(NAME), collected_in_mainland=False)

    assert found(evidence, partner=a_partner(location="SG", mechanism=mechanism)) == ENDLESS


# Which reason, where there are several


@pytest.mark.parametrize(
    ("settings", "purpose", "partner", "reason"),
    [
        ([sharing("off"), advertising("off")], Purpose.ADVERTISING, a_partner(role=Role.PUBLIC), Reason.SETTING_OFF),
        ([advertising("off")], Purpose.ADVERTISING, a_partner(role=Role.PUBLIC), Reason.ADVERTISING_OFF),
        ([], Purpose.ADVERTISING, a_partner(role=Role.PUBLIC, location="SG", mechanism="assessment"), Reason.NO_BASIS),
        ([], Purpose.ADVERTISING, ABROAD, Reason.CROSS_BORDER_MISSING),
        ([], Purpose.ADVERTISING, a_partner(), Reason.CONSENT_MISSING),
    ],
)
def test_the_first_reason_of_several_is_told(
    settings: Iterable[SettingEvent], purpose: Purpose, partner: Partner, reason: Reason
) -> None:
    assert found(an_evidence(settings=settings), partner=partner, purpose=purpose) == withheld(reason)


@pytest.mark.parametrize(
    ("ends_at", "reason"), [(NOON + DAY, Reason.CROSS_BORDER_MISSING), (NOON + 9 * DAY, Reason.POLICY_SUPERSEDED)]
)
def test_the_earliest_of_several_ends_is_the_end(ends_at: datetime, reason: Reason) -> None:
    """The reason is the same whenever one asks, also after both."""
    processor = a_partner(role=Role.PROCESSOR, location="SG", mechanism="assessment")
    evidence = an_evidence(
        a_consent(NAME, cross_border=True, ends_at=ends_at), accepted=["current"], policies=[POLICY, COMING_POLICY]
    )
    until = min(ends_at, COMING_POLICY.effective_at)

    assert found(evidence, partner=processor) == Cover(until, reason)
    assert found(evidence, partner=processor, now=until) == withheld(reason)
    assert found(evidence, partner=processor, now=NOON + 50 * DAY) == withheld(reason)


# A whole plan


def test_every_planned_field_gets_a_redaction_and_a_reason() -> None:
    """policy 6.1: what the evidence does not cover is withheld, field by field."""
    mask = Redaction(Rung.MASK, head=1)
    plan = planned(
        "Subject.city", "Subject.realName", scopes=[a_scope(fields={"Subject.realName": mask, "Subject.city": REVEAL})]
    )

    assert list(decide(plan, an_evidence(a_consent(NAME)), NOON).items()) == [
        ("Subject.city", FieldDecision(WITHHOLD, Reason.CONSENT_MISSING)),
        ("Subject.realName", FieldDecision(mask, Reason.CONSENTED)),
    ]


def test_a_decision_is_made_for_its_instant() -> None:
    """policy 8.2."""
    plan = planned("Subject.realName")
    evidence = an_evidence(a_consent(NAME, ends_at=NOON + DAY))

    assert decide(plan, evidence, NOON)["Subject.realName"] == FieldDecision(REVEAL, Reason.CONSENTED)
    assert decide(plan, evidence, NOON + DAY)["Subject.realName"] == FieldDecision(WITHHOLD, Reason.CONSENT_EXPIRED)


def test_a_subject_is_visible_while_anything_is_covered() -> None:
    """DESIGN 2: subjects without live evidence for partner and purpose do not exist."""
    evidence = an_evidence(a_consent("location.precise", ends_at=NOON + DAY))

    assert is_visible(a_partner(), Purpose.SERVICE_DELIVERY, evidence, NOON)
    assert not is_visible(a_partner(), Purpose.SERVICE_DELIVERY, evidence, NOON + DAY)
    assert not is_visible(a_partner(), Purpose.SURVEY, evidence, NOON)
    assert not is_visible(a_partner(), Purpose.SERVICE_DELIVERY, an_evidence(), NOON)
