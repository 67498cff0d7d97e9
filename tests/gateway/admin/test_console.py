"""The console's pages: what each role may open, and what each form does through the functions that all doors share."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio

from gateway.admin.console.export import disclosures_csv
from gateway.admin.console.nav import PLACES
from gateway.stewardship.content import ChangeKind
from gateway.stewardship.records import DisclosureEntry, FieldOutcome
from gateway.stewardship.roles import PERMITTED, StaffRole
from scopes import Purpose
from tests.support.console import Bureau, a_bureau
from tests.support.database import Database
from tests.support.instants import NOON
from tests.support.me import words_of
from tests.support.stewardship import CITY, REAL_NAME, a_grant, a_partner, a_scope

STEWARD, APPROVER, AUDITOR, OPERATOR, SUPPORT = StaffRole


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bureau(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bureau]:
    """One served gateway for all: each test names what it makes, and leaves what others made alone."""
    async with a_bureau(module_database, tmp_path_factory.mktemp("bureau")) as bureau:
        yield bureau


def _location(answer: object) -> str:
    return str(answer.headers["location"])  # type: ignore[attr-defined]


@pytest.mark.parametrize("role", list(StaffRole))
async def test_the_navigation_leads_to_what_the_role_may_do_and_the_rest_says_no(bureau: Bureau, role: StaffRole) -> None:
    """policy 9.3: least privilege. A page that is not permitted is 403, and says why."""
    async with bureau.a_caller(bureau.actor(role)) as caller:
        start = await caller.http.get("/admin")
        html = await caller.page(_location(start))
        for place in PLACES:
            is_allowed = role in PERMITTED[place.act]
            assert (f'href="{place.address}"' in html) is is_allowed, place
            answer = await caller.http.get(place.address)
            assert answer.status_code == (200 if is_allowed else 403), place
            if not is_allowed:
                assert "None of your roles may do this." in answer.text
        proposing = await caller.http.get("/admin/propose/scope")
        assert proposing.status_code == (200 if role is STEWARD else 403)


async def test_a_refused_form_is_on_record(bureau: Bureau) -> None:
    """policy 9.3: every act, the refused ones too."""
    async with bureau.a_caller(bureau.actor(AUDITOR)) as auditor:
        answer = await auditor.send("/admin/own", "/admin/halts", target="all", reason="not mine to do")
        assert answer.status_code == 403
        html = await auditor.page("/admin/acts?act=halt.add&by=auditor")
    assert "ROLE_MISSING" in html
    assert "not mine to do" in html


async def test_a_scope_goes_from_the_form_to_a_second_person(bureau: Bureau) -> None:
    """Propose, see the impact, approve; never one's own; rolling back is a new version (policy 1.1)."""
    name = "city_of_form"
    row = {"path_0": CITY, "redaction_0": "mask(9,9)", "justification_0": "配送", "justification_en_0": "delivery", "rows": "3"}
    form = {"scope": name, "purpose": "service_delivery", "reason": "shops need the city", **row}
    async with bureau.a_caller(bureau.actor(STEWARD)) as steward, bureau.a_caller(bureau.actor(APPROVER)) as approver:
        page = "/admin/propose/scope"
        refused = await steward.send(page, page, **form)
        assert refused.status_code == 422
        assert "has no such redaction" in refused.text
        assert 'value="mask(9,9)"' in refused.text
        more = await steward.send(page, page, **{**form, "more": "1"})
        assert 'name="path_5"' in more.text

        proposed = await steward.send(page, page, **{**form, "redaction_0": "reveal"})
        assert proposed.status_code == 303, proposed.text
        change = _location(proposed).partition("?")[0]
        own = await steward.page(change)
        assert "You proposed this" in own
        assert f"{change}/approve" not in own
        assert "Nobody decides on their own proposal" not in own
        forced = await steward.send("/admin/own", f"{change}/approve")
        assert forced.status_code == 403
        assert "None of your roles may do this." in forced.text

        assert CITY in await approver.page(change)
        assert "makes no difference" in await approver.page(f"{change}/impact")
        done = await approver.send(change, f"{change}/approve", decision="fine")
        assert _location(done) == f"{change}?done=approve"
        assert "approved" in words_of(await approver.page(change))
        again = await approver.send("/admin/own", f"{change}/reject", decision="too late")
        assert "has been decided already" in again.text

        second = await steward.send(page, page, **{**form, "redaction_0": "withhold"})
        later = _location(second).partition("?")[0]
        await approver.send(later, f"{later}/approve")
        assert "Propose to go back to version 1" in await steward.page(f"/admin/scopes/{name}?version=1")
        old = await steward.page(f"{page}?scope={name}&from=1")
        assert 'value="reveal"' in old
        back = await steward.send(page, page, **{**form, "redaction_0": "reveal"})
        assert back.status_code == 303


