"""Every clause that docs/policy.md names has its witness, and its table of bases is the one that decides."""

from __future__ import annotations

import re
from pathlib import Path

from scopes import BASIS, PURPOSES, Purpose, Role, Sensitivity

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")
COLUMNS = (
    (Role.PROCESSOR, Sensitivity.ORDINARY),
    (Role.PROCESSOR, Sensitivity.SENSITIVE),
    (Role.RECIPIENT, Sensitivity.ORDINARY),
    (Role.RECIPIENT, Sensitivity.SENSITIVE),
    (Role.AUTHORITY, Sensitivity.ORDINARY),
)


def test_every_witness_is_named_and_every_named_witness_exists() -> None:
    named = set(re.findall(r"\(\.\./tests/clauses/(test_\w+\.py)\)", DOCUMENT))

    assert named == {path.name for path in (ROOT / "tests" / "clauses").glob("test_*.py")}


def test_every_other_file_it_names_exists() -> None:
    missing = [name for name in re.findall(r"`(tests/[\w/]+\.py)`", DOCUMENT) if not (ROOT / name).exists()]

    assert missing == []


def test_the_table_of_bases_is_the_one_that_decides() -> None:
    """DESIGN section 2, Basis: one table in `scopes`, its documentation made from it."""
    rows = {
        purpose: [PURPOSES[purpose].clause, "yes" if PURPOSES[purpose].is_analytics else "no"]
        + [BASIS[purpose, role, sensitivity].value for role, sensitivity in COLUMNS]
        for purpose in Purpose
    }
    written = {
        Purpose(name): [cell.strip() for cell in rest.strip(" |").split("|")]
        for name, rest in re.findall(r"^\| `(\w+)` \|(.+)$", DOCUMENT, re.MULTILINE)
    }

    assert written == rows


def test_a_successor_rests_on_what_a_recipient_does_and_the_public_on_nothing() -> None:
    """policy 6.3: the successor gets no more than the predecessor had."""
    for purpose in Purpose:
        for sensitivity in Sensitivity:
            assert BASIS[purpose, Role.SUCCESSOR, sensitivity] is BASIS[purpose, Role.RECIPIENT, sensitivity]
            assert BASIS[purpose, Role.PUBLIC, sensitivity].value in {"none", "anonymous"}
