"""Policy 8.2: consents expire by the database's clock, and each grant carries how long the partner may keep what it got."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from scopes import Reason
from tests.support.world import World


async def test_an_expired_consent_withholds_without_anybody_acting(world: World) -> None:
    partner_id, caller = await world.a_reader(["Subject.city", "Subject.email"])
    subject_id = await world.a_subject()
    await world.a_consent(subject_id, partner_id, ends_at=world.started + timedelta(days=1))
    assert len(await world.see(caller, "city")) == 1
    # the day after tomorrow, as the state has it: every end two days nearer
    await world.owner.execute(
        """update gateway.consent_state
              set cover_until = (select array_agg(until - interval '2 days' order by n)
                                   from unnest(cover_until) with ordinality as c(until, n)),
                  settled_until = settled_until - interval '2 days', visible_until = visible_until - interval '2 days'"""
    )

    assert await world.see(caller, "city") == []


async def test_the_reason_is_settled_at_the_statements_own_instant(world: World) -> None:
    partner_id, caller = await world.a_reader(["Subject.city", "Subject.email"])
    await world.a_consent(await world.a_subject(), partner_id)
    ordinal = await world.owner.fetchval("select ordinal from gateway.category where category = 'identity.email'")
    await world.owner.execute(
        "update gateway.consent_state set cover_until[$1] = now() - interval '1 second', reasons[$1] = $2, settled_until = now()",
        ordinal + 1,
        Reason.CONSENT_EXPIRED.value,
    )

    answer = await world.ask(caller, "{ subjects(first: 5) { edges { node { city email } } } }")

    assert answer["data"]["subjects"]["edges"] == [{"node": {"city": "深圳市", "email": None}}]
    disclosure_id = UUID(answer["extensions"]["disclosure"]["id"])
    row = await world.owner.fetchrow("select * from gateway.disclosure_subject where disclosure_id = $1", disclosure_id)
    assert row is not None
    assert row["reasons"][ordinal] == Reason.CONSENT_EXPIRED


async def test_each_grant_says_how_long_the_partner_may_keep_what_it_got(world: World) -> None:
    partner_id = await world.a_partner()
    grant_id = await world.a_grant(partner_id, await world.a_scope(["Subject.city"]), retention=timedelta(days=42))

    kept: timedelta = await world.owner.fetchval("select retention from gateway.partner_grant where grant_id = $1", grant_id)

    assert kept == timedelta(days=42)