async def test_a_stale_change_is_refused_in_words(bureau: Bureau) -> None:
    office = bureau.office
    await office.make(ChangeKind.SCOPE, a_scope("stale", CITY))
    first = await office.propose(ChangeKind.SCOPE, a_scope("stale", CITY, REAL_NAME))
    await office.make(ChangeKind.SCOPE, a_scope("stale", REAL_NAME))
    async with bureau.a_caller(office.approver) as approver:
        page = await approver.page(f"/admin/changes/{first}")
        answer = await approver.send(f"/admin/changes/{first}", f"/admin/changes/{first}/approve")
    assert "has changed since it was proposed" in page
    assert f"/admin/changes/{first}/approve" not in page
    assert f"/admin/changes/{first}/reject" in page
    assert answer.status_code == 422
    assert "has changed since it was proposed" in answer.text


async def test_a_partner_is_proposed_changed_granted_and_suspended(bureau: Bureau) -> None:
    """policy 6.2: an agreement binds its partner to confidentiality and security."""
    office, page = bureau.office, "/admin/propose/partner"
    await office.make(ChangeKind.SCOPE, a_scope("for_paper", CITY))
    form = {
        "name": "paper", "legal_name": "Paper Ltd", "contact": "p@paper.example", "role": "recipient", "kind": "vendor",
        "processing_location": "cn", "agreement_starts_at": "2026-01-01T00:00", "agreement_ends_at": "2099-01-01T08:30",
        "duty_confidentiality": "on", "notice_contacts": "a@paper.example\r\nb@paper.example", "status": "active",
        "reason": "they print",
    }  # fmt: skip
    async with bureau.a_caller(office.steward) as steward, bureau.a_caller(office.approver) as approver:

        async def agree(path: str, **sent: str) -> None:
            answer = await steward.send(path, path.partition("?")[0], **sent)
            assert answer.status_code == 303, words_of(answer.text)
            change = _location(answer).partition("?")[0]
            assert (await approver.send(change, f"{change}/approve")).status_code == 303

        refused = await steward.send(page, page, **form)
        assert refused.status_code == 422
        assert "binds its partner" in refused.text
        await agree(page, **{**form, "duty_security": "on"})
        shown = words_of(await steward.page("/admin/partners/paper"))
        assert "a@paper.example" in shown
        assert "1 January 2099" in shown
        filled = await steward.page(f"{page}?partner=paper")
        assert 'value="2099-01-01T08:30"' in filled
        kept = dict(re.findall(r'name="(kept_\w+)" value="([^"]*)"', filled))
        same = await steward.send(page, page, **{**form, "duty_security": "on", **kept})
        assert "Things stand like this already" in same.text
        await agree("/admin/propose/grant?partner=paper", partner="paper", scope="for_paper",
                    ends_at="2098-01-01T00:00", retention_days="30", reason="to print")  # fmt: skip
        metadata = {"client_id": "paper-app", "client_name": "Paper", "grant_types": ["client_credentials"]}
        broken = await steward.send("/admin/propose/client?partner=paper", "/admin/propose/client",
                                    partner="paper", metadata="{not json", status="active", reason="x")  # fmt: skip
        assert broken.status_code == 422
        for odd in ("\0", "\ud800"):  # what PostgreSQL holds in no text
            sent = {"partner": "paper", "metadata": json.dumps({**metadata, "client_id": odd}), "reason": "x"}
            answer = await steward.send("/admin/propose/client?partner=paper", "/admin/propose/client", **sent)
            assert answer.status_code == 422
        html = await steward.page("/admin/partners/paper")
        end = re.search(r'href="(/admin/propose/grant_end[^"]*)"', html)
        assert end is not None
        address = end[1].replace("&amp;", "&")
        fields = dict(re.findall(r'name="(grant_id|partner|scope)" value="([^"]*)"', await steward.page(address)))
        await agree(address, **fields, reason="printed")
        assert (await steward.send("/admin/partners/paper", "/admin/partners/paper/suspend", reason=" ")).status_code == 422
        gone = await steward.send("/admin/partners/paper", "/admin/partners/paper/suspend", reason="they leaked")
        assert _location(gone) == "/admin/partners/paper?done=suspended"
        assert (await steward.http.get("/admin/partners/nobody")).status_code == 404


