"""Something that a browser starts here and finishes here once: a WebAuthn ceremony, a trip to the upstream provider."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Final, Literal, TypeAlias

from gateway.store.pool import AnyConnection

Kind: TypeAlias = Literal[
    "passkey_register", "passkey_sign_in", "upstream", "staff_passkey_register", "staff_passkey_sign_in", "staff_upstream"
]
WITHIN: Final = timedelta(minutes=10)

# Those that nobody finished go, a few at a time
# in:  ceremony_sha256 bytea, kind text, state text, within interval; row: -. ceremony_by_expiry
_BEGIN: Final = """
with gone as (
    delete from gateway.ceremony where ceremony_sha256 in (
        select ceremony_sha256 from gateway.ceremony where expires_at < statement_timestamp() limit 8 for update skip locked)
)
insert into gateway.ceremony (ceremony_sha256, kind, state, expires_at)
values ($1, $2, $3::text::jsonb, statement_timestamp() + $4::interval)"""

# in:  ceremony_sha256 bytea, kind text; row: state text, is_live bool. ceremony_pkey
_FINISH: Final = """
delete from gateway.ceremony where ceremony_sha256 = $1 and kind = $2
returning state::text, expires_at > statement_timestamp() as is_live"""


@dataclass(frozen=True, slots=True, repr=False)
class Begun:
    """state: what was kept for the end. It may hold a verifier, so it has no repr."""

    state: Mapping[str, str]


async def begin(conn: AnyConnection, kind: Kind, state: Mapping[str, str]) -> str:
    """The text for this browser's cookie: without it the ceremony cannot be finished."""
    text = secrets.token_urlsafe(32)
    await conn.execute(_BEGIN, _digest(text), kind, json.dumps(dict(state)), WITHIN)
    return text


async def finish(conn: AnyConnection, kind: Kind, text: str) -> Begun | None:
    """What this browser began, once; None for what it did not begin, or too long ago."""
    row = await conn.fetchrow(_FINISH, _digest(text), kind)
    return Begun(json.loads(row["state"])) if row is not None and row["is_live"] else None


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()
