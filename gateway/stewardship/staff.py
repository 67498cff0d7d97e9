"""The staff: who they are, how they prove it, what they carry. Two factors, always (policy 9.3)."""

import asyncio
import hmac
import os
import secrets
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID, uuid4

import asyncpg
import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.settings import Settings
from gateway.stewardship.actor import Actor, ActRefused, Door, StaffCode, acting, permit
from gateway.stewardship.roles import Act, StaffRole
from gateway.store.pool import AnyConnection
from gateway.store.questions import question

ADD = question("stewardship", "add_staff")
EVERYBODY = question("stewardship", "staff")
OF_LOGIN = question("stewardship", "staff_of_login")
BY_ID = question("stewardship", "staff_by_id")
OF_UPSTREAM = question("stewardship", "staff_of_upstream")
CHANGE_ROLES = question("stewardship", "change_roles")
CHANGE_CREDENTIALS = question("stewardship", "change_credentials")
END = question("stewardship", "end_staff")
ACCEPT = question("stewardship", "accept_confidentiality")
TAKE_STEP = question("stewardship", "take_totp_step")
ADD_TOKEN = question("stewardship", "add_token")
OF_TOKEN = question("stewardship", "staff_of_token")
TOKENS = question("stewardship", "tokens_of_staff")
TOKEN_COUNTS = question("stewardship", "token_counts")
REVOKE_TOKEN = question("stewardship", "revoke_token")

PASSWORD_LEAST: Final = 12
PASSWORD_MOST: Final = 1_024
STEP_S: Final = 30
NONCE_BYTES: Final = 12
LONGEST_TOKEN: Final = timedelta(days=90)
PREFIX: Final = "gwstaff_"
"""What a staff token begins with, so that a scanner of repositories knows one when it sees it."""

CONFIDENTIALITY: Final = (
    "Whoever acts here sees what belongs to other people. I keep it to myself, use it for the task at hand only, "
    "and go on doing so after I leave."
)
"""What everybody accepts before their first act (policy 9.3); its SHA-256 is kept with the acceptance."""

_HASHER: Final = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
_DECOY: Final = _HASHER.hash(secrets.token_urlsafe())


@dataclass(frozen=True, slots=True)
class Member:
    """One of the staff, as the register and the access review show them."""

    staff_id: UUID
    login: str
    name: str
    roles: tuple[StaffRole, ...]
    has_password: bool
    has_totp: bool
    has_passkey: bool
    confidentiality_accepted_at: datetime | None
    created_at: datetime
    ended_at: datetime | None
    last_seen_at: datetime | None
    last_acted_at: datetime | None


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """Shown once. totp_secret: base32, for an authenticator (RFC 6238). No repr: these are secrets."""

    password: str
    totp_secret: str


@dataclass(frozen=True, slots=True, repr=False)
class StaffToken:
    """text: shown once."""

    token_id: UUID
    text: str
    expires_at: datetime


class Vault:
    """Seals the second factors of the staff under a key derived from the master key."""

    def __init__(self, settings: Settings) -> None:
        self._cipher = AESGCM(settings.key("staff-totp"))

    def seal(self, staff_id: UUID, secret: str) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret.encode(), staff_id.bytes)

    def open(self, staff_id: UUID, sealed: bytes) -> str | None:
        """None where it was sealed under another key, or for somebody else."""
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], staff_id.bytes).decode()
        except InvalidTag:
            return None


async def add(
    conn: AnyConnection,
    actor: Actor,
    vault: Vault,
    *,
    login: str,
    name: str,
    roles: Collection[StaffRole],
    credentials: Credentials | None = None,
    upstream_subject: str | None = None,
) -> Credentials:
    """Name somebody; returns what they sign in with. credentials: None for new random ones. upstream_subject: their `sub` at the
    upstream provider, where they may sign in by it in place of the password.

    Raises ActRefused: ROLE_MISSING, STAFF_KNOWN, STAFF_INVALID. Approving is for people who propose nothing, and reading
    everything for people who change nothing: nobody may hold `steward` with `approver`, or `auditor` with any other role.
    """
    async with acting(conn, actor, Act.STAFF_ADD, target=login[:63]) as entry:
        _check_roles(roles)
        given = credentials or new_credentials()
        staff_id = uuid4()
        hashed = await hash_password(given.password)
        try:
            async with conn.transaction():
                sealed = vault.seal(staff_id, given.totp_secret)
                await conn.execute(ADD, staff_id, login, name, sorted(roles), hashed, sealed, upstream_subject)
        except asyncpg.UniqueViolationError:
            raise ActRefused(StaffCode.STAFF_KNOWN, "somebody has this login") from None
        except asyncpg.CheckViolationError:
            raise ActRefused(StaffCode.STAFF_INVALID, "login or name is not one that can be") from None
        entry.after = {"roles": sorted(roles)}
    return given


