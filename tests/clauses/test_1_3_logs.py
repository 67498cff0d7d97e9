"""Policy 1.3: logs and software; data collected for one purpose needs fresh consent for another."""

from __future__ import annotations

from scopes import Purpose, Redaction, Rung
from tests.support.world import World


async def test_an_ip_address_leaves_as_its_network(world: World) -> None:
    network = Redaction(Rung.GENERALISE, step="network")
    partner_id, caller = await world.a_reader({"ServiceEvent.ipAddress": network, "ServiceEvent.kind": Redaction(Rung.REVEAL)})
    subject_id = await world.a_subject()
    for address in ("203.0.113.77", "2001:db8:1:2::7"):
        await world.owner.execute(
            "insert into platform.service_event values (gen_random_uuid(), $1, 'view', now(), $2::text::inet, null)",
            subject_id,
            address,
        )
    await world.a_consent(subject_id, partner_id)

    (seen,) = await world.see(caller, "serviceEvents { ipAddress kind }")

    assert {event["ipAddress"] for event in seen["serviceEvents"]} == {"203.0.113.0/24", "2001:db8:1::/48"}


async def test_a_consent_for_one_purpose_is_none_for_another(world: World) -> None:
    partner_id, caller = await world.a_reader(["Subject.city"], purpose=Purpose.PERSONALISATION)
    await world.a_consent(await world.a_subject(), partner_id, purpose=Purpose.SERVICE_DELIVERY)

    assert await world.see(caller, "city") == []
