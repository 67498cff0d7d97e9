"""Passkeys (WebAuthn level 3): kept, and what an authenticator answers held against what was asked.

A passkey signs in alone, so its authenticator has to verify who holds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Final, Protocol
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, parse_authentication_credential_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from gateway.settings import Settings
from gateway.store.pool import AnyConnection
from gateway.subject import ceremony
from gateway.subject.ceremony import Kind

PASSKEYS_MAX: Final = 20
LABEL_MAX: Final = 64

# in:  subject_id uuid; row: credential_id bytea, label text, created_at, last_used_at timestamptz. passkey_by_subject
_OF_SUBJECT: Final = """
select credential_id, label, created_at, last_used_at from gateway.passkey
 where subject_id = $1 order by created_at, credential_id"""

# in:  subject_id uuid; row: text. account_subject_id_key
_LOGIN: Final = "select login from gateway.account where subject_id = $1"

# in:  credential_id bytea, subject_id uuid, public_key bytea, sign_count bigint, label text, how many int
# row: bytea; none: there are as many as there may be. passkey_by_subject
_ADD: Final = """
insert into gateway.passkey (credential_id, subject_id, public_key, sign_count, label)
select $1, $2, $3, $4, $5 where (select count(*) from gateway.passkey where subject_id = $2) < $6
returning credential_id"""

# in:  credential_id bytea, subject_id uuid; row: bytea; none: it was not there, or is somebody else's. passkey_pkey
_REMOVE: Final = "delete from gateway.passkey where credential_id = $1 and subject_id = $2 returning credential_id"

# in:  credential_id bytea; row: subject_id uuid, public_key bytea, sign_count bigint. passkey_pkey
_FIND: Final = "select subject_id, public_key, sign_count from gateway.passkey where credential_id = $1"

# in:  credential_id bytea, sign_count bigint; row: -. passkey_pkey
_USED: Final = "update gateway.passkey set sign_count = $2, last_used_at = clock_timestamp() where credential_id = $1"


class PasskeyRefused(Exception):
    """The answer does not belong to what was asked, or the passkey is not ours."""


@dataclass(frozen=True, slots=True)
class Passkey:
    credential_id: bytes
    label: str
    created_at: datetime
    last_used_at: datetime | None

    @property
    def name(self) -> str:
        """Its id as a form carries it."""
        return bytes_to_base64url(self.credential_id)


@dataclass(frozen=True, slots=True)
class Made:
    """What an authenticator made. public_key: COSE."""

    credential_id: bytes
    public_key: bytes
    sign_count: int


@dataclass(frozen=True, slots=True)
class Held:
    """What is known of a passkey that answers. owner: whose it is."""

    owner: UUID
    public_key: bytes
    sign_count: int


class Keeper(Protocol):
    """Where the passkeys of some kind of people are kept."""

    registering: Kind
    signing_in: Kind

    async def login(self, conn: AnyConnection, owner: UUID) -> str | None: ...
    async def of(self, conn: AnyConnection, owner: UUID) -> Sequence[Passkey]: ...
    async def add(self, conn: AnyConnection, owner: UUID, made: Made, label: str) -> bool:
        """False where there are as many as there may be."""
        ...

    async def find(self, conn: AnyConnection, credential_id: bytes) -> Held | None: ...
    async def used(self, conn: AnyConnection, credential_id: bytes, sign_count: int) -> None: ...


class OfSubjects:
    """Data subjects'."""

    registering: Kind = "passkey_register"
    signing_in: Kind = "passkey_sign_in"

    async def login(self, conn: AnyConnection, owner: UUID) -> str | None:
        found: str | None = await conn.fetchval(_LOGIN, owner)
        return found

    async def of(self, conn: AnyConnection, owner: UUID) -> Sequence[Passkey]:
        return await of_subject(conn, owner)

    async def add(self, conn: AnyConnection, owner: UUID, made: Made, label: str) -> bool:
        given = (made.credential_id, owner, made.public_key, made.sign_count, label)
        return await conn.fetchval(_ADD, *given, PASSKEYS_MAX) is not None

    async def find(self, conn: AnyConnection, credential_id: bytes) -> Held | None:
        row = await conn.fetchrow(_FIND, credential_id)
        return None if row is None else Held(row["subject_id"], row["public_key"], row["sign_count"])

    async def used(self, conn: AnyConnection, credential_id: bytes, sign_count: int) -> None:
        await conn.execute(_USED, credential_id, sign_count)


