"""The consent screen over HTTP: who is asked what, and which answers count (policy 6.1, PIPL 23, 29, 39)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.oauth.respond import standing
from gateway.store.consents import PseudonymKeys, accept_policy, verify
from scopes import Role
from tests.support.authorising import POLICY, Person, a_person
from tests.support.consent_pages import Pages, consent_pages
from tests.support.consenting import REDIRECT, Asker, an_asker, an_inhabitant, reveal
from tests.support.database import Database
from tests.support.ids import NOBODY

NAME, CITY, NATIONAL_ID = "identity.real_name", "profile.city", "identity.national_id"
FIELDS = (
    reveal("Subject.realName", "orders are made out to it"),
    reveal("Subject.city", "delivery is priced by it"),
    reveal("Subject.nationalId", "goods for adults"),
)


@pytest_asyncio.fixture(loop_scope="session")
async def pages(database: Database, tmp_path: Path) -> AsyncIterator[Pages]:
    """The consent pages; in the end the ledgers and the state agree."""
    async with consent_pages(database, tmp_path) as pages:
        yield pages
        assert await verify(pages.owner, PseudonymKeys(pages.settings.key("pseudonym"))) == []


@pytest_asyncio.fixture(loop_scope="session")
async def asker(pages: Pages) -> Asker:
    return await an_asker(pages.owner, pages.settings, fields=FIELDS)


@pytest_asyncio.fixture(loop_scope="session")
async def person(pages: Pages) -> Person:
    return await an_inhabitant(pages.owner)


async def agreed(pages: Pages) -> list[tuple[str, set[str]]]:
    """Every consent event: its kind and its categories."""
    rows = await pages.owner.fetch("select kind, categories from gateway.consent_event order by event_id")
    return [(row["kind"], set(row["categories"])) for row in rows]


async def refused(pages: Pages) -> list[tuple[str | None, set[str]]]:
    """Every refusal: its purpose, None for signing in, and its categories."""
    rows = await pages.owner.fetch("select purpose, categories from gateway.consent_refusal order by refused_at, purpose")
    return [(row["purpose"], set(row["categories"])) for row in rows]


async def test_the_data_subject_picks_and_the_partner_gets_a_code_for_that(pages: Pages, asker: Asker, person: Person) -> None:
    """policy 6.1: consent, notice and code are there together; the rest was refused."""
    async with pages.browser(person) as browser:
        told = (await browser.decide(asker, ticked=[NAME, "sign_in"])).told

    assert told.keys() == {"code", "state", "iss"}
    assert await agreed(pages) == [("given", {NAME})]
    assert await refused(pages) == [("service_delivery", {CITY, NATIONAL_ID})]
    row = await pages.owner.fetchrow(
        """select e.policy_version, n.language, n.content::text as content, e.ends_at - e.recorded_at as lasts, g.scopes,
                  g.consent_id = e.consent_id as rests
             from gateway.consent_event e join gateway.consent_notice n using (notice_sha256), gateway.authorization_grant g"""
    )
    assert row is not None
    assert (row["policy_version"], row["language"], row["rests"]) == ("2024-11-26", "en", True)
    assert abs(row["lasts"] - timedelta(days=365)) < timedelta(minutes=1)
    assert set(row["scopes"]) == {asker.scope, "openid"}
    assert "王小明" not in row["content"]
    assert await pages.count("partner_login") == 1


async def test_the_page_says_who_what_for_and_shows_the_own_value(pages: Pages, asker: Asker, person: Person) -> None:
    """policy 6.1, 11: the partner's name, contact and policy, the reasons, and the value as it will be seen."""
    async with pages.browser(person) as browser:
        _, screen = await browser.open(asker)

    for words in (
        "购伴（深圳）软件有限公司",
        "privacy@shopmate.example",
        "https://shopmate.example/privacy",
        "orders are made out to it",
        "王小明",
        "180",
        "365",
    ):
        assert words in screen.text


async def test_nothing_is_ticked_beforehand_and_the_page_cannot_be_framed(pages: Pages, asker: Asker, person: Person) -> None:
    """PIPL 29: no consent by default; RFC 9700 4.16: no clickjacking."""
    async with pages.browser(person) as browser:
        _, screen = await browser.open(asker)

    assert screen.boxes() == {"sign_in": False, NAME: False, CITY: False, NATIONAL_ID: False}
    assert "frame-ancestors 'none'" in screen.answer.headers["content-security-policy"]
    assert screen.answer.headers["x-frame-options"] == "DENY"
    assert "no-store" in screen.answer.headers["cache-control"]


