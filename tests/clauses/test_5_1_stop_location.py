"""Policy 5.1: a data subject can stop sharing its location at once."""

from __future__ import annotations

from gateway.store import consents
from scopes import Redaction, Rung
from tests.support.world import World

DISTRICT = Redaction(Rung.GENERALISE, step="district")


async def test_location_leaves_as_a_district_until_the_subject_stops_sharing_it(world: World) -> None:
    partner_id, caller = await world.a_reader({"Subject.location": DISTRICT, "Subject.city": Redaction(Rung.REVEAL)})
    subject_id = await world.a_subject()
    await world.owner.execute("update platform.account set location = point(116.40739, 39.90421)")
    await world.a_consent(subject_id, partner_id)
    before = await world.see(caller, "location city")

    await consents.set_sharing(world.owner, world.keys, subject_id=subject_id, category="location.precise", allowed=False)

    assert before == [{"location": "39.90,116.40", "city": "深圳市"}]
    assert await world.see(caller, "location city") == [{"location": None, "city": "深圳市"}]