@dataclass(frozen=True, slots=True)
class Party:
    """The gateway as WebAuthn's relying party, for those whose passkeys the keeper has."""

    rp_id: str
    origin: str
    name: str
    keeper: Keeper

    @classmethod
    def of(cls, settings: Settings, keeper: Keeper | None = None) -> Party:
        """keeper: the data subjects' unless another one is given."""
        parts = urlsplit(settings.base_url)
        origin = f"{parts.scheme}://{parts.netloc}"
        return cls(parts.hostname or "", origin, settings.controller_name, keeper or OfSubjects())

    @property
    def has_passkeys(self) -> bool:
        """Browsers know no passkeys for a bare address (WebAuthn 5.1.2: an effective domain)."""
        try:
            ip_address(self.rp_id)
        except ValueError:
            return True
        return False

    async def ask_registration(self, conn: AnyConnection, owner: UUID) -> tuple[str, str]:
        """What the browser is asked, as JSON, and the ceremony's text."""
        options = generate_registration_options(
            rp_id=self.rp_id,
            rp_name=self.name,
            user_id=owner.bytes,
            user_name=await self.keeper.login(conn, owner) or self.name,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
            ),
            exclude_credentials=[
                PublicKeyCredentialDescriptor(id=one.credential_id) for one in await self.keeper.of(conn, owner)
            ],
        )
        state = {"challenge": bytes_to_base64url(options.challenge), "owner": str(owner)}
        return options_to_json(options), await ceremony.begin(conn, self.keeper.registering, state)

    async def register(self, conn: AnyConnection, owner: UUID, text: str, credential: str, label: str) -> None:
        """Keep the passkey that the browser made. text: the ceremony's, used up in any case. Raises PasskeyRefused."""
        begun = await ceremony.finish(conn, self.keeper.registering, text)
        if begun is None or begun.state["owner"] != str(owner):
            raise PasskeyRefused
        try:
            made = verify_registration_response(
                credential=credential,
                expected_challenge=base64url_to_bytes(begun.state["challenge"]),
                expected_rp_id=self.rp_id,
                expected_origin=self.origin,
                require_user_verification=True,
            )
            kept = Made(made.credential_id, made.credential_public_key, made.sign_count)
            is_added = await self.keeper.add(conn, owner, kept, label[:LABEL_MAX])
        except (WebAuthnException, ValueError, asyncpg.UniqueViolationError):
            raise PasskeyRefused from None
        if not is_added:
            raise PasskeyRefused

    async def ask_sign_in(self, conn: AnyConnection) -> tuple[str, str]:
        """What the browser is asked, as JSON, and the ceremony's text: nobody is named, the authenticator knows whom it has."""
        options = generate_authentication_options(rp_id=self.rp_id, user_verification=UserVerificationRequirement.REQUIRED)
        state = {"challenge": bytes_to_base64url(options.challenge)}
        return options_to_json(options), await ceremony.begin(conn, self.keeper.signing_in, state)

    async def sign_in(self, conn: AnyConnection, text: str, credential: str) -> UUID:
        """Whose passkey answered. Not in a transaction: what was refused is used up as well. Raises PasskeyRefused."""
        begun = await ceremony.finish(conn, self.keeper.signing_in, text)
        if begun is None:
            raise PasskeyRefused
        try:
            given = parse_authentication_credential_json(credential)
            held = await self.keeper.find(conn, given.raw_id)
            if held is None or given.response.user_handle not in (None, held.owner.bytes):
                raise PasskeyRefused
            verified = verify_authentication_response(
                credential=given,
                expected_challenge=base64url_to_bytes(begun.state["challenge"]),
                expected_rp_id=self.rp_id,
                expected_origin=self.origin,
                credential_public_key=held.public_key,
                credential_current_sign_count=held.sign_count,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError):
            raise PasskeyRefused from None
        await self.keeper.used(conn, given.raw_id, verified.new_sign_count)
        return held.owner


async def of_subject(conn: AnyConnection, subject_id: UUID) -> Sequence[Passkey]:
    """A data subject's passkeys, oldest first."""
    return [Passkey(**row) for row in await conn.fetch(_OF_SUBJECT, subject_id)]


async def remove(conn: AnyConnection, subject_id: UUID, name: str) -> bool:
    """Whether this passkey was there, and this data subject's."""
    credential_id = id_of(name)
    return credential_id is not None and await conn.fetchval(_REMOVE, credential_id, subject_id) is not None


def id_of(name: str) -> bytes | None:
    """The id that a form carries; None where it is none."""
    try:
        return base64url_to_bytes(name)
    except ValueError:
        return None
