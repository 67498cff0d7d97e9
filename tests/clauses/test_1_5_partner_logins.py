"""Policy 1.5: which partner a data subject logged in to, and when, is data of its own category."""

from __future__ import annotations

from tests.support.world import World


async def test_logins_at_partners_need_their_own_category(world: World) -> None:
    partner_id, caller = await world.a_reader(["PartnerLogin.partner", "PartnerLogin.at", "Subject.city"])
    told, silent = await world.a_subject(), await world.a_subject()
    for subject_id in (told, silent):
        await world.owner.execute(
            "insert into platform.partner_login values (gen_random_uuid(), $1, '云商城', '2026-01-02 03:04:05+00')", subject_id
        )
    await world.a_consent(told, partner_id, categories=["partner.logins"])
    await world.a_consent(silent, partner_id, categories=["profile.city"])

    seen = {row["id"]: row["partnerLogins"] for row in await world.see(caller, "id partnerLogins { partner at }")}

    assert seen == {
        world.id_of(told, partner_id): [{"partner": "云商城", "at": "2026-01-02T03:04:05.000000Z"}],
        world.id_of(silent, partner_id): None,
    }
