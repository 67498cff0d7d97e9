"""Policy 10, 2.5: one switch turns advertising uses off for all partners at once, and nothing else."""

from __future__ import annotations

from gateway.store import consents
from scopes import Purpose
from tests.support.world import World


async def test_the_switch_ends_every_advertising_use_and_leaves_the_rest(world: World) -> None:
    subject_id = await world.a_subject()
    callers = {}
    for purpose in (Purpose.ADVERTISING, Purpose.AD_MEASUREMENT, Purpose.SERVICE_DELIVERY):
        partner_id, callers[purpose] = await world.a_reader(["Subject.city"], purpose=purpose)
        await world.a_consent(subject_id, partner_id, purpose=purpose)
    assert [len(await world.see(caller, "city")) for caller in callers.values()] == [1, 1, 1]

    await consents.set_advertising(world.owner, world.keys, subject_id=subject_id, allowed=False)

    assert {purpose: len(await world.see(caller, "city")) for purpose, caller in callers.items()} == {
        Purpose.ADVERTISING: 0,
        Purpose.AD_MEASUREMENT: 0,
        Purpose.SERVICE_DELIVERY: 1,
    }