async def test_a_client_on_ipv6_loopback_gets_its_answer(pages: Pages, person: Person) -> None:
    """RFC 8252 7.3: a policy that browsers cannot read blocks the form's redirect without a word (CSP 3 has no IPv6 host)."""
    address = "http://[::1]:9/callback"
    asker = await an_asker(pages.owner, pages.settings, redirect_uris=[address])
    async with pages.browser(person) as browser:
        _, screen = await browser.open(asker, redirect_uri=address)

    directives = screen.answer.headers["content-security-policy"].split("; ")
    assert "form-action 'self' http:" in directives


async def test_the_answer_may_lead_on_to_wherever_the_client_is_registered_and_nowhere_else(pages: Pages, person: Person) -> None:
    """CSP 3 6.4.1: browsers hold the form's redirects to the policy all the way, past the callback to the partner's own site."""
    other, site = "https://auth.shop.example/callback", "https://www.shop.example/"
    asker = await an_asker(pages.owner, pages.settings, redirect_uris=[REDIRECT, other], client_uri=site)
    async with pages.browser(person) as browser:
        _, screen = await browser.open(asker)

    directives = screen.answer.headers["content-security-policy"].split("; ")
    assert "form-action 'self' http://127.0.0.1:9 https://auth.shop.example https://www.shop.example" in directives


async def test_who_denies_is_not_asked_again_by_the_same_partner(pages: Pages, asker: Asker, person: Person) -> None:
    """Network Data Security Regulation, art. 22: the second request is answered without a page."""
    async with pages.browser(person) as browser:
        first = await browser.decide(asker, "deny")
        _, second = await browser.open(asker)
        _, third = await browser.open(asker, prompt="consent", scope=asker.scope)

    assert [screen.told["error"] for screen in (first, second, third)] == ["access_denied"] * 3
    assert await agreed(pages) == []
    assert await refused(pages) == [("service_delivery", {NAME, CITY, NATIONAL_ID}), (None, set())]


async def test_what_was_left_out_is_not_asked_again_and_the_rest_goes_on(pages: Pages, asker: Asker, person: Person) -> None:
    """policy 6.1: refusing the optional lets the rest proceed, now and the next time."""
    async with pages.browser(person) as browser:
        await browser.decide(asker, ticked=[NAME], scope=asker.scope)
        _, again = await browser.open(asker, scope=asker.scope)

    assert "code" in again.told
    assert await agreed(pages) == [("given", {NAME})]


async def test_allowing_nothing_is_refusing(pages: Pages, asker: Asker, person: Person) -> None:
    """policy 6.1: who ticks nothing has not agreed to anything."""
    async with pages.browser(person) as browser:
        screen = await browser.decide(asker)

    assert screen.told["error"] == "access_denied"
    assert await agreed(pages) == []
    assert await pages.count("authorization_code") == 0


async def test_signing_in_needs_no_data(pages: Pages, asker: Asker, person: Person) -> None:
    """policy 1.5, 6.1: signing in is a choice of its own; who refuses all data still signs in."""
    async with pages.browser(person) as browser:
        told = (await browser.decide(asker, ticked=["sign_in"])).told

    assert "code" in told
    assert await pages.owner.fetchval("select scopes from gateway.authorization_grant") == ["openid"]
    assert await agreed(pages) == []


async def test_more_than_before_shows_what_is_new_and_unticking_narrows(pages: Pages, asker: Asker, person: Person) -> None:
    """policy 6.1: what is agreed to stands ticked as the data subject left it; what it leaves ticked takes its place."""
    await asker.agreed(person, NAME, CITY)
    async with pages.browser(person) as browser:
        path, screen = await browser.open(asker, scope=asker.scope)
        told = (await browser.answer(path, screen, ticked=[NAME, NATIONAL_ID])).told

    assert screen.boxes() == {NAME: True, CITY: True, NATIONAL_ID: False}
    assert "agreed before" in screen.text
    assert "code" in told
    assert await agreed(pages) == [("given", {NAME, CITY}), ("given", {NAME, NATIONAL_ID})]


async def test_sensitive_data_and_the_transfer_are_never_ticked_beforehand(pages: Pages, person: Person) -> None:
    """PIPL 29, 39: each answer is a consent anew, for another year, and these two are explicit each time."""
    asker = await an_asker(pages.owner, pages.settings, fields=FIELDS, location="SG", mechanism="standard_contract")
    await asker.agreed(person, NAME, NATIONAL_ID, cross_border=True)
    async with pages.browser(person) as browser:
        _, screen = await browser.open(asker, scope=asker.scope)

    assert screen.boxes() == {NAME: True, CITY: False, NATIONAL_ID: False, "cross_border": False}
    assert "are not ticked" in screen.text


