"""Signing in to the console: two factors, always, and what somebody without them may try (policy 9.3)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.stewardship import staff
from gateway.stewardship.roles import StaffRole
from tests.support.console import COOKIE, PASSWORD, Bureau, a_bureau
from tests.support.database import Database
from tests.support.stewardship import MACHINE


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bureau(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bureau]:
    folder: Path = tmp_path_factory.mktemp("bureau")
    async with a_bureau(module_database, folder) as bureau:
        yield bureau


async def test_password_code_and_duty_lead_to_the_page_that_was_asked_for(bureau: Bureau) -> None:
    """Each step gives a new cookie, and the one before it is worth nothing."""
    person = await bureau.somebody(StaffRole.STEWARD, accepts=False)
    async with bureau.a_caller() as caller:
        asked = await caller.http.get("/admin/own")
        assert asked.headers["location"] == "/admin/sign-in?next=%2Fadmin%2Fown"
        halfway = await caller.give_password(person.login, next="/admin/own")
        assert halfway.headers["location"] == "/admin/sign-in/second?next=%2Fadmin%2Fown"
        first = caller.cookie
        entered = await caller.give_code(person.code(), next="/admin/own")
        assert (entered.status_code, entered.headers["location"]) == (303, "/admin/own"), entered.text
        second = caller.cookie
        assert (await caller.http.get("/admin/own")).headers["location"] == "/admin/confidentiality"
        accepted = await caller.send("/admin/confidentiality", "/admin/confidentiality")
        assert accepted.headers["location"] == "/admin"
        await caller.page("/admin/own")
        rows = await bureau.office.world.owner.fetch(
            "select acr, ended_at is null as stands from gateway.staff_session where staff_id = $1 order by authenticated_at",
            person.actor.staff_id,
        )

    assert first != second
    assert [tuple(row) for row in rows] == [("pwd", False), ("pwd+otp", True)]


@pytest.mark.parametrize("acr", ["pwd", "upstream"])
async def test_one_factor_opens_nothing_but_the_page_that_asks_for_the_other(bureau: Bureau, acr: str) -> None:
    cookie = await bureau.cookie_of(bureau.actor(StaffRole.STEWARD), acr=acr)
    async with bureau.a_caller() as caller:
        for path in ("/admin", "/admin/own", "/admin/confidentiality"):
            answer = await caller.http.get(path, headers={"Cookie": f"{COOKIE}={cookie}"})
            assert answer.status_code == 303, path
            assert answer.headers["location"] in ("/admin/sign-in/second", "/admin/sign-in"), path
        answer = await caller.http.post(
            "/admin/own/tokens", data={"label": "x", "days": "7"}, headers={"Cookie": f"{COOKIE}={cookie}"}
        )
        assert answer.headers["location"] == "/admin/sign-in/second"


async def test_a_wrong_code_and_a_code_for_the_second_time_do_not_open(bureau: Bureau) -> None:
    """RFC 6238 5.2: a code counts once."""
    person = await bureau.somebody(StaffRole.OPERATOR)
    async with bureau.a_caller() as caller, bureau.a_caller() as other:
        await caller.give_password(person.login)
        wrong = "000000" if person.code() != "000000" else "000001"
        assert (await caller.give_code(wrong)).status_code == 422
        assert (await caller.give_code("")).status_code == 422
        assert (await caller.give_code("１２３４５６\0")).status_code == 422
        code = person.code()
        assert (await caller.give_code(code)).status_code == 303
        await other.give_password(person.login)
        replayed = await other.give_code(code)
        assert replayed.status_code == 422
        assert "has been used" in replayed.text
        assert (await other.http.get("/admin/own")).headers["location"] == "/admin/sign-in/second"


async def test_somebody_unknown_is_answered_as_a_wrong_password_is(bureau: Bureau) -> None:
    person = await bureau.somebody(StaffRole.AUDITOR)
    async with bureau.a_caller() as caller:
        answers = [
            await caller.give_password(login, password)
            for login, password in [(person.login, "wrong"), ("nobody", PASSWORD), ("a\0b", PASSWORD), ("x" * 900, "y")]
        ]
    assert {answer.status_code for answer in answers} == {422}
    assert all("is not right" in answer.text for answer in answers)
    assert not any(COOKIE in answer.cookies for answer in answers)


async def test_guessing_gets_slow_and_codes_too(bureau: Bureau) -> None:
    person = await bureau.somebody(StaffRole.AUDITOR)
    async with bureau.a_caller() as caller, bureau.a_caller() as other:
        statuses = [(await caller.give_password(person.login, f"wrong {turn}")).status_code for turn in range(6)]
        assert statuses == [422] * 5 + [429]
        await bureau.office.world.owner.execute("delete from gateway.sign_in_throttle")
        await other.give_password(person.login)
        codes = [(await other.give_code("12345")).status_code for _ in range(6)]
        assert codes == [422] * 5 + [429]
        assert (await other.give_code(person.code())).status_code == 429
    await bureau.office.world.owner.execute("delete from gateway.sign_in_throttle")


async def test_a_form_that_our_page_did_not_send_does_nothing(bureau: Bureau) -> None:
    """CSRF, at every step."""
    person = await bureau.somebody(StaffRole.STEWARD)
    async with bureau.a_caller() as caller:
        forged = await caller.give_password(person.login, csrf="x")
        assert forged.status_code == 403
        await caller.give_password(person.login)
        assert (await caller.give_code(person.code(), csrf="x")).status_code == 403
        assert (await caller.give_code(person.code())).status_code == 303
        for path in ("/admin/own/tokens", "/admin/own/passkeys/remove", "/admin/sign-out", "/admin/confidentiality"):
            assert (await caller.http.post(path, data={"csrf": "x", "label": "l", "days": "1"})).status_code == 403, path
        foreign = await caller.http.post("/admin/sign-out", data={"csrf": "x"}, headers={"Sec-Fetch-Site": "cross-site"})
        assert foreign.status_code == 403
        await caller.page("/admin/own")
        assert (
            await bureau.office.world.owner.fetchval(
                "select count(*) from gateway.staff_token where staff_id = $1", person.actor.staff_id
            )
            == 0
        )


async def test_a_session_that_somebody_planted_or_kept_is_worth_nothing(bureau: Bureau) -> None:
    """Session fixation: signing in ends what the browser had, and a text is bound to its cookie's name."""
    person = await bureau.somebody(StaffRole.STEWARD)
    planted = await bureau.cookie_of(bureau.actor(StaffRole.AUDITOR))
    async with bureau.a_caller() as caller, bureau.a_caller() as thief:
        caller.http.cookies.set(COOKIE, planted, domain="localhost.local")
        await caller.give_password(person.login)
        halfway = caller.cookie
        await caller.give_code(person.code())
        for text in (planted, halfway):
            answer = await thief.http.get("/admin/own", headers={"Cookie": f"{COOKIE}={text}"})
            assert answer.headers["location"].startswith("/admin/sign-in?next="), text
        assert (await thief.http.get("/admin/own", headers={"Cookie": f"__Host-{COOKIE}={caller.cookie}"})).status_code == 303
        assert (await thief.http.get("/me", headers={"Cookie": f"session={caller.cookie}"})).status_code == 303
        assert (await caller.send("/admin/own", "/admin/sign-out")).headers["location"] == "/admin/sign-in?out=1"


