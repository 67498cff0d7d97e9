"""What a data subject is asked, and what is not asked: the offer, the notice, the quiet after a refusal."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from gateway.settings import Settings
from gateway.store import consents
from gateway.store.consents import PseudonymKeys
from gateway.store.partners import KINDS
from gateway.subject import answer
from gateway.subject.answer import Choice, Course, Problem
from gateway.subject.notice import Speech, find, keep, make_notice
from gateway.subject.offer import Standing
from gateway.subject.quiet import refuse
from gateway.subject.texts import Texts
from scopes import BASIS, ConsentKind, Purpose, Reason, Role
from tests.support.authorising import Person, a_person
from tests.support.consenting import Asker, a_grant, a_scope, an_asker, another_client, reveal
from tests.support.database import Database

NAME, CITY, NATIONAL_ID = "identity.real_name", "profile.city", "identity.national_id"
FIELDS = (
    reveal("Subject.realName", "orders are made out to it"),
    reveal("Subject.city", "delivery is priced by it"),
    reveal("Subject.nationalId", "goods for adults"),
)


@pytest_asyncio.fixture(loop_scope="session")
async def owner(database: Database) -> AsyncIterator[asyncpg.Connection[Any]]:
    """The owner's connection."""
    conn = await database.owner()
    yield conn
    await conn.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path)


@pytest_asyncio.fixture(loop_scope="session")
async def asker(owner: asyncpg.Connection[Any], settings: Settings) -> Asker:
    """A recipient that may ask for a name, a city and, sensitive, an identity card number."""
    return await an_asker(owner, settings, fields=FIELDS)


@pytest_asyncio.fixture(loop_scope="session")
async def person(owner: asyncpg.Connection[Any]) -> Person:
    return await a_person(owner)


class Codes:
    """Words that are the codes themselves."""

    def category(self, name: str, /) -> str:
        return name

    purpose = role = location = redaction = reason = category


def in_codes() -> Speech:
    def say(key: str, /, **values: object) -> str:
        return f"{key}{json.dumps(values, default=str, ensure_ascii=False)}"

    return Speech("en", say, Codes())


async def test_the_offer_holds_what_policy_6_1_wants_said(asker: Asker, person: Person) -> None:
    """policy 6.1: name, contact, purpose, categories with the reasons, retention; policy 11: the partner's own policy."""
    offer = await asker.offer(person)

    assert (offer.legal_name, offer.contact) == ("购伴（深圳）软件有限公司", "privacy@shopmate.example")
    assert (offer.partner.role, offer.partner.processing_location, offer.purpose) == (Role.RECIPIENT, "CN", asker.purpose)
    assert [one.category for one in offer.categories] == [NAME, NATIONAL_ID, CITY]
    assert [one.is_sensitive for one in offer.categories] == [False, True, False]
    assert offer.categories[0].fields[0].rules[0].because("en") == "orders are made out to it"
    assert offer.retention == timedelta(days=180)
    assert offer.client["policy_uri"] == "https://shopmate.example/privacy"


async def test_only_what_is_asked_of_the_grant_is_offered(asker: Asker, person: Person) -> None:
    """policy 6.1: authorization_details narrow; what the grant does not cover is never there to be shown."""
    offer = await asker.offer(person, authorization_details=asker.details(CITY, "location.precise"))

    assert [one.category for one in offer.categories] == [CITY]


async def test_a_scope_granted_besides_shows_its_fields_in_what_is_asked(
    owner: asyncpg.Connection[Any], asker: Asker, person: Person
) -> None:
    """policy 6.1: a consent to a category opens every granted scope of the purpose, so all its fields are shown."""
    await a_scope(owner, "besides", asker.purpose, [reveal("Address.city", "areas"), reveal("Subject.email")])
    await a_grant(owner, asker.party.partner_id, "besides", retention="400 days")

    offer = await asker.offer(person, scope=asker.scope)

    assert NAME in {one.category for one in offer.categories}
    assert "identity.email" not in {one.category for one in offer.categories}
    assert offer.retention == timedelta(days=400)


async def test_what_was_agreed_is_told_from_what_is_new(asker: Asker, person: Person) -> None:
    """policy 6.1: asking for more than before shows what is new against what was agreed."""
    await asker.agreed(person, NAME)

    offer = await asker.offer(person, scope=asker.scope)

    assert offer.standing(Standing.AGREED) == {NAME}
    assert offer.standing(Standing.NEW) == {CITY, NATIONAL_ID}
    assert answer.course(offer, must_ask=False) is Course.ASK


async def test_no_more_than_was_agreed_needs_no_question(asker: Asker, person: Person) -> None:
    """policy 6.1: asked again for the same or for less, nobody is bothered; `prompt=consent` asks all the same."""
    consent_id = await asker.agreed(person, NAME, CITY)

    offer = await asker.offer(person, scope=None, authorization_details=asker.details(CITY))

    assert answer.course(offer, must_ask=False) is Course.GRANT
    assert answer.settled_before(offer) == answer.Settled(frozenset({CITY}), signs_in=False, consent_id=consent_id, ends_at=None)
    assert answer.course(offer, must_ask=True) is Course.ASK


