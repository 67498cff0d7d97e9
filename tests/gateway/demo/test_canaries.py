"""The canaries: what the sweep for leaks relies on."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import pytest

from gateway.catalogue.weidandan import CATALOGUE
from gateway.demo.canaries import COUNT, Canary, aviary
from gateway.demo.checks import is_national_id
from gateway.demo.partners import GRANTED
from gateway.demo.people import COLUMNS, NULL, batches, folk
from scopes import Kind, Redaction, Rung, redact

SEED = 7
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
# Small or typed domains: a value of theirs would stand elsewhere by right
UNMARKED = {Kind.BIRTH_DATE, Kind.CITY, Kind.POSTCODE, Kind.IP, Kind.INSTANT, Kind.LOCATION, Kind.LABEL}


def markers() -> Iterator[tuple[Canary, str, str]]:
    for canary in aviary(SEED).canaries:
        for path, value in canary.values.items():
            for marker in [value] if isinstance(value, str) else value:
                yield canary, path, marker


def test_the_same_seed_gives_the_same_canaries() -> None:
    assert [(c.subject_id, c.values) for c in aviary(SEED).canaries] == [(c.subject_id, c.values) for c in aviary(SEED).canaries]
    assert aviary(SEED).canaries[0].subject_id != aviary(SEED + 1).canaries[0].subject_id


def test_every_field_of_a_large_domain_has_markers() -> None:
    expected = {path for path, field in CATALOGUE.fields.items() if field.kind not in UNMARKED}

    assert len(aviary(SEED).canaries) == COUNT
    for canary in aviary(SEED).canaries:
        assert set(canary.values) == expected


def test_every_marker_is_at_least_eight_characters_long() -> None:
    assert all(len(marker) >= 8 for _, _, marker in markers())


def test_identity_numbers_and_mobile_numbers_are_valid() -> None:
    for _, path, marker in markers():
        if path == "Subject.nationalId":
            assert is_national_id(marker)
        if path.endswith("mobileNumber"):
            assert re.fullmatch(r"1[3-9]\d{9}", marker)


def test_no_marker_occurs_in_anybody_elses_data() -> None:
    text = "\n".join(
        "\t".join(row) for batch in batches(folk(SEED, 3000)) for rows in batch.values() for row in rows
    )  # fmt: skip

    assert [path for _, path, marker in markers() if marker in text] == []


def test_every_marker_stands_in_one_value_of_one_row() -> None:
    """A post that shows another canary marks both of them; the id of a post stands again where it is mentioned."""
    values = [value for rows in aviary(SEED).rows.values() for row in rows for value in row]

    for _, path, marker in markers():
        if path != "Post.id":
            assert len([value for value in values if marker in value]) == 1


def test_canary_rows_fit_their_columns_and_leave_nothing_empty() -> None:
    for table, rows in aviary(SEED).rows.items():
        for row in rows:
            assert len(row) == len(COLUMNS[table])
            assert NULL not in [value for name, value in zip(COLUMNS[table], row, strict=True) if name != "deleted_at"]


@pytest.mark.parametrize(("path", "redaction"), [(f.path, f.redaction) for _, scope in GRANTED for f in scope.fields])
def test_each_scopes_rule_gives_a_canary_a_value_and_never_more_than_six_characters_of_its_marker(
    path: str, redaction: Redaction
) -> None:
    """A marker without the shape of its field would be withheld, and the sweep would see nothing."""
    kind = CATALOGUE.fields[path].kind
    for canary in aviary(SEED).canaries:
        value = canary.values.get(path, ())
        for marker in [value] if isinstance(value, str) else value:
            stored = f"{marker}@example.com" if kind is Kind.EMAIL else marker
            raw = UUID(stored) if kind is Kind.IDENTIFIER else stored

            shown = redact(kind, redaction, raw, at=NOON, key=bytes(32))

            assert shown is not None
            if redaction.rung is not Rung.REVEAL:
                assert not any(marker[start : start + 7] in shown for start in range(len(marker) - 6))
