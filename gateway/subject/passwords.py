"""Passwords of local accounts: argon2id (RFC 9106 4), hashed off the event loop, a few at a time."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from gateway.store.pool import Pool

PASSWORD_MAX: Final = 1_024  # characters: what is longer is nobody's, and is not worth hashing
LOGIN_MAX: Final = 256
HASHING_AT_ONCE: Final = 2
WAITING_MAX: Final = 64
"""Sign-ins that wait for their hash in one worker; the next is told to come back."""

_HASHER: Final = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)

# in:  login text; row: subject_id uuid, password_hash text. account_pkey
_ACCOUNT: Final = "select subject_id, password_hash from gateway.account where login = $1"

# Only if nobody changed it meanwhile
# in:  login text, password_hash text, the one before text; row: -. account_pkey
_REHASH: Final = "update gateway.account set password_hash = $2 where login = $1 and password_hash = $3"


class Busy(Exception):
    """Too many sign-ins at once."""


@dataclass(frozen=True, slots=True)
class Account:
    login: str
    subject_id: UUID


def fold(login: str) -> str:
    """As logins stand in the table."""
    return login.strip().lower()


class Passwords:
    """One for each worker."""

    def __init__(self) -> None:
        self._decoy = _HASHER.hash(secrets.token_urlsafe())
        self._hashing, self._waiting = asyncio.Semaphore(HASHING_AT_ONCE), 0

    async def check(self, pool: Pool, login: str, password: str) -> Account | None:
        """The account that this password opens; None for a wrong one, and for an unknown login at the price of a hash as well.

        No connection is held while it hashes. A hash of other parameters than today's is replaced. Raises Busy.
        """
        row = await pool.fetchrow(_ACCOUNT, login) if "\0" not in login and len(login) <= LOGIN_MAX else None
        hashed = self._decoy if row is None else row["password_hash"]
        right = await self._is_right(hashed, password[:PASSWORD_MAX]) and len(password) <= PASSWORD_MAX
        if row is None or not right:
            return None
        if _HASHER.check_needs_rehash(hashed):
            async with self._hashing:
                made = await asyncio.to_thread(_HASHER.hash, password)
            await pool.execute(_REHASH, login, made, hashed)
        return Account(login, row["subject_id"])

    async def _is_right(self, hashed: str, password: str) -> bool:
        if self._waiting >= WAITING_MAX:
            raise Busy
        self._waiting += 1
        try:
            async with self._hashing:
                return await asyncio.to_thread(_verify, hashed, password)
        finally:
            self._waiting -= 1


def _verify(hashed: str, password: str) -> bool:
    try:
        return _HASHER.verify(hashed, password.encode("utf-8", "surrogatepass"))
    except (VerificationError, InvalidHashError):
        return False
