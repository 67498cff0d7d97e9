"""Partners: registered under an agreement, changed and ended with effect on the next query (policy 6.2, 8.1, 9.5)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from gateway.oauth.registration import validate
from gateway.request.codes import Code, GatewayError
from gateway.store import consents, partners
from gateway.store.partners import PartnerError
from scopes import Purpose, Role
from tests.support.database import Database
from tests.support.oauth import a_metadata
from tests.support.world import World


async def _version(world: World, partner_id: UUID) -> int:
    found: int = await world.owner.fetchval("select view_version from gateway.partner where partner_id = $1", partner_id)
    return found


async def test_a_registered_partner_is_found_by_its_name_and_may_nothing(small_world: World) -> None:
    partner_id = await small_world.a_partner(name="adlens")

    assert await partners.find(small_world.owner, "adlens") == partner_id
    [row] = await partners.everyone(small_world.owner)
    assert (row["name"], row["status"], row["grants"]) == ("adlens", "active", [])
    assert row["clients"] == [small_world.client_of(partner_id)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Ad Lens"},
        {"processing_location": "China"},
        {"cross_border_mechanism": "handshake"},
        {"role": Role.PROCESSOR, "kind": "cousin"},
        {"agreement_ends_at": "before it starts"},
    ],
    ids=lambda wrong: "-".join(wrong),
)
async def test_what_no_agreement_can_say_is_refused(small_world: World, wrong: dict[str, Any]) -> None:
    """policy 6.2: partners of listed kinds, under an agreement."""
    if "agreement_ends_at" in wrong:
        wrong = {"agreement_ends_at": small_world.started - timedelta(days=4000)}
    with pytest.raises(PartnerError) as refused:
        await small_world.a_partner(**wrong)
    assert refused.value.code == "PARTNER_INVALID"


async def test_a_name_is_given_once_also_within_a_callers_transaction(small_world: World) -> None:
    await small_world.a_partner(name="adlens")
    async with small_world.owner.transaction():
        with pytest.raises(PartnerError) as refused:
            await small_world.a_partner(name="adlens")
        assert await small_world.owner.fetchval("select 1") == 1  # the transaction goes on
    assert refused.value.code == "PARTNER_KNOWN"


async def test_a_client_belongs_to_one_partner(small_world: World) -> None:
    partner_id, other = await small_world.a_partner(), await small_world.a_partner()
    client = validate(a_metadata("adlens-1"))

    assert await partners.register_client(small_world.owner, partner_id=partner_id, client=client) == "adlens-1"

    with pytest.raises(PartnerError) as known:
        await partners.register_client(small_world.owner, partner_id=other, client=client)
    with pytest.raises(PartnerError) as unknown:
        await partners.register_client(small_world.owner, partner_id=uuid4(), client=validate(a_metadata("adlens-2")))
    assert (known.value.code, unknown.value.code) == ("CLIENT_KNOWN", "PARTNER_UNKNOWN")


@pytest.mark.parametrize(
    "changed",
    [
        {"role": Role.PROCESSOR},
        {"processing_location": "SG"},
        {"cross_border_mechanism": "assessment"},
        {"status": "suspended"},
        {"status": "ended"},
    ],
    ids=lambda changed: "-".join(map(str, changed.values())),
)
async def test_each_change_raises_the_partners_view_version_and_no_other_ones(
    small_world: World, changed: dict[str, Any]
) -> None:
    """DESIGN section 2, no stale plan: the gate's statement compares it."""
    world = small_world
    partner_id, other = await world.a_partner(), await world.a_partner()
    before, others = await _version(world, partner_id), await _version(world, other)

    if "status" in changed:
        await partners.set_status(world.owner, partner_id=partner_id, **changed)
    else:
        await partners.change_basis(world.owner, world.keys, partner_id=partner_id, **changed)

    assert await _version(world, partner_id) > before
    assert await _version(world, other) == others


async def test_what_is_left_out_of_a_change_stays_and_nothing_changed_is_no_change(small_world: World) -> None:
    world = small_world
    partner_id = await world.a_partner(processing_location="SG", cross_border_mechanism="assessment")
    before = await _version(world, partner_id)

    await partners.change_basis(world.owner, world.keys, partner_id=partner_id, processing_location="SG")
    assert await _version(world, partner_id) == before
    await partners.change_basis(world.owner, world.keys, partner_id=partner_id, processing_location="MY")

    [row] = await partners.everyone(world.owner)
    assert (row["processing_location"], row["cross_border_mechanism"]) == ("MY", "assessment")
    await partners.change_basis(world.owner, world.keys, partner_id=partner_id, cross_border_mechanism=None)
    [row] = await partners.everyone(world.owner)
    assert (row["processing_location"], row["cross_border_mechanism"]) == ("MY", None)


