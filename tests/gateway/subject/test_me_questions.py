"""What the data subject's own pages ask the database: only ever about that one, at the database's instant, in small pages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from gateway.store import consents, halts, subject_pages
from gateway.store.consents import ConsentError
from gateway.store.partitions import make_ahead
from gateway.store.pool import Connection
from gateway.store.subject_pages import Position, SignedIn, Wanted
from scopes import ConsentKind, Purpose, Reason, Role
from tests.support.database import Database
from tests.support.world import POLICY, World

DELIVERY, ADS = Purpose.SERVICE_DELIVERY, Purpose.ADVERTISING
CITY, NAME = "profile.city", "identity.real_name"
HOUR = timedelta(hours=1)


async def _record(
    world: World,
    subject_id: UUID,
    partner_id: UUID,
    at: datetime,
    *,
    purpose: Purpose = DELIVERY,
    contract_run: bool = False,
    roots: int = 1,
) -> UUID:
    """One disclosure about one data subject, as the gate would have left it at another instant."""
    disclosure_id, projection_id = uuid4(), purpose.value.encode()
    fields = [{"path": "Subject.city", "category": CITY, "ordinal": 0, "redaction": "reveal", "root": 0}]
    await world.owner.execute(
        "insert into gateway.projection values ($1, '', $2, '{s@1}', '{subject}', $3::text::jsonb) on conflict do nothing",
        projection_id,
        purpose.value,
        json.dumps(fields),
    )
    await world.owner.execute(
        "insert into gateway.disclosure values ($1, $2, $3, 'c', $4, $5, $6, 1, $7)",
        disclosure_id,
        at,
        partner_id,
        uuid4(),
        purpose.value,
        projection_id,
        contract_run,
    )
    await world.owner.execute(
        "insert into gateway.disclosure_subject values ($1, $2, $3, $4, 1, null)", at, disclosure_id, subject_id, roots
    )
    return disclosure_id


async def _pages(conn: Connection, subject_id: UUID, wanted: Wanted, size: int) -> list[Position]:
    found: list[Position] = []
    while page := await subject_pages.disclosures(conn, subject_id, wanted, after=found[-1] if found else None, page_size=size):
        assert len(page) <= size
        found += [row.position for row in page]
    return found


async def test_a_consent_is_listed_once_with_its_last_word(small_world: World) -> None:
    """policy 1.5: what was given first, what stands now, and what is over."""
    world = small_world
    subject_id, one, other = await world.a_subject(), await world.a_partner(), await world.a_partner()
    first = await world.a_consent(subject_id, one, categories=[NAME, CITY])
    await consents.narrow(world.owner, world.keys, subject_id=subject_id, partner_id=one, purpose=DELIVERY, categories=[CITY])
    over = await world.a_consent(subject_id, other, categories=[CITY], ends_at=world.started - HOUR)
    await world.a_consent(await world.a_subject(), one)

    newest, oldest = await subject_pages.consents_now(world.owner, subject_id)

    assert (newest.consent_id, newest.is_live, newest.categories) == (over, False, (CITY,))
    assert (oldest.consent_id, oldest.is_live, oldest.categories) == (first, True, (CITY,))
    assert oldest.kind is ConsentKind.NARROWED
    assert oldest.given_at < oldest.changed_at


async def test_what_may_go_out_is_what_the_gate_reads(small_world: World) -> None:
    """policy 4: a setting is seen at once; without a consent there is nothing."""
    world = small_world
    subject_id, partner_id = await world.a_subject(), await world.a_partner()
    await world.a_consent(subject_id, partner_id, categories=[NAME, CITY])
    await consents.set_sharing(world.owner, world.keys, subject_id=subject_id, category="identity", allowed=False)

    assert await subject_pages.covers(world.owner, subject_id) == {(partner_id, DELIVERY): {CITY}}
    assert await subject_pages.covers(world.owner, await world.a_subject()) == {}


async def test_a_partner_reaches_what_its_live_grants_give_and_is_stopped_by_a_halt(small_world: World) -> None:
    """policy 9.4: somebody whose flow is stopped cannot ask, and the page must not say that it can."""
    world = small_world
    partner_id, idle = await world.a_partner(), await world.a_partner()
    scope = await world.a_scope(["Subject.city", "Subject.realName"])
    await world.a_grant(partner_id, scope)
    await world.a_grant(idle, scope, ends_at=world.started - HOUR)

    reach = (await subject_pages.reaches(world.owner))[partner_id, DELIVERY]
    await halts.add(world.owner, target="partner", partner_id=partner_id, reason="an incident")
    halted = await subject_pages.reaches(world.owner)

    assert (reach.paths, reach.is_stopped) == (("Subject.city", "Subject.realName"), False)
    assert reach.retention == timedelta(days=90)
    assert {key: value.is_stopped for key, value in halted.items()} == {(partner_id, DELIVERY): True}


async def test_the_newest_accepted_policy_counts_and_may_be_an_old_one(small_world: World) -> None:
    """policy, changes."""
    world = small_world
    subject_id = await world.a_subject()
    assert await subject_pages.accepted(world.owner, subject_id) is None

    await consents.accept_policy(world.owner, world.keys, subject_id=subject_id, policy_version=POLICY)
    current = await subject_pages.accepted(world.owner, subject_id)
    await world.a_policy("next")
    old = await subject_pages.accepted(world.owner, subject_id)

    assert current is not None
    assert old is not None
    assert (current.is_current, old.is_current, old.policy_version) == (True, False, POLICY)


@pytest.mark.parametrize("size", [1, 2, 7])
async def test_pages_of_records_show_each_row_once_in_order(small_world: World, size: int) -> None:
    """Rows of one instant, and a subject who is seen twice in one answer, are neither lost nor shown twice."""
    world = small_world
    subject_id, partner_id = await world.a_subject(), await world.a_partner()
    at = world.started - HOUR
    for n in range(3):
        disclosure_id = await _record(world, subject_id, partner_id, at)
        await _record(world, subject_id, partner_id, at - n * HOUR)
        await world.owner.execute(
            "insert into gateway.disclosure_subject values ($1, $2, $3, 0, 1, null)", at, disclosure_id, subject_id
        )
    await _record(world, await world.a_subject(), partner_id, at)

    found = await _pages(world.owner, subject_id, Wanted(), size)

    assert len(found) == len(set(found)) == 9
    assert found == sorted(found, key=lambda p: (p.disclosed_at, p.disclosure_id, p.roots), reverse=True)


async def test_records_are_chosen_by_partner_purpose_and_period(small_world: World) -> None:
    """policy 6: runs of contract tests are nobody's disclosures."""
    world = small_world
    subject_id, one, other = await world.a_subject(), await world.a_partner(), await world.a_partner()
    at = world.started - 30 * HOUR
    for n, (partner_id, purpose) in enumerate([(one, DELIVERY), (one, ADS), (other, DELIVERY)]):
        await _record(world, subject_id, partner_id, at + n * HOUR, purpose=purpose)
    await _record(world, subject_id, one, at, contract_run=True)

    async def count(**wanted: Any) -> int:
        return len(await _pages(world.owner, subject_id, Wanted(**wanted), 10))

    assert await count() == 3
    assert await count(partner_id=one) == 2
    assert await count(purpose=DELIVERY) == 2
    assert await count(partner_id=one, purpose=ADS) == 1
    assert await count(since=at + HOUR) == 2
    assert await count(until=at + HOUR) == 1
    assert await count(since=at + HOUR, until=at + 2 * HOUR) == 1


