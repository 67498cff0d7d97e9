"""Refresh tokens (RFC 6749 6, RFC 9700 4.14, FAPI 2.0 Security Profile 5.3.2.1)."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from gateway.store.consents import PseudonymKeys, narrow, withdraw
from scopes import Purpose
from tests.support.authorising import CITY, NAME, SCOPE, Person, Shop, a_person, a_shop, authorised
from tests.support.oauth import World, a_key

PUBLIC: dict[str, Any] = {"token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "refresh_token"]}


async def refreshed(shop: Shop, text: str, **more: str) -> dict[str, Any]:
    """A refresh that must succeed."""
    answer = await shop.refresh(text, **more)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def error(shop: Shop, text: str, **more: str) -> str:
    """The error of a refresh that must fail."""
    answer = await shop.refresh(text, **more)
    assert answer.status_code == 400, answer.text
    return str(answer.json()["error"])


async def said(shop: Shop, person: Person, *, kept: str | None) -> None:
    """The data subject narrows its consent to one category, or withdraws it."""
    owner, keys = shop.world.owner, PseudonymKeys(shop.world.settings.key("pseudonym"))
    about = {"subject_id": person.subject_id, "partner_id": shop.party.partner_id, "purpose": Purpose.SERVICE_DELIVERY}
    if kept is None:
        await withdraw(owner, keys, **about)  # type: ignore[arg-type]
    else:
        await narrow(owner, keys, categories=[kept], **about)  # type: ignore[arg-type]


async def test_a_confidential_clients_refresh_token_stays(world: World) -> None:
    """FAPI 2.0 5.3.2.1: no rotation; the same one works again and again, on every worker, and ten times at once."""
    shop = await a_shop(world)
    first = await shop.redeem(await authorised(shop, await a_person(world.owner)))

    answers = await asyncio.gather(*(shop.refresh(first["refresh_token"]) for _ in range(10)))

    assert {answer.status_code for answer in answers} == {200}
    assert all("refresh_token" not in answer.json() for answer in answers)
    assert answers[0].json()["scope"] == f"openid {SCOPE}"


async def test_a_refresh_token_is_bound_to_its_client_and_to_its_key(world: World) -> None:
    """RFC 6749 10.4, RFC 9449 5: stolen, it is worth nothing."""
    shop = await a_shop(world, key=a_key())
    other = await a_shop(world)
    first = await shop.redeem(await authorised(shop, await a_person(world.owner), is_pushed=True))

    assert await error(other, first["refresh_token"]) == "invalid_grant"
    own, shop.key = shop.key, a_key()
    assert await error(shop, first["refresh_token"]) == "invalid_grant"
    shop.key = own
    assert (await refreshed(shop, first["refresh_token"]))["token_type"] == "DPoP"


async def test_a_refresh_narrows_one_token_and_never_widens(world: World) -> None:
    """RFC 6749 6, RFC 9396 6: what was granted stays, whatever one refresh asked for."""
    shop = await a_shop(world)
    wanted = [{"type": "data_sharing", "purpose": "service_delivery", "categories": [CITY, NAME]}]
    first = await shop.redeem(
        await authorised(shop, await a_person(world.owner), authorization_details=json.dumps(wanted), scope=None)
    )
    text = first["refresh_token"]
    part = json.dumps([{**wanted[0], "categories": [CITY]}])
    more = json.dumps([{**wanted[0], "categories": [CITY, "identity.national_id"]}])

    assert (await refreshed(shop, text, authorization_details=part))["authorization_details"][0]["categories"] == [CITY]
    assert await error(shop, text, authorization_details=more) == "invalid_authorization_details"
    assert await error(shop, text, scope="openid") == "invalid_scope"
    assert (await refreshed(shop, text))["authorization_details"][0]["categories"] == sorted([CITY, NAME])


async def test_a_refresh_cannot_name_a_longer_retention_than_the_grant_allows(world: World) -> None:
    """policy 8.2, RFC 9396 6: where the request named none, the data subject was shown the grant's."""
    shop = await a_shop(world)
    text = (await shop.redeem(await authorised(shop, await a_person(world.owner))))["refresh_token"]
    wanted = {"type": "data_sharing", "purpose": "service_delivery", "categories": [CITY]}
    granted, longer = (json.dumps([{**wanted, "retention": retention}]) for retention in ("P30D", "P31D"))

    assert (await refreshed(shop, text, authorization_details=granted))["authorization_details"][0]["retention"] == "P30D"
    assert await error(shop, text, authorization_details=longer) == "invalid_authorization_details"


async def test_a_narrowed_consent_narrows_the_next_token(world: World) -> None:
    """policy 6.1: details never name what the data subject no longer agrees to."""
    shop, person = await a_shop(world), await a_person(world.owner)
    wanted = [{"type": "data_sharing", "purpose": "service_delivery", "categories": [CITY, NAME]}]
    first = await shop.redeem(await authorised(shop, person, authorization_details=json.dumps(wanted)))

    await said(shop, person, kept=CITY)

    assert (await refreshed(shop, first["refresh_token"]))["authorization_details"][0]["categories"] == [CITY]


