"""`gateway keys`: the signing keys from the command line."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.control.acting import Reason, act
from gateway.control.answer import DOES_NOT_HOLD, UNSPECIFIED, AsJson, fail, tell
from gateway.oauth.keys import PUBLISHED_AHEAD, SIGNING_ALGORITHMS, KeyStore, Rotation, SealBroken
from gateway.settings import Settings
from gateway.stewardship import flow
from gateway.stewardship.actor import Actor
from gateway.store.pool import Connection

app = typer.Typer(help="The keys that sign access tokens.", no_args_is_help=True)


@app.callback()
def keys() -> None:
    """The keys that sign access tokens."""


@app.command()
def rotate(
    algorithm: Annotated[str, typer.Option(help="ES256 or Ed25519.")] = "ES256",
    *,
    reason: Reason = UNSPECIFIED,
    as_json: AsJson = False,
) -> None:
    """Publish a new signing key now, sign with it once every cache has it, and retire the others after their last token."""
    if algorithm not in SIGNING_ALGORITHMS:
        raise typer.BadParameter("the gateway signs with ES256 or Ed25519", param_hint="--algorithm")

    async def run(conn: Connection, actor: Actor) -> Rotation:
        return await flow.rotate_keys(conn, actor, KeyStore(Settings()), reason=reason, algorithm=algorithm)

    try:
        done = act(run)
    except SealBroken as broken:
        fail(f"signing key {broken.kid} does not open under this master key", DOES_NOT_HOLD)
    minutes = int(PUBLISHED_AHEAD.total_seconds() // 60)
    text = (
        f"{done.kid} ({done.algorithm}) is published; it signs from {done.signs_at.isoformat()} on,\n"
        f"{minutes} minutes after its publication at most. {len(done.retired)} earlier key(s) stay published until unused."
    )
    body = {"kid": done.kid, "algorithm": done.algorithm, "signs_at": done.signs_at, "retired": done.retired}
    tell(body, text, as_json=as_json)
