"""`gateway accounts`: local accounts of data subjects, for a platform without an OpenID provider of its own."""

import getpass
import sys
from typing import Annotated
from uuid import UUID

import typer

from gateway.control.answer import AsJson, ask, tell
from gateway.store.accounts import end_account, hash_of, set_account
from gateway.store.pool import Connection

app = typer.Typer(help="Local accounts of data subjects.", no_args_is_help=True)
Login = Annotated[str, typer.Argument(help="What the data subject signs in with.")]


@app.command()
def add(
    login: Login,
    subject: Annotated[UUID, typer.Option("--subject", help="The data subject's id.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Give a data subject an account, or another password. The password is read from the terminal, or one line from a pipe."""
    password = getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")

    async def run(conn: Connection) -> None:
        await set_account(conn, login=login, subject_id=subject, password_hash=await hash_of(password))

    ask(run)
    tell({"login": login, "subject_id": str(subject)}, f"{login} signs in as {subject}", as_json=as_json)


@app.command()
def end(login: Login, *, as_json: AsJson = False) -> None:
    """Take an account away; what its data subject agreed to stands."""

    async def run(conn: Connection) -> None:
        await end_account(conn, login=login)

    ask(run)
    tell({"login": login, "ended": True}, f"{login} has ended", as_json=as_json)
