"""What a broken gateway could answer: read without failing, and never taken for what was promised."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from graphql import build_schema

from gateway.catalogue.weidandan import CATALOGUE
from gateway.contracts.client import Answer
from gateway.contracts.contract import Contract, read
from gateway.contracts.observe import observe
from gateway.contracts.run import _compare_withheld, _Report
from gateway.schema.sdl import write_sdl

SCHEMA = build_schema(write_sdl(CATALOGUE, dict.fromkeys(CATALOGUE.fields, ("all: reveal",))))
OPERATION = "query ($id: ID!) { subject(id: $id) { id addresses { city street } photos } }"


def shown(subject: Any) -> dict[str, list[str | None]]:
    return observe(OPERATION, {"id": "p1"}, SCHEMA, "Subject", {"subject": subject}).shown["p1"]


@pytest.fixture
def contract(tmp_path: Path) -> Contract:
    path = tmp_path / "one.yaml"
    expected = "{alice: {Subject.city: null because NOT_CONSENTED}}"
    path.write_text(f"partner: p\npurpose: survey\noperation: '{{ a }}'\nexpect: {expected}\n")
    return read(path)


def test_a_row_that_is_null_is_null_in_every_field() -> None:
    found = shown({"id": "p1", "addresses": [{"city": "a", "street": "b"}, None], "photos": ["c", None]})

    assert found == {"Address.city": ["a", None], "Address.street": ["b", None], "Subject.photos": ["c", None]}


def test_an_empty_list_and_a_missing_one_are_two_things() -> None:
    assert shown({"id": "p1", "addresses": [], "photos": []}) == {"Address.city": [], "Address.street": [], "Subject.photos": []}
    assert shown({"id": "p1", "addresses": None, "photos": None}) == {
        "Address.city": [None],
        "Address.street": [None],
        "Subject.photos": [None],
    }


def test_an_answer_under_somebody_elses_id_is_that_persons() -> None:
    seen = observe(OPERATION, {"id": "p1"}, SCHEMA, "Subject", {"subject": {"id": "p2", "photos": ["c"]}})

    assert seen.shown == {"p2": {"Subject.photos": ["c"]}}


@pytest.mark.parametrize(
    ("reason", "count", "found"),
    [
        ("NOT_CONSENTED", 1, []),
        ("CONSENT_WITHDRAWN", 1, ["another reason"]),
        ("NOT_CONSENTED", 2, ["withheld for 2"]),
    ],
)
def test_an_exact_reason_and_a_wrong_count_are_found(contract: Contract, reason: str, count: int, found: list[str]) -> None:
    """DESIGN 2: partners see one reason for all that depends on a data subject."""
    withheld = [{"field": "Subject.city", "reason": reason, "count": count}]
    answer = Answer(200, {"extensions": {"disclosure": {"withheld": withheld}}}, "", {})
    report = _Report(contract)

    _compare_withheld(contract, {"alice": {}}, answer, report)

    assert [one.found for one in report.findings] == found
