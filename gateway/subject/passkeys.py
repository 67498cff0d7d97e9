"""Passkeys (WebAuthn level 3): kept, and what an authenticator answers held against what was asked.

A passkey signs in alone, so its authenticator has to verify who holds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Final
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
class Party:
    """The gateway as WebAuthn's relying party."""

    rp_id: str
    origin: str
    name: str

    @classmethod
    def of(cls, settings: Settings) -> Party:
        parts = urlsplit(settings.base_url)
        return cls(parts.hostname or "", f"{parts.scheme}://{parts.netloc}", settings.controller_name)

    @property
    def has_passkeys(self) -> bool:
        """Browsers know no passkeys for a bare address (WebAuthn 5.1.2: an effective domain)."""
        try:
            ip_address(self.rp_id)
        except ValueError:
            return True
        return False

    async def ask_registration(self, conn: AnyConnection, subject_id: UUID) -> tuple[str, str]:
        """What the browser is asked, as JSON, and the ceremony's text."""
        login = await conn.fetchval(_LOGIN, subject_id)
        options = generate_registration_options(
            rp_id=self.rp_id,
            rp_name=self.name,
            user_id=subject_id.bytes,
            user_name=login or self.name,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
            ),
            exclude_credentials=[
                PublicKeyCredentialDescriptor(id=one.credential_id) for one in await of_subject(conn, subject_id)
            ],
        )
        state = {"challenge": bytes_to_base64url(options.challenge)}
        return options_to_json(options), await ceremony.begin(conn, "passkey_register", state, subject_id=subject_id)

    async def register(self, conn: AnyConnection, subject_id: UUID, text: str, credential: str, label: str) -> None:
        """Keep the passkey that the browser made. text: the ceremony's, used up in any case. Raises PasskeyRefused."""
        begun = await ceremony.finish(conn, "passkey_register", text)
        if begun is None or begun.subject_id != subject_id:
            raise PasskeyRefused
        try:
            made = verify_registration_response(
                credential=credential,
                expected_challenge=base64url_to_bytes(begun.state["challenge"]),
                expected_rp_id=self.rp_id,
                expected_origin=self.origin,
                require_user_verification=True,
            )
            added = await conn.fetchval(
                _ADD, made.credential_id, subject_id, made.credential_public_key, made.sign_count, label[:LABEL_MAX], PASSKEYS_MAX
            )
        except (WebAuthnException, ValueError, asyncpg.UniqueViolationError):
            raise PasskeyRefused from None
        if added is None:
            raise PasskeyRefused

    async def ask_sign_in(self, conn: AnyConnection) -> tuple[str, str]:
        """What the browser is asked, as JSON, and the ceremony's text: nobody is named, the authenticator knows whom it has."""
        options = generate_authentication_options(rp_id=self.rp_id, user_verification=UserVerificationRequirement.REQUIRED)
        state = {"challenge": bytes_to_base64url(options.challenge)}
        return options_to_json(options), await ceremony.begin(conn, "passkey_sign_in", state)

    async def sign_in(self, conn: AnyConnection, text: str, credential: str) -> UUID:
        """Whose passkey answered. Not in a transaction: what was refused is used up as well. Raises PasskeyRefused."""
        begun = await ceremony.finish(conn, "passkey_sign_in", text)
        if begun is None:
            raise PasskeyRefused
        try:
            given = parse_authentication_credential_json(credential)
            row = await conn.fetchrow(_FIND, given.raw_id)
            if row is None or given.response.user_handle not in (None, row["subject_id"].bytes):
                raise PasskeyRefused
            verified = verify_authentication_response(
                credential=given,
                expected_challenge=base64url_to_bytes(begun.state["challenge"]),
                expected_rp_id=self.rp_id,
                expected_origin=self.origin,
                credential_public_key=row["public_key"],
                credential_current_sign_count=row["sign_count"],
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError):
            raise PasskeyRefused from None
        await conn.execute(_USED, given.raw_id, verified.new_sign_count)
        subject_id: UUID = row["subject_id"]
        return subject_id


async def of_subject(conn: AnyConnection, subject_id: UUID) -> Sequence[Passkey]:
    """A data subject's passkeys, oldest first."""
    return [Passkey(**row) for row in await conn.fetch(_OF_SUBJECT, subject_id)]


async def remove(conn: AnyConnection, subject_id: UUID, name: str) -> bool:
    """Whether this passkey was there, and this data subject's."""
    try:
        credential_id = base64url_to_bytes(name)
    except ValueError:
        return False
    return await conn.fetchval(_REMOVE, credential_id, subject_id) is not None
