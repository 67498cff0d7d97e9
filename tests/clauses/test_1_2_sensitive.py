"""Policy 1.2: sensitive fields need an explicit consent of their own; without it everything else is still there."""

from __future__ import annotations

from gateway.store import consents
from scopes import CATEGORIES, Purpose, Role, Sensitivity
from tests.support.world import ACCOUNT, POLICY, World

ORDINARY = {name for name, category in CATEGORIES.items() if category.sensitivity is Sensitivity.ORDINARY}


async def test_a_sensitive_field_is_withheld_without_its_own_consent_and_nothing_else_is(world: World) -> None:
    partner_id, caller = await world.a_reader(["Subject.realName", "Subject.nationalId"])
    await world.a_consent(await world.a_subject(), partner_id, categories=ORDINARY)

    seen = await world.see(caller, "realName nationalId")

    assert seen == [{"realName": ACCOUNT["real_name"], "nationalId": None}]


async def test_a_processor_needs_consent_for_sensitive_fields_although_the_policy_is_accepted(world: World) -> None:
    partner_id, caller = await world.a_reader(
        ["Subject.mobileNumber", "Subject.nationalId"], purpose=Purpose.MESSAGE_DELIVERY, role=Role.PROCESSOR
    )
    subject_id = await world.a_subject()
    await consents.accept_policy(world.owner, world.keys, subject_id=subject_id, policy_version=POLICY)
    assert await world.see(caller, "mobileNumber nationalId") == [{"mobileNumber": "13812345678", "nationalId": None}]

    await world.a_consent(subject_id, partner_id, purpose=Purpose.MESSAGE_DELIVERY, categories=["identity.national_id"])

    assert await world.see(caller, "nationalId") == [{"nationalId": "11010519491231002X"}]


async def test_content_that_a_subject_posted_and_its_survey_answers_are_categories_of_their_own(world: World) -> None:
    partner_id, caller = await world.a_reader(["Post.text", "Subject.surveyAnswers", "Subject.supportCases"])
    subject_id = await world.a_subject()
    await world.owner.execute("insert into platform.post values (gen_random_uuid(), $1, '你好', now())", subject_id)
    await world.owner.execute("insert into platform.survey_answer values (gen_random_uuid(), $1, '满意', now())", subject_id)
    await world.a_consent(subject_id, partner_id, categories=["survey.answers"])

    seen = await world.see(caller, "posts { text } surveyAnswers supportCases")

    assert seen == [{"posts": None, "surveyAnswers": ["满意"], "supportCases": None}]
