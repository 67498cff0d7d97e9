"""Who gives a command: one of the staff by a token of theirs, or somebody at the machine itself. Every act is on record."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Final, TypeVar

import typer

from gateway.catalogue.definition import Catalogue, load
from gateway.control.answer import DOES_NOT_HOLD, USAGE, ask, fail
from gateway.control.pseudonyms import proven_keys
from gateway.settings import Settings
from gateway.stewardship import staff
from gateway.stewardship.actor import Actor, Door
from gateway.stewardship.effect import Ground
from gateway.store.pool import Connection

STDIN: Final = "-"
TOKEN_MOST: Final = 1_000
Reason = Annotated[str, typer.Option("--reason", help="Why, for the record; no personal data.")]
Found = TypeVar("Found")


def act(run: Callable[[Connection, Actor], Awaitable[Found]]) -> Found:
    """Run an act on the database of the settings, as whoever the token of the settings belongs to, or `machine:<account>`."""
    text = _token(Settings())

    async def as_somebody(conn: Connection) -> Found:
        if text is None:
            return await run(conn, staff.at_the_machine(_account()))
        actor = await staff.of_token(conn, text, Door.CLI)
        if actor is None:
            fail("TOKEN_UNKNOWN: this is nobody's token, or it has ended", DOES_NOT_HOLD)
        return await run(conn, actor)

    return ask(as_somebody)


def catalogue() -> Catalogue:
    """What the adopter shares."""
    return load(Settings().catalogue)


async def ground(conn: Connection) -> Ground:
    """What changes stand on. Ends the command where the master key is not this database's."""
    return Ground(catalogue().fields, await proven_keys(conn))


def _token(settings: Settings) -> str | None:
    """Never from the command line, which everybody on the machine can read."""
    if settings.staff_token is not None:
        return settings.staff_token.get_secret_value().strip()
    if settings.staff_token_file is None:
        return None
    try:
        if str(settings.staff_token_file) == STDIN:
            return sys.stdin.read(TOKEN_MOST).strip()
        with settings.staff_token_file.open(encoding="utf-8") as file:
            return file.read(TOKEN_MOST).strip()
    except (OSError, UnicodeDecodeError):
        fail("GATEWAY_STAFF_TOKEN_FILE cannot be read", USAGE)


def _account() -> str:
    user_id = os.geteuid()
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return str(user_id)
