"""Policy, changes: a new version is announced before it takes effect, and what was accepted before does not stretch to it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from gateway.store import consents, policy
from scopes import Purpose, Role
from tests.support.world import POLICY, World


async def test_an_acceptance_covers_until_the_next_version_takes_effect(world: World) -> None:
    _, caller = await world.a_reader(["Subject.mobileNumber"], purpose=Purpose.MESSAGE_DELIVERY, role=Role.PROCESSOR)
    subject_id = await world.a_subject()
    await consents.accept_policy(world.owner, world.keys, subject_id=subject_id, policy_version=POLICY)
    later: dict[str, Any] = {"policy_version": "later", "effective_at": world.started + timedelta(days=30), "text_sha256": b""}
    now: dict[str, Any] = {"policy_version": "now", "effective_at": world.started - timedelta(seconds=1), "text_sha256": b""}

    await policy.announce(world.owner, world.keys, **later)
    announced = await world.see(caller, "mobileNumber")
    await policy.announce(world.owner, world.keys, **now)
    in_force = await world.see(caller, "mobileNumber")
    await consents.accept_policy(world.owner, world.keys, subject_id=subject_id, policy_version="now")

    assert (len(announced), len(in_force)) == (1, 0)
    assert len(await world.see(caller, "mobileNumber")) == 1
