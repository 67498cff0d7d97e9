"""Local accounts: what a data subject signs in with where the platform has no OpenID provider."""

import asyncio
from typing import Final
from uuid import UUID

import asyncpg
from argon2 import PasswordHasher
from argon2.profiles import RFC_9106_LOW_MEMORY

from gateway.store import subjects
from gateway.store.pool import AnyConnection
from gateway.store.questions import question

SET = question("accounts", "set")
END = question("accounts", "end")
END_SESSIONS = question("accounts", "end_sessions")
PASSWORD_LEAST: Final = 12
PASSWORD_MOST: Final = 1_024


class AccountError(Exception):
    """code: ACCOUNT_KNOWN, ACCOUNT_UNKNOWN, ACCOUNT_INVALID. The message never holds data."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


async def hash_of(password: str) -> str:
    """As it is stored: argon2id (RFC 9106 4). Raises AccountError ACCOUNT_INVALID for one too short or too long."""
    if not PASSWORD_LEAST <= len(password) <= PASSWORD_MOST:
        raise AccountError("ACCOUNT_INVALID", f"a password has {PASSWORD_LEAST} characters at least, and {PASSWORD_MOST} at most")
    return await asyncio.to_thread(PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY).hash, password)


async def set_account(conn: AnyConnection, *, login: str, subject_id: UUID, password_hash: str) -> None:
    """Give a data subject this login and password, in place of what it had; where it is signed in already, it signs in anew.

    Raises AccountError: ACCOUNT_KNOWN (somebody else's login), ACCOUNT_INVALID (no login).
    """
    if not login.strip() or "\0" in login:
        raise AccountError("ACCOUNT_INVALID", "a login is a word")
    async with conn.transaction():
        await subjects.register(conn, subject_id=subject_id)
        try:
            async with conn.transaction():
                await conn.execute(SET, login.strip().lower(), subject_id, password_hash)
        except asyncpg.UniqueViolationError:
            raise AccountError("ACCOUNT_KNOWN", "somebody else has this login") from None
        await conn.execute(END_SESSIONS, subject_id)


async def end_account(conn: AnyConnection, *, login: str) -> None:
    """Nobody signs in with it any more, and whoever is signed in is out. Raises AccountError ACCOUNT_UNKNOWN."""
    async with conn.transaction():
        subject_id = await conn.fetchval(END, login.strip().lower())
        if subject_id is None:
            raise AccountError("ACCOUNT_UNKNOWN", "no such login")
        await conn.execute(END_SESSIONS, subject_id)