async def test_a_page_of_a_period_leaves_other_months_alone_and_reads_few_rows(small_world: World, database: Database) -> None:
    """What a page costs does not grow with what is on record: few rows of the right months, found by the subject's index."""
    world = small_world
    await make_ahead(world.owner)
    subject_id, partner_id = await world.a_subject(), await world.a_partner()
    template = await _record(world, subject_id, partner_id, world.started - HOUR)
    await world.owner.execute(
        """with many as (
             insert into gateway.disclosure
             select gen_random_uuid(), disclosed_at - n * interval '1 second', partner_id, client_id, token_id, purpose,
                    projection_id, 1, false
               from gateway.disclosure, generate_series(1, 5000) n where disclosure_id = $1
             returning disclosure_id, disclosed_at)
           insert into gateway.disclosure_subject
           select disclosed_at, disclosure_id, case when random() < 0.5 then $2::uuid else gen_random_uuid() end, 1, 1, null
             from many""",
        template,
        subject_id,
    )
    await world.owner.execute("analyze gateway.disclosure, gateway.disclosure_subject")
    serving = await database.connect()
    last = Position(datetime.now(UTC))
    arguments = [subject_id, last.disclosed_at, last.disclosure_id, last.roots]
    period = [world.started - timedelta(days=2), world.started + timedelta(days=1), None, None, 21]

    plan = await _plan(serving, subject_pages.DISCLOSURES, [*arguments, *period])
    await serving.close()

    scans = [node for node in _nodes(plan) if "Relation Name" in node and node["Actual Loops"] > 0]
    read = {node["Relation Name"] for node in scans}
    assert not any(node["Node Type"] == "Seq Scan" for node in scans), read
    future = f"disclosure_subject_{world.started + timedelta(days=70):%Y_%m}"
    assert future not in {node.get("Relation Name") for node in _nodes(plan)}
    rows = sum(node["Actual Rows"] * node["Actual Loops"] for node in scans)
    assert rows <= 4 * 21, rows


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(inner for child in plan.get("Plans", ()) for inner in _nodes(child))]


