"""`gateway`: the commands. Exit status: 0 holds, 1 does not hold, 2 usage or settings, 3 a dependency is unreachable."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import asyncpg
import typer
from pydantic import ValidationError
from rich.console import Console

from gateway.control import (
    accounts,
    changes,
    clients,
    consents,
    contracts,
    disclosures,
    halt,
    keys,
    partners,
    people,
    scopes,
    upkeep,
)
from gateway.settings import Settings, UnknownSetting, UnusableMasterKey
from gateway.store.cluster import EmbeddedFailed
from gateway.store.durable import Flaw, NotDurable, require_durable
from gateway.store.embedded import database, owner_url
from gateway.store.migrate import MigrationRefused, Status, may_migrate, migrate, status, status_of

HOLDS, DOES_NOT_HOLD, USAGE, UNREACHABLE = 0, 1, 2, 3

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

app = typer.Typer(
    help="Partners read consented, redacted personal data through one recorded gate.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they would print local variables
)
migrations = typer.Typer(help="The schema of the database.")
app.add_typer(migrations, name="migrate")
app.add_typer(accounts.app, name="accounts")
app.add_typer(changes.app, name="changes")
app.add_typer(clients.app, name="clients")
app.add_typer(consents.app, name="consents")
app.add_typer(contracts.app, name="contracts")
app.add_typer(disclosures.app, name="disclosures")
app.add_typer(halt.app, name="halt")
app.add_typer(partners.app, name="partners")
app.add_typer(scopes.app, name="scopes")
app.add_typer(keys.app, name="keys")
app.add_typer(people.app, name="staff")
app.command("purge")(upkeep.purge)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on [GATEWAY_HOST].")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on [GATEWAY_PORT].")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that serve [GATEWAY_WORKERS].")] = None,
) -> None:
    """Migrate where we may, see that the database is durable, and serve until told to stop."""
    for name, value in {"GATEWAY_HOST": host, "GATEWAY_PORT": port, "GATEWAY_WORKERS": workers}.items():
        if value is not None:
            os.environ[name] = str(value)  # every worker reads its settings anew
    settings = Settings()
    if settings.demo:
        _stop("GATEWAY_DEMO is for `gateway demo` only: its tokens live longer than tokens should", USAGE)
    signal.signal(signal.SIGTERM, _asked_to_stop)
    with _listening(settings) as listener, database(settings) as url:
        asyncio.run(_prepare(settings, url))
        _serve(settings, listener)


@app.command()
def demo(
    port: Annotated[int | None, typer.Option(help="Port to listen on [GATEWAY_PORT].")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the database and of demo.json [GATEWAY_DATA].")] = None,
    subjects: Annotated[int, typer.Option(min=1, help="Data subjects to invent.")] = 10_000,
    clients: Annotated[Path | None, typer.Option(help="JSON array of client metadata (RFC 7591) for `shopmate`.")] = None,
    shopmate_port: Annotated[
        int, typer.Option(min=1, max=65535, envvar="SHOPMATE_PORT", help="Port of shopmate's site; if it is taken, another.")
    ] = 9104,
) -> None:
    """Fill a database with invented people, show what partners see of them, and serve until told to stop."""
    from gateway.demo import run  # what it needs takes long to import, and no other command needs it

    if data is not None:
        os.environ["GATEWAY_DATA"] = str(data)
    settings = Settings()
    raise typer.Exit(run.demo(settings, port or settings.port, subjects, clients, shopmate_port))


@migrations.callback(invoke_without_command=True)
def apply(context: typer.Context, as_json: AsJson = False) -> None:
    """Apply what is pending, and fold anew what a changed rule left unread; `status` and `verify` only look."""
    if context.invoked_subcommand is None:

        async def run(url: str) -> tuple[int, int]:
            return await migrate(url), await upkeep.fold_what_is_stale(url, is_quiet=as_json)

        applied, folded = asyncio.run(_with_database(run))
        _print(as_json, {"applied": applied, "folded": folded}, f"{applied} applied, nothing pending, {folded} folded anew")


@migrations.command("status")
def show_status(as_json: AsJson = False) -> None:
    """What was applied and when, and what is pending."""
    found: Status = asyncio.run(_with_database(status))
    lines = [f"{row.version}  applied {row.applied_at.isoformat(timespec='seconds')}" for row in found.applied]
    lines += [f"{version}  pending" for version in found.pending]
    body = {
        "applied": [
            {"version": row.version, "sha256": row.sha256, "applied_at": row.applied_at.isoformat()} for row in found.applied
        ],
        "pending": list(found.pending),
    }
    _print(as_json, body, "\n".join(lines))


@migrations.command("verify")
def verify_migrations(as_json: AsJson = False) -> None:
    """Is every migration of this checkout applied, and none of them edited since?"""
    try:
        found: Status = asyncio.run(_with_database(status))
        flaw = f"{', '.join(found.pending)} pending" if found.pending else None
    except MigrationRefused as refused:
        flaw = str(refused)
    _print(as_json, {"holds": flaw is None, "flaw": flaw}, flaw or "every migration is applied as it stands here")
    if flaw is not None:
        raise typer.Exit(DOES_NOT_HOLD)


async def _with_database(question: Any) -> Any:
    async with owner_url(Settings()) as url:
        return await question(url)


async def _prepare(settings: Settings, url: str) -> None:
    """Migrate where this user may; otherwise insist that somebody has. Then see that the database keeps what it is told."""
    conn = await asyncpg.connect(url)
    try:
        if await may_migrate(conn):
            await migrate(url)
            await upkeep.fold_what_is_stale(url, is_quiet=False)
        elif pending := (await status_of(conn)).pending:
            _stop(f"{', '.join(pending)} pending, and this user may not migrate", DOES_NOT_HOLD)
    finally:
        await conn.close()
    conn = await asyncpg.connect(url, server_settings=None if settings.pooler else {"role": "gateway"})
    try:
        await require_durable(conn)
    finally:
        await conn.close()


@contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    """The port, before anything takes time."""
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
            listener.listen(2048)
        except OSError as error:
            _stop(f"port {settings.port} of {settings.host} cannot be had: {os.strerror(error.errno or 0)}", UNREACHABLE)
        listener.set_inheritable(True)
        yield listener


def _serve(settings: Settings, listener: socket.socket) -> None:
    import uvicorn  # only serving needs it
    from uvicorn.supervisors import Multiprocess

    from gateway import wire
    from gateway.watch.log import UVICORN_OPTIONS
    from gateway.watch.metrics import FOLDER

    config = uvicorn.Config(
        "gateway.app:create_app",
        factory=True,
        loop="uvloop",
        workers=settings.workers,
        **wire.options(settings),
        **UVICORN_OPTIONS,
    )
    if settings.workers > 1:
        # each worker keeps its counts in files of its own, and whichever is scraped adds them up
        with tempfile.TemporaryDirectory(prefix="gateway-metrics-") as folder:
            os.environ[FOLDER] = folder
            Multiprocess(config, sockets=[listener]).run()
        return
    server = uvicorn.Server(config)
    server.run(sockets=[listener])
    if not server.started:
        _stop("the application did not start", UNREACHABLE)


def _asked_to_stop(*_: object) -> NoReturn:
    # uvicorn raises the signal once more after it has stopped: this lets everything be put away on the way out
    raise SystemExit(HOLDS)


def _print(as_json: bool, body: object, text: str) -> None:
    if as_json:
        typer.echo(json.dumps(body))
    else:
        Console(highlight=False, markup=False, soft_wrap=True).print(text)


def _stop(text: str, status: int) -> NoReturn:
    Console(stderr=True, highlight=False, markup=False, soft_wrap=True).print(text, style="red")
    raise SystemExit(status)


def _is_text(word: str) -> bool:
    """Bytes that are not UTF-8 come as halves of characters, which no text of the database holds."""
    return not any("\ud800" <= character <= "\udfff" for character in word)


def main() -> None:
    """The entry point: every planned failure becomes one line and its exit status."""
    if not all(map(_is_text, sys.argv)):
        _stop("the command line is not UTF-8", USAGE)
    try:
        app()
    except KeyboardInterrupt:
        raise SystemExit(HOLDS) from None
    except (UnknownSetting, UnusableMasterKey) as error:
        _stop(str(error), USAGE)
    except ValidationError as error:
        _stop("\n".join(f"{'.'.join(map(str, flaw['loc']))}: {flaw['msg']}" for flaw in error.errors(include_input=False)), USAGE)
    except (MigrationRefused, NotDurable) as error:
        _stop(str(error), DOES_NOT_HOLD)
    except asyncpg.ReadOnlySQLTransactionError:  # before anybody could ask whether it is durable
        _stop(str(NotDurable((Flaw.READ_ONLY,))), DOES_NOT_HOLD)
    except EmbeddedFailed as error:
        _stop(f"{error.code}: {error}", UNREACHABLE)
    except (OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.InvalidAuthorizationSpecificationError) as error:
        _stop(f"the database cannot be reached: {type(error).__name__}", UNREACHABLE)
    except Exception as error:  # a defect: where it happened is told, its text is not, since it could quote a value
        frames = "".join(traceback.format_tb(error.__traceback__))
        _stop(f"{frames}{type(error).__name__}", DOES_NOT_HOLD)


if __name__ == "__main__":
    main()