async def test_what_stays_abroad_stays_abroad_where_nothing_new_is_agreed_to(pages: Pages, person: Person) -> None:
    """policy 6.1, 9.5: a no to more is no withdrawal of the transfer that the rest was agreed to with."""
    asker = await an_asker(pages.owner, pages.settings, fields=FIELDS, location="SG", mechanism="standard_contract")
    await asker.agreed(person, NAME, cross_border=True)
    async with pages.browser(person) as browser:
        path, screen = await browser.open(asker, scope="openid", authorization_details=asker.details(CITY))
        await browser.answer(path, screen, ticked=["sign_in"])

    assert await pages.owner.fetchval("select cross_border from gateway.consent_event order by event_id desc limit 1")


async def test_unticking_all_that_was_agreed_withdraws_it(pages: Pages, asker: Asker, person: Person) -> None:
    """PIPL 15: the page takes back as it gives."""
    await asker.agreed(person, NAME)
    async with pages.browser(person) as browser:
        screen = await browser.decide(asker, scope=asker.scope)

    assert screen.told["error"] == "access_denied"
    assert await agreed(pages) == [("given", {NAME}), ("withdrawn", set())]


async def test_denying_more_keeps_what_was_agreed(pages: Pages, asker: Asker, person: Person) -> None:
    """policy 6.1: a no to the new is no withdrawal of the old."""
    await asker.agreed(person, NAME)
    async with pages.browser(person) as browser:
        await browser.decide(asker, "deny", scope=asker.scope)

    assert await agreed(pages) == [("given", {NAME})]


async def test_what_is_not_asked_about_stays(pages: Pages, asker: Asker, person: Person) -> None:
    """policy 6.1: agreeing to one thing more takes nothing away that is not on the page."""
    await asker.agreed(person, NAME)
    async with pages.browser(person) as browser:
        await browser.decide(asker, ticked=[CITY], scope=None, authorization_details=asker.details(CITY))

    assert await agreed(pages) == [("given", {NAME}), ("given", {NAME, CITY})]


async def test_an_answer_to_something_else_than_is_asked_now_does_not_count(pages: Pages, asker: Asker, person: Person) -> None:
    """policy 6.1: the answer belongs to what was shown."""
    async with pages.browser(person) as browser:
        path, screen = await browser.open(asker)
        await pages.owner.execute("update gateway.partner_grant set retention = interval '10 years'")
        answered = await browser.answer(path, screen, ticked=[NAME])
        again = await browser.answer(path, screen, ticked=[NAME], notice="00" * 32)

    assert (answered.status, again.status) == (409, 409)
    assert await agreed(pages) == []
    assert await pages.count("authorization_code") == 0


async def test_an_answer_of_another_session_does_not_count(pages: Pages, asker: Asker, person: Person) -> None:
    """RFC 9700 4.7: the question was put to one browser; the form of any other grants nothing."""
    other = await a_person(pages.owner)
    async with pages.browser(person) as first, pages.browser(other) as second:
        path, screen = await first.open(asker)
        theirs = await second.http.get(path)
        late = await first.answer(path, screen, ticked=[NAME])
        stolen = await second.http.post(
            path, data={"csrf": screen.hidden("csrf"), "notice": screen.hidden("notice"), "decision": "allow", "category": NAME}
        )

    assert theirs.status_code == 200
    assert (late.status, stolen.status_code) == (409, 403)
    assert await agreed(pages) == []


async def test_a_form_without_its_token_is_refused(pages: Pages, asker: Asker, person: Person) -> None:
    """RFC 9700 4.7: CSRF."""
    async with pages.browser(person) as browser:
        path, screen = await browser.open(asker)
        answers = [await browser.answer(path, screen, ticked=[NAME], csrf=csrf) for csrf in ("", "0" * 43)]

    assert {answer.status for answer in answers} == {403}
    assert await agreed(pages) == []


async def test_ten_answers_at_once_are_one(pages: Pages, asker: Asker, person: Person) -> None:
    """RFC 6749 10.5: one question, one answer, one code; what comes after is told that it is late."""
    async with pages.browser(person) as browser:
        path, screen = await browser.open(asker)
        answers = await asyncio.gather(*(browser.answer(path, screen, ticked=[NAME, CITY]) for _ in range(10)))
        late = await browser.answer(path, screen, "deny")

    assert sorted(answer.status for answer in answers) == [303] + [409] * 9
    assert late.status == 409
    assert await agreed(pages) == [("given", {NAME, CITY})]
    assert await pages.count("authorization_code") == 1