async def _plan(conn: Connection, text: str, arguments: Sequence[object]) -> dict[str, Any]:
    """What was done for a question, as the server tells it."""
    told = await conn.fetchval(f"explain (analyze, format json) {text}", *arguments)
    found: dict[str, Any] = json.loads(told)[0]["Plan"]
    return found


async def test_the_overview_looks_back_over_a_bounded_number_of_records(small_world: World) -> None:
    """Where it has not looked at all of them it says how far it went, and does not say `never`."""
    world = small_world
    subject_id, one, other = await world.a_subject(), await world.a_partner(), await world.a_partner()
    at = world.started - 30 * HOUR
    await _record(world, subject_id, other, at)
    for n in range(1, 4):
        await _record(world, subject_id, one, at + n * HOUR)

    everything = await subject_pages.last_accesses(world.owner, subject_id)
    newest = await subject_pages.last_accesses(world.owner, subject_id, row_count=2)

    assert (everything.at, everything.looked_back_to) == ({one: at + 3 * HOUR, other: at}, None)
    assert (newest.at, newest.looked_back_to) == ({one: at + 3 * HOUR}, at + 2 * HOUR)
    assert (await subject_pages.last_accesses(world.owner, uuid4())).at == {}


async def test_narrowing_and_withdrawing_reach_only_ones_own_last_word(small_world: World) -> None:
    """policy 6.1: an old page cannot touch the consent that took its place, nor anybody another's."""
    world = small_world
    subject_id, partner_id, stranger = await world.a_subject(), await world.a_partner(), await world.a_subject()
    replaced = await world.a_consent(subject_id, partner_id, categories=[NAME, CITY])
    standing = await world.a_consent(subject_id, partner_id, categories=[NAME, CITY])

    for owner, consent_id in [(subject_id, replaced), (stranger, standing), (subject_id, uuid4())]:
        about: dict[str, Any] = {"subject_id": owner, "consent_id": consent_id}
        with pytest.raises(ConsentError, match="another one"):
            await subject_pages.narrow(world.owner, world.keys, **about, categories=[CITY])
        with pytest.raises(ConsentError, match="another one"):
            await subject_pages.withdraw(world.owner, world.keys, **about)
    await subject_pages.narrow(world.owner, world.keys, subject_id=subject_id, consent_id=standing, categories=[CITY])
    await subject_pages.withdraw(world.owner, world.keys, subject_id=subject_id, consent_id=standing)

    kinds = [(step.kind, step.is_latest) for step in await subject_pages.steps(world.owner, subject_id, standing)]
    assert kinds == [("given", False), ("narrowed", False), ("withdrawn", True)]
    assert await subject_pages.covers(world.owner, subject_id) == {(partner_id, DELIVERY): frozenset()}
    assert await consents.verify(world.owner, world.keys) == []
    assert not await world.owner.fetchval("select exists (select from gateway.subject where subject_id = $1)", stranger)


