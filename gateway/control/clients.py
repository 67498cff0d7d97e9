"""`gateway clients`: the secrets of clients that have one. A secret is printed once, and never taken from the command line."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

import typer

from gateway.control.acting import act
from gateway.control.answer import AsJson, tell
from gateway.oauth.client_secret import NewSecret
from gateway.stewardship import client_secrets, initial_tokens
from gateway.stewardship.actor import Actor
from gateway.stewardship.initial_tokens import InitialToken
from gateway.store.pool import Connection

app = typer.Typer(help="Secrets of registered clients, and tokens to register one with.", no_args_is_help=True)
ClientId = Annotated[str, typer.Argument(help="The client's registered id.")]


@app.command("add-secret")
def add(client_id: ClientId, *, as_json: AsJson = False) -> None:
    """Make a secret for a client, beside those that it has, and print it: it can never be shown again."""

    async def run(conn: Connection, actor: Actor) -> NewSecret:
        return await client_secrets.add(conn, actor, client_id=client_id)

    added = act(run)
    body = {"client_id": client_id, "secret_id": str(added.secret_id), "client_secret": added.text}
    tell(body, f"secret {added.secret_id} of {client_id}, shown this once:\n{added.text}", as_json=as_json)


@app.command("issue-initial-token")
def issue(
    partner: Annotated[str, typer.Argument(help="The partner's registered name.")],
    minutes: Annotated[int, typer.Option(min=1, max=24 * 60, help="How long it can be used.")] = 60,
    *,
    as_json: AsJson = False,
) -> None:
    """Let a partner register one client by itself (RFC 7591), and print the token for it: it can never be shown again.

    The client is a change in the name of whoever issued the token: somebody else approves it.
    """

    async def run(conn: Connection, actor: Actor) -> InitialToken:
        return await initial_tokens.issue(conn, actor, partner=partner, lifetime=timedelta(minutes=minutes))

    issued = act(run)
    body = {"token_id": issued.token_id, "initial_token": issued.text, "expires_at": issued.expires_at}
    text = f"for one client of {partner}, until {issued.expires_at.isoformat()}, shown this once:\n{issued.text}"
    tell(body, text, as_json=as_json)


@app.command("end-secret")
def end(
    client_id: ClientId,
    secret_id: Annotated[UUID, typer.Argument(help="As printed with the secret.")],
    *,
    as_json: AsJson = False,
) -> None:
    """End a secret of a client: no worker takes it any more. Tokens that were issued with it stay."""

    async def run(conn: Connection, actor: Actor) -> None:
        await client_secrets.end(conn, actor, client_id=client_id, secret_id=secret_id)

    act(run)
    tell({"secret_id": str(secret_id), "ended": True}, f"secret {secret_id} has ended", as_json=as_json)