async def change_roles(conn: AnyConnection, actor: Actor, *, login: str, roles: Collection[StaffRole]) -> None:
    """Raises ActRefused: ROLE_MISSING, STAFF_UNKNOWN, STAFF_INVALID."""
    async with acting(conn, actor, Act.STAFF_CHANGE, target=login[:63]) as entry:
        row = await _of_login(conn, login)
        _check_roles(roles)
        await conn.execute(CHANGE_ROLES, row["staff_id"], sorted(roles))
        entry.before, entry.after = {"roles": row["roles"]}, {"roles": sorted(roles)}


async def renew_credentials(conn: AnyConnection, actor: Actor, vault: Vault, *, login: str) -> Credentials:
    """For somebody who lost a factor. Raises ActRefused: ROLE_MISSING, STAFF_UNKNOWN."""
    async with acting(conn, actor, Act.STAFF_CHANGE, target=login[:63]) as entry:
        row, given = await _of_login(conn, login), new_credentials()
        hashed = await hash_password(given.password)
        await conn.execute(CHANGE_CREDENTIALS, row["staff_id"], hashed, vault.seal(row["staff_id"], given.totp_secret))
        entry.after = {"credentials": "renewed"}
    return given


async def end(conn: AnyConnection, actor: Actor, *, login: str) -> None:
    """With their sessions and tokens, at once. Raises ActRefused: ROLE_MISSING, STAFF_UNKNOWN."""
    async with acting(conn, actor, Act.STAFF_END, target=login[:63]) as entry:
        row = await _of_login(conn, login)
        await conn.execute(END, row["staff_id"])
        entry.before = {"roles": row["roles"]}


async def everybody(conn: AnyConnection, actor: Actor) -> Sequence[Member]:
    """Those who have ended last. Raises ActRefused ROLE_MISSING."""
    permit(actor, Act.STAFF_READ)
    return [
        Member(**{**{name: row[name] for name in Member.__slots__}, "roles": tuple(map(StaffRole, row["roles"]))})
        for row in await conn.fetch(EVERYBODY)
    ]


async def accept_confidentiality(conn: AnyConnection, actor: Actor) -> None:
    """Nobody does anything before this (policy 9.3). Raises ActRefused ROLE_MISSING (somebody without any role, the machine)."""
    async with acting(conn, actor, Act.CONFIDENTIALITY_ACCEPT) as entry:
        digest = sha256(CONFIDENTIALITY.encode())
        await conn.execute(ACCEPT, actor.staff_id, digest.digest())
        entry.after = {"text_sha256": digest.hexdigest()}


async def check_password(conn: AnyConnection, login: str, password: str) -> asyncpg.Record | None:
    """The row of whom this password belongs to; an unknown login costs a hash as well."""
    row = await conn.fetchrow(OF_LOGIN, login.strip().lower()) if "\0" not in login and len(login) <= 63 else None
    stored = None if row is None else row["password_hash"]
    is_right = await asyncio.to_thread(_verify, stored or _DECOY, password[:PASSWORD_MOST])
    return row if is_right and stored is not None else None


async def of_upstream(conn: AnyConnection, upstream_subject: str) -> asyncpg.Record | None:
    """The row of whom the upstream provider means by this `sub`."""
    return await conn.fetchrow(OF_UPSTREAM, upstream_subject) if "\0" not in upstream_subject else None


async def check_totp(conn: AnyConnection, vault: Vault, staff_id: UUID, code: str) -> bool:
    """Whether the code is of now or of the step before, and has not been used (RFC 6238 5.2)."""
    row = await conn.fetchrow(BY_ID, staff_id)
    secret = None if row is None or row["totp_sealed"] is None else vault.open(staff_id, row["totp_sealed"])
    if secret is None:
        return False
    otp, now = pyotp.TOTP(secret, interval=STEP_S), int(time.time()) // STEP_S
    for step in (now, now - 1):
        if hmac.compare_digest(otp.at(step * STEP_S).encode(), code.strip().encode("utf-8", "replace")):
            return await conn.fetchval(TAKE_STEP, staff_id, step) is not None
    return False