@pytest.mark.parametrize("ended", ["withdrawn", "expired"])
async def test_a_consent_that_is_over_counts_as_none(
    owner: asyncpg.Connection[Any], asker: Asker, person: Person, ended: str
) -> None:
    """policy 8.2: what was agreed to once is new again."""
    past = datetime.now(UTC) - timedelta(seconds=1)
    await asker.agreed(person, NAME, ends_at=past if ended == "expired" else None)
    if ended == "withdrawn":
        keys = PseudonymKeys(asker.settings.key("pseudonym"))
        partner_id = asker.party.partner_id
        await consents.withdraw(owner, keys, subject_id=person.subject_id, partner_id=partner_id, purpose=asker.purpose)

    offer = await asker.offer(person, scope=asker.scope)

    assert offer.agreed is None
    assert offer.standing(Standing.NEW) == {NAME, CITY, NATIONAL_ID}


async def test_a_setting_that_would_keep_it_back_all_the_same_is_told(
    owner: asyncpg.Connection[Any], asker: Asker, person: Person
) -> None:
    """policy 4: a setting beats the consent, so whoever agrees must know that nothing will be seen."""
    keys = PseudonymKeys(asker.settings.key("pseudonym"))
    await consents.set_sharing(owner, keys, subject_id=person.subject_id, allowed=False, category="profile")

    offer = await asker.offer(person)

    assert {one.category: one.hindrance for one in offer.categories if one.hindrance} == {CITY: Reason.SETTING_OFF}


async def test_a_processor_is_asked_about_sensitive_data_only(owner: asyncpg.Connection[Any], settings: Settings) -> None:
    """policy 6.2, 1.2: the ordinary rests on the accepted policy, the sensitive never does."""
    asker = await an_asker(owner, settings, fields=FIELDS, role=Role.PROCESSOR)

    offer = await asker.offer(await a_person(owner), scope=asker.scope)

    assert offer.standing(Standing.RESTING) == {NAME, CITY}
    assert offer.optional == {NATIONAL_ID}


async def test_abroad_the_transfer_is_a_question_of_its_own(owner: asyncpg.Connection[Any], settings: Settings) -> None:
    """policy 9.5, PIPL 39: data without the transfer is no answer that can be carried out."""
    asker = await an_asker(owner, settings, fields=FIELDS, location="SG", mechanism="standard_contract")
    offer = await asker.offer(await a_person(owner), scope=asker.scope)

    assert offer.asks_border
    assert answer.problem(offer, Choice(frozenset({NAME})), is_fresh=True) is Problem.BORDER
    assert answer.problem(offer, Choice(frozenset({NAME}), cross_border=True), is_fresh=True) is None


async def test_sensitive_data_need_a_recent_sign_in_unless_agreed_before(asker: Asker, person: Person) -> None:
    """PIPL 29: who agrees to it is there in person."""
    choice = Choice(frozenset({NATIONAL_ID}))

    assert answer.problem(await asker.offer(person), choice, is_fresh=False) is Problem.STALE
    await asker.agreed(person, NATIONAL_ID)
    assert answer.problem(await asker.offer(person), choice, is_fresh=False) is None


async def test_what_was_refused_is_not_asked_again_by_any_client_of_the_partner(asker: Asker, person: Person) -> None:
    """Network Data Security Regulation, art. 22: the quiet is the partner's, and for the same thing only."""
    await _refuse(asker, person, NAME, CITY, NATIONAL_ID)
    other = await another_client(asker)

    assert answer.course(await other.offer(person, scope=asker.scope), must_ask=True) is Course.DENY
    assert answer.course(await asker.offer(person, scope=asker.scope), must_ask=False) is Course.DENY
    assert answer.course(await asker.offer(person), must_ask=False) is Course.ASK  # signing in was not refused


async def test_what_was_not_refused_can_be_asked(asker: Asker, person: Person) -> None:
    """art. 22: a refusal is for what was refused; the page leaves that out and says so."""
    await _refuse(asker, person, NATIONAL_ID)

    offer = await asker.offer(person, scope=asker.scope)

    assert offer.refused == (NATIONAL_ID,)
    assert offer.optional == {NAME, CITY}


async def test_another_purpose_and_a_refusal_long_ago_are_no_obstacle(
    owner: asyncpg.Connection[Any], asker: Asker, person: Person
) -> None:
    """art. 22: the quiet ends."""
    await _refuse(asker, person, NAME, CITY, NATIONAL_ID)
    await owner.execute("update gateway.consent_refusal set refused_at = refused_at - interval '31 days'")
    await refuse(
        owner,
        subject_id=person.subject_id,
        partner_id=asker.party.partner_id,
        purpose=Purpose.ADVERTISING,
        categories=[NAME],
        sign_in=False,
    )

    assert answer.course(await asker.offer(person, scope=asker.scope), must_ask=False) is Course.ASK