async def test_a_withdrawn_consent_leaves_at_most_the_sign_in(world: World) -> None:
    """PIPL 15: the data scope is gone from the next token on; where nothing else was granted there is none."""
    shop, person = await a_shop(world), await a_person(world.owner)
    with_sign_in = await shop.redeem(await authorised(shop, person))
    data_alone = await shop.redeem(await authorised(shop, person, scope=SCOPE))

    await said(shop, person, kept=None)

    assert (await refreshed(shop, with_sign_in["refresh_token"]))["scope"] == "openid"
    assert await error(shop, data_alone["refresh_token"]) == "invalid_grant"


async def test_a_refresh_token_ends_with_the_consent(world: World) -> None:
    """Within the consent's own end, by the database's clock."""
    shop = await a_shop(world)
    first = await shop.redeem(await authorised(shop, await a_person(world.owner), ends_in=timedelta(hours=1)))
    [ends_at] = await world.owner.fetchrow("select expires_at - clock_timestamp() from gateway.refresh_token") or [None]
    assert timedelta(minutes=59) < ends_at <= timedelta(hours=1)

    await world.owner.execute("update gateway.authorization_grant set ends_at = clock_timestamp()")

    assert await error(shop, first["refresh_token"]) == "invalid_grant"


@pytest.mark.parametrize("text", ["", "x", "é", "a" * 10_000])
async def test_what_is_no_refresh_token_is_refused(world: World, text: str) -> None:
    """RFC 6749 5.2."""
    assert await error(await a_shop(world), text) == ("invalid_grant" if text else "invalid_request")


async def test_a_public_clients_refresh_token_is_rotated(world: World) -> None:
    """RFC 9700 4.14.2: each is good once."""
    shop = await a_shop(world, key=a_key(), **PUBLIC)
    first = await shop.redeem(await authorised(shop, await a_person(world.owner), is_pushed=True))

    second = await refreshed(shop, first["refresh_token"])
    third = await refreshed(shop, second["refresh_token"])

    assert len({first["refresh_token"], second["refresh_token"], third["refresh_token"]}) == 3


async def test_a_used_refresh_token_of_a_public_client_ends_the_family(world: World) -> None:
    """RFC 9700 4.14.2: somebody has a copy, nobody knows who."""
    shop = await a_shop(world, key=a_key(), **PUBLIC)
    first = await shop.redeem(await authorised(shop, await a_person(world.owner), is_pushed=True))
    second = await refreshed(shop, first["refresh_token"])
    third = await refreshed(shop, second["refresh_token"])

    assert await error(shop, first["refresh_token"]) == "invalid_grant"

    assert await error(shop, third["refresh_token"]) == "invalid_grant"
    assert await world.owner.fetchval("select bool_and(revoked_at is not null) from gateway.access_token")


async def standing_tokens(world: World) -> set[UUID]:
    rows = await world.owner.fetch("select token_id from gateway.access_token where revoked_at is null")
    return {row["token_id"] for row in rows}


async def test_a_lost_answer_can_be_asked_for_once_more_by_the_same_key(world: World) -> None:
    """Within seconds; what the lost answer held ends, and a third time is a replay."""
    shop = await a_shop(world, key=a_key(), **PUBLIC)
    first = await shop.redeem(await authorised(shop, await a_person(world.owner), is_pushed=True))
    # Access tokens are dated to the second: the code's own one is put clearly before the answer that gets lost
    await world.owner.execute("update gateway.access_token set issued_at = issued_at - interval '1 minute'")
    kept = await standing_tokens(world)
    lost = await refreshed(shop, first["refresh_token"])
    given = await standing_tokens(world) - kept

    again = await refreshed(shop, first["refresh_token"])

    assert given
    assert not given & await standing_tokens(world)
    assert kept < await standing_tokens(world)
    assert again["refresh_token"] != lost["refresh_token"]
    assert await error(shop, first["refresh_token"]) == "invalid_grant"
    assert await error(shop, again["refresh_token"]) == "invalid_grant"


async def test_a_lost_answer_is_not_given_to_another_key_or_too_late(world: World) -> None:
    """RFC 9700 4.14: the thief of a refresh token has another key, or comes later."""
    shop = await a_shop(world, key=a_key(), **PUBLIC)
    person = await a_person(world.owner)
    one, two = [await shop.redeem(await authorised(shop, person, is_pushed=True)) for _ in range(2)]
    await refreshed(shop, one["refresh_token"])
    await refreshed(shop, two["refresh_token"])

    own, shop.key = shop.key, a_key()
    assert await error(shop, one["refresh_token"]) == "invalid_grant"
    shop.key = own
    await world.owner.execute(
        "update gateway.refresh_token set used_at = used_at - interval '11 seconds' where used_at is not null"
    )
    assert await error(shop, two["refresh_token"]) == "invalid_grant"


async def test_of_ten_refreshes_at_once_of_a_public_client_one_token_is_left_at_most(world: World) -> None:
    """RFC 9700 4.14.2, under concurrency: two live successors of one token would be two families."""
    shop = await a_shop(world, key=a_key(), **PUBLIC)
    first = await shop.redeem(await authorised(shop, await a_person(world.owner), is_pushed=True))

    await asyncio.gather(*(shop.refresh(first["refresh_token"]) for _ in range(10)))

    left = await world.owner.fetchval("select count(*) from gateway.refresh_token where revoked_at is null and used_at is null")
    assert left <= 1