async def test_an_operation_shows_cost_and_redaction_before_it_is_registered(bureau: Bureau) -> None:
    office = bureau.office
    await office.make(ChangeKind.SCOPE, a_scope("for_ops", CITY, redaction={"rung": "reveal"}))
    await office.make(ChangeKind.PARTNER, a_partner(office.world, "ops"))
    await office.make(ChangeKind.GRANT, a_grant(office.world, "ops", "for_ops"))
    page, document = "/admin/partners/ops/operations", "query Cities { subjects(first: 5) { edges { node { city } } } }"
    async with bureau.a_caller(office.steward) as steward:
        looked = await steward.send(page, page, document=document)
        assert looked.status_code == 200
        assert "Subject.city" in looked.text
        assert "Cities" in looked.text
        seen = re.search(r'name="seen" value="([0-9a-f]{64})"', looked.text)
        assert seen is not None
        other = await steward.send(page, page, document=document + " ", seen=seen[1], label="cities")
        assert other.status_code == 200  # another document than the one that was seen: it is shown, not registered
        wrong = await steward.send(page, page, document="query { subjects(first: 5) { edges { node { realName } } } }")
        assert "It would be refused" in wrong.text
        done = await steward.send(page, page, document=document, seen=seen[1], label="cities")
        assert _location(done) == "/admin/partners/ops?done=operation_registered"
        ended = await steward.send("/admin/partners/ops", f"{page}/end", document_sha256=seen[1])
        assert _location(ended) == "/admin/partners/ops?done=operation_ended"


async def test_the_rules_are_proposed_with_boxes_and_lines(bureau: Bureau) -> None:
    page = "/admin/propose/rules"
    async with bureau.a_caller(bureau.office.steward) as steward:
        html = await steward.page(page)
        boxes = dict.fromkeys(re.findall(r'name="(need_[^"]+)" checked', html), "on")
        assert len(boxes) > 100
        wrong = await steward.send(page, page, **boxes, floors="identity.mobile_number phone reveal(9)", reason="stricter")
        assert wrong.status_code == 422
        sent = await steward.send(page, page, **boxes, floors="identity.mobile_number phone mask(3,4)", reason="stricter")
        assert sent.status_code == 303, words_of(sent.text)
        change = _location(sent).partition("?")[0]
        assert "floors.identity.mobile_number.phone" in await steward.page(change)
        assert (await steward.send(change, f"{change}/withdraw")).status_code == 303


async def test_support_sees_one_subjects_consents_after_a_reason_and_takes_one_back(bureau: Bureau) -> None:
    """policy 4, 9.3. The id is in no address."""
    world = bureau.office.world
    partner_id, _ = await world.a_reader([CITY], name="helped", purpose=Purpose.SERVICE_DELIVERY)
    subject_id = await world.a_subject()
    await world.a_consent(subject_id, partner_id, categories=["profile.city"])
    async with bureau.a_caller(bureau.actor(SUPPORT)) as support:
        page, subject = "/admin/support", str(subject_id)
        assert (await support.send(page, page, subject=subject, reason="")).status_code == 422
        assert (await support.send(page, page, subject=str(uuid4()), reason="called")).status_code == 422
        assert (await support.send(page, page, subject="x", reason="called")).status_code == 422
        found = await support.send(page, page, subject=subject, reason="called")
        assert "Withdraw this consent" in found.text
        gone = await support.send(
            page, f"{page}/withdraw", subject=subject, partner="helped", purpose="service_delivery", reason="asked to"
        )
        assert gone.status_code == 200
        assert "The consent is withdrawn" in gone.text
        assert "Withdraw this consent" not in gone.text
    acts = await world.owner.fetch(
        "select act, reason from gateway.act where target = $1 and refused is null order by acted_at", subject
    )
    assert [tuple(row) for row in acts][:2] == [("subject_consents.read", "called"), ("subject_consents.withdraw", "asked to")]


async def test_the_auditor_finds_and_exports_disclosures_with_exact_reasons_and_no_value(bureau: Bureau) -> None:
    world = bureau.office.world
    partner_id, caller = await world.a_reader([CITY, REAL_NAME], name="seen-by", purpose=Purpose.SERVICE_DELIVERY)
    subject_id = await world.a_subject()
    await world.a_consent(subject_id, partner_id, categories=["profile.city"])
    await world.see(caller, "city realName")
    query = f"partner=seen-by&purpose=service_delivery&from=2026-01-01&subject={subject_id}"
    async with bureau.a_caller(bureau.actor(AUDITOR)) as auditor:
        html = words_of(await auditor.page(f"/admin/disclosures?{query}"))
        assert "CONSENT_MISSING" in html
        assert "seen-by" in html
        assert words_of(await auditor.page("/admin/disclosures?partner=nobody")).count("Nothing here yet") == 1
        assert "could not be read" in await auditor.page("/admin/disclosures?from=yesterday&subject=x&purpose=fun&to=0001-01-01")
        answer = await auditor.http.get(f"/admin/disclosures.csv?{query}")
        rows = list(csv.DictReader(io.StringIO(answer.text.lstrip("\ufeff"))))
        whole = (await auditor.http.get(f"/admin/disclosures.json?{query}")).json()["disclosures"]
        assert (await auditor.http.get("/admin/disclosures.json?subject=x")).status_code == 404
        assert (await auditor.http.get("/admin/disclosures.xml")).status_code == 404
    assert {row["field"]: (row["shown"], row["kept_back"]) for row in rows} == {
        CITY: ("1", ""), REAL_NAME: ("0", "CONSENT_MISSING:1"),
    }  # fmt: skip
    names = [field for one in whole for field in one["fields"] if field["path"] == REAL_NAME]
    assert [field["kept_back"] for field in names] == [{"CONSENT_MISSING": 1}]
    async with bureau.a_caller(bureau.actor(APPROVER)) as approver:
        assert (await approver.http.get("/admin/disclosures.csv")).status_code == 403


