"""Policy as files: what is written is read back as it was, a plan names what differs, and a file that is wrong is told where."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gateway.stewardship import configuration_files
from gateway.stewardship.configuration import (
    ClientPart,
    Configuration,
    GrantPart,
    OperationPart,
    PartnerForm,
    Step,
    plan,
)
from gateway.stewardship.content import ChangeKind, FieldContent, RulesContent, ScopeContent
from gateway.strict_yaml import InvalidFile, read
from scopes import Purpose
from tests.support.instants import NOON
from tests.support.oauth import a_metadata
from tests.support.stewardship import CITY, EVERY_NEED, REAL_NAME, standing_of

PHASES = (Phase.explicit, Phase.reuse, Phase.generate)  # shrinking such large cases takes minutes
METADATA = a_metadata("c")


LINES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40).filter(str.strip)
NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)
SCOPE_NAMES = st.from_regex(r"[a-z][a-z0-9_.:-]{0,8}", fullmatch=True)
INSTANTS = st.datetimes(datetime(2027, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
REDACTIONS = st.sampled_from([{"rung": "reveal"}, {"rung": "mask", "head": 1, "tail": 2}, {"rung": "generalise", "step": "year"}])
PATHS = st.from_regex(r"[A-Z][a-z]{1,4}\.[a-z]{1,4}", fullmatch=True)
FIELDS = st.builds(FieldContent, path=PATHS, redaction=REDACTIONS, justification=LINES, justification_en=st.just("") | LINES)
SCOPES = st.builds(
    ScopeContent,
    scope=SCOPE_NAMES,
    purpose=st.sampled_from(Purpose),
    fields=st.lists(FIELDS, min_size=1, max_size=4, unique_by=lambda field: field.path),
    active_from=st.none() | INSTANTS,
)
GRANTS = st.builds(
    GrantPart, scope=SCOPE_NAMES, starts_at=st.none() | INSTANTS, ends_at=INSTANTS, retention_days=st.integers(1, 900)
)
OPERATIONS = st.builds(OperationPart, label=LINES, document=LINES | st.just("query A {\r\n  me {\tid }\n}\n\n"))
PARTNERS_DRAWN = st.builds(
    PartnerForm,
    name=NAMES,
    legal_name=LINES,
    contact=LINES,
    role=st.sampled_from(["recipient", "processor"]),
    kind=st.just("vendor"),
    processing_location=st.sampled_from(["CN", "DE"]),
    cross_border_mechanism=st.sampled_from([None, "assessment"]),
    agreement_sha256=st.sampled_from([None, "0" * 64]),
    agreement_starts_at=INSTANTS,
    agreement_ends_at=INSTANTS,
    duties=st.sampled_from([["confidentiality", "security"], ["audit", "confidentiality", "security"]]),
    notice_contacts=st.lists(LINES, max_size=2),
    retention_days=st.none() | st.integers(1, 900),
    registered_only=st.booleans(),
    status=st.sampled_from(["active", "suspended"]),
    grants=st.lists(GRANTS, max_size=3),
    operations=st.lists(OPERATIONS, max_size=2, unique_by=lambda one: one.document),
)


@st.composite
def configurations(draw: st.DrawFn) -> Configuration:
    scopes = draw(st.lists(SCOPES, max_size=3, unique_by=lambda one: one.scope))
    partners = draw(st.lists(PARTNERS_DRAWN, max_size=3, unique_by=lambda one: one.name))
    with_clients = [
        one.model_copy(update={"clients": [ClientPart(metadata={**METADATA, "client_id": f"{one.name}-{number}"})]})
        for number, one in enumerate(partners)
    ]
    rules = RulesContent(needs=draw(st.sampled_from([{}, EVERY_NEED])), floors={})
    return Configuration(rules, {one.scope: one for one in scopes}, {one.name: one for one in with_clients})


@settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
    phases=PHASES,
)
@given(configuration=configurations())
def test_what_was_written_is_read_back_and_is_no_change(tmp_path: Path, configuration: Configuration) -> None:
    """To the letter, whatever the texts hold; in the same bytes each time; and each file fits the schema beside it."""
    configuration_files.write(tmp_path, configuration)

    again = configuration_files.read(tmp_path)

    assert plan(standing_of(configuration), again) == ()
    assert configuration_files.texts(again) == configuration_files.texts(configuration)
    assert {name: one.operations for name, one in again.partners.items()} == {
        name: one.operations for name, one in configuration.partners.items()
    }
    for folder, form in (("scopes", "scope"), ("partners", "partner")):
        schema = Draft202012Validator(json.loads((tmp_path / "schemas" / f"{form}.schema.json").read_text()))
        for path in (tmp_path / folder).glob("*.yaml"):
            assert not [*schema.iter_errors(read(path).value)]
            assert path.read_text().startswith(f"# yaml-language-server: $schema=../schemas/{form}.schema.json\n")


@settings(max_examples=60, deadline=None, phases=PHASES)
@given(before=configurations(), after=configurations())
def test_a_plan_names_each_thing_once_and_none_that_stays(before: Configuration, after: Configuration) -> None:
    items = plan(standing_of(before), after)

    scopes = {(one.title, one.step) for one in items if one.title.startswith("scope ")}
    for name in before.scopes.keys() - after.scopes.keys():
        assert (f"scope {name}", Step.END) in scopes
    for name in after.scopes.keys() - before.scopes.keys():
        assert (f"scope {name}", Step.ADD) in scopes
    ended = {one.title for one in items if one.step is Step.END and one.kind is ChangeKind.PARTNER}
    assert ended == {f"partner {name}" for name in before.partners.keys() - after.partners.keys()}
    titles = [one.title for one in items if not one.title.startswith("grant ")]
    assert len(titles) == len({*titles})
    assert all(one.differences or one.step is Step.END for one in items)


def test_order_and_ways_of_writing_are_no_difference() -> None:
    fields = [FieldContent(path=path, redaction={"rung": "reveal"}, justification="needed") for path in (CITY, REAL_NAME)]
    one, other = (
        ScopeContent(scope="orders", purpose=Purpose.SERVICE_DELIVERY, fields=listed) for listed in (fields, fields[::-1])
    )
    rules = [
        RulesContent(needs={"survey": names}, floors={})
        for names in (["profile.city", "identity.national_id"], ["identity.national_id", "profile.city"])
    ]

    assert plan(standing_of(Configuration(rules[0], {"orders": one}, {})), Configuration(rules[1], {"orders": other}, {})) == ()


def test_a_plan_tells_field_by_field() -> None:
    field = FieldContent(path=CITY, redaction={"rung": "reveal"}, justification="needed")
    masked = field.model_copy(update={"redaction": {"rung": "mask", "head": 1}})
    rules = RulesContent(needs={}, floors={})
    before, after = (
        Configuration(rules, {"orders": ScopeContent(scope="orders", purpose=Purpose.SURVEY, fields=[one])}, {})
        for one in (field, masked)
    )

    [item] = plan(standing_of(before), after)

    told = [(one.path, one.before, one.after) for one in item.differences]
    assert told == [(f"fields.{CITY}.redaction.head", None, 1), (f"fields.{CITY}.redaction.rung", "reveal", "mask")]


def test_a_grant_whose_period_is_over_is_nothing_to_decide() -> None:
    over = GrantPart(scope="orders", ends_at=NOON - timedelta(days=1), retention_days=1)
    partner = PartnerForm.model_validate(_partner_wire()).model_copy(update={"grants": [over]})
    without = partner.model_copy(update={"grants": []})
    rules = RulesContent(needs={}, floors={})

    assert plan(standing_of(Configuration(rules, {}, {"shop": without})), Configuration(rules, {}, {"shop": partner})) == ()


def _partner_wire() -> dict[str, Any]:
    return {
        "name": "shop",
        "legal_name": "Shop Ltd",
        "contact": "privacy@shop.example",
        "role": "recipient",
        "kind": "vendor",
        "processing_location": "CN",
        "agreement_starts_at": "2026-01-01T00:00:00Z",
        "agreement_ends_at": "2030-01-01T00:00:00Z",
        "duties": ["confidentiality", "security"],
    }


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (("legal_name: Shop Ltd\n", "legal_name: Shop Ltd\nlegal_nam: x\n"), 4),
        (("retention_days: 30\n", "retention_days: '30'\n"), 13),
        (("retention_days: 30\n", "retention_days: 30\nretention_days: 31\n"), 14),
        (("'2030-01-01T00:00:00Z'", "2030-01-01"), 9),
        (("role: recipient", "role: friend"), 5),
        (("- security\n", ""), 11),
        (("name: shop\n", ""), 2),
        (
            (
                "retention_days: 30\n",
                "retention_days: 30\noperations:\n- label: a\n  document: '{ a }'\n- label: b\n  document: '{ a }'\n",
            ),
            15,
        ),
        (("retention_days: 30\n", "retention_days: 30\nclients:\n- metadata: {}\n"), 15),
    ],
)
def test_a_file_that_is_wrong_is_told_with_its_line(tmp_path: Path, change: tuple[str, str], line: int) -> None:
    rules = RulesContent(needs={}, floors={})
    shop = PartnerForm.model_validate({**_partner_wire(), "retention_days": 30})
    configuration_files.write(tmp_path, Configuration(rules, {}, {"shop": shop}))
    path = tmp_path / "partners" / "shop.yaml"
    text = path.read_text()
    assert change[0] in text
    path.write_text(text.replace(*change))

    with pytest.raises(InvalidFile) as wrong:
        configuration_files.read(tmp_path)

    assert str(wrong.value).startswith(f"{path}:{line}: "), wrong.value


def test_a_folder_that_is_none_ends_nothing(tmp_path: Path) -> None:
    """An empty or misspelt folder must not read as a wish to end everything."""
    with pytest.raises(OSError, match=r"rules\.yaml"):
        configuration_files.read(tmp_path)


def test_files_of_what_is_gone_are_taken_away(tmp_path: Path) -> None:
    rules = RulesContent(needs={}, floors={})
    configuration_files.write(tmp_path, Configuration(rules, {}, {"shop": PartnerForm.model_validate(_partner_wire())}))
    foreign = tmp_path / "partners" / "of-somebody-else.yaml"
    foreign.write_text("a: 1\n")
    configuration_files.write(tmp_path, Configuration(rules, {}, {}))

    assert [*(tmp_path / "partners").iterdir()] == [foreign]