async def test_a_denied_sign_in_is_not_asked_again(owner: asyncpg.Connection[Any], asker: Asker, person: Person) -> None:
    """art. 22, policy 1.5."""
    await answer.deny(owner, await asker.offer(person, scope="openid"), subject_id=person.subject_id)

    assert answer.course(await asker.offer(person, scope="openid"), must_ask=False) is Course.DENY


async def test_the_notice_is_the_same_for_everybody_and_holds_nobody(
    owner: asyncpg.Connection[Any], asker: Asker, person: Person
) -> None:
    """policy 6.1: what was shown is kept by its hash, without anybody's values."""
    other = await a_person(owner)

    notices = [make_notice(await asker.offer(who), asker.settings, in_codes()) for who in (person, other)]
    for notice in notices:
        await keep(owner, notice)

    assert notices[0].sha256 == notices[1].sha256
    assert await owner.fetchval("select count(*) from gateway.consent_notice") == 1
    assert await find(owner, notices[0].sha256) == notices[0].content
    assert str(person.subject_id) not in notices[0].text


@pytest.mark.parametrize(
    ("change", "asked"),
    [
        ("update gateway.partner set contact = 'another@shopmate.example'", {}),
        ("update gateway.partner_grant set retention = interval '181 days'", {}),
        ("update gateway.scope_field set justification = 'because' where path = 'Subject.city'", {}),
        ("update gateway.scope_field set redaction = '{\"rung\": \"withhold\"}' where path = 'Subject.city'", {}),
        ('update gateway.client set metadata = metadata || \'{"policy_uri": "https://shopmate.example/new"}\'', {}),
        ("select", {"scope": "openid"}),
    ],
)
async def test_another_fact_is_another_notice(
    owner: asyncpg.Connection[Any], asker: Asker, person: Person, change: str, asked: Mapping[str, str]
) -> None:
    """policy 6.1: an answer to something else than what is asked now does not count."""
    before = make_notice(await asker.offer(person), asker.settings, in_codes())
    await owner.execute(change)

    after = make_notice(await asker.offer(person, **asked), asker.settings, in_codes())

    assert before.sha256 != after.sha256


def test_there_are_words_for_all_that_a_question_or_a_receipt_can_name() -> None:
    """PIPL 17: no code where a sentence belongs, whoever asks for whatever."""
    mechanisms = ("assessment", "standard_contract", "certification")
    hindrances = set(Reason) - {Reason.CONSENTED, Reason.CROSS_BORDER_MISSING}
    hindrances -= {Reason.CONSENT_MISSING, Reason.CONSENT_WITHDRAWN, Reason.CONSENT_EXPIRED}  # it is being given
    states = ("given", "narrowed", "withdrawn", "expired", "replaced")
    wanted = {
        *(f"consent.purpose_{purpose}" for purpose in Purpose),
        *(f"consent.kind_{kind}" for kind in KINDS),
        *(f"{file}.mechanism_{mechanism}" for file in ("consent", "receipt") for mechanism in mechanisms),
        *(f"consent.hindrance_{reason.name.lower()}" for reason in hindrances),
        *(f"consent.problem_{problem}" for problem in Problem),
        *(f"consent.stop_{why}" for why in ("gone", "foreign", "changed", "forged", "invalid", "unavailable")),
        *(f"receipt.state_consent_{state}" for state in states),
        *(f"receipt.event_{kind}" for kind in ConsentKind),
        *(f"receipt.basis_{basis}" for basis in set(BASIS.values())),
    }

    assert wanted - Texts.load().by_key.keys() == set()


async def _refuse(asker: Asker, person: Person, *categories: str) -> None:
    await refuse(
        asker.owner,
        subject_id=person.subject_id,
        partner_id=asker.party.partner_id,
        purpose=asker.purpose,
        categories=categories,
        sign_in=False,
    )


async def test_reasons_stand_in_the_readers_language(owner: asyncpg.Connection[Any], asker: Asker, person: Person) -> None:
    """policy 6.1: what cannot be read is no reason; where there is only the controller's own, that one."""
    await owner.execute(
        "update gateway.scope_field set justification = '按城市计算运费', justification_en = 'delivery is priced by city'"
        " where path = 'Subject.city'"
    )
    offer = await asker.offer(person)
    rules = {field.path: field.rules[0] for category in offer.categories for field in category.fields}

    assert rules["Subject.city"].because("zh-CN") == "按城市计算运费"
    assert rules["Subject.city"].because("en") == "delivery is priced by city"
    others = [rule for path, rule in rules.items() if path != "Subject.city"]
    assert others
    assert all(rule.because("en") == rule.because("zh-CN") != "" for rule in others)
