"""shopmate's words: complete in both languages, each used, none missing."""

import re

import pytest

from gateway.demo.shopmate.fields import lines
from gateway.demo.shopmate.pages import HERE, LANGUAGES, TEXT, field_key, how_key
from scopes import Rung

SOURCES = "".join(path.read_text() for path in (*HERE.glob("templates/*.html"), *HERE.glob("*.py")))
FIELDS = {field_key(line.name) for line in lines({}, {})}


@pytest.mark.parametrize("key", TEXT)
def test_a_text_is_there_in_both_languages(key: str) -> None:
    assert TEXT[key].keys() == set(LANGUAGES)
    assert all(text.strip() for text in TEXT[key].values())


@pytest.mark.parametrize("key", TEXT)
def test_no_text_is_left_over(key: str) -> None:
    assert f'"{key}"' in SOURCES or key in FIELDS or key.startswith("how_")


def test_every_text_that_a_page_asks_for_is_there() -> None:
    asked = {*re.findall(r'\bt\("(\w+)"\)', SOURCES), *re.findall(r'button\("[^"]+", "(\w+)"', SOURCES)}
    asked |= {*re.findall(r'"(\w+)" if \w+ else "(\w+)"', SOURCES)[0]}
    asked |= {*re.findall(r'"(news_\w+|problem_\w+)"', SOURCES), *FIELDS}

    assert asked <= TEXT.keys()


def test_whatever_the_gateway_does_to_a_value_has_a_word() -> None:
    assert {how_key(rung.name.lower()) for rung in Rung if rung is not Rung.WITHHOLD} <= TEXT.keys()
