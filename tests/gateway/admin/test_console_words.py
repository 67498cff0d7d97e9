"""Every sentence of the console: there in both languages, and asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from gateway.admin.console.desk import FOLDER
from gateway.admin.console.difference import difference
from gateway.admin.console.plot import Series, plot
from gateway.admin.console.reading import instant_of, local, redaction_of
from gateway.stewardship.actor import Door, StaffCode
from gateway.stewardship.content import ChangeKind
from gateway.stewardship.roles import Act, StaffRole
from gateway.stewardship.sdl_difference import Severity
from gateway.stewardship.sights import Effect
from gateway.store.partners import KINDS
from gateway.subject.texts import LANGUAGES, Texts, placeholders
from scopes import Fault
from tests.support.instants import NOON

USED = re.compile(r"""\b(?:t|say)\(\s*["']([a-z_]+\.[\w-]+)["'](\s*~)?""")
TEXTS = Texts.load(FOLDER / "text").by_key


def _keys() -> Iterator[tuple[str, str, bool]]:
    """Every key that a template or a module names: where, the key, and whether only its beginning is written there."""
    for file in [*FOLDER.glob("templates/*.html"), *FOLDER.glob("*.py")]:
        for key, joined in USED.findall(file.read_text(encoding="utf-8")):
            yield file.name, key, bool(joined)


def test_every_sentence_is_there_in_both_languages_with_the_same_placeholders() -> None:
    for key, entry in TEXTS.items():
        assert set(entry) == set(LANGUAGES), key
        assert all(text.strip() for text in entry.values()), key
        assert len({placeholders(text) for text in entry.values()}) == 1, key


def test_every_sentence_that_is_asked_for_exists() -> None:
    missing = [
        f"{file}: {key}"
        for file, key, is_prefix in _keys()
        if key not in TEXTS and not (is_prefix and any(other.startswith(key) for other in TEXTS))
    ]
    columns = [name for file in FOLDER.glob("templates/*.html") for name in re.findall(r"columns\(\[([^\]]*)", file.read_text())]
    missing += [name for row in columns for name in re.findall(r'"(\w+)"', row) if f"console.{name}" not in TEXTS]
    assert not missing, missing


def test_closed_lists_have_words_for_each_member() -> None:
    """What a page cannot say would be shown as a code."""
    wanted = [
        *(f"act_{one.value.replace('.', '_')}" for one in Act),
        *(f"refused_{one}" for one in StaffCode),
        *(f"door_{one}" for one in Door),
        *(f"role_{one}" for one in StaffRole),
        *(f"kind_{one}" for one in ChangeKind),
        *(f"finding_{one}" for one in Fault),
        *(f"effect_{one}" for one in Effect),
        *(f"severity_{one}" for one in Severity),
        *(f"partner_kind_{one}" for one in KINDS),
    ]
    assert [key for key in wanted if f"console.{key}" not in TEXTS] == []


@pytest.mark.parametrize("label", ["reveal", "mask(3,4)", "mask(0,0)", "generalise(year)", "pseudonymise", "withhold"])
def test_a_redaction_is_typed_as_it_is_shown(label: str) -> None:
    [line] = difference(None, {"redaction": redaction_of(f" {label.upper()} ")})
    assert line.after == label


def test_an_instant_that_the_form_did_not_change_stays_to_the_microsecond() -> None:
    exact = NOON.replace(second=5, microsecond=7)
    assert instant_of(local(exact), exact.isoformat()) == exact.isoformat()
    assert instant_of("2026-01-01T08:00", exact.isoformat()) == "2026-01-01T00:00:00+00:00"
    assert instant_of("0001-01-01T00:00") == "0001-01-01T00:00"
    assert instant_of("") is None


def test_bars_stand_on_each_other_and_none_is_taller_than_the_plot() -> None:
    days = [NOON.date()] * 3
    made = plot("x", "X", days, [Series("a", [1, 0, 3]), Series("b", [2, 0, 4])])
    assert [(bar.colour, bar.height > 0) for bar in made.bars] == [(0, True), (1, True), (0, True), (1, True)]
    assert all(bar.y >= 10 and bar.y + bar.height <= 186.01 for bar in made.bars)
    assert made.bars[1].y + made.bars[1].height == pytest.approx(made.bars[0].y)
    assert made.rows[2] == (days[2], [3, 4])
    assert plot("y", "Y", days, [Series("a", [0, 0, 0])]).bars == []
