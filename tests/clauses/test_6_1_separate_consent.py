"""Policy 6.1: nothing personal goes to a partner acting for itself without the data subject's prior separate consent."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from gateway.store import consents
from gateway.store.consents import ConsentError
from scopes import Purpose, Reason
from tests.support.world import POLICY, World


async def test_a_recipient_sees_nobody_who_only_accepted_the_policy(world: World) -> None:
    _, caller = await world.a_reader(["Subject.city"])
    await consents.accept_policy(world.owner, world.keys, subject_id=await world.a_subject(), policy_version=POLICY)

    assert await world.see(caller, "id city") == []


async def test_a_consent_to_one_partner_is_none_to_another(world: World) -> None:
    one, _ = await world.a_reader(["Subject.city"])
    _, caller = await world.a_reader(["Subject.city"])
    await world.a_consent(await world.a_subject(), one)

    assert await world.see(caller, "city") == []


async def test_withdrawn_consent_withholds_everything_from_the_next_query_under_the_same_token(world: World) -> None:
    partner_id, caller = await world.a_reader(["Subject.city"])
    subject_id = await world.a_subject()
    await world.a_consent(subject_id, partner_id)
    assert len(await world.see(caller, "city")) == 1

    await consents.withdraw(
        world.owner, world.keys, subject_id=subject_id, partner_id=partner_id, purpose=Purpose.SERVICE_DELIVERY
    )

    assert await world.see(caller, "city") == []


async def test_narrowing_keeps_what_was_kept_and_adds_nothing(world: World) -> None:
    partner_id, caller = await world.a_reader(["Subject.city", "Subject.language"])
    subject_id = await world.a_subject()
    about: Any = {"subject_id": subject_id, "partner_id": partner_id, "purpose": Purpose.SERVICE_DELIVERY}
    await world.a_consent(subject_id, partner_id, categories=["profile.city", "profile.language"])

    await consents.narrow(world.owner, world.keys, **about, categories=["profile.language"])

    assert await world.see(caller, "city language") == [{"city": None, "language": "zh-CN"}]
    with pytest.raises(ConsentError) as refused:
        await consents.narrow(world.owner, world.keys, **about, categories=["profile.city"])
    assert refused.value.code == "CATEGORY_NOT_AGREED"


async def test_a_refusing_subject_and_an_unknown_id_get_the_same_answer(world: World) -> None:
    partner_id, caller = await world.a_reader(["Subject.city"])
    refusing = await world.a_subject()
    await world.a_consent(refusing, partner_id)
    await consents.withdraw(world.owner, world.keys, subject_id=refusing, partner_id=partner_id, purpose=Purpose.SERVICE_DELIVERY)
    document = "query ($id: ID!) { subject(id: $id) { id city } }"

    answers = [
        await world.ask(caller, document, id=identity) for identity in (world.id_of(refusing, partner_id), str(uuid4()), "nobody")
    ]

    for answer in answers:
        answer["extensions"]["disclosure"].pop("id")
        answer["extensions"]["cost"].pop("throttle")
    assert answers[0]["data"] == {"subject": None}
    assert answers[0] == answers[1] == answers[2]


async def test_the_partner_is_told_one_reason_and_the_record_keeps_the_exact_one(world: World) -> None:
    partner_id, caller = await world.a_reader(["Subject.city", "Subject.email"])
    subject_id = await world.a_subject()
    await world.a_consent(subject_id, partner_id, categories=["profile.city", "identity.email"])
    await consents.narrow(
        world.owner,
        world.keys,
        subject_id=subject_id,
        partner_id=partner_id,
        purpose=Purpose.SERVICE_DELIVERY,
        categories=["profile.city"],
    )

    answer = await world.ask(caller, "{ subjects(first: 5) { edges { node { city email } } } }")

    told = answer["extensions"]["disclosure"]
    assert told["withheld"] == [{"field": "Subject.email", "reason": "NOT_CONSENTED", "count": 1}]
    ordinal = await world.owner.fetchval("select ordinal from gateway.category where category = 'identity.email'")
    row = await world.owner.fetchrow("select * from gateway.disclosure_subject where disclosure_id = $1", UUID(told["id"]))
    assert row is not None
    assert row["subject_id"] == subject_id
    assert row["covered"] & 1 << ordinal == 0
    assert row["reasons"][ordinal] == Reason.CONSENT_WITHDRAWN
