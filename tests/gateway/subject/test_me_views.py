"""What the data subject's own pages say about consents, records and settings, as values."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.catalogue.weidandan import CATALOGUE
from gateway.store.subject_pages import (
    ConsentNow,
    KnownPartner,
    LastAccesses,
    Position,
    Reach,
    RecordedDisclosure,
    RecordedField,
    SettingNow,
    SignedIn,
)
from gateway.subject.connections import Agreed, Standing, connections, entrusted, weigh
from gateway.subject.disclosures import read_filter, read_position, shown, write_position
from gateway.subject.export import cell
from gateway.subject.privacy import Settings, nodes, privacy
from scopes import CATEGORIES, ConsentKind, Purpose, Reason, Role, parents
from tests.support.ids import NOBODY

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PARTNER_ID, OTHER_ID = UUID(int=1), UUID(int=2)
DELIVERY = Purpose.SERVICE_DELIVERY
KEY = PARTNER_ID, DELIVERY
CITY, NAME, PHOTOS = "profile.city", "identity.real_name", "content.photos"


def a_known(partner_id: UUID = PARTNER_ID, *, role: Role = Role.RECIPIENT) -> KnownPartner:
    return KnownPartner(partner_id, f"p{partner_id.int}", "Partner Ltd", "privacy@partner.example", role, "CN")


def a_consent(*categories: str, **changed: Any) -> ConsentNow:
    good: dict[str, Any] = {
        "consent_id": UUID(int=9),
        "partner_id": PARTNER_ID,
        "purpose": DELIVERY,
        "kind": ConsentKind.GIVEN,
        "categories": categories,
        "cross_border": False,
        "policy_version": "v",
        "given_at": NOON,
        "changed_at": NOON,
        "ends_at": None,
        "is_live": True,
    }
    return ConsentNow(**(good | changed))


def a_reach(*paths: str, is_stopped: bool = False) -> Reach:
    return Reach(paths or ("Subject.city", "Subject.realName"), timedelta(days=90), is_stopped)


@pytest.mark.parametrize(
    ("consent", "covered", "reach", "standing", "readable"),
    [
        (a_consent(CITY, NAME), {CITY, NAME}, a_reach(), Standing.LIVE, (NAME, CITY)),
        (a_consent(CITY, NAME), {CITY}, a_reach(), Standing.LIVE, (CITY,)),
        (a_consent(CITY), {CITY, NAME}, a_reach(), Standing.LIVE, (CITY,)),
        (a_consent(CITY, NAME), set(), a_reach(), Standing.PAUSED, ()),
        (a_consent(NAME), {NAME}, a_reach("Subject.city"), Standing.PAUSED, ()),
        (a_consent(CITY), {CITY}, a_reach(is_stopped=True), Standing.STOPPED, ()),
        (a_consent(CITY), {CITY}, None, Standing.STOPPED, ()),
        (a_consent(CITY, is_live=False), set(), a_reach(), Standing.ENDED, ()),
        (a_consent(kind=ConsentKind.WITHDRAWN, is_live=False), set(), a_reach(), Standing.WITHDRAWN, ()),
    ],
)
def test_a_consent_is_said_to_be_what_it_comes_to(
    consent: ConsentNow, covered: Collection[str], reach: Reach | None, standing: Standing, readable: tuple[str, ...]
) -> None:
    """policy 1.5: what a partner can read now is what it may ask for, was agreed to, and the gate would let out."""
    agreed = weigh(consent, {KEY: frozenset(covered)}, {} if reach is None else {KEY: reach}, CATALOGUE)

    assert (agreed.standing, agreed.readable) == (standing, readable)


def test_a_connection_counts_from_what_still_stands_and_is_over_when_nothing_does() -> None:
    """policy 1.5: somebody who only signed in is connected as well."""
    live = Agreed(a_consent(CITY, given_at=NOON), Standing.LIVE, (CITY,))
    over = Agreed(a_consent(CITY, given_at=NOON - timedelta(days=9)), Standing.ENDED, ())
    partners = {PARTNER_ID: a_known(), OTHER_ID: a_known(OTHER_ID)}
    accesses = LastAccesses({PARTNER_ID: NOON}, None)

    both = list(connections(partners, [over, live], {}, accesses))
    ended = list(connections(partners, [over], {}, accesses))
    signed = list(connections(partners, [], {OTHER_ID: SignedIn(NOON, NOON + timedelta(days=1))}, accesses))

    assert [(one.since, one.is_over, one.last_access) for one in both] == [(NOON, False, NOON)]
    assert [(one.since, one.is_over) for one in ended] == [(NOON - timedelta(days=9), True)]
    assert [(one.partner.partner_id, one.since, one.is_over) for one in signed] == [(OTHER_ID, NOON, False)]


def test_only_processors_are_listed_as_working_on_the_controllers_behalf() -> None:
    """policy 6.2: under a live grant; what they can read is named, also where that is nothing."""
    partners = {PARTNER_ID: a_known(role=Role.PROCESSOR), OTHER_ID: a_known(OTHER_ID)}
    covers = {KEY: frozenset({CITY}), (OTHER_ID, DELIVERY): frozenset({CITY}), (PARTNER_ID, Purpose.SURVEY): frozenset({CITY})}
    found = list(
        entrusted(partners, covers, {KEY: a_reach(), (OTHER_ID, DELIVERY): a_reach()}, LastAccesses({}, None), CATALOGUE)
    )
    halted = list(entrusted(partners, covers, {KEY: a_reach(is_stopped=True)}, LastAccesses({}, None), CATALOGUE))

    assert [(one.partner.partner_id, one.readable) for one in found] == [(PARTNER_ID, (CITY,))]
    assert [one.readable for one in halted] == [()]


def a_record(
    *fields: RecordedField, roots: int = 1, covered: int = 0b11, reasons: tuple[int, ...] | None = None
) -> RecordedDisclosure:
    return RecordedDisclosure(Position(NOON, UUID(int=5), roots), "p1", "Partner Ltd", DELIVERY, covered, reasons, fields)


def a_field(path: str, category: str, ordinal: int, *, redaction: str = "reveal", root: int = 0) -> RecordedField:
    return RecordedField(path, category, ordinal, redaction, root)


def test_a_record_tells_what_was_seen_and_why_the_rest_was_not() -> None:
    """policy 6: each field once, with its form or its reason."""
    record = a_record(
        a_field("Subject.city", CITY, 0),
        a_field("Subject.realName", NAME, 1, redaction="mask(1,0)"),
        a_field("Subject.email", "identity.email", 2, redaction="withhold"),
        covered=0b101,
        reasons=(0, 6, 0),
    )

    told = shown(record, CATALOGUE)

    assert [(field.path, field.redaction) for field in told.seen] == [("Subject.city", "reveal")]
    assert [(field.path, field.reason) for field in told.kept] == [
        ("Subject.realName", Reason.SETTING_OFF),
        ("Subject.email", None),
    ]
    assert not told.of_others


def test_what_was_selected_under_another_root_field_is_not_about_the_subject() -> None:
    """The record keeps the fields of a whole operation: the subject was seen under some of its root fields only."""
    fields = [a_field("Subject.city", CITY, 0, root=0), a_field("Subject.realName", NAME, 1, root=1)]

    assert [field.path for field in shown(a_record(*fields, roots=0b10), CATALOGUE).seen] == ["Subject.realName"]
    assert [field.path for field in shown(a_record(*fields, roots=0b11), CATALOGUE).seen] == ["Subject.city", "Subject.realName"]


def test_who_only_appears_in_what_others_shared_is_told_just_that() -> None:
    """policy 1.4: the owner's name went out, not the name of whoever is depicted."""
    fields = [
        a_field("Subject.realName", NAME, 1),
        a_field("Post.text", "content.posts", 2),
        a_field("Subject.photos", PHOTOS, 3),
    ]

    told = shown(a_record(*fields, roots=0), CATALOGUE)

    assert told.of_others
    assert [field.path for field in told.seen] == ["Post.text", "Subject.photos"]
    assert told.kept == ()


