"""The data subject's own pages over HTTP: what they say is what the gate does, and what they change it does from then on."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx2
import pytest
import pytest_asyncio

from gateway.store import consents
from gateway.subject.export import BATCH
from scopes import CATEGORIES, Purpose
from tests.support.database import Database
from tests.support.ids import NOBODY
from tests.support.me import UUID_TEXT, Site, a_life, a_sign_in, a_site, words_of
from tests.support.world import World

CITY, NAME = "profile.city", "identity.real_name"
PAGES = ["/me", "/me/disclosures", "/me/privacy", "/me/logins"]


@pytest_asyncio.fixture(loop_scope="session")
async def site(small_world: World, database: Database, tmp_path: Path) -> AsyncIterator[Site]:
    async with a_site(small_world, database, tmp_path) as site:
        yield site


@pytest.mark.parametrize("path", [*PAGES, "/me/disclosures.csv", "/me/disclosures.json", f"/me/consents/{NOBODY}"])
async def test_without_a_session_each_page_leads_to_signing_in_and_back(site: Site, path: str) -> None:
    async with httpx2.AsyncClient(base_url=site.url, trust_env=False) as http:
        answer = await http.get(path, params={"from": "2026-01-01"})

    address = urlsplit(answer.headers["location"])
    assert (answer.status_code, address.path, address.netloc) == (303, "/sign-in", "")
    assert parse_qs(address.query)["next"] == [f"{path}?from=2026-01-01"]


@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_a_newcomer_reads_friendly_words_on_every_page(site: Site, language: str) -> None:
    """Nobody is connected, nothing was disclosed: no page is blank."""
    async with site.a_visitor(await site.world.a_subject(), language=language) as visitor:
        for path in PAGES:
            text = await visitor.page(path)
            assert f'lang="{language}"' in text
            if path in ("/me", "/me/disclosures"):
                assert 'class="empty"' in text


async def test_the_overview_tells_partners_purposes_counts_and_what_still_holds(site: Site) -> None:
    """policy 1.5, 6.2: and processors apart, as what they are."""
    life = await a_life(site.world)
    async with site.a_visitor(life.subject_id) as visitor:
        text = words_of(await visitor.page("/me"))

    for named in [
        "山城优选电子商务有限公司",
        "Blue Kite Advertising",
        "Ask &amp; Answer Ltd",
        "Overseas Goods Pte",
        "飞鸽短信服务有限公司",
    ]:
        assert named in text
    for standing in ["In effect", "Nothing readable now", "Withdrawn", "Ended"]:
        assert standing in text
    assert "Kinds of data agreed: 4. It can read now: 3." in text  # location is switched off
    assert "You accepted version 2024-11-26 of the privacy policy" in text
    assert not UUID_TEXT.search(text)


async def test_narrowing_on_the_page_holds_from_the_partners_next_query_on(site: Site) -> None:
    """policy 6.1."""
    world = site.world
    partner_id, caller = await world.a_reader(["Subject.city", "Subject.realName"])
    subject_id = await world.a_subject()
    consent_id = await world.a_consent(subject_id, partner_id, categories=[CITY, NAME])
    path = f"/me/consents/{consent_id}"
    async with site.a_visitor(subject_id) as visitor:
        before = await world.see(caller, "city realName")
        told = await visitor.done(f"{path}/narrow", category=CITY)
        after = await world.see(caller, "city realName")
        unchanged = await visitor.done(f"{path}/narrow", category=[CITY])
        nothing = await visitor.done(f"{path}/narrow")
        wider = await visitor.done(f"{path}/narrow", category=[CITY, NAME])

    assert (before[0]["realName"], after) == ("欧阳娜娜", [{"city": "深圳市", "realName": None}])
    assert "Saved. It takes effect" in told
    assert "Nothing has changed." in unchanged
    assert "nothing was ticked" in nothing
    assert "has changed in the meantime" in wider
    assert [
        len(row["categories"]) for row in await world.owner.fetch("select categories from gateway.consent_event order by 1")
    ] == [2, 1]


async def test_withdrawing_is_confirmed_holds_at_once_and_is_told_on_the_page(site: Site) -> None:
    """policy 6.1, PIPL 15: what follows is said before, not after."""
    world = site.world
    partner_id, caller = await world.a_reader(["Subject.city"])
    subject_id = await world.a_subject()
    consent_id = await world.a_consent(subject_id, partner_id, categories=[CITY])
    path = f"/me/consents/{consent_id}"
    async with site.a_visitor(subject_id) as visitor:
        confirming = await visitor.page(f"{path}/withdraw")
        assert len(await world.see(caller, "city")) == 1  # looking at the page withdraws nothing
        told = await visitor.done(f"{path}/withdraw")
        again = await visitor.done(f"{path}/withdraw")
        late = await visitor.get(f"{path}/withdraw")

    assert await world.see(caller, "city") == []
    assert "From its very next request on" in confirming
    assert "Your consent is withdrawn." in told
    assert f'action="{path}/narrow"' not in told
    assert "has changed in the meantime" in again
    assert late.status_code == 303
    assert await consents.verify(world.owner, world.keys) == []


async def test_a_form_without_its_token_changes_nothing(site: Site) -> None:
    """CSRF: each form there is; also under a token of another session, and from another site."""
    world = site.world
    life = await a_life(world)
    counted = "select (select count(*) from gateway.consent_event) + (select count(*) from gateway.setting_event)"
    before = await world.owner.fetchval(counted)
    forms: dict[str, dict[str, str]] = {
        f"/me/consents/{life.consent_id}/narrow": {"category": CITY},
        f"/me/consents/{life.consent_id}/withdraw": {"sure": "yes"},
        "/me/privacy": {"switch": "sharing", "set": "off"},
        "/me/logins/end": {"session": str(life.consent_id)},
    }
    async with site.a_visitor(life.subject_id) as visitor, site.a_visitor(life.subject_id) as elsewhere:
        for path, form in forms.items():
            for token in ["", "x", elsewhere.session.csrf]:
                assert (await visitor.post(path, csrf=token, **form)).status_code == 403, path
            assert (await visitor.http.post(path, data=form)).status_code == 403
            foreign = {"Origin": "https://evil.example"}
            assert (
                await visitor.http.post(path, data={**form, "csrf": visitor.session.csrf}, headers=foreign)
            ).status_code == 403
            outside = httpx2.AsyncClient(base_url=site.url, trust_env=False)
            async with outside as http:
                assert (await http.post(path, data={**form, "csrf": visitor.session.csrf})).status_code in (303, 403)
        assert (await elsewhere.get("/me")).status_code == 200

    assert await world.owner.fetchval(counted) == before


async def test_what_belongs_to_another_subject_is_not_there(site: Site) -> None:
    """A plain 404, the same as for what never was."""
    world = site.world
    life = await a_life(world)
    async with site.a_visitor(await world.a_subject()) as stranger:
        for consent_id in [life.consent_id, uuid4(), "x", str(life.consent_id).upper()]:
            path = f"/me/consents/{consent_id}"
            answers = [
                await stranger.get(path),
                await stranger.get(f"{path}/withdraw"),
                await stranger.post(f"{path}/withdraw"),
                await stranger.post(f"{path}/narrow", category=CITY),
            ]
            assert [answer.status_code for answer in answers] == [404] * 4
            assert "山城优选" not in answers[0].text
        assert (await stranger.get("/me/privacy", partner="shop")).status_code == 404
        assert (await stranger.post("/me/privacy", switch="sharing", set="off", partner="shop")).status_code == 404
        assert "山城优选" not in await stranger.page("/me/disclosures", partner="shop")
        assert (await stranger.post("/me/logins/end", session=str(life.consent_id))).status_code == 303
        assert (await stranger.post("/me/logins/end", session="x")).status_code == 404


async def test_who_saw_what_is_told_in_words_with_the_exact_reason(site: Site) -> None:
    """policy 6: what was switched off, what was never agreed, and how the rest was redacted."""
    life = await a_life(site.world)
    async with site.a_visitor(life.subject_id) as visitor:
        page = await visitor.page("/me/disclosures")
        of_shop = await visitor.page("/me/disclosures", partner="shop", purpose="service_delivery")
        other = await visitor.page("/me/disclosures", partner="messages")

    rows = page.split("<tbody")[1].split("<tr")[1:]
    newest, middle, oldest = (words_of(f"<{row}") for row in rows)
    assert "location" in newest.lower()
    assert "street address" in middle.lower()
    assert "date of birth" in oldest.lower()
    assert newest != oldest
    assert of_shop.count("<tr") == page.count("<tr") == 4
    assert "No record matches." in other
    assert not UUID_TEXT.search(words_of(page))
    assert "mask(" not in words_of(page)
    assert "SETTING_OFF" not in page


async def test_records_are_paged_to_the_end_and_keep_their_conditions(site: Site) -> None:
    world = site.world
    partner_id, caller = await world.a_reader(["Subject.city"], name="shop")
    subject_id = await world.a_subject()
    await world.a_consent(subject_id, partner_id, categories=[CITY])
    for _ in range(45):
        await world.see(caller, "city")
    counts = []
    async with site.a_visitor(subject_id) as visitor:
        page = await visitor.page("/me/disclosures", partner="shop")
        while True:
            counts.append(page.count("<tr") - 1)
            if 'rel="next"' not in page:
                break
            address = page.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
            assert "partner=shop" in address
            page = await visitor.page(address)

    assert counts == [20, 20, 5]


async def test_the_export_has_every_record_that_matches_and_computes_nothing(site: Site) -> None:
    """More records than are read at a time; a partner whose name is a formula."""
    world = site.world
    partner_id, caller = await world.a_reader(["Subject.city", "Subject.realName"], name="shop", legal_name='=1+1,"x"')
    subject_id = await world.a_subject()
    await world.a_consent(subject_id, partner_id, categories=[CITY])
    count = BATCH + 5
    for _ in range(count):
        await world.see(caller, "city realName")
    async with site.a_visitor(subject_id) as visitor:
        table = await visitor.get("/me/disclosures.csv")
        data = await visitor.get("/me/disclosures.json")
        none = await visitor.get("/me/disclosures.json", to="2020-01-01")
        bad = await visitor.get("/me/disclosures.csv", to="yesterday")

    assert table.content.startswith(b"\xef\xbb\xbf")
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    assert table.headers["content-disposition"].startswith("attachment")
    head, *lines = csv.reader(io.StringIO(table.content.decode("utf-8-sig")))
    assert len(head) == 8
    assert len(lines) == 2 * count
    assert {line[1] for line in lines} == {'\'=1+1,"x"'}
    assert {line[5] for line in lines} == {"seen", "kept back"}
    found = json.loads(data.content)["disclosures"]
    assert len({one["disclosure_id"] for one in found}) == len(found) == count
    assert found[0]["seen"] == [{"field": "Subject.city", "category": CITY, "redaction": "reveal"}]
    assert found[0]["kept_back"] == [{"field": "Subject.realName", "category": NAME, "reason": "CONSENT_MISSING"}]
    assert [one["disclosed_at"] for one in found] == sorted((one["disclosed_at"] for one in found), reverse=True)
    assert json.loads(none.content) == {"disclosures": []}
    assert bad.status_code == 400


@pytest.mark.parametrize(
    ("form", "seen"),
    [
        ({"switch": "sharing"}, []),
        ({"switch": "sharing", "partner": "shop"}, []),
        ({"switch": "sharing", "category": "identity"}, [{"city": "深圳市", "realName": None}]),
        ({"switch": "sharing", "category": NAME, "partner": "shop"}, [{"city": "深圳市", "realName": None}]),
        ({"switch": "advertising"}, []),
    ],
)
async def test_a_switch_holds_at_once_and_undoes_itself(site: Site, form: dict[str, str], seen: list[object]) -> None:
    """policy 4, 10: all sharing, a partner, a kind of data, a kind for a partner, all advertising."""
    world = site.world
    partner_id, caller = await world.a_reader(["Subject.city", "Subject.realName"], purpose=Purpose.ADVERTISING, name="shop")
    subject_id = await world.a_subject()
    await world.a_consent(subject_id, partner_id, purpose=Purpose.ADVERTISING, categories=[CITY, NAME])
    before = await world.see(caller, "city realName")
    async with site.a_visitor(subject_id) as visitor:
        off = await visitor.done("/me/privacy", set="off", **form)
        assert await world.see(caller, "city realName") == seen
        on = await visitor.done("/me/privacy", set="on", **form)

    assert await world.see(caller, "city realName") == before
    assert "Switched off:" in off
    assert "Switched on:" in on
    assert await consents.verify(world.owner, world.keys) == []


@pytest.mark.parametrize(
    "form",
    [
        {"switch": "sharing"},
        {"switch": "sharing", "set": "toggle"},
        {"switch": "all", "set": "off"},
        {"switch": "sharing", "set": "off", "category": "identity.shoe_size"},
        {"switch": "sharing", "set": "off", "partner": "nobody"},
    ],
)
async def test_a_switch_that_does_not_exist_is_not_found(site: Site, form: dict[str, str]) -> None:
    async with site.a_visitor(await site.world.a_subject()) as visitor:
        assert (await visitor.post("/me/privacy", **form)).status_code == 404
    assert await site.world.owner.fetchval("select count(*) from gateway.setting_event") == 0


async def test_the_settings_page_has_a_switch_for_everything(site: Site) -> None:
    """policy 4: every category and every partner; for one partner as well."""
    life = await a_life(site.world)
    async with site.a_visitor(life.subject_id) as visitor:
        everybody = await visitor.page("/me/privacy")
        one = await visitor.page("/me/privacy", partner="shop")

    for page in (everybody, one):
        assert all(f'value="{category}"' in page for category in CATEGORIES)
    assert one.count('name="partner" value="shop"') == one.count("<form") - one.count('action="/sign-out"')
    assert 'value="advertising"' in everybody


async def test_a_group_that_is_off_can_be_turned_on_again_where_it_has_one_kind_of_data_only(site: Site) -> None:
    """policy 4: no switch may be out of the data subject's reach, whoever set it."""
    world = site.world
    subject_id = await world.a_subject()
    await consents.set_sharing(world.owner, world.keys, subject_id=subject_id, category="location", allowed=False)
    async with site.a_visitor(subject_id) as visitor:
        assert 'name="category" value="location"' in await visitor.page("/me/privacy")
        await visitor.done("/me/privacy", switch="sharing", category="location", set="on")
        assert 'name="category" value="location"' not in await visitor.page("/me/privacy")


