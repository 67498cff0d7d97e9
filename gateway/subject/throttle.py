"""Guessing gets slow, and nobody gets locked out.

Who guesses is held back in three ways, each a generic cell rate (ITU-T I.371): by account and address, by address, and by account
from wherever. An attempt is paid for before the password is looked at, so that many at once cannot slip through; a right password
gets its price back, and an attempt that is refused costs nothing, so waiting always helps.

A browser in which this account signed in before carries a signed cookie that says so, and pays from a budget of its own: however
many strangers guess, from the owner's own network as well, they cannot make the owner wait there. An owner in a new browser waits
no longer than a stranger, and signs in by passkey or upstream meanwhile. Keys are HMACs: nobody's login or address is stored.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from gateway.settings import Settings
from gateway.store.pool import AnyConnection

# In order of the keys, so that two at once do not wait for each other; places that nothing is held against go, a few at a time.
# in:  throttle keys bytea[], price of each interval[], how many at once int[]; row: interval (null or not positive: go on)
# primary key of sign_in_throttle
_PAY: Final = """
with gone as (
    delete from gateway.sign_in_throttle where throttle_key in (
        select throttle_key from gateway.sign_in_throttle
         where full_at < statement_timestamp() and throttle_key <> all($1) limit 8 for update skip locked)
), asked as (
    select throttle_key, price, at_once from unnest($1::bytea[], $2::interval[], $3::int[]) k (throttle_key, price, at_once)
), paid as (
    insert into gateway.sign_in_throttle as t (throttle_key, full_at)
    select throttle_key, statement_timestamp() + price from asked order by throttle_key
    on conflict (throttle_key) do update
       set full_at = greatest(t.full_at, statement_timestamp()) + (excluded.full_at - statement_timestamp())
    returning throttle_key, full_at
)
select max(full_at - statement_timestamp() - price * at_once) from paid join asked using (throttle_key)"""

# in:  throttle keys bytea[], price of each interval[]; row: -. primary key of sign_in_throttle
_GIVE_BACK: Final = """
with asked as (select throttle_key, price from unnest($1::bytea[], $2::interval[]) k (throttle_key, price)),
held as (select throttle_key from gateway.sign_in_throttle where throttle_key = any($1) order by throttle_key for update)
update gateway.sign_in_throttle t set full_at = t.full_at - a.price
  from asked a join held using (throttle_key) where t.throttle_key = a.throttle_key"""

ACCOUNTS_MAX: Final = 4
"""Accounts that one browser is known to; the one that signed in longest ago goes first."""


@dataclass(frozen=True, slots=True)
class Rate:
    """at_once: attempts in a row; then one each `each`."""

    at_once: int
    each: timedelta


DEVICE: Final = Rate(10, timedelta(seconds=30))
PLACE_AND_ACCOUNT: Final = Rate(5, timedelta(seconds=30))
PLACE: Final = Rate(30, timedelta(seconds=2))
ACCOUNT: Final = Rate(100, timedelta(seconds=10))
SECOND_FACTOR: Final = Rate(5, timedelta(minutes=2))
"""Codes of six digits, two of which count at a time: a year of guessing, from however many addresses, succeeds twice in five."""
CEREMONIES: Final = Rate(60, timedelta(seconds=1))
"""What strangers may begin without any password, from one address: each is a row that stands for ten minutes."""


class TooFast(Exception):
    """wait: until the next attempt is looked at."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__("too many attempts")
        self.wait = wait


@dataclass(frozen=True, slots=True, repr=False)
class Paid:
    """What an attempt was paid with."""

    keys: Sequence[bytes]
    prices: Sequence[timedelta]


class Throttle:
    """One for each worker; all share the table, and the database's clock."""

    def __init__(self, settings: Settings) -> None:
        self._key, self._device_key = settings.key("sign-in-throttle"), settings.key("sign-in-device")

    async def attempt(self, conn: AnyConnection, *, login: str, address: str, device: str) -> Paid:
        """Pay for one password. login: folded. device: the cookie. Raises TooFast, and then nothing was paid."""
        place = place_of(address)
        if self.knows(device, login):
            return await self._pay(conn, {f"device {device.partition('.')[0]} {login}": DEVICE})
        return await self._pay(
            conn, {f"both {place} {login}": PLACE_AND_ACCOUNT, f"place {place}": PLACE, f"account {login}": ACCOUNT}
        )

    async def second_factor(self, conn: AnyConnection, *, login: str) -> Paid:
        """Pay for one code, after a right password: only who has that can make the owner wait. Raises TooFast."""
        return await self._pay(conn, {f"second {login}": SECOND_FACTOR})

    async def ceremony(self, conn: AnyConnection, *, address: str) -> None:
        """Pay for something begun without a password. Raises TooFast."""
        await self._pay(conn, {f"ceremony {place_of(address)}": CEREMONIES})

    async def give_back(self, conn: AnyConnection, paid: Paid) -> None:
        """The password was right."""
        await conn.execute(_GIVE_BACK, paid.keys, paid.prices)

    def knows(self, device: str, login: str) -> bool:
        """Whether the cookie says, under our key, that this account signed in in this browser before."""
        name, *marks = device.split(".")[: ACCOUNTS_MAX + 1]
        wanted = self._mark(name, login)
        return any(hmac.compare_digest(mark.encode(), wanted.encode()) for mark in marks)

    def remember(self, device: str, login: str) -> str:
        """The cookie after this account signed in: the browser's random name and a mark for each of its accounts."""
        name, *marks = device.split(".")[: ACCOUNTS_MAX + 1]
        if not marks:
            name = secrets.token_urlsafe(16)
        mark = self._mark(name, login)
        return ".".join([name, mark, *(other for other in marks if other != mark)][: ACCOUNTS_MAX + 1])

    async def _pay(self, conn: AnyConnection, rates: dict[str, Rate]) -> Paid:
        keys = [hmac.digest(self._key, text.encode("utf-8", "surrogatepass"), "sha256") for text in rates]
        prices = [rate.each for rate in rates.values()]
        async with conn.transaction():
            wait = await conn.fetchval(_PAY, keys, prices, [rate.at_once for rate in rates.values()])
            if wait > timedelta():
                raise TooFast(wait)  # and the transaction takes the price back
        return Paid(keys, prices)

    def _mark(self, name: str, login: str) -> str:
        digest = hmac.digest(self._device_key, f"{name} {login}".encode("utf-8", "surrogatepass"), "sha256")
        return urlsafe_b64encode(digest[:18]).decode()


def place_of(address: str) -> str:
    """The address, or the network that one IPv6 customer has (RFC 6177: a /64 at the least), as text."""
    try:
        found = ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or ip_network((found, 64), strict=False))
    return str(found)
