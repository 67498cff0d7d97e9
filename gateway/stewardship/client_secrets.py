"""The secrets of clients that prove themselves by one, made and ended on record; the secret itself stands nowhere."""

from uuid import UUID

from gateway.oauth import client_secret
from gateway.oauth.client_secret import SECRETS_MAX, NewSecret
from gateway.stewardship.actor import Actor, ActRefused, StaffCode, acting
from gateway.stewardship.roles import Act
from gateway.store.pool import AnyConnection


async def add(conn: AnyConnection, actor: Actor, *, client_id: str) -> NewSecret:
    """Another secret of a client, shown once. Raises ActRefused: ROLE_MISSING, SECRET_REFUSED."""
    async with acting(conn, actor, Act.CLIENT_SECRET_ADD, target=client_id[:63]) as entry:
        added = await client_secret.add_secret(conn, client_id)
        if added is None:
            text = f"no such client proves itself by a secret, or it has {SECRETS_MAX} already: end one first"
            raise ActRefused(StaffCode.SECRET_REFUSED, text)
        entry.after = {"secret_id": str(added.secret_id)}
    return added


async def end(conn: AnyConnection, actor: Actor, *, client_id: str, secret_id: UUID) -> None:
    """No worker takes it any more; tokens that were issued with it stay. Raises ActRefused: ROLE_MISSING, SECRET_UNKNOWN."""
    async with acting(conn, actor, Act.CLIENT_SECRET_END, target=client_id[:63]) as entry:
        if not await client_secret.end_secret(conn, client_id, secret_id):
            raise ActRefused(StaffCode.SECRET_UNKNOWN, "this client has no such secret, or it has ended already")
        entry.before = {"secret_id": str(secret_id)}
