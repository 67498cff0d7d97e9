"""Initial access tokens (RFC 7591 3): a steward lets a partner register one client, which somebody else approves."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID, uuid4

from gateway.oauth.client_registration import Registered
from gateway.oauth.registration import ASYMMETRIC, PUBLIC, Fault, InvalidClientMetadata, validate
from gateway.stewardship import changes
from gateway.stewardship.actor import Actor, ActRefused, Door, StaffCode, acting
from gateway.stewardship.content import ChangeKind
from gateway.stewardship.effect import Ground
from gateway.stewardship.roles import Act, StaffRole
from gateway.store import partners
from gateway.store.pool import AnyConnection
from gateway.store.questions import question

ADD: Final = question("stewardship", "add_initial_token")
LOCK: Final = question("stewardship", "lock_initial_token")
USE: Final = question("stewardship", "use_initial_token")
PREFIX: Final = "gwinitial_"
LONGEST: Final = timedelta(days=1)
REASON: Final = "registered by the partner with an initial token (RFC 7591)"


@dataclass(frozen=True, slots=True, repr=False)
class InitialToken:
    """text: shown once."""

    token_id: UUID
    text: str
    expires_at: datetime


async def issue(conn: AnyConnection, actor: Actor, *, partner: str, lifetime: timedelta) -> InitialToken:
    """A token for one registration of one client of this partner.

    Raises ActRefused: ROLE_MISSING, LIFETIME_INVALID (a lifetime beyond a day), PARTNER_UNKNOWN, PARTNER_ENDED.
    """
    async with acting(conn, actor, Act.INITIAL_TOKEN_ISSUE, target=partner[:63]) as entry:
        partner_id = await partners.find(conn, partner)
        if await conn.fetchval(partners.STATUS_OF, partner_id) == "ended":
            raise ActRefused("PARTNER_ENDED", "what has ended with a partner does not begin again")
        if not timedelta(0) < lifetime <= LONGEST:
            raise ActRefused(StaffCode.LIFETIME_INVALID, "an initial token lives for a day at most")
        token_id, text = uuid4(), PREFIX + secrets.token_urlsafe(32)
        expires_at = await conn.fetchval(ADD, token_id, _digest(text), partner_id, actor.staff_id, lifetime)
        entry.after = {"token_id": str(token_id), "expires_at": expires_at.isoformat()}
    return InitialToken(token_id, text, expires_at)


async def register(ground: Ground, conn: AnyConnection, text: str, metadata: Mapping[str, object]) -> Registered | None:
    """Propose a client of the token's partner, in the name of the steward who issued it; the token is used up by it.

    The client_id is given here, whatever the metadata name. None for a token that does not stand: unknown, used, over, its
    partner or its steward ended, or the steward no longer one. Raises InvalidClientMetadata; the token can be used again then.
    """
    async with conn.transaction():
        row = await conn.fetchrow(LOCK, _digest(text)) if text.startswith(PREFIX) else None
        if row is None:
            return None
        roles = frozenset(map(StaffRole, row["roles"]))
        actor = Actor(row["staff_id"], row["login"], roles, row["has_accepted"], Door.REGISTRATION)
        if not actor.may(Act.CHANGE_PROPOSE):
            return None
        wanted = _checked({**metadata, "client_id": f"{row['partner']}-{secrets.token_hex(8)}"})
        content = {"partner": row["partner"], "metadata": wanted}
        change_id = await changes.propose(conn, actor, ground, kind=ChangeKind.CLIENT, content=content, reason=REASON)
        await conn.execute(USE, row["token_id"], change_id)
        return Registered(wanted, row["now"])


def _checked(metadata: Mapping[str, object]) -> Mapping[str, object]:
    checked = validate(metadata)
    if checked.token_endpoint_auth_method not in {*ASYMMETRIC, PUBLIC}:
        # A secret would have to be handed out before anybody has approved the client it opens
        raise InvalidClientMetadata(Fault.NOT_SUPPORTED, "token_endpoint_auth_method")
    found: Mapping[str, object] = json.loads(checked.document)
    return found


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "replace")).digest()
