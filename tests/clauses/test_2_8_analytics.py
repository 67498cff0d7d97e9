"""Policy 2.8: analytics data is never combined with identity, and cannot be joined to it afterwards."""

from __future__ import annotations

import pytest

from gateway.catalogue.weidandan import CATALOGUE
from gateway.request.codes import Code, GatewayError
from gateway.store import grants
from gateway.store.grants import GrantError
from scopes import CATEGORIES, PURPOSES, Fault, Purpose, Redaction, Rung, ScopeField
from tests.support.world import World

ANALYTICS = [purpose for purpose, rule in PURPOSES.items() if rule.is_analytics]


@pytest.mark.parametrize("purpose", ANALYTICS)
async def test_a_scope_that_mixes_analytics_with_identity_is_never_active(world: World, purpose: Purpose) -> None:
    identity = {path: field for path, field in CATALOGUE.fields.items() if CATEGORIES[field.category].is_identity}
    fields = {path: ScopeField(Redaction(Rung.REVEAL), "it would be handy") for path in identity}
    version = await grants.propose(world.owner, scope="mix", purpose=purpose, fields=fields)

    with pytest.raises(GrantError) as refused:
        await grants.activate(world.owner, scope="mix", version=version, catalogue=CATALOGUE.fields)

    assert {(finding.path, finding.fault) for finding in refused.value.findings} == {
        (path, Fault.ANALYTICS_IDENTITY) for path in identity
    }


async def test_an_operation_under_an_analytics_purpose_that_selects_identity_is_refused_as_a_whole(world: World) -> None:
    partner_id, _ = await world.a_reader(["Subject.realName"])
    named = await world.a_scope(["Subject.realName"], purpose=Purpose.SERVICE_DELIVERY)
    counted = await world.a_scope(["Subject.city"], purpose=Purpose.AD_MEASUREMENT)
    for scope in (named, counted):
        await world.a_grant(partner_id, scope)
    caller = await world.a_token(partner_id, named, counted)

    with pytest.raises(GatewayError) as refused:
        await world.ask(caller, "query @purpose(is: ad_measurement) { subjects(first: 9) { edges { node { city realName } } } }")

    assert refused.value.code is Code.ANALYTICS_IDENTITY


async def test_the_pseudonym_under_an_analytics_purpose_is_another_than_under_any_other(world: World) -> None:
    partner_id = await world.a_partner()
    subject_id = await world.a_subject()
    seen = set()
    for purpose in (Purpose.AD_MEASUREMENT, Purpose.PRODUCT_IMPROVEMENT, Purpose.SERVICE_DELIVERY, Purpose.SURVEY):
        scope = await world.a_scope(["Subject.city"], purpose=purpose)
        await world.a_grant(partner_id, scope)
        await world.a_consent(subject_id, partner_id, purpose=purpose)
        (row,) = await world.see(await world.a_token(partner_id, scope), "id")
        seen.add(row["id"])

    assert len(seen) == 4
    assert str(subject_id) not in seen


async def test_a_pseudonymised_value_differs_between_partners_and_purposes(world: World) -> None:
    subject_id = await world.a_subject()
    await world.owner.execute("insert into platform.post values (gen_random_uuid(), $1, '你好', now())", subject_id)
    seen = set()
    for purpose in (Purpose.SERVICE_DELIVERY, Purpose.SERVICE_DELIVERY, Purpose.SURVEY):
        partner_id, caller = await world.a_reader({"Post.id": Redaction(Rung.PSEUDONYMISE)}, purpose=purpose)
        await world.a_consent(subject_id, partner_id, purpose=purpose)
        (row,) = await world.see(caller, "posts { id }")
        seen.add(row["posts"][0]["id"])

    assert len(seen) == 3
