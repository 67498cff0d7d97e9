"""A consent's receipt (ISO/IEC TS 27560): to read, to take away, and nobody else's."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest_asyncio

from gateway.store import consents
from gateway.store.consents import PseudonymKeys
from scopes import pseudonym
from tests.support.authorising import Person, a_person
from tests.support.consent_pages import Browser, Pages, consent_pages
from tests.support.consenting import Asker, an_asker, an_inhabitant, mask, reveal
from tests.support.database import Database

NAME, CITY, NATIONAL_ID = "identity.real_name", "profile.city", "identity.national_id"
FIELDS = (mask("Subject.realName", 1), reveal("Subject.city"), reveal("Subject.nationalId"))


@pytest_asyncio.fixture(loop_scope="session")
async def pages(database: Database, tmp_path: Path) -> AsyncIterator[Pages]:
    async with consent_pages(database, tmp_path) as pages:
        yield pages


@pytest_asyncio.fixture(loop_scope="session")
async def asker(pages: Pages) -> Asker:
    return await an_asker(pages.owner, pages.settings, fields=FIELDS)


@pytest_asyncio.fixture(loop_scope="session")
async def person(pages: Pages) -> Person:
    return await an_inhabitant(pages.owner)


async def consent_id(pages: Pages) -> UUID:
    """The newest consent's."""
    found = await pages.owner.fetchval("select consent_id from gateway.consent_event order by event_id desc limit 1")
    assert isinstance(found, UUID)
    return found


async def taken(browser: Browser, consent: UUID) -> dict[str, Any]:
    """The receipt as it is downloaded."""
    answer = await browser.http.get(f"/me/consents/{consent}/receipt.json")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    found: dict[str, Any] = json.loads(answer.text)
    return found


async def test_the_receipt_says_what_was_agreed_with_whom_and_what_was_shown(pages: Pages, asker: Asker, person: Person) -> None:
    """ISO/IEC TS 27560: controller, principal, purpose, basis, data, recipient, retention, jurisdiction, withdrawal, notice."""
    async with pages.browser(person) as browser:
        await browser.decide(asker, ticked=[NAME, NATIONAL_ID])
        receipt = await taken(browser, await consent_id(pages))

    known_as = pseudonym(pages.settings.key("pseudonym"), asker.party.partner_id, "service_delivery", person.subject_id)
    assert receipt["schema_version"] == "ISO/IEC TS 27560:2023"
    assert receipt["pii_principal_id"] == str(known_as)
    (purpose,) = receipt["pii_processing"]["purposes"]
    assert (purpose["purpose"], purpose["retention_period"], purpose["jurisdiction"]) == ("service_delivery", "P180D", "CN")
    assert purpose["lawful_basis"] == ["sensitive_consent", "separate_consent"]
    assert {one["pii_type"]: one["sensitive_pii_category"] for one in purpose["pii_information"]} == {
        NAME: False,
        NATIONAL_ID: True,
    }
    assert next(one for one in purpose["pii_information"] if one["pii_type"] == NAME)["disclosed_as"] == {
        "Subject.realName": "mask(1,0)"
    }
    assert purpose["withdrawal_method"] == f"{pages.url}/me/consents/{receipt['record_id']}"
    assert [party["party_name"] for party in receipt["party_identification"]] == ["微单单", "购伴（深圳）软件有限公司"]
    assert receipt["notice_content"]["categories"][0]["category"] == NAME
    digest = await pages.owner.fetchval("select encode(notice_sha256, 'hex') from gateway.consent_event")
    assert receipt["pii_processing"]["privacy_notice"]["notice_sha256"] == digest


async def test_the_receipt_holds_nobodys_values(pages: Pages, asker: Asker, person: Person) -> None:
    """policy 9.2: what is kept about a consent is not the data it is about."""
    async with pages.browser(person) as browser:
        await browser.decide(asker, ticked=[NAME, CITY, NATIONAL_ID])
        text = json.dumps(await taken(browser, await consent_id(pages)), ensure_ascii=False)

    assert not [value for value in ("王小明", "11010519491231002X", "深圳市", str(person.subject_id)) if value in text]


async def test_the_receipt_tells_the_whole_history(pages: Pages, asker: Asker, person: Person) -> None:
    """PIPL 15: given, narrowed, withdrawn; what was agreed to stays legible."""
    keys = PseudonymKeys(pages.settings.key("pseudonym"))
    about: dict[str, Any] = {
        "subject_id": person.subject_id,
        "partner_id": asker.party.partner_id,
        "purpose": asker.purpose,
    }
    async with pages.browser(person) as browser:
        await browser.decide(asker, ticked=[NAME, CITY])
        consent = await consent_id(pages)
        await consents.narrow(pages.owner, keys, **about, categories=[CITY])
        narrowed = await taken(browser, consent)
        await consents.withdraw(pages.owner, keys, **about)
        withdrawn = await taken(browser, consent)

    assert (narrowed["consent_state"], withdrawn["consent_state"]) == ("consent_narrowed", "consent_withdrawn")
    assert [(event["event_state"], event["pii_types"]) for event in withdrawn["events"]] == [
        ("consent_given", [NAME, CITY]),
        ("consent_narrowed", [CITY]),
        ("consent_withdrawn", []),
    ]


async def test_a_receipt_knows_that_its_consent_is_over(pages: Pages, asker: Asker, person: Person) -> None:
    """policy 8.2: ended by itself, or replaced by a newer one."""
    first = await asker.agreed(person, NAME, ends_at=datetime.now(UTC) - timedelta(seconds=1))
    async with pages.browser(person) as browser:
        expired = await taken(browser, first)
        await asker.agreed(person, CITY)
        replaced = await taken(browser, first)

    assert (expired["consent_state"], replaced["consent_state"]) == ("consent_expired", "consent_replaced")
    assert expired["notice_content"] is None


async def test_the_receipts_page_reads_in_both_languages(pages: Pages, asker: Asker, person: Person) -> None:
    """policy 6.1: to read as well as to keep, as it was shown."""
    texts: list[str] = []
    for language in ("en", "zh-CN"):
        async with pages.browser(person, language=language) as browser:
            if not texts:
                await browser.decide(asker, ticked=[NAME])
            answer = await browser.http.get(f"/me/consents/{await consent_id(pages)}/receipt")
            assert answer.status_code == 200, answer.text
            texts.append(answer.text)

    assert "Consent receipt" in texts[0]
    assert "同意凭证" in texts[1]


async def test_a_receipt_is_its_data_subjects_alone(pages: Pages, asker: Asker, person: Person) -> None:
    """policy 5.1: somebody else's looks like none at all; without a session there is only the way to signing in."""
    mine = await asker.agreed(person, NAME)
    async with pages.browser(await a_person(pages.owner)) as other, pages.browser(None) as nobody:
        theirs = [
            await other.http.get(f"/me/consents/{which}/receipt{kind}") for which in (mine, uuid4()) for kind in ("", ".json")
        ]
        unknown = await nobody.http.get(f"/me/consents/{mine}/receipt")

    assert [answer.status_code for answer in theirs] == [404] * 4
    assert unknown.headers["location"].startswith("/sign-in?next=")