async def issue_token(conn: AnyConnection, actor: Actor, *, label: str, lifetime: timedelta) -> StaffToken:
    """One's own bearer token for the admin API and the commands.

    Raises ActRefused: ROLE_MISSING, STAFF_INVALID (a lifetime beyond 90 days, no label).
    """
    async with acting(conn, actor, Act.TOKEN_ISSUE, target=actor.name) as entry:
        if not timedelta(0) < lifetime <= LONGEST_TOKEN or not label.strip() or actor.staff_id is None:
            raise ActRefused(StaffCode.STAFF_INVALID, "a token has a label and lives for 90 days at most")
        issued = await make_token(conn, actor.staff_id, label=label, lifetime=lifetime)
        entry.after = {"token_id": str(issued.token_id), "label": label, "expires_at": issued.expires_at.isoformat()}
    return issued


async def make_token(conn: AnyConnection, staff_id: UUID, *, label: str, lifetime: timedelta) -> StaffToken:
    """A token, without a record of an act: whoever calls this records it."""
    token_id, text = uuid4(), PREFIX + secrets.token_urlsafe(32)
    expires_at = await conn.fetchval(ADD_TOKEN, token_id, sha256(text.encode()).digest(), staff_id, label, lifetime)
    return StaffToken(token_id, text, expires_at)


async def revoke_token(conn: AnyConnection, actor: Actor, *, token_id: UUID) -> None:
    """One's own. Raises ActRefused: ROLE_MISSING, TOKEN_UNKNOWN."""
    async with acting(conn, actor, Act.TOKEN_REVOKE, target=actor.name) as entry:
        label = await conn.fetchval(REVOKE_TOKEN, token_id, actor.staff_id)
        if label is None:
            raise ActRefused(StaffCode.TOKEN_UNKNOWN, "no such token of one's own")
        entry.before = {"token_id": str(token_id), "label": label}


async def own_tokens(conn: AnyConnection, actor: Actor) -> Sequence[asyncpg.Record]:
    """Rows of token_id, label, created_at, last_used_at, expires_at."""
    return await conn.fetch(TOKENS, actor.staff_id)


async def of_token(conn: AnyConnection, text: str, door: Door) -> Actor | None:
    """Whose token this is; None where it is nobody's, has expired, was revoked, or its holder has ended."""
    if not text.startswith(PREFIX):
        return None
    row = await conn.fetchrow(OF_TOKEN, sha256(text.encode("utf-8", "replace")).digest())
    return None if row is None else actor_of(row, door)


def actor_of(row: asyncpg.Record, door: Door) -> Actor:
    """From a row with staff_id, login, roles and has_accepted."""
    return Actor(row["staff_id"], row["login"], frozenset(map(StaffRole, row["roles"])), row["has_accepted"], door)


def at_the_machine(account: str) -> Actor:
    """Somebody with access to the machine itself, named by their account there."""
    return Actor(None, f"machine:{account}", frozenset(), has_accepted=True, door=Door.CLI)


def new_credentials() -> Credentials:
    return Credentials(secrets.token_urlsafe(18), pyotp.random_base32())


async def hash_password(password: str) -> str:
    """Raises ActRefused STAFF_INVALID for one that is too short or too long."""
    if not PASSWORD_LEAST <= len(password) <= PASSWORD_MOST:
        raise ActRefused(StaffCode.STAFF_INVALID, f"a password has {PASSWORD_LEAST} characters at least")
    return await asyncio.to_thread(_HASHER.hash, password)


def _verify(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, password)
    except (InvalidHashError, VerificationError):
        return False


def _check_roles(roles: Collection[StaffRole]) -> None:
    held = set(roles)
    if not held or {StaffRole.STEWARD, StaffRole.APPROVER} <= held or (StaffRole.AUDITOR in held and len(held) > 1):
        raise ActRefused(StaffCode.STAFF_INVALID, "these roles are not for one person")


async def _of_login(conn: AnyConnection, login: str) -> asyncpg.Record:
    row = await conn.fetchrow(OF_LOGIN, login)
    if row is None:
        raise ActRefused(StaffCode.STAFF_UNKNOWN, "nobody has this login")
    return row
