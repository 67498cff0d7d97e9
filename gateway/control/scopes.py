"""`gateway scopes`: what each purpose may read, version by version."""

from typing import Annotated

import typer

from gateway.catalogue.definition import load
from gateway.control.answer import AsJson, ask, tell
from gateway.settings import Settings
from gateway.store import grants
from gateway.store.consents import PseudonymKeys
from gateway.store.pool import Connection

app = typer.Typer(help="Scopes and their versions.", no_args_is_help=True)


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """Every version of every scope, with its fields, their redaction and why each is needed."""

    async def run(conn: Connection, _keys: PseudonymKeys) -> list[dict[str, object]]:
        return [dict(row) for row in await grants.everything(conn)]

    found = ask(run)
    lines = [f"{row['scope']}@{row['version']}  {row['purpose']}  {_state(row)}" for row in found]
    tell(found, "\n".join(lines) or "there is no scope", as_json=as_json)


@app.command()
def activate(
    scope: Annotated[str, typer.Argument(help="The scope's name.")],
    version: Annotated[int, typer.Argument(help="The draft's version.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Let a draft take the place of the active version, if the review finds nothing against it."""
    catalogue = load(Settings().catalogue).fields

    async def run(conn: Connection, _keys: PseudonymKeys) -> None:
        await grants.activate(conn, scope=scope, version=version, catalogue=catalogue)

    ask(run)
    tell({"scope": scope, "version": version}, f"{scope}@{version} is active", as_json=as_json)


@app.command()
def retire(scope: Annotated[str, typer.Argument(help="The scope's name.")], *, as_json: AsJson = False) -> None:
    """End the active version of a scope without a successor."""

    async def run(conn: Connection, _keys: PseudonymKeys) -> None:
        await grants.retire(conn, scope=scope)

    ask(run)
    tell({"scope": scope}, f"{scope} is retired", as_json=as_json)


def _state(row: dict[str, object]) -> str:
    if row["active_from"] is None:
        return "draft"
    return "active" if row["retired_at"] is None else "retired"
