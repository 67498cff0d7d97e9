"""Policy 4: a data subject's privacy settings beat every consent; what it deletes or un-shares is gone from the next query on."""

from __future__ import annotations

from gateway.store import consents
from scopes import Purpose, Role
from tests.support.world import POLICY, World


async def test_switching_everything_off_hides_a_consenting_subject_and_on_again_shows_it(world: World) -> None:
    partner_id, caller = await world.a_reader(["Subject.city"])
    subject_id = await world.a_subject()
    await world.a_consent(subject_id, partner_id)

    await consents.set_sharing(world.owner, world.keys, subject_id=subject_id, allowed=False)
    hidden = await world.see(caller, "city")
    await consents.set_sharing(world.owner, world.keys, subject_id=subject_id, allowed=True)

    assert hidden == []
    assert await world.see(caller, "city") == [{"city": "深圳市"}]


async def test_a_setting_for_a_branch_of_the_tree_covers_its_leaves_and_no_others(world: World) -> None:
    partner_id, caller = await world.a_reader(["Subject.city", "Subject.email", "Subject.realName"])
    subject_id = await world.a_subject()
    await world.a_consent(subject_id, partner_id)

    await consents.set_sharing(world.owner, world.keys, subject_id=subject_id, category="identity", allowed=False)

    assert await world.see(caller, "city email realName") == [{"city": "深圳市", "email": None, "realName": None}]


async def test_a_setting_for_one_partner_leaves_the_others_alone(world: World) -> None:
    subject_id = await world.a_subject()
    one, sees_less = await world.a_reader(["Subject.city"])
    other, sees_all = await world.a_reader(["Subject.city"])
    for partner_id in (one, other):
        await world.a_consent(subject_id, partner_id)

    await consents.set_sharing(world.owner, world.keys, subject_id=subject_id, partner_id=one, allowed=False)

    assert await world.see(sees_less, "city") == []
    assert await world.see(sees_all, "city") == [{"city": "深圳市"}]


async def test_a_setting_binds_processors_too(world: World) -> None:
    _, caller = await world.a_reader(["Subject.mobileNumber"], purpose=Purpose.MESSAGE_DELIVERY, role=Role.PROCESSOR)
    subject_id = await world.a_subject()
    await consents.accept_policy(world.owner, world.keys, subject_id=subject_id, policy_version=POLICY)
    assert len(await world.see(caller, "mobileNumber")) == 1

    await consents.set_sharing(world.owner, world.keys, subject_id=subject_id, category="identity.mobile_number", allowed=False)

    assert await world.see(caller, "mobileNumber") == [{"mobileNumber": None}]


async def test_content_deleted_or_no_longer_shared_is_gone_from_the_next_query_on(world: World) -> None:
    partner_id, caller = await world.a_reader(["Post.text", "Subject.photos"])
    subject_id = await world.a_subject()
    await world.a_consent(subject_id, partner_id)
    for text in ("留下", "删掉", "收回"):
        await world.owner.execute("insert into platform.post values (gen_random_uuid(), $1, $2, now())", subject_id, text)
    await world.owner.execute(
        "insert into platform.photo values (gen_random_uuid(), $1, 'https://p.example/1', now())", subject_id
    )

    await world.owner.execute("update platform.post set deleted_at = now() where text = '删掉'")
    await world.owner.execute("update platform.post set is_shared = false where text = '收回'")
    await world.owner.execute("update platform.photo set is_shared = false")

    assert await world.see(caller, "posts { text } photos") == [{"posts": [{"text": "留下"}], "photos": []}]
