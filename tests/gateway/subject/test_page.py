"""Words, headers and languages of every page."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from starlette.requests import Request

from gateway.settings import Settings
from gateway.subject.page import Pages, language_of
from gateway.subject.texts import FOLDER as TEXTS
from gateway.subject.texts import LANGUAGES, Texts, placeholders
from gateway.subject.words import Words
from scopes import CATEGORIES, MASKS, STEPS, Purpose, Reason, Redaction, Role, Rung
from tests.support.database import Database
from tests.support.visiting import House, a_house

ROOM = TEXTS.parent
USED = re.compile(r"""\b(?:t|say)\(\s*["']([a-z_]+\.[\w-]+)["'](\s*~)?""")


def _keys() -> Iterator[tuple[str, str, bool]]:
    """Every key that a template or a module names: where, the key, and whether only its beginning is written there."""
    for file in [*ROOM.glob("templates/*.html"), *ROOM.glob("*.py")]:
        for key, joined in USED.findall(file.read_text(encoding="utf-8")):
            yield file.name, key, bool(joined)


def test_every_sentence_is_there_in_both_languages_with_the_same_placeholders() -> None:
    for key, entry in Texts.load().by_key.items():
        assert set(entry) == set(LANGUAGES), key
        assert all(text.strip() for text in entry.values()), key
        assert len({placeholders(text) for text in entry.values()}) == 1, key


def test_every_sentence_that_is_asked_for_exists() -> None:
    known = Texts.load().by_key
    missing = [
        f"{file}: {key}"
        for file, key, is_prefix in _keys()
        if key not in known and not (is_prefix and any(other.startswith(key) for other in known))
    ]
    assert not missing, missing


@pytest.mark.parametrize("language", LANGUAGES)
def test_closed_lists_have_words_for_each_member(language: str) -> None:
    words = Words(Texts.load(), "en" if language == "en" else "zh-CN")
    said = [
        *(words.category(name) for name in CATEGORIES),
        *(words.purpose(purpose) for purpose in Purpose),
        *(words.role(role) for role in Role),
        *(words.reason(reason.name) for reason in Reason),
        *(words.location(place) for place in ("CN", "HK", "SG", "DE")),
    ]
    assert all(said)
    rules = [Redaction(rung) for rung in (Rung.REVEAL, Rung.PSEUDONYMISE, Rung.WITHHOLD)]
    rules += [Redaction(Rung.GENERALISE, step=step) for chains in STEPS.values() for chain in chains for step in chain]
    rules += [Redaction(Rung.MASK, head=head, tail=tail) for head in (0, 1, 3) for tail in (0, 1, 4)]
    rules += [rule.default for rule in MASKS.values()]
    assert all(words.redaction(rule.label()) for rule in rules)
    with pytest.raises(KeyError):
        words.purpose("anything")


def _request(query: str = "", **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "GET", "path": "/x", "query_string": query.encode(), "headers": raw})


@pytest.mark.parametrize(
    ("request_", "language"),
    [
        (_request(), "zh-CN"),
        (_request(accept_language="en"), "en"),
        (_request(accept_language="fr, en-GB;q=0.7, zh;q=0.3"), "en"),
        (_request(accept_language="en;q=0.3,zh-TW;q=0.9"), "zh-CN"),
        (_request(accept_language="en;q=0"), "zh-CN"),
        (_request(accept_language="en;q=x,;,zh"), "zh-CN"),
        (_request("lang=en", accept_language="zh"), "en"),
        (_request(cookie="lang=en", accept_language="zh"), "en"),
        (_request(cookie="__Host-lang=en; lang=zh-CN"), "en"),
        (_request("lang=zh-CN", cookie="lang=en"), "zh-CN"),
        (_request("lang=tlh", accept_language="en"), "en"),
    ],
)
def test_the_reader_chooses_the_language(request_: Request, language: str) -> None:
    assert language_of(request_) == language


def test_instants_are_told_in_beijing_time_which_is_named(tmp_path: Path) -> None:
    pages = Pages(Settings(data=tmp_path))
    environment = pages._templates
    environment.loader = None
    template = environment.from_string("{{ instant(at) }} | {{ date(at) }} | {{ date(day) }}")
    environment.get_template = lambda *_a, **_k: template  # type: ignore[method-assign]
    at = datetime(2026, 11, 23, 18, 5, tzinfo=UTC)

    said = {
        language: bytes(pages.render(_request(f"lang={language}"), "x", at=at, day=date(2026, 1, 2)).body).decode()
        for language in LANGUAGES
    }

    assert said == {
        "zh-CN": "2026年11月24日 02:05（北京时间） | 2026年11月24日 | 2026年1月2日",
        "en": "24 Nov 2026, 02:05 (Beijing time) | 24 November 2026 | 2 January 2026",
    }


@pytest_asyncio.fixture(loop_scope="session")
async def house(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(database, tmp_path) as house:
        yield house


async def test_every_page_is_sent_under_headers_that_let_nothing_foreign_in(house: House) -> None:
    """Clickjacking, scripts from elsewhere, pages in caches."""
    async with house.a_visitor() as visitor:
        account = await house.an_account()
        await visitor.sign_in(account.login)
        for path in ("/sign-in?step_up=1", "/cookies", "/me", "/me/passkeys", "/me/privacy", "/me/consents/x"):
            headers = (await visitor.http.get(path)).headers
            policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
            assert (policy["default-src"], policy["frame-ancestors"], policy["base-uri"]) == ("'none'", "'none'", "'none'")
            assert {policy[name] for name in ("script-src", "style-src", "form-action", "connect-src")} == {"'self'"}
            assert headers["x-frame-options"] == "DENY"
            assert headers["cache-control"] == "no-store"
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cross-origin-opener-policy"] == "same-origin"
            assert headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize(("address", "told"), [("https://share.example", True), ("http://localhost:8080", False)])
def test_over_tls_browsers_are_told_to_stay_there(tmp_path: Path, address: str, told: bool) -> None:
    """FAPI 2.0 5.2.3: whoever strips TLS off on the way gets nobody who has been here before (RFC 6797 6.1)."""
    pages = Pages(Settings(data=tmp_path, base_url=address))

    headers = pages.render(_request(), "error.html", why="forged").headers

    assert headers.get("strict-transport-security") == ("max-age=31536000" if told else None)


async def test_who_got_lost_finds_the_way_back(house: House) -> None:
    """An address that leads nowhere is told in the reader's language; the site's own leads to the data subject's pages."""
    async with house.a_visitor() as visitor:
        assert (await visitor.http.get("/")).headers["location"] == "/me"
        account = await house.an_account()
        await visitor.sign_in(account.login)
        for path in ("/me/", "/me/nothing", "/me/consents"):
            answer = await visitor.http.get(path)
            assert (answer.status_code, 'href="/me"' in answer.text, 'lang="en"' in answer.text) == (404, True, True)


async def test_what_the_visitor_types_is_text(house: House) -> None:
    async with house.a_visitor() as visitor:
        answer = await visitor.sign_in('"><script>alert(1)</script>', "x")
        assert "<script>alert" not in answer.text
        answer = await visitor.http.get("/cookies?x=%22%3E%3Cscript%3E")
        assert "<script>" not in answer.text


async def test_the_language_that_was_chosen_stays(house: House) -> None:
    async with house.a_visitor(language="zh-CN") as visitor:
        assert '<html lang="zh-CN">' in (await visitor.http.get("/cookies")).text
        assert '<html lang="en">' in (await visitor.http.get("/cookies?lang=en")).text
        assert '<html lang="en">' in (await visitor.http.get("/sign-in")).text


async def test_files_are_kept_for_good_under_their_own_address(house: House) -> None:
    async with house.a_visitor() as visitor:
        page = (await visitor.http.get("/sign-in")).text
        addresses = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
        assert len(addresses) == 3
        for address in addresses:
            answer = await visitor.http.get(address)
            assert answer.status_code == 200
            assert "immutable" in answer.headers["cache-control"]
            assert (await visitor.http.get(address, headers={"If-None-Match": answer.headers["etag"]})).status_code == 304
            assert "immutable" not in (await visitor.http.get(address.partition("?")[0])).headers["cache-control"]
        assert (await visitor.http.get("/static/../page.py")).status_code == 404
        assert (await visitor.http.get("/static/%2e%2e%2fpage.py")).status_code == 404
