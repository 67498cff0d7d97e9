"""`gateway clients`: the secrets of clients that have one. A secret is printed once, and never taken from the command line."""

from typing import Annotated
from uuid import UUID

import typer

from gateway.control.acting import act
from gateway.control.answer import AsJson, tell
from gateway.oauth.client_secret import NewSecret
from gateway.stewardship import client_secrets
from gateway.stewardship.actor import Actor
from gateway.store.pool import Connection

app = typer.Typer(help="Secrets of registered clients.", no_args_is_help=True)
ClientId = Annotated[str, typer.Argument(help="The client's registered id.")]


@app.command("add-secret")
def add(client_id: ClientId, *, as_json: AsJson = False) -> None:
    """Make a secret for a client, beside those that it has, and print it: it can never be shown again."""

    async def run(conn: Connection, actor: Actor) -> NewSecret:
        return await client_secrets.add(conn, actor, client_id=client_id)

    added = act(run)
    body = {"client_id": client_id, "secret_id": str(added.secret_id), "client_secret": added.text}
    tell(body, f"secret {added.secret_id} of {client_id}, shown this once:\n{added.text}", as_json=as_json)


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
