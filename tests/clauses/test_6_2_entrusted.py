"""Policy 6.2: entrusted processing, for listed purposes only, under an agreement, with what the gateway redacts itself."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.request.codes import Code, GatewayError
from gateway.store import consents, grants, partners
from scopes import BASIS, Basis, Purpose, Redaction, Role, Rung, Sensitivity
from tests.support.world import POLICY, World

MASKED = {"Subject.realName": Redaction(Rung.MASK, 1), "Subject.mobileNumber": Redaction(Rung.MASK, 3, 4)}


async def test_a_processor_sees_those_who_accepted_the_policy_in_force_redacted_as_its_scope_says(world: World) -> None:
    _, caller = await world.a_reader(MASKED, purpose=Purpose.MESSAGE_DELIVERY, role=Role.PROCESSOR)
    await world.a_subject()
    await consents.accept_policy(world.owner, world.keys, subject_id=await world.a_subject(), policy_version=POLICY)

    assert await world.see(caller, "realName mobileNumber") == [{"realName": "欧**", "mobileNumber": "138****5678"}]


async def test_those_who_accepted_before_the_grant_are_there_when_it_is_live(world: World) -> None:
    await consents.accept_policy(world.owner, world.keys, subject_id=await world.a_subject(), policy_version=POLICY)

    _, caller = await world.a_reader(MASKED, purpose=Purpose.MESSAGE_DELIVERY, role=Role.PROCESSOR)

    assert len(await world.see(caller, "id")) == 1


def test_a_processor_may_serve_no_purpose_that_is_not_listed() -> None:
    unlisted = (Purpose.AGGREGATE_INSIGHT, Purpose.LEGAL_DISCLOSURE)
    bases = {BASIS[purpose, Role.PROCESSOR, sensitivity] for purpose in unlisted for sensitivity in Sensitivity}

    assert bases == {Basis.NONE, Basis.ANONYMOUS}  # of which no evidence can meet either


async def test_the_end_of_a_grant_is_the_end_of_the_field(world: World) -> None:
    partner_id = await world.a_partner()
    scope = await world.a_scope(["Subject.city"])
    grant_id = await world.a_grant(partner_id, scope)
    caller = await world.a_token(partner_id, scope)
    await world.a_consent(await world.a_subject(), partner_id)
    assert len(await world.see(caller, "city")) == 1

    await grants.revoke(world.owner, grant_id=grant_id)

    with pytest.raises(GatewayError):
        await world.see(caller, "city")


async def test_a_partner_whose_agreement_has_ended_gets_nothing(world: World) -> None:
    partner_id, caller = await world.a_reader(["Subject.city"])
    await world.a_consent(await world.a_subject(), partner_id)
    assert len(await world.see(caller, "city")) == 1

    await world.owner.execute(
        "update gateway.partner set agreement_ends_at = $2 where partner_id = $1", partner_id, world.started - timedelta(days=1)
    )

    with pytest.raises(GatewayError):
        await world.see(caller, "city")


async def test_a_suspended_partner_gets_nothing_and_a_resumed_one_what_it_had(world: World) -> None:
    partner_id, caller = await world.a_reader(["Subject.city"])
    await world.a_consent(await world.a_subject(), partner_id)

    await partners.set_status(world.owner, partner_id=partner_id, status="suspended")
    with pytest.raises(GatewayError):
        await world.see(caller, "city")
    await partners.set_status(world.owner, partner_id=partner_id, status="active")

    assert await world.see(caller, "city") == [{"city": "深圳市"}]


async def test_a_token_without_the_scope_is_told_which_one_would_do(world: World) -> None:
    partner_id = await world.a_partner()
    held, lacking = await world.a_scope(["Subject.city"]), await world.a_scope(["Subject.email"])
    for scope in (held, lacking):
        await world.a_grant(partner_id, scope)

    with pytest.raises(GatewayError) as refused:
        await world.see(await world.a_token(partner_id, held), "city email")

    assert refused.value.code is Code.INSUFFICIENT_SCOPE
    assert refused.value.extensions == {"scope": lacking, "path": "Subject.email"}


async def test_two_scopes_that_redact_the_same_field_give_the_strictest(world: World) -> None:
    """Deny wins: one more rule never shows more."""
    partner_id = await world.a_partner()
    loose = await world.a_scope({"Subject.mobileNumber": Redaction(Rung.REVEAL)})
    strict = await world.a_scope({"Subject.mobileNumber": Redaction(Rung.MASK, 0, 4)})
    for scope in (loose, strict):
        await world.a_grant(partner_id, scope)
    await world.a_consent(await world.a_subject(), partner_id)

    assert await world.see(await world.a_token(partner_id, loose, strict), "mobileNumber") == [{"mobileNumber": "*******5678"}]