async def test_the_auditor_takes_the_acts_away_and_that_is_one_of_them(bureau: Bureau) -> None:
    """Formulas in a reason are defused; who may not read them gets none."""
    async with bureau.a_caller(bureau.actor(OPERATOR)) as operator:
        await operator.send("/admin/halts", "/admin/halts", target="all", reason="=1+2")
        await operator.send("/admin/halts", "/admin/halts/lift", target="all", reason="over")
        assert (await operator.http.get("/admin/acts.csv")).status_code == 403
    async with bureau.a_caller(bureau.actor(AUDITOR)) as auditor:
        answer = await auditor.http.get("/admin/acts.csv?act=halt.add&by=operator")
        whole = (await auditor.http.get("/admin/acts.json?by=auditor")).json()["acts"]
        for nothing in ("/admin/acts.xml", "/admin/acts.csv?act=dance"):
            assert (await auditor.http.get(nothing)).status_code == 404
    rows = list(csv.DictReader(io.StringIO(answer.text.lstrip("\ufeff"))))
    assert ("halt.add", "'=1+2", "") in {(row["act"], row["reason"], row["refused"]) for row in rows}
    assert [(one["act"], one["target"], one["after"]) for one in whole[:2]] == [
        ("acts.read", "export", {"by": "auditor"}),
        ("acts.read", "export", {"by": "operator", "act": "halt.add"}),
    ]


async def test_nothing_that_somebody_types_or_asks_for_breaks_a_page(bureau: Bureau) -> None:
    """No 500, no text that is markup."""
    async with bureau.a_caller(bureau.actor(STEWARD)) as steward, bureau.a_caller(bureau.actor(AUDITOR)) as auditor:
        for path in (
            "/admin/changes/x", f"/admin/changes/{uuid4()}", "/admin/changes?state=%00", "/admin/scopes/%00", "/admin/scopes/x",
            "/admin/partners/a%00b", "/admin/propose/x", "/admin/propose/scope?scope=nobody",
            "/admin/scopes/x?version=99999999999",
            "/admin/propose/partner?partner=nobody", "/admin/partners/nobody/operations",
        ):  # fmt: skip
            assert (await steward.http.get(path)).status_code in (200, 404), path
        for path in ("/admin/acts?before=x", f"/admin/acts?before={uuid4()}&at=2026-01-01", "/admin/disclosures?before=x"):
            assert (await auditor.http.get(path)).status_code == 404, path
        assert (await auditor.http.get("/admin/acts?by=%00")).status_code == 404
        typed = '"><script>alert(1)</script>'
        answer = await steward.send("/admin/propose/scope", "/admin/propose/scope", scope=typed, purpose=typed, reason=typed,
                                    rows="9999999", path_0=typed, redaction_0=typed)  # fmt: skip
        assert answer.status_code == 422
        assert "<script>alert" not in answer.text
        assert "<script>alert" not in await auditor.page(f"/admin/acts?by={typed}")
        nul = await steward.send("/admin/propose/scope", "/admin/propose/scope", scope="a\0b", reason="x")
        assert nul.status_code == 400


async def test_a_cell_that_a_spreadsheet_would_compute_is_defused() -> None:
    """OWASP, CSV injection: every text cell of an export."""

    async def one() -> AsyncIterator[DisclosureEntry]:
        field = FieldOutcome(CITY, "profile.city", "reveal", "-me", 1, {})
        names = ("+partner", "=HYPERLINK(1)", Purpose.SURVEY, ("@scope",), ("-me",))
        yield DisclosureEntry(
            uuid4(), NOON, *names, subject_count=1, is_contract_run=False, fields=(field,), in_content_of_others=0
        )

    text = b"".join([part async for part in disclosures_csv(one())]).decode().lstrip("\ufeff")
    [row] = csv.DictReader(io.StringIO(text))
    assert [row[name] for name in ("partner", "client_id", "scopes", "root")] == [
        "'+partner",
        "'=HYPERLINK(1)",
        "'@scope",
        "'-me",
    ]
