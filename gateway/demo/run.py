"""`gateway demo`: from nothing to a gateway that answers, with a look at what its partners get."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import uvicorn
import uvloop
from rich.console import Console

from gateway import wire
from gateway.app import create_app
from gateway.catalogue.definition import load as load_catalogue
from gateway.demo import document, partner_site, show
from gateway.demo.handout import HandOut, hand_out
from gateway.demo.load import OtherMasterKey, connected, fill
from gateway.demo.partner_site import SiteFailed
from gateway.demo.partners import PARTNERS
from gateway.demo.ready import ready
from gateway.demo.register import ClientTaken
from gateway.demo.scene import NoAnswer, ask, paths_of, raw_values, records
from gateway.oauth.registration import InvalidClientMetadata
from gateway.settings import Settings
from gateway.store.embedded import owner_url
from gateway.store.migrate import migrate
from gateway.store.pool import Connection
from gateway.watch.log import UVICORN_OPTIONS

SHOWN: Final = ("adlens", "swiftmsg", "newcomer")
ALSO_SHOWN: Final = ("Subject.nationalId", "Address.street")  # in no scope of these partners
WIDTH: Final = 170
OK, FAILED, USAGE, UNREACHABLE = 0, 1, 2, 3

# What an environment that says nothing else gets: limits that nobody who tries the demo will meet
DEFAULTS: Final = {"GATEWAY_RATE_MAXIMUM": "100000000", "GATEWAY_RATE_RESTORE_PER_S": "10000000"}


class PortTaken(Exception):
    """Somebody else listens there."""


class StartFailed(Exception):
    """The application did not start; its log says why."""


class InvalidClientsFile(Exception):
    """CLIENTS is no JSON array of client metadata (RFC 7591)."""


def demo(settings: Settings, port: int, subjects: int, clients_file: Path | None, site_port: int) -> int:
    """Fill the database unless it is filled, serve, show one data subject as its partners see it, serve on until interrupted.

    site_port: of shopmate's site, which takes another where somebody has it.

    Returns the exit code: 0 stopped when asked to, 1 something does not fit, 2 the clients file does not, 3 the port is taken.
    Raises what the database's start, its migration and a lost connection raise.
    """
    # a file or a pipe has no width of its own, and the tables are made for a wide screen
    console, errors = Console(width=None if sys.stdout.isatty() else WIDTH), Console(stderr=True)
    try:
        clients = _read_clients(clients_file)
        demo_settings = _settings_of_the_demo(settings.data, port)
        with _bound(demo_settings.host, port):
            pass  # found out before anything takes time; the port is taken for good once there is something to serve
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_stoppable(_demo(demo_settings, subjects, clients, site_port, console)))
    except (InvalidClientsFile, InvalidClientMetadata, ClientTaken) as error:
        return _say(errors, f"CLIENTS: {error}", USAGE)
    except PortTaken as error:
        return _say(errors, str(error), UNREACHABLE)
    except (OtherMasterKey, document.UnreadableDocument, NoAnswer, StartFailed, SiteFailed) as error:
        return _say(errors, str(error), FAILED)


def _say(console: Console, text: str, code: int) -> int:
    console.print(text, style="red", highlight=False, markup=False)
    return code


def _settings_of_the_demo(data: Path, port: int) -> Settings:
    """The settings that the application reads from the environment as well."""
    os.environ["GATEWAY_DEMO"] = "1"
    os.environ["GATEWAY_DATA"] = str(data)
    os.environ["GATEWAY_PORT"] = str(port)
    for name, value in (DEFAULTS | {"GATEWAY_BASE_URL": f"http://localhost:{port}"}).items():
        os.environ.setdefault(name, value)
    return Settings()


def _read_clients(path: Path | None) -> Sequence[Mapping[str, Any]]:
    if path is None:
        return ()
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidClientsFile(f"{path} cannot be read as JSON") from error
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise InvalidClientsFile(f"{path} holds no array of objects")
    return found


@contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    """Listen on the port. Raises PortTaken."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(2048)
        except OSError as error:
            raise PortTaken(
                f"Port {port} of {host} cannot be had ({os.strerror(error.errno or 0)}): choose another, PORT=8081"
            ) from error
        yield listener


async def _stoppable(work: Any) -> int:
    """Run `work` to its end, or until SIGINT or SIGTERM; either way it puts everything away before this returns."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task
    return OK


async def _demo(
    settings: Settings, subjects: int, clients: Sequence[Mapping[str, Any]], site_port: int, console: Console
) -> None:
    earlier = document.read(settings.data)
    with partner_site.listen(site_port) as site:
        async with owner_url(settings) as url:
            await migrate(url)
            with console.status("Inventing data subjects, their data and what they agreed to"):
                filled = await fill(url, settings, subjects)
            console.print(
                f"{filled.subjects} data subjects, {'new' if filled.is_new else 'kept from last time'}", highlight=False
            )
            async with connected(url) as conn:
                handed = await hand_out(conn, settings, url, filled, earlier, clients, partner_site.port_of(site))
            with _bound(settings.host, settings.port) as listener:
                await _serve(settings, listener, site, url, handed, console)


async def _serve(
    settings: Settings, listener: socket.socket, site: socket.socket, url: str, handed: HandOut, console: Console
) -> None:
    config = uvicorn.Config(create_app(), **wire.options(settings), **UVICORN_OPTIONS)
    server = _Server(config)
    serving = asyncio.ensure_future(server.serve(sockets=[listener]))
    try:
        if not await ready(settings.host, settings.port, "/readyz", has_ended=serving.done):
            raise NoAnswer("the gateway did not get ready")
        document.write(settings.data, handed.document)
        async with partner_site.serving(site, settings.data / document.NAME):
            async with connected(url) as conn:
                await _show(settings, conn, handed, console)
            await asyncio.shield(serving)
    finally:
        server.should_exit = True
        await asyncio.shield(serving)


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handlers: the demo has a database to put away as well."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:  # which would tear down the loop before the database is put away
            raise StartFailed("the gateway did not start") from None


async def _show(settings: Settings, conn: Connection, handed: HandOut, console: Console) -> None:
    """One data subject as three partners see it, all of it over HTTP with real tokens."""
    catalogue = load_catalogue(settings.catalogue)
    partners = {partner.name: partner for partner in PARTNERS if partner.name in SHOWN}
    subject, url = handed.document["subjects"][0], handed.document["graphql_url"]
    seen = []
    for name in SHOWN:
        # A partner with nothing granted sends what another one may: it has no such field
        paths = paths_of(partners[name]) or paths_of(partners[SHOWN[0]])
        pseudonym = subject["pseudonyms"].get(name) or subject["pseudonyms"][SHOWN[0]]
        token = handed.document["partners"][name]["access_token"]
        seen.append(await ask(url, token, name, paths, UUID(pseudonym), catalogue))
    listed = dict.fromkeys(path for name in SHOWN for path in paths_of(partners[name]))
    rows = [path for path in catalogue.fields if path in listed or path in ALSO_SHOWN]
    raw = await raw_values(conn, UUID(subject["subject_id"]), rows, catalogue)
    show.show_requests(console, url, [one for one in seen if not one.codes])
    show.show_values(console, raw, seen)
    show.show_records(console, await records(conn, seen))
    site = handed.document["partners"]["shopmate"]["site"]
    unasked = handed.document["subjects"][:2][-1]["login"]  # the second; in the smallest of worlds there is none
    show.show_way_on(console, settings.base_url, site, unasked, str(settings.data / document.NAME))
