"""`gateway keys`: the signing keys from the command line."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import asyncpg
import typer
from rich.console import Console

from gateway.oauth.keys import PUBLISHED_AHEAD, SIGNING_ALGORITHMS, KeyStore, Rotation, SealBroken
from gateway.settings import Settings
from gateway.store.cluster import EmbeddedFailed
from gateway.store.embedded import owner_url

app = typer.Typer(help="The keys that sign access tokens.", no_args_is_help=True)


@app.callback()
def keys() -> None:
    """The keys that sign access tokens."""


@app.command()
def rotate(
    algorithm: Annotated[str, typer.Option(help="ES256 or Ed25519.")] = "ES256",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Publish a new signing key now, sign with it once every cache has it, and retire the others after their last token."""
    if algorithm not in SIGNING_ALGORITHMS:
        raise typer.BadParameter("the gateway signs with ES256 or Ed25519", param_hint="--algorithm")
    try:
        done = asyncio.run(_rotate(algorithm))
    except SealBroken as broken:
        typer.echo(f"signing key {broken.kid} does not open under this master key", err=True)
        raise typer.Exit(1) from None
    except (OSError, TimeoutError, asyncpg.PostgresConnectionError, EmbeddedFailed):
        typer.echo("the database is unreachable", err=True)
        raise typer.Exit(3) from None
    if as_json:
        body = {"kid": done.kid, "algorithm": done.algorithm, "signs_at": done.signs_at.isoformat(), "retired": done.retired}
        typer.echo(json.dumps(body))
        return
    minutes = int(PUBLISHED_AHEAD.total_seconds() // 60)
    Console().print(f"[bold]{done.kid}[/bold] ({done.algorithm}) is published; it signs from {done.signs_at.isoformat()} on,")
    Console().print(
        f"{minutes} minutes after its publication at most. {len(done.retired)} earlier key(s) stay published until unused."
    )


async def _rotate(algorithm: str) -> Rotation:
    settings = Settings()
    async with owner_url(settings) as url:
        conn = await asyncpg.connect(url)
        try:
            return await KeyStore(settings).rotate(conn, algorithm=algorithm)
        finally:
            await conn.close()