def test_what_the_filter_cannot_read_is_named_and_left_out() -> None:
    """Another's partner is not told apart from one that does not exist."""
    partners = {PARTNER_ID: a_known()}
    good = read_filter({"partner": "p1", "purpose": "advertising", "from": "2026-03-01", "to": "2026-03-01"}, partners)
    bad = read_filter({"partner": "p2", "purpose": "x", "from": "1.3.2026", "to": "9999-12-31"}, partners)

    assert good.wanted.since == datetime(2026, 2, 28, 16, tzinfo=UTC)  # midnight in Shanghai
    assert good.wanted.until == datetime(2026, 3, 1, 16, tzinfo=UTC)
    assert (good.wanted.partner_id, good.wanted.purpose, good.last) == (PARTNER_ID, Purpose.ADVERTISING, date(2026, 3, 1))
    assert good.unreadable == frozenset()
    assert bad.unreadable == {"partner", "purpose", "from", "to"}
    assert bad.query == {}


@given(
    at=st.datetimes(datetime(1970, 1, 1), datetime(2900, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - the strategy adds it
    row=st.uuids(),
    roots=st.integers(0, 2**15 - 1),
)
def test_a_position_comes_back_as_it_was_written(at: datetime, row: UUID, roots: int) -> None:
    position = Position(at, row, roots)
    assert read_position(write_position(position)) == position


@pytest.mark.parametrize("text", ["", "1", "1-2-3", f"-1-{NOBODY.hex}-0", f"1-{NOBODY.hex}-32768", f"１-{NOBODY.hex}-0"])
def test_what_is_no_position_begins_with_the_newest(text: str) -> None:
    assert read_position(text) is None


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", "\n=1"])
def test_no_cell_of_the_table_is_computed(text: str) -> None:
    """OWASP, CSV injection: a partner chooses its own name."""
    assert cell(text) == f"'{text}"


def test_ordinary_cells_stay_as_they_are() -> None:
    assert [cell(text) for text in ["", "城市", "a=b", "2026-03-01 12:00:00+08:00"]] == [
        "",
        "城市",
        "a=b",
        "2026-03-01 12:00:00+08:00",
    ]


def an_off(category: str | None = None, partner_id: UUID | None = None, switch: str = "sharing") -> SettingNow:
    return SettingNow(switch, partner_id, category, allowed=False)


def test_nothing_said_is_on_everywhere() -> None:
    """policy 4: a setting only narrows, so that silence leaves what was agreed."""
    view = privacy(Settings([]), {PARTNER_ID: a_known()}, None)

    knobs = [knob for branch in view.branches for knob in (branch.knob, *branch.leaves)]
    assert view.sharing
    assert view.advertising
    assert not view.is_overruled
    assert all(knob.is_on and not knob.is_overruled for knob in knobs)
    assert [(one.is_on, one.off_count) for one in view.partners] == [(True, 0)]


def test_the_page_has_every_category_once_below_its_node() -> None:
    """policy 4: by category, each one."""
    view = privacy(Settings([]), {}, None)
    assert [leaf.category for branch in view.branches for leaf in branch.leaves] == list(CATEGORIES)
    assert nodes() == tuple(dict.fromkeys(parents(name)[0] for name in CATEGORIES))


def test_a_switch_tells_where_another_one_says_off() -> None:
    """policy 4: one switch off is enough; turning on a lower one does not help, and the page says so."""
    settings = Settings([an_off("identity"), an_off(CITY, PARTNER_ID), an_off(None, OTHER_ID)])
    everybody = privacy(settings, {PARTNER_ID: a_known()}, None)
    one = privacy(settings, {PARTNER_ID: a_known()}, a_known())

    def knob(view: Any, name: str) -> tuple[bool, bool]:
        knobs = {knob.category: knob for branch in view.branches for knob in (branch.knob, *branch.leaves)}
        return knobs[name].is_on, knobs[name].is_overruled

    assert knob(everybody, "identity") == (False, False)
    assert knob(everybody, NAME) == (True, True)
    assert knob(everybody, CITY) == (True, False)
    assert knob(one, CITY) == (False, False)
    assert knob(one, "identity") == (True, True)
    assert [partner.off_count for partner in everybody.partners] == [1]
    assert one.sharing
    assert not privacy(settings, {}, a_known(OTHER_ID)).sharing
    assert privacy(Settings([an_off()]), {}, a_known()).is_overruled
    assert not privacy(Settings([an_off(switch="advertising")]), {}, None).advertising