async def test_what_was_not_offered_cannot_be_ticked(pages: Pages, asker: Asker, person: Person) -> None:
    """policy 6.1: no more than the grant, whatever the form says."""
    async with pages.browser(person) as browser:
        path, screen = await browser.open(asker)
        answer = await browser.answer(path, screen, ticked=[NAME, "location.precise"])
        neither = await browser.answer(path, screen, "perhaps", ticked=[NAME])

    assert (answer.status, neither.status) == (409, 409)
    assert await agreed(pages) == []


async def test_sensitive_data_wait_for_a_sign_in_that_is_recent(pages: Pages, asker: Asker, person: Person) -> None:
    """PIPL 29: who signed in an hour ago may be somebody else by now; a form sent all the same gets the page again."""
    async with pages.browser(person) as browser:
        await pages.owner.execute("update gateway.session set authenticated_at = now() - interval '1 hour'")
        path, screen = await browser.open(asker)
        answer = await browser.answer(path, screen, ticked=[NAME, NATIONAL_ID])

    assert "step_up=1" in screen.text
    assert (answer.status, answer.boxes()[NAME], answer.boxes()[NATIONAL_ID]) == (422, True, False)
    assert await agreed(pages) == []


async def test_abroad_nothing_goes_without_the_transfer(pages: Pages, person: Person) -> None:
    """policy 9.5, PIPL 39: an explicit choice of its own, unticked; without it the page says what is missing."""
    asker = await an_asker(pages.owner, pages.settings, fields=FIELDS, location="SG", mechanism="standard_contract")
    async with pages.browser(person) as browser:
        path, screen = await browser.open(asker, scope=asker.scope)
        without = await browser.answer(path, screen, ticked=[NAME])
        told = (await browser.answer(path, without, ticked=[NAME, "cross_border"])).told

    assert screen.boxes()["cross_border"] is False
    assert (without.status, without.boxes()[NAME]) == (422, True)
    assert "code" in told
    assert await pages.owner.fetchval("select cross_border from gateway.consent_event")


async def test_a_processor_goes_on_with_what_the_policy_allows(pages: Pages, person: Person) -> None:
    """policy 6.2: no consent is pretended where none is asked; the data subject is told and can still deny."""
    asker = await an_asker(pages.owner, pages.settings, fields=FIELDS[:2], role=Role.PROCESSOR)
    async with pages.browser(person) as browser:
        path, screen = await browser.open(asker, scope=asker.scope)
        told = (await browser.answer(path, screen)).told

    assert screen.boxes() == {}
    assert "code" in told
    assert await agreed(pages) == []


async def test_what_rests_on_the_policy_is_part_of_a_narrowed_grant(pages: Pages, person: Person) -> None:
    """policy 6.2, RFC 9396: a processor that asks for less gets that, with or without a consent besides."""
    asker = await an_asker(pages.owner, pages.settings, fields=FIELDS, role=Role.PROCESSOR)
    keys = PseudonymKeys(pages.settings.key("pseudonym"))
    await accept_policy(pages.owner, keys, subject_id=person.subject_id, policy_version=POLICY)
    async with pages.browser(person) as browser:
        await browser.decide(asker, scope=None, authorization_details=asker.details(NAME, NATIONAL_ID))

    code = await pages.owner.fetchrow("select *, details::text as details from gateway.authorization_code")
    assert code is not None
    granted = (await standing(pages.owner, dict(code))).details
    assert granted is not None
    assert granted.categories == {NAME}


@pytest.mark.parametrize(
    ("before", "error"), [("nobody", "login_required"), ("nothing", "consent_required"), ("refused", "access_denied")]
)
async def test_without_interaction_nothing_is_shown(pages: Pages, asker: Asker, person: Person, before: str, error: str) -> None:
    """OpenID Connect Core 3.1.2.6: prompt=none."""
    async with pages.browser(None if before == "nobody" else person) as browser:
        if before == "refused":
            await browser.decide(asker, "deny")
        _, screen = await browser.open(asker, prompt="none")

    assert screen.told["error"] == error


