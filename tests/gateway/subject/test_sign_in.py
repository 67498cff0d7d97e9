"""Signing in with a password, and out again: who gets in, what a browser is given, and what other sites cannot do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
from argon2 import PasswordHasher
from argon2.profiles import RFC_9106_LOW_MEMORY

from gateway.subject.cookies import Cookie
from gateway.subject.forms import next_path
from tests.support.database import Database
from tests.support.visiting import PASSWORD, House, Visitor, a_house, token_of


@pytest_asyncio.fixture(loop_scope="session")
async def house(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(database, tmp_path) as house:
        yield house


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(house: House) -> AsyncIterator[Visitor]:
    async with house.a_visitor() as visitor:
        yield visitor


async def test_the_right_password_leads_to_where_the_visitor_was_going(house: House, visitor: Visitor) -> None:
    account = await house.an_account()

    answer = await visitor.sign_in(account.login, leads_to="/me/privacy?partner=shop")

    assert (answer.status_code, answer.headers["location"]) == (303, "/me/privacy?partner=shop")
    assert (await visitor.http.get("/me")).status_code == 200
    assert await house.row("select subject_id, acr from gateway.session") == (account.subject_id, "pwd")


async def test_logins_are_folded(house: House, visitor: Visitor) -> None:
    account = await house.an_account("somebody@example.com")
    assert (await visitor.sign_in(f"  {account.login.upper()} ")).status_code == 303


async def test_a_wrong_password_and_an_unknown_login_look_the_same(house: House, visitor: Visitor) -> None:
    account = await house.an_account()

    answers = [await visitor.sign_in(account.login, "wrong"), await visitor.sign_in("x" * len(account.login), "wrong")]

    assert [answer.status_code for answer in answers] == [422, 422]
    shown = {answer.text.replace(account.login, "").replace("x" * len(account.login), "") for answer in answers}
    assert len(shown) == 1
    assert await house.owner.fetchval("select count(*) from gateway.session") == 0
    assert "wrong" not in answers[0].text.replace("sign_in.problem_wrong", "").lower()


@pytest.mark.parametrize(("login", "password"), [("", PASSWORD), ("somebody", ""), ("", "")])
async def test_what_is_missing_is_named_beside_its_field(visitor: Visitor, login: str, password: str) -> None:
    answer = await visitor.sign_in(login, password)
    assert answer.status_code == 422
    for name, value in {"login": login, "password": password}.items():
        assert (f'<a href="#{name}">' in answer.text) == (value == "")
        assert (f'aria-describedby="{name}-error"' in answer.text) == (value == "")


@pytest.mark.parametrize("odd", ["\0", "a\0b", "\u202e", "x" * 3000, "'; drop table gateway.account; --"])
async def test_odd_logins_and_passwords_are_only_wrong(visitor: Visitor, odd: str) -> None:
    assert (await visitor.sign_in(odd, odd)).status_code in (403, 422)


async def test_a_hash_of_other_parameters_is_replaced_by_todays(house: House, visitor: Visitor) -> None:
    account = await house.an_account()
    before = await house.owner.fetchval("select password_hash from gateway.account")

    assert (await visitor.sign_in(account.login)).status_code == 303

    after = await house.owner.fetchval("select password_hash from gateway.account")
    assert after != before
    hasher = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
    assert hasher.verify(after, PASSWORD)
    assert not hasher.check_needs_rehash(after)
    assert (await visitor.sign_in(account.login)).status_code == 303
    assert await house.owner.fetchval("select password_hash from gateway.account") == after


async def test_a_session_from_before_is_worth_nothing_after_signing_in(house: House, visitor: Visitor) -> None:
    """Session fixation, and what somebody else read from this browser before."""
    first, second = await house.an_account(), await house.an_account()
    await visitor.sign_in(first.login)
    texts = [visitor.http.cookies["session"]]
    for account in (first, second):
        assert (await visitor.sign_in(account.login)).status_code == 303
        texts.append(visitor.http.cookies["session"])

    assert len({*texts}) == 3
    for text in texts[:2]:
        async with house.a_visitor(Cookie=f"session={text}") as old:
            assert (await old.http.get("/me")).status_code == 303
    rows = await house.owner.fetch("select subject_id, ended_at is null as is_open from gateway.session order by created_at")
    assert [tuple(row) for row in rows] == [(first.subject_id, False), (second.subject_id, True)]


async def test_a_text_that_the_visitor_brings_is_never_taken_up(house: House) -> None:
    account = await house.an_account()
    async with house.a_visitor() as visitor:
        visitor.http.cookies.set("session", "planted", domain="127.0.0.1", path="/")
        assert (await visitor.sign_in(account.login)).status_code == 303
        assert visitor.http.cookies["session"] != "planted"
    async with house.a_visitor(Cookie="session=planted") as attacker:
        assert (await attacker.http.get("/me")).status_code == 303


async def test_step_up_asks_again_and_raises_the_instant_of_the_same_session(house: House, visitor: Visitor) -> None:
    account = await house.an_account()
    await visitor.sign_in(account.login)
    await house.owner.execute("update gateway.session set authenticated_at = now() - interval '1 hour'")
    before = await house.row("select session_id, authenticated_at from gateway.session")

    assert (await visitor.http.get("/sign-in?next=/me/privacy")).headers["location"] == "/me/privacy"
    assert "Sign in again" in (await visitor.http.get("/sign-in?next=/me&step_up=1")).text
    await visitor.sign_in(account.login)

    after = await house.row("select session_id, authenticated_at from gateway.session")
    assert after[0] == before[0]
    assert after[1] > before[1]


async def test_signing_out_ends_the_session_in_the_table_too(house: House, visitor: Visitor) -> None:
    account = await house.an_account()
    await visitor.sign_in(account.login)
    text, page = visitor.http.cookies["session"], await visitor.http.get("/me")

    assert (await visitor.http.post("/sign-out", data={"csrf": "x"})).status_code == 403
    assert (await visitor.http.get("/me")).status_code == 200
    answer = await visitor.http.post("/sign-out", data={"csrf": token_of(page.text)})

    assert answer.headers["location"] == "/sign-in?out=1"
    assert "You are signed out" in (await visitor.http.get("/sign-in?out=1")).text
    async with house.a_visitor(Cookie=f"session={text}") as old:
        assert (await old.http.get("/me")).status_code == 303


async def test_another_site_cannot_sign_a_browser_in(house: House, visitor: Visitor) -> None:
    """Login CSRF: the form's token belongs to this browser's cookie."""
    account = await house.an_account()
    good = {"login": account.login, "password": PASSWORD, "next": "/me"}
    token = await visitor.token()
    async with house.a_visitor() as attacker:
        foreign = await attacker.token()

    answers = [
        await visitor.http.post("/sign-in", data=good),
        await visitor.http.post("/sign-in", data={**good, "csrf": foreign}),
        await visitor.http.post("/sign-in", data={**good, "csrf": token}, headers={"Origin": "https://evil.example"}),
        await visitor.http.post("/sign-in", data={**good, "csrf": token}, headers={"Sec-Fetch-Site": "cross-site"}),
        await visitor.http.post("/sign-in", data={**good, "csrf": token}, headers={"Sec-Fetch-Site": "same-site"}),
    ]

    assert [answer.status_code for answer in answers] == [403] * 5
    assert await house.owner.fetchval("select count(*) from gateway.session") == 0
    assert (await visitor.http.post("/sign-in", data={**good, "csrf": token}, headers={"Origin": house.url})).status_code == 303


async def test_two_tabs_of_the_form_both_work(house: House, visitor: Visitor) -> None:
    account = await house.an_account()
    first, second = await visitor.token(), await visitor.token()
    assert first == second
    form = {"csrf": first, "login": account.login, "password": "wrong"}
    assert (await visitor.http.post("/sign-in", data=form)).status_code == 422
    assert (await visitor.http.post("/sign-in", data={**form, "password": PASSWORD})).status_code == 303


@pytest.mark.parametrize(
    "text",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "/\t/evil.example",
        "/me\r\nLocation: https://evil.example",
        "/me\\@evil.example",
        "javascript:alert(1)",
        "me",
        "",
        "/melody",
        "/sign-out",
        "/consent/",
        "/oauth/token",
        "/me/" + "x" * 3000,
        "/me/\u2028",
    ],
)
async def test_no_text_leads_to_another_site(house: House, visitor: Visitor, text: str) -> None:
    """Open redirects (RFC 9700 4.11)."""
    assert next_path(text) == "/me"
    account = await house.an_account()
    assert (await visitor.sign_in(account.login, leads_to=text)).headers.get("location", "/me") == "/me"


@pytest.mark.parametrize("path", ["/me", "/me/", "/me?after=x%2F", "/me/privacy?partner=a&done=b", "/consent/0-1?signed_in=1"])
def test_our_own_pages_are_led_to(path: str) -> None:
    assert next_path(path) == path


async def test_cookies_are_for_this_host_only_over_tls_and_for_no_script(database: Database, tmp_path: Path) -> None:
    """policy 3; RFC 6265bis 4.1.3.2. Here the gateway is behind a proxy that ends TLS."""
    async with a_house(database, tmp_path, base_url="https://gateway.example") as house:
        account = await house.an_account()
        async with house.a_visitor() as visitor:
            page = await visitor.http.get("/sign-in?lang=en")
            sent = "; ".join(f"{cookie.name}={cookie.value}" for cookie in visitor.http.cookies.jar)
            form = {"csrf": token_of(page.text), "login": account.login, "password": PASSWORD}
            answer = await visitor.http.post("/sign-in", data=form, headers={"Cookie": sent})
            assert answer.status_code == 303, answer.text
            for header in [*page.headers.get_list("set-cookie"), *answer.headers.get_list("set-cookie")]:
                assert header.startswith("__Host-"), header
                for attribute in ("Secure", "HttpOnly", "Path=/", "SameSite=lax"):
                    assert attribute in header, header
                assert "Domain" not in header
            text = next(
                header for header in answer.headers.get_list("set-cookie") if header.startswith("__Host-session")
            ).partition(";")[0]
        async with house.a_visitor(Cookie=text) as known, house.a_visitor(Cookie=text.removeprefix("__Host-")) as tossed:
            assert (await known.http.get("/me")).status_code == 200
            assert (await tossed.http.get("/me")).status_code == 303


async def test_every_cookie_that_is_set_stands_on_the_cookies_page(house: House, visitor: Visitor) -> None:
    """policy 3: strictly necessary ones only, listed."""
    account = await house.an_account()
    answers: list[httpx2.Response] = [
        await visitor.http.get("/sign-in?lang=en"),
        await visitor.http.post("/sign-in/passkey/options", data={"csrf": await visitor.token()}),
        await visitor.sign_in(account.login),
        *[await visitor.http.get(path) for path in ("/me", "/me/privacy", "/me/passkeys", "/cookies", "/static/style.css")],
    ]
    names = {header.partition("=")[0] for answer in answers for header in answer.headers.get_list("set-cookie")}

    for language in ("en", "zh-CN"):
        page = (await visitor.http.get("/cookies", params={"lang": language})).text
        assert all(f"<code>{name}</code>" in page for name in names)
    page = (await visitor.http.get("/cookies")).text
    assert names == {cookie.value for cookie in Cookie} - {Cookie.STAFF}  # that one is the console's
    assert all(f">{cookie.value}<" in page for cookie in Cookie)


async def test_many_at_once_hash_off_the_event_loop(house: House, visitor: Visitor) -> None:
    """While passwords are hashed, other pages answer."""
    account = await house.an_account()
    token = await visitor.token()
    form = {"csrf": token, "login": account.login, "password": PASSWORD}
    signing = [asyncio.create_task(visitor.http.post("/sign-in", data=form)) for _ in range(4)]
    pages = [await visitor.http.get("/cookies") for _ in range(4)]
    assert [page.status_code for page in pages] == [200] * 4
    assert {answer.status_code for answer in await asyncio.gather(*signing)} == {303}