@pytest.mark.parametrize(("scopes", "is_revoked"), [(["orders"], True), (["openid", "orders"], False)])
async def test_a_withdrawal_ends_refreshing_unless_the_subject_also_signs_in_there(
    small_world: World, scopes: list[str], is_revoked: bool
) -> None:
    """policy 1.5, 6.1: signing in with the platform account does not rest on the consent."""
    world = small_world
    subject_id, partner_id = await world.a_subject(), await world.a_partner()
    consent_id = await world.a_consent(subject_id, partner_id)
    client_id, session_id, grant_id = world.client_of(partner_id), uuid4(), uuid4()
    await world.owner.execute(
        "insert into gateway.session (session_id, token_sha256, subject_id, acr, authenticated_at, expires_at)"
        " values ($1, $2, $3, 'pwd', now(), now() + interval '1 hour')",
        session_id,
        session_id.bytes,
        subject_id,
    )
    await world.owner.execute(
        "insert into gateway.authorization_grant (grant_id, client_id, partner_id, subject_id, purpose, consent_id, scopes)"
        " values ($1, $2, $3, $4, $5, $6, $7)",
        grant_id, client_id, partner_id, subject_id, DELIVERY.value, consent_id, scopes,
    )  # fmt: skip
    await world.owner.execute(
        "insert into gateway.refresh_token (token_sha256, refresh_id, family_id, grant_id, client_id, scopes, session_id, acr,"
        " authenticated_at, expires_at) values ($1, $2, $2, $3, $4, $5, $6, 'pwd', now(), now() + interval '1 day')",
        grant_id.bytes, uuid4(), grant_id, client_id, scopes, session_id,
    )  # fmt: skip

    await subject_pages.withdraw(world.owner, world.keys, subject_id=subject_id, consent_id=consent_id)

    assert await world.owner.fetchval("select revoked_at is not null from gateway.refresh_token") is is_revoked


async def test_sessions_of_others_cannot_be_ended_and_ones_own_is_kept(small_world: World) -> None:
    world = small_world
    mine, theirs = await world.a_subject(), await world.a_subject()
    sessions = {name: uuid4() for name in ("here", "phone", "work", "theirs")}
    for name, session_id in sessions.items():
        await consents.accept_policy(
            world.owner, world.keys, subject_id=theirs if name == "theirs" else mine, policy_version=POLICY
        )
        await world.owner.execute(
            "insert into gateway.session (session_id, token_sha256, subject_id, acr, authenticated_at, expires_at)"
            " values ($1, $2, $3, 'pwd', now(), now() + interval '1 hour')",
            session_id,
            session_id.bytes,
            theirs if name == "theirs" else mine,
        )

    async def end(session_id: UUID | None) -> int:
        return await subject_pages.end_sessions(world.owner, mine, kept=sessions["here"], session_id=session_id)

    assert await end(sessions["theirs"]) == 0
    assert await end(sessions["here"]) == 0
    assert await end(sessions["phone"]) == 1
    assert await end(None) == 1
    assert [one.session_id for one in await subject_pages.open_sessions(world.owner, mine)] == [sessions["here"]]
    assert len(await subject_pages.open_sessions(world.owner, theirs)) == 1


async def test_sign_ins_are_paged_and_the_last_one_of_each_partner_is_known(small_world: World) -> None:
    """policy 1.5."""
    world = small_world
    subject_id, one, other = await world.a_subject(), await world.a_partner(), await world.a_partner()
    await consents.accept_policy(world.owner, world.keys, subject_id=subject_id, policy_version=POLICY)
    at = world.started - HOUR
    for n, partner_id in enumerate([one, other, one]):
        await world.owner.execute(
            "insert into gateway.partner_login values ($1, $2, $3, 'c', $1, $4)",
            uuid4(),
            subject_id,
            partner_id,
            at - (n % 2) * HOUR,
        )

    found = []
    after = None
    while page := await subject_pages.sign_ins(world.owner, subject_id, after=after, page_size=1):
        found.append(page[0])
        after = (page[0].logged_in_at, page[0].login_id)

    assert [sign_in.partner_id for sign_in in found].count(one) == 2
    assert len({sign_in.login_id for sign_in in found}) == 3
    found_at = await subject_pages.signed_in(world.owner, subject_id)
    assert found_at == {one: SignedIn(at, at), other: SignedIn(at - HOUR, at - HOUR)}
    assert set(await subject_pages.partners_about(world.owner, subject_id)) == {one, other}


async def test_reasons_and_roles_come_back_as_values_of_the_closed_lists(small_world: World) -> None:
    """Through the real gate: what was withheld is on record with its reason."""
    world = small_world
    partner_id, caller = await world.a_reader(["Subject.city", "Subject.realName"])
    subject_id = await world.a_subject()
    await world.a_consent(subject_id, partner_id, categories=[CITY])
    await world.see(caller, "city realName")

    (found,) = await subject_pages.disclosures(world.owner, subject_id, Wanted(), after=None, page_size=5)

    by_category = {field.category: field for field in found.fields}
    assert found.covered >> by_category[CITY].ordinal & 1
    assert not found.covered >> by_category[NAME].ordinal & 1
    assert found.reasons is not None
    assert Reason(found.reasons[by_category[NAME].ordinal]) is Reason.CONSENT_MISSING
    assert (await subject_pages.partners_about(world.owner, subject_id))[partner_id].role is Role.RECIPIENT