async def test_sessions_are_short_by_the_databases_clock_and_end_with_their_holder(bureau: Bureau) -> None:
    owner = bureau.office.world.owner
    ends = {
        "idle": "update gateway.staff_session set seen_at = now() - interval '16 minutes' where staff_id = $1",
        "old": "update gateway.staff_session set expires_at = now() where staff_id = $1",
        "left": "update gateway.staff set ended_at = now() where staff_id = $1",
    }
    for statement in ends.values():
        person = await bureau.somebody(StaffRole.SUPPORT)
        async with bureau.a_caller(person.actor) as caller:
            await caller.page("/admin/own")
            await owner.execute(statement, person.actor.staff_id)
            assert (await caller.http.get("/admin/own")).headers["location"].startswith("/admin/sign-in"), statement


@pytest.mark.parametrize(
    "leads_to", ["//evil.example", "https://evil.example", "/me", "/admin\\@evil.example", "/admin/sign-in/second"]
)
async def test_signing_in_leads_to_no_other_place(bureau: Bureau, leads_to: str) -> None:
    person = await bureau.somebody(StaffRole.STEWARD)
    async with bureau.a_caller() as caller:
        await caller.give_password(person.login, next=leads_to)
        assert (await caller.give_code(person.code(), next=leads_to)).headers["location"] == "/admin"


async def test_a_token_is_shown_once_and_only_its_holder_revokes_it(bureau: Bureau) -> None:
    person, other = await bureau.somebody(StaffRole.STEWARD), await bureau.somebody(StaffRole.STEWARD)
    owner = bureau.office.world.owner
    async with bureau.a_caller(person.actor) as caller, bureau.a_caller(other.actor) as stranger:
        made = await caller.send("/admin/own", "/admin/own/tokens", label="deploys", days="7")
        assert made.status_code == 200
        assert "gwstaff_" in made.text
        assert "gwstaff_" not in await caller.page("/admin/own")
        token = str(await owner.fetchval("select token_id from gateway.staff_token where staff_id = $1", person.actor.staff_id))
        assert (await stranger.send("/admin/own", "/admin/own/tokens/revoke", token=token)).status_code == 422
        assert (await caller.send("/admin/own", "/admin/own/tokens", label="x", days="91")).status_code == 422
        assert (await caller.send("/admin/own", "/admin/own/tokens/revoke", token=token)).status_code == 303
        await owner.execute(
            "update gateway.staff_session set authenticated_at = now() - interval '11 minutes' where staff_id = $1",
            person.actor.staff_id,
        )
        late = await caller.send("/admin/own", "/admin/own/tokens", label="late", days="7")
        assert late.headers["location"] == "/admin/own?done=not_fresh"


async def test_other_credentials_end_the_sessions_of_the_old_ones(bureau: Bureau) -> None:
    """Somebody who lost a factor does not know who has it."""
    person = await bureau.somebody(StaffRole.STEWARD)
    async with bureau.a_caller(person.actor) as caller:
        await caller.page("/admin/own")
        await staff.renew_credentials(bureau.office.world.owner, MACHINE, bureau.office.vault, login=person.login)
        assert (await caller.http.get("/admin/own")).headers["location"].startswith("/admin/sign-in?next=")