async def test_a_recipient_that_becomes_a_processor_sees_those_who_accepted_the_policy(small_world: World) -> None:
    """policy 6.2: the basis follows the role, and what was folded by the old one is not read any more."""
    world = small_world
    partner_id, caller = await world.a_reader(["Subject.city"], purpose=Purpose.MESSAGE_DELIVERY)
    subject_id = await world.a_subject()
    await consents.accept_policy(world.owner, world.keys, subject_id=subject_id, policy_version="2024-11-26")
    assert await world.see(caller, "city") == []

    await partners.change_basis(world.owner, world.keys, partner_id=partner_id, role=Role.PROCESSOR)
    assert await world.see(caller, "city") == [{"city": "深圳市"}]
    await partners.change_basis(world.owner, world.keys, partner_id=partner_id, role=Role.RECIPIENT)
    assert await world.see(caller, "city") == []
    assert await consents.verify(world.owner, world.keys) == []


async def test_a_consent_given_while_a_partner_changes_is_not_left_under_the_old_basis(
    small_world: World, database: Database
) -> None:
    """The change waits for whoever has begun to speak, and folds them too."""
    world = small_world
    partner_id, caller = await world.a_reader(["Subject.city"])
    subject_id = await world.a_subject()
    speaking: asyncpg.Connection[Any] = await database.owner()
    changing: asyncpg.Connection[Any] = await database.owner()
    try:
        begun = speaking.transaction()
        await begun.start()
        await consents.give(
            speaking,
            world.keys,
            subject_id=subject_id,
            partner_id=partner_id,
            purpose=Purpose.SERVICE_DELIVERY,
            categories=["profile.city"],
            policy_version="2024-11-26",
            cross_border=True,
        )
        change = asyncio.create_task(
            partners.change_basis(
                changing, world.keys, partner_id=partner_id, processing_location="SG", cross_border_mechanism="assessment"
            )
        )
        await world.until_waiting(changing)
        await begun.commit()
        await change
    finally:
        await speaking.close()
        await changing.close()

    assert await world.see(caller, "city") == [{"city": "深圳市"}]
    assert await consents.verify(world.owner, world.keys) == []


async def test_a_suspended_partner_gets_nothing_until_it_is_active_again_and_an_ended_one_never(small_world: World) -> None:
    world = small_world
    partner_id, caller = await world.a_reader(["Subject.city"])
    await world.a_consent(await world.a_subject(), partner_id)
    assert len(await world.see(caller, "city")) == 1

    await partners.set_status(world.owner, partner_id=partner_id, status="suspended")
    with pytest.raises(GatewayError) as suspended:
        await world.see(caller, "city")
    await partners.set_status(world.owner, partner_id=partner_id, status="active")
    assert len(await world.see(caller, "city")) == 1
    await partners.set_status(world.owner, partner_id=partner_id, status="ended")
    with pytest.raises(PartnerError) as ended:
        await partners.set_status(world.owner, partner_id=partner_id, status="active")
    with pytest.raises(GatewayError):
        await world.see(caller, "city")

    assert suspended.value.code in set(Code)
    assert ended.value.code == "PARTNER_ENDED"


async def test_what_cannot_be_is_refused_with_its_code(small_world: World) -> None:
    world = small_world
    partner_id, nobody = await world.a_partner(kind="cousin"), uuid4()
    codes = []
    for attempt in (
        partners.find(world.owner, "nobody"),
        partners.set_status(world.owner, partner_id=nobody, status="active"),
        partners.set_status(world.owner, partner_id=partner_id, status="asleep"),
        partners.change_basis(world.owner, world.keys, partner_id=nobody, role=Role.PROCESSOR),
        partners.change_basis(world.owner, world.keys, partner_id=partner_id, role=Role.PROCESSOR),
        partners.change_basis(world.owner, world.keys, partner_id=partner_id, processing_location="Mars"),
    ):
        with pytest.raises(PartnerError) as refused:
            await attempt
        codes.append(refused.value.code)
    assert codes == [
        "PARTNER_UNKNOWN",
        "PARTNER_UNKNOWN",
        "PARTNER_INVALID",
        "PARTNER_UNKNOWN",
        "PARTNER_INVALID",
        "PARTNER_INVALID",
    ]


async def test_the_serving_process_may_do_all_of_it(small_world: World, database: Database) -> None:
    """Later doors call these functions in the role that the process serves in."""
    world = small_world
    partner_id, caller = await world.a_reader(["Subject.city"])
    await world.a_consent(await world.a_subject(), partner_id, cross_border=True)
    conn = await database.connect()
    try:
        assert await conn.fetchval("select current_user") == "gateway"
        await partners.change_basis(
            conn, world.keys, partner_id=partner_id, processing_location="SG", cross_border_mechanism="certification"
        )
        await partners.set_status(conn, partner_id=partner_id, status="active")
    finally:
        await conn.close()
    assert len(await world.see(caller, "city")) == 1
