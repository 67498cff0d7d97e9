"""YAML is read so that nothing means two things, and nothing that somebody wrote into a file ends in a trace."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import strict_yaml
from gateway.strict_yaml import InvalidFile

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{before}'] * 10)}]\n" for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", 1),
        (b"a: 1\na: 2\n", 2),
        (b"a: 1\n'a': 2\n", 2),
        (b"b:\n  - {c: 1, c: 2}\n", 2),
        (b"a: \xff\n", 1),
        (b"a: 1\nb: \xc3\x28\n", 2),
        ("a: 1\nb: \u0007\n".encode(), 2),
        (b"a: 1\n? [x]\n: 2\n", 2),
        (b"a: 1\n1: 2\n", 2),
        (b"a: !!python/object:os.system x\n", 1),
        (b"a: 1\nb: !!int x\n", 2),
        (b"a: 1\nb: !!timestamp 2026-01-01\n", 2),
        (b"a: !!binary eA==\n", 1),
        (b"a: &a [*a]\n", 1),
        (b"a: " + b"9" * 5000, 1),
        (b"a: 1\n---\nb: 2\n", 2),
        (b'a: 1\nb: "\\0"\n', 2),
        (b'a: 1\n"\\ud800": 1\n', 2),
        (b'a: 1\nb: "\\udc00\\ud800"\n', 2),
        (b"a: [1\nb: 2\n", 2),
        (b"[" * 5000, 1),
        (b"a: " + b"x" * strict_yaml.LARGEST, 1),
        (BOMB.encode(), 6),
    ],
    ids=range(23),
)
def test_what_is_wrong_is_told_with_file_and_line(tmp_path: Path, content: bytes, line: int) -> None:
    path = tmp_path / "one.yaml"
    path.write_bytes(content)

    with pytest.raises(InvalidFile) as wrong:
        strict_yaml.read(path)

    assert str(wrong.value).startswith(f"{path}:{line}: ")


def test_plain_words_mean_what_they_mean_in_json(tmp_path: Path) -> None:
    """`off` is a word and a date is a text; an alias stands for what it names."""
    path = tmp_path / "one.yaml"
    path.write_text('a: off\nb: 2026-11-28\nc: 012\nd: 12\ne: true\nf: ~\ng: &g [1]\nh: *g\ni: "\\ud83d\\ude00"\n')

    value = strict_yaml.read(path).value

    assert value == {"a": "off", "b": "2026-11-28", "c": "012", "d": 12, "e": True, "f": None, "g": [1], "h": [1], "i": "😀"}


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.one_of(st.binary(max_size=60), st.text("ab:-[]{}&*!?|>'\"#%@, \n~<1", max_size=60).map(str.encode)))
def test_any_bytes_are_a_document_or_a_typed_refusal(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "any.yaml"
    path.write_bytes(content)
    try:
        strict_yaml.read(path)
    except InvalidFile as wrong:
        assert wrong.line >= 1  # noqa: PT017 - any bytes may be refused so
