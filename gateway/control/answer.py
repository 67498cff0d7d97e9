"""What every command of the staff shares: one connection, one way to print, one status for each kind of failure."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, NoReturn, TypeVar

import asyncpg
import typer

from gateway.settings import Settings
from gateway.store.consents import ConsentError, PseudonymKeys
from gateway.store.embedded import owner_url
from gateway.store.grants import GrantError
from gateway.store.halts import HaltError
from gateway.store.partners import PartnerError
from gateway.store.pool import Connection

DOES_NOT_HOLD, USAGE = 1, 2
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Found = TypeVar("Found")


def ask(question: Callable[[Connection, PseudonymKeys], Awaitable[Found]]) -> Found:
    """Run a question on the database of the settings; a planned refusal is one line and status 1."""

    async def run() -> Found:
        settings = Settings()
        async with owner_url(settings) as url:
            conn: Connection = await asyncpg.connect(url, server_settings={"timezone": "UTC"})
            try:
                return await question(conn, PseudonymKeys(settings.key("pseudonym")))
            finally:
                await conn.close()

    try:
        return asyncio.run(run())
    except (ConsentError, GrantError, HaltError, PartnerError) as refused:
        fail(f"{refused.code}: {refused}", DOES_NOT_HOLD)


def tell(body: object, text: str, *, as_json: bool) -> None:
    """Print one or the other. body may hold ids, instants and names."""
    typer.echo(json.dumps(body, default=str, ensure_ascii=False) if as_json else text)


def fail(text: str, status: int) -> NoReturn:
    typer.echo(text, err=True)
    raise typer.Exit(status)