async def test_without_interaction_what_was_agreed_is_granted(pages: Pages, asker: Asker, person: Person) -> None:
    """OpenID Connect Core 3.1.2.3: no more than before, so nobody has to be asked."""
    async with pages.browser(person) as browser:
        await browser.decide(asker, ticked=[NAME, CITY, "sign_in"], scope=f"openid {asker.scope}")
        _, screen = await browser.open(asker, prompt="none")

    assert "code" in screen.told


@pytest.mark.parametrize("asked", [{"prompt": "login"}, {"max_age": "60"}, {"prompt": "select_account"}])
async def test_a_client_can_want_a_fresh_sign_in(pages: Pages, asker: Asker, person: Person, asked: dict[str, str]) -> None:
    """OpenID Connect Core 3.1.2.1: an older session is asked again, once."""
    async with pages.browser(person) as browser:
        await pages.owner.execute("update gateway.session set authenticated_at = now() - interval '1 hour'")
        path, screen = await browser.open(asker, **asked)
        await pages.owner.execute("update gateway.session set authenticated_at = clock_timestamp()")
        after = await browser.http.get(path)

    assert screen.location.startswith("/sign-in?")
    assert "step_up=1" in screen.location
    assert after.status_code == 200


async def test_nobody_is_asked_to_sign_in_first(pages: Pages, asker: Asker) -> None:
    """policy 6.1: who it is comes first; the way back is an address of ours."""
    async with pages.browser(None) as browser:
        path, screen = await browser.open(asker)

    assert screen.location.startswith("/sign-in?next=%2Fconsent%2F")
    assert path.startswith("/consent/")


async def test_who_comes_from_the_sign_in_form_is_sent_on_by_a_page(pages: Pages, asker: Asker, person: Person) -> None:
    """Browsers hold a form's redirects to its page's form-action: from the sign-in form the way to the client is a page."""
    async with pages.browser(person) as browser:
        await browser.decide(asker, ticked=[NAME, CITY, NATIONAL_ID, "sign_in"])
        opened = await browser.http.get(f"/oauth/authorize?{asker.query()}")
        page = await browser.http.get(opened.headers["location"], params={"signed_in": "1"})

    assert page.status_code == 200
    assert page.headers["refresh"].startswith("0;url=http://127.0.0.1:9/callback?code=")


@pytest.mark.parametrize("changed", [{"client_id": "nobody"}, {"redirect_uri": "https://evil.example/"}, {"redirect_uri": None}])
async def test_where_the_client_is_not_known_nobody_is_sent_anywhere(
    pages: Pages, asker: Asker, person: Person, changed: dict[str, str | None]
) -> None:
    """RFC 6749 4.1.2.1, RFC 9700 4.11: no open redirect; a page says so."""
    async with pages.browser(person) as browser:
        answer = await browser.http.get(f"/oauth/authorize?{asker.query(**changed)}")

    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert "refresh" not in answer.headers
    assert '"https://evil.example' not in answer.text


async def test_the_authorization_endpoint_takes_a_form_as_well(pages: Pages, asker: Asker, person: Person) -> None:
    """OpenID Connect Core 3.1.2.1: GET and POST."""
    async with pages.browser(person) as browser:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await browser.http.post("/oauth/authorize", content=asker.query(), headers=kind)

    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/consent/")


async def test_the_question_comes_in_the_language_asked_for(pages: Pages, asker: Asker, person: Person) -> None:
    """PIPL 17: in words that are understood; what is kept is what was shown."""
    async with pages.browser(person) as browser:
        path, screen = await browser.open(asker, ui_locales="fr zh-Hans en")
        await browser.answer(path, screen, ticked=[NAME])

    assert "想使用您的信息" in screen.text
    assert (
        await pages.owner.fetchval("select language from gateway.consent_notice join gateway.consent_event using (notice_sha256)")
        == "zh-CN"
    )


@pytest.mark.parametrize("path", ["/consent/0", f"/consent/{NOBODY}"])
async def test_a_question_that_is_not_there_is_a_page(pages: Pages, person: Person, path: str) -> None:
    """Nothing is granted for an address that somebody made up."""
    async with pages.browser(person) as browser:
        assert (await browser.http.get(path)).status_code == 409


async def test_a_request_that_waited_too_long_is_over(pages: Pages, asker: Asker, person: Person) -> None:
    """RFC 9126 7.1 in spirit: a late answer grants nothing."""
    async with pages.browser(person) as browser:
        path, screen = await browser.open(asker)
        await pages.owner.execute("update gateway.authorization_request set decides_until = $1", datetime.now(UTC))
        answer = await browser.answer(path, screen, ticked=[NAME])

    assert answer.status == 409
    assert await agreed(pages) == []