async def test_sign_ins_with_partners_are_listed_and_other_sessions_can_be_ended(site: Site) -> None:
    """policy 1.5."""
    world = site.world
    life = await a_life(world)
    for hours in range(25):
        await a_sign_in(world, life.subject_id, life.shop, hours)
    async with (
        site.a_visitor(life.subject_id) as here,
        site.a_visitor(life.subject_id) as there,
        site.a_visitor(life.subject_id) as third,
    ):
        first = await here.page("/me/logins")
        second = await here.page(first.split('rel="next" href="')[1].split('"')[0])
        one = await here.done("/me/logins/end", session=str(there.session.session_id))
        gone = await there.get("/me/logins")
        rest = await here.done("/me/logins/end")
        nothing = await here.done("/me/logins/end")
        mine = await here.done("/me/logins/end", session=str(here.session.session_id))

        assert (first.count("<tr"), second.count("<tr")) == (21, 9)
        assert first.count("This browser") == 1
        assert "That sign-in is ended." in one
        assert gone.headers["location"].startswith("/sign-in")
        assert "All the others are ended." in rest
        assert (await third.get("/me")).status_code == 303
        assert "nothing to end" in nothing
        assert "nothing to end" in mine


async def test_a_period_ends_a_day_later_than_it_says_and_begins_at_midnight_in_shanghai(site: Site) -> None:
    world = site.world
    partner_id, caller = await world.a_reader(["Subject.city"])
    subject_id = await world.a_subject()
    await world.a_consent(subject_id, partner_id, categories=[CITY])
    await world.see(caller, "city")
    today = (await world.owner.fetchval("select now()") + timedelta(hours=8)).date()
    async with site.a_visitor(subject_id) as visitor:
        inside = await visitor.page("/me/disclosures", **{"from": today.isoformat(), "to": today.isoformat()})
        after = await visitor.page("/me/disclosures", **{"from": (today + timedelta(days=1)).isoformat()})
        wrong = await visitor.page("/me/disclosures", **{"from": "soon"})

    assert inside.count("<tr") == 2
    assert "No record matches." in after
    assert "could not be read" in wrong
