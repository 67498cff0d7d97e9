"""Guessing gets slow, and nobody gets locked out (policy 5; NIST SP 800-63B 5.2.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.subject.throttle import ACCOUNT, ACCOUNTS_MAX, DEVICE, PLACE, PLACE_AND_ACCOUNT, Throttle, TooFast, place_of
from tests.support.database import Database
from tests.support.visiting import PASSWORD, House, a_house

OWN, FAR = "192.0.2.1", "198.51.100.7"


@pytest_asyncio.fixture(loop_scope="session")
async def house(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    """Behind a proxy on loopback that says where requests come from."""
    async with a_house(database, tmp_path, trusted_proxies="127.0.0.0/8") as house:
        yield house


async def _tries(throttle: Throttle, house: House, login: str, *, address: str = OWN, device: str = "", count: int = 200) -> int:
    """How many attempts in a row are looked at."""
    async with house.pool.acquire() as conn:
        for tried in range(count):
            try:
                await throttle.attempt(conn, login=login, address=address, device=device)
            except TooFast:
                return tried
    return count


async def _pass(house: House, span: timedelta) -> None:
    """Let time go by."""
    await house.owner.execute("update gateway.sign_in_throttle set full_at = full_at - $1::interval", span)


async def test_a_stranger_who_guesses_is_told_to_wait_and_how_long(house: House) -> None:
    account = await house.an_account()
    async with house.a_visitor(**{"X-Forwarded-For": FAR}) as stranger:
        answers = [await stranger.sign_in(account.login, "guess") for _ in range(PLACE_AND_ACCOUNT.at_once)]
        assert {answer.status_code for answer in answers} == {422}
        slow = await stranger.sign_in(account.login, PASSWORD)
        assert slow.status_code == 429
        assert 0 < int(slow.headers["retry-after"]) <= PLACE_AND_ACCOUNT.each.total_seconds()
        assert "Too many attempts" in slow.text
        await _pass(house, PLACE_AND_ACCOUNT.each)
        assert (await stranger.sign_in(account.login, PASSWORD)).status_code == 303


async def test_the_owner_signs_in_where_it_did_before_however_many_guess(house: House) -> None:
    """From the owner's own network as well: a browser that signed in before pays from a budget of its own."""
    account = await house.an_account()
    throttle = Throttle(house.settings)
    async with house.a_visitor(**{"X-Forwarded-For": OWN}) as owner:
        assert (await owner.sign_in(account.login)).status_code == 303
        for address in (OWN, *(f"203.0.113.{last}" for last in range(40))):
            await _tries(throttle, house, account.login, address=address)
        assert await _tries(throttle, house, account.login, address=FAR) == 0

        assert (await owner.sign_in(account.login)).status_code == 303


async def test_a_known_browser_that_guesses_is_slowed_down_too(house: House) -> None:
    account = await house.an_account()
    throttle = Throttle(house.settings)
    device = throttle.remember("", account.login)
    assert await _tries(throttle, house, account.login, device=device) == DEVICE.at_once
    renamed = ".".join(["another", *device.split(".")[1:]])
    assert await _tries(throttle, house, account.login, device=renamed) == PLACE_AND_ACCOUNT.at_once


async def test_waiting_always_helps_since_what_is_refused_costs_nothing(house: House) -> None:
    throttle = Throttle(house.settings)
    assert await _tries(throttle, house, "somebody") == PLACE_AND_ACCOUNT.at_once
    for _ in range(50):
        assert await _tries(throttle, house, "somebody") == 0
    await _pass(house, PLACE_AND_ACCOUNT.each)
    assert await _tries(throttle, house, "somebody") == 1


async def test_many_accounts_from_one_place_and_many_places_for_one_account_get_slow(house: House) -> None:
    """Password spraying, and a botnet."""
    throttle = Throttle(house.settings)
    sprayed = sum([await _tries(throttle, house, f"account-{n}", count=1) for n in range(2 * PLACE.at_once)])
    assert sprayed == pytest.approx(PLACE.at_once, abs=3)  # some seconds go by meanwhile
    spread = sum(
        [await _tries(throttle, house, "one", address=f"2001:db8:{n:x}::1", count=1) for n in range(2 * ACCOUNT.at_once)]
    )
    assert spread == pytest.approx(ACCOUNT.at_once, abs=3)


async def test_many_at_once_are_counted_one_by_one(house: House) -> None:
    """An attempt is paid for before the password is looked at."""
    throttle = Throttle(house.settings)
    counts = await asyncio.gather(*(_tries(throttle, house, "somebody", count=1) for _ in range(40)))
    assert sum(counts) == PLACE_AND_ACCOUNT.at_once


async def test_a_right_password_gets_its_price_back(house: House) -> None:
    account = await house.an_account()
    throttle = Throttle(house.settings)
    async with house.a_visitor(**{"X-Forwarded-For": OWN}) as visitor:
        for _ in range(4):
            visitor.http.cookies.clear()
            assert (await visitor.sign_in(account.login)).status_code == 303
    assert await _tries(throttle, house, account.login) == PLACE_AND_ACCOUNT.at_once


async def test_a_browser_is_known_to_the_accounts_that_signed_in_last(house: House) -> None:
    throttle, device = Throttle(house.settings), ""
    for n in range(ACCOUNTS_MAX + 1):
        device = throttle.remember(device, f"account-{n}")
    assert [throttle.knows(device, f"account-{n}") for n in range(ACCOUNTS_MAX + 1)] == [False, *[True] * ACCOUNTS_MAX]
    assert throttle.remember(device, f"account-{ACCOUNTS_MAX}") == device
    assert not any(throttle.knows(text, "account-1") for text in ("", ".", "x", "€.€", device.partition(".")[0], device[:-2]))


async def test_nobodys_login_or_address_is_stored(house: House) -> None:
    await _tries(Throttle(house.settings), house, "somebody", count=1)
    rows = await house.owner.fetch("select throttle_key from gateway.sign_in_throttle")
    assert len(rows) == 3
    assert all(len(row["throttle_key"]) == 32 for row in rows)


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("", "unknown"),
        ("somewhere", "unknown"),
    ],
)
def test_a_place_is_an_address_or_what_one_customer_has(address: str, place: str) -> None:
    """RFC 6177: a /64 at the least."""
    assert place_of(address) == place
