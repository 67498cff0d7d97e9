"""What the staff do at once: stop the flow, let it go on, change the keys (policy 9.4). What widens is a change, not an act."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from gateway.oauth.keys import KeyStore, Rotation
from gateway.stewardship.actor import Actor, acting
from gateway.stewardship.roles import Act
from gateway.store import halts, partners
from gateway.store.pool import AnyConnection

EVERYTHING: Final = "all"


async def halt(conn: AnyConnection, actor: Actor, *, reason: str, partner: str | None = None, scope: str | None = None) -> UUID:
    """Stop the flow to a partner, through a scope, or altogether where neither is named; returns the halt's id.

    Raises ActRefused: ROLE_MISSING, REASON_REQUIRED, HALT_INVALID, PARTNER_UNKNOWN, SCOPE_UNKNOWN.
    """
    named = _named(partner, scope)
    async with acting(conn, actor, Act.HALT_ADD, target=named, reason=reason, needs_reason=True) as entry:
        halt_id = await halts.add(conn, reason=reason, **await _target(conn, partner, scope))
        entry.after = {"halt_id": str(halt_id)}
    return halt_id


async def lift(conn: AnyConnection, actor: Actor, *, reason: str, partner: str | None = None, scope: str | None = None) -> int:
    """End every halt of exactly this target; returns how many there were.

    Raises ActRefused: ROLE_MISSING, REASON_REQUIRED, HALT_UNKNOWN, PARTNER_UNKNOWN.
    """
    named = _named(partner, scope)
    async with acting(conn, actor, Act.HALT_LIFT, target=named, reason=reason, needs_reason=True) as entry:
        lifted = await halts.lift(conn, **await _target(conn, partner, scope))
        entry.before = {"halts": lifted}
    return lifted


async def suspend(conn: AnyConnection, actor: Actor, *, partner: str, reason: str) -> None:
    """Nothing goes to the partner any more. That it does again is a change of kind `partner`, which somebody else approves.

    Raises ActRefused: ROLE_MISSING, REASON_REQUIRED, PARTNER_UNKNOWN, PARTNER_ENDED.
    """
    async with acting(conn, actor, Act.PARTNER_SUSPEND, target=partner[:63], reason=reason, needs_reason=True) as entry:
        partner_id = await partners.find(conn, partner)
        entry.before = {"status": await conn.fetchval(partners.STATUS_OF, partner_id)}
        await partners.set_status(conn, partner_id=partner_id, status="suspended")
        entry.after = {"status": "suspended"}


async def rotate_keys(conn: AnyConnection, actor: Actor, keys: KeyStore, *, reason: str, algorithm: str = "ES256") -> Rotation:
    """Publish a new signing key. Raises ActRefused: ROLE_MISSING, REASON_REQUIRED; ValueError for an unknown algorithm."""
    async with acting(conn, actor, Act.KEYS_ROTATE, reason=reason, needs_reason=True) as entry:
        rotation = await keys.rotate(conn, algorithm=algorithm)
        entry.before = {"retired": list(rotation.retired)}
        entry.after = {"kid": rotation.kid, "algorithm": algorithm, "signs_at": rotation.signs_at.isoformat()}
    return rotation


def _named(partner: str | None, scope: str | None) -> str:
    """What the act is recorded under."""
    return (partner or scope or EVERYTHING)[:63]


async def _target(conn: AnyConnection, partner: str | None, scope: str | None) -> Mapping[str, Any]:
    """For the register of halts, which refuses both at once."""
    partner_id = None if partner is None else await partners.find(conn, partner)
    target = "partner" if partner is not None else "scope" if scope is not None else EVERYTHING
    return {"target": target, "partner_id": partner_id, "scope": scope}
