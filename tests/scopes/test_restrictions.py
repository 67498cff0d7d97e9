"""Adding any restriction never reveals more: whatever a data subject, the staff or time itself takes away stays away."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from scopes import (
    CATEGORIES,
    Acceptance,
    ConsentEvent,
    ConsentKind,
    Cover,
    Evidence,
    Halted,
    Partner,
    Plan,
    PolicyVersion,
    Purpose,
    RawValue,
    Redaction,
    Refused,
    Role,
    ScopeField,
    ScopeVersion,
    SettingEvent,
    Switch,
    cover,
    parents,
    redact,
)
from scopes import (
    PURPOSES as TABLE,
)
from tests.support.values import redactions
from tests.support.wills import (
    CATALOGUE,
    COMING_POLICY,
    DAY,
    NOON,
    OLD_POLICY,
    OTHER_PARTNER_ID,
    PARTNER_ID,
    POLICY,
    a_partner,
    a_withdrawal,
    planned,
)

PURPOSES = st.sampled_from(
    [Purpose.SERVICE_DELIVERY, Purpose.AD_MEASUREMENT, Purpose.MESSAGE_DELIVERY, Purpose.AGGREGATE_INSIGHT]
)
LEAVES = sorted({field.category for field in CATALOGUE.values()})
NODES = st.sampled_from([None, *LEAVES, *sorted({node for leaf in LEAVES for node in parents(leaf)})])
ENDS = st.one_of(st.none(), st.integers(-3, 9).map(lambda days: NOON + days * DAY))
SETTINGS = st.one_of(
    st.builds(SettingEvent, st.just(Switch.SHARING), st.booleans(), st.sampled_from([None, PARTNER_ID, OTHER_PARTNER_ID]), NODES),
    st.builds(SettingEvent, st.just(Switch.ADVERTISING), st.booleans()),
)
PARTNERS = st.builds(
    a_partner,
    role=st.sampled_from([Role.RECIPIENT, Role.RECIPIENT, Role.PROCESSOR, Role.PROCESSOR, Role.SUCCESSOR, Role.AUTHORITY]),
    location=st.sampled_from(["CN", "CN", "SG"]),
    mechanism=st.just("assessment"),
)


@st.composite
def consents(draw: st.DrawFn) -> ConsentEvent:
    kind = draw(st.sampled_from(ConsentKind))
    named = frozenset() if kind is ConsentKind.WITHDRAWN else draw(st.frozensets(st.sampled_from(LEAVES), min_size=1))
    who = draw(st.sampled_from([PARTNER_ID, PARTNER_ID, PARTNER_ID, OTHER_PARTNER_ID]))
    return ConsentEvent(who, draw(PURPOSES), kind, named, draw(st.booleans()), draw(ENDS))


EVIDENCE = st.builds(
    Evidence,
    policies=st.just((OLD_POLICY, POLICY, COMING_POLICY)),
    acceptances=st.lists(
        st.builds(Acceptance, st.sampled_from(["old", "current", "coming"]), st.just(NOON - DAY)), max_size=2
    ).map(tuple),
    consents=st.lists(consents(), max_size=4).map(tuple),
    settings=st.lists(SETTINGS, max_size=2).map(tuple),
    collected_in_mainland=st.booleans(),
)
RULES = st.fixed_dictionaries({}, optional={path: st.sampled_from(redactions(field.kind)) for path, field in CATALOGUE.items()})


@st.composite
def scope_versions(draw: st.DrawFn, purposes: st.SearchStrategy[Purpose] = PURPOSES) -> ScopeVersion:
    name, version = draw(st.sampled_from("abc")), draw(st.integers(1, 2))
    fields = {path: ScopeField(rule, "needed") for path, rule in draw(RULES).items()}
    return ScopeVersion(name, version, draw(purposes), NOON - DAY, draw(st.sampled_from([None, NOON + DAY])), fields)


SCOPES = st.lists(scope_versions(), min_size=1, max_size=4, unique_by=lambda scope: (scope.scope, scope.version))
HALTS = st.builds(
    Halted,
    everything=st.sampled_from([False, False, False, True]),
    partners=st.frozensets(st.sampled_from([PARTNER_ID, OTHER_PARTNER_ID])),
    scopes=st.frozensets(st.sampled_from("abc")),
)

SAMPLES: dict[str, Sequence[RawValue]] = {
    "Subject.realName": ["王伟", "王小伟", "欧阳伟", "王"],
    "Subject.mobileNumber": ["13812345678", "13812340078", "13900005678", "10086"],
    "Subject.nationalId": ["11010519491231002X", "11010519491231102X", "110105491231002"],
    "Subject.birthDate": [date(2004, 2, 28), date(2004, 2, 29), date(2004, 7, 1), date(2008, 1, 1)],
    "Subject.city": ["深圳市", "北京市"],
    "Subject.location": [(116.39722, 39.91667), (116.39723, 39.91668), (113.1, 22.5)],
    "Address.street": ["广东省深圳市南山区科技园路1号", "广东省深圳市福田区深南大道2号", "北京市朝阳区建国路87号"],
}


def rules(plan: Plan | None) -> dict[str, Redaction]:
    """The redaction of each field that an operation may fetch; none of a refused one."""
    return {} if plan is None else {path: field.redaction for path, field in plan.fields.items()}


def assert_no_more(after: dict[str, Redaction], before: dict[str, Redaction]) -> None:
    """Values that could not be told apart before cannot be told apart after, whatever they are."""
    for path, narrower in after.items():
        kind = CATALOGUE[path].kind
        seen: dict[str | None, str | None] = {}
        for value in SAMPLES[path]:
            earlier = redact(kind, before[path], value, at=NOON, key=b"k") if path in before else None
            later = redact(kind, narrower, value, at=NOON, key=b"k")
            assert seen.setdefault(earlier, later) == later
            assert later is None or earlier is not None


def attempt(
    *paths: str,
    scopes: Sequence[ScopeVersion],
    partner: Partner,
    purpose: Purpose,
    halted: Halted | None = None,
    now: datetime = NOON,
) -> Plan | None:
    """The plan, None where the operation is refused."""
    try:
        return planned(*paths, scopes=scopes, partner=partner, purpose=purpose, halted=halted, now=now)
    except Refused:
        return None


def askable(scopes: Sequence[ScopeVersion], purpose: Purpose, data: st.DataObject) -> list[str]:
    """Some paths that the scopes of the purpose give and that it may be asked for."""
    given_paths = {path for scope in scopes if scope.purpose is purpose for path in scope.fields}
    allowed = [path for path in sorted(given_paths) if not (TABLE[purpose].is_analytics and is_identity(path))]
    return data.draw(st.lists(st.sampled_from(allowed), unique=True)) if allowed else []


def is_identity(path: str) -> bool:
    return CATEGORIES[CATALOGUE[path].category].is_identity


def found(category: str, evidence: Evidence, partner: Partner, purpose: Purpose, now: datetime = NOON) -> Cover:
    return cover(category, evidence, partner=partner, purpose=purpose, now=now)


def assert_covers_no_more(fewer: Evidence, evidence: Evidence, partner: Partner, purpose: Purpose) -> None:
    for category in CATEGORIES:
        after, before = found(category, fewer, partner, purpose), found(category, evidence, partner, purpose)
        if after.until is not None:
            assert before.until is not None
            assert after.until <= before.until


# The data subject's own restrictions, and time


@settings(max_examples=200, deadline=None)
@given(evidence=EVIDENCE, partner=PARTNERS, purpose=PURPOSES, off=SETTINGS)
def test_a_setting_turned_off_never_covers_more(
    evidence: Evidence, partner: Partner, purpose: Purpose, off: SettingEvent
) -> None:
    """policy 4, 10."""
    fewer = replace(evidence, settings=(*evidence.settings, replace(off, allowed=False)))

    assert_covers_no_more(fewer, evidence, partner, purpose)


@settings(max_examples=100, deadline=None)
@given(evidence=EVIDENCE, partner=PARTNERS, purpose=PURPOSES, withdrawn=PURPOSES)
def test_a_withdrawal_never_covers_more(evidence: Evidence, partner: Partner, purpose: Purpose, withdrawn: Purpose) -> None:
    """policy 6.1."""
    fewer = replace(evidence, consents=(*evidence.consents, a_withdrawal(purpose=withdrawn)))

    assert_covers_no_more(fewer, evidence, partner, purpose)


@settings(max_examples=100, deadline=None)
@given(evidence=EVIDENCE, partner=PARTNERS, purpose=PURPOSES, data=st.data())
def test_a_narrower_consent_never_covers_more(
    evidence: Evidence, partner: Partner, purpose: Purpose, data: st.DataObject
) -> None:
    """policy 6.1, 8.2, 9.5: fewer categories, an earlier end, no leave to cross the border."""
    narrowed = []
    for event in evidence.consents:
        kept = frozenset(name for name in sorted(event.categories) if data.draw(st.booleans()))
        ends_at = min((at for at in (event.ends_at, data.draw(ENDS)) if at is not None), default=None)
        crossing = event.cross_border and data.draw(st.booleans())
        narrowed.append(replace(event, categories=kept, ends_at=ends_at, cross_border=crossing))

    assert_covers_no_more(replace(evidence, consents=tuple(narrowed)), evidence, partner, purpose)


@settings(max_examples=100, deadline=None)
@given(evidence=EVIDENCE, partner=PARTNERS, purpose=PURPOSES, days=st.integers(-60, 9))
def test_another_version_of_the_policy_never_covers_more(
    evidence: Evidence, partner: Partner, purpose: Purpose, days: int
) -> None:
    """POLICY, changes: nobody has accepted a version that was announced just now."""
    fewer = replace(evidence, policies=(*evidence.policies, PolicyVersion("new", NOON + days * DAY + timedelta(hours=1))))

    assert_covers_no_more(fewer, evidence, partner, purpose)


@settings(max_examples=200, deadline=None)
@given(evidence=EVIDENCE, partner=PARTNERS, purpose=PURPOSES, hours=st.integers(0, 24 * 12))
def test_time_alone_only_ends_what_was_covered(evidence: Evidence, partner: Partner, purpose: Purpose, hours: int) -> None:
    """policy 8.2: each cover ends when it was said to end, for the reason that was said: a folded state stays true."""
    later = NOON + timedelta(hours=hours)
    for category in LEAVES:
        before, after = found(category, evidence, partner, purpose), found(category, evidence, partner, purpose, later)

        assert after.reason == before.reason
        assert after.until == (before.until if before.until is not None and later < before.until else None)


# The staff's restrictions


@settings(max_examples=150, deadline=None)
@given(scopes=SCOPES, extra=scope_versions(), partner=PARTNERS, data=st.data())
def test_one_more_scope_never_tells_more(
    scopes: list[ScopeVersion], extra: ScopeVersion, partner: Partner, data: st.DataObject
) -> None:
    """POLICY, terms: the strictest rule that applies wins, so an operation that was allowed tells no more with a scope added."""
    purpose = scopes[0].purpose
    paths = askable(scopes, purpose, data)
    added = replace(extra, scope="extra", purpose=data.draw(st.sampled_from([purpose, extra.purpose])))

    before = attempt(*paths, scopes=scopes, partner=partner, purpose=purpose)
    after = attempt(*paths, scopes=[*scopes, added], partner=partner, purpose=purpose)

    assert before is not None
    assert_no_more(rules(after), rules(before))


@settings(max_examples=100, deadline=None)
@given(scopes=SCOPES, partner=PARTNERS, halted=HALTS, data=st.data())
def test_a_halt_never_tells_more(scopes: list[ScopeVersion], partner: Partner, halted: Halted, data: st.DataObject) -> None:
    """policy 9.4: what is halted is refused, what is not is as before."""
    purpose = scopes[0].purpose
    paths = askable(scopes, purpose, data)

    before = attempt(*paths, scopes=scopes, partner=partner, purpose=purpose)
    after = attempt(*paths, scopes=scopes, partner=partner, purpose=purpose, halted=halted)

    assert before is not None
    is_halted = halted.everything or partner.partner_id in halted.partners or halted.scopes & set(before.scopes)
    assert after == (None if is_halted else before)


@settings(max_examples=100, deadline=None)
@given(scopes=SCOPES, partner=PARTNERS, purpose=PURPOSES, path=st.sampled_from(sorted(CATALOGUE)), days=st.integers(0, 10))
def test_an_agreement_that_ends_earlier_never_allows_more(
    scopes: list[ScopeVersion], partner: Partner, purpose: Purpose, path: str, days: int
) -> None:
    """policy 6.2."""
    shorter = replace(partner, agreement_ends_at=NOON + days * DAY)
    now = NOON + timedelta(hours=1)

    after = attempt(path, scopes=scopes, partner=shorter, purpose=purpose, now=now)

    if days == 0:
        assert after is None
    elif after is not None:
        assert attempt(path, scopes=scopes, partner=partner, purpose=purpose, now=now) == replace(after, partner=partner)
