"""`gateway clients`: the secrets of clients that have one. A secret is printed once, and never taken from the command line."""

from typing import Annotated
from uuid import UUID

import typer

from gateway.control.answer import DOES_NOT_HOLD, AsJson, ask, fail, tell
from gateway.oauth.client_secret import SECRETS_MAX, NewSecret, add_secret, end_secret
from gateway.store.pool import Connection

app = typer.Typer(help="Secrets of registered clients.", no_args_is_help=True)
ClientId = Annotated[str, typer.Argument(help="The client's registered id.")]


@app.command("add-secret")
def add(client_id: ClientId, *, as_json: AsJson = False) -> None:
    """Make a secret for a client, beside those that it has, and print it: it can never be shown again."""

    async def run(conn: Connection) -> NewSecret | None:
        return await add_secret(conn, client_id)

    added = ask(run)
    if added is None:
        fail(f"no such client proves itself by a secret, or it has {SECRETS_MAX} already: end one first", DOES_NOT_HOLD)
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

    async def run(conn: Connection) -> bool:
        return await end_secret(conn, client_id, secret_id)

    if not ask(run):
        fail("this client has no such secret, or it has ended already", DOES_NOT_HOLD)
    tell({"secret_id": str(secret_id), "ended": True}, f"secret {secret_id} has ended", as_json=as_json)
