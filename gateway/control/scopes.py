"""`gateway scopes`: what each purpose may read, version by version."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

import typer

from gateway.control import configuration
from gateway.control.acting import Reason, act, ground
from gateway.control.answer import DOES_NOT_HOLD, AsJson, ask, fail, tell
from gateway.control.changes import tell_proposed
from gateway.stewardship import changes
from gateway.stewardship.actor import Actor, ActRefused
from gateway.stewardship.content import ChangeKind
from gateway.store import grants
from gateway.store.pool import Connection
from scopes import Redaction

app = typer.Typer(help="Scopes and their versions; the whole configuration as files.", no_args_is_help=True)
app.command("export")(configuration.export_)
app.command("apply")(configuration.apply_)


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """Every version of every scope, with its fields, their redaction and why each is needed."""

    async def run(conn: Connection) -> list[dict[str, Any]]:
        return [dict(row) for row in await grants.everything(conn)]

    found = ask(run)
    lines = [f"{row['scope']}@{row['version']}  {row['purpose']}  {_state(row)}" for row in found]
    tell(found, "\n".join(lines) or "there is no scope", as_json=as_json)


@app.command()
def show(
    scope: Annotated[str, typer.Argument(help="The scope's name.")],
    version: Annotated[int | None, typer.Option(help="One version only.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """What a scope may read, how each field is redacted and why it is needed, newest version first."""

    async def run(conn: Connection) -> list[dict[str, Any]]:
        return [dict(row) for row in await grants.everything(conn) if row["scope"] == scope and version in {None, row["version"]}]

    found = ask(run)
    if not found:
        fail("SCOPE_UNKNOWN: no such scope or version", DOES_NOT_HOLD)
    lines = []
    for row in found:
        lines.append(f"{row['scope']}@{row['version']}  {row['purpose']}  {_state(row)}")
        lines += [
            f"  {field['path']}  {Redaction.from_wire(field['redaction']).label()}  {field['justification']}"
            for field in row["fields"]
        ]
    tell(found, "\n".join(lines), as_json=as_json)


@app.command()
def activate(
    scope: Annotated[str, typer.Argument(help="The scope's name.")],
    version: Annotated[int, typer.Argument(help="The version whose fields are wanted: a draft, or an earlier one.")],
    *,
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Propose a version's fields as the next version, if the review finds nothing against them; somebody else approves it."""

    async def run(conn: Connection, actor: Actor) -> UUID:
        held = [row for row in await grants.everything(conn) if (row["scope"], row["version"]) == (scope, version)]
        if not held:
            raise ActRefused("SCOPE_UNKNOWN", "no such version of this scope")
        content = {"scope": scope, "purpose": held[0]["purpose"], "fields": held[0]["fields"]}
        return await changes.propose(conn, actor, await ground(conn), kind=ChangeKind.SCOPE, content=content, reason=reason)

    tell_proposed(act(run), as_json=as_json)


@app.command()
def retire(scope: Annotated[str, typer.Argument(help="The scope's name.")], *, reason: Reason, as_json: AsJson = False) -> None:
    """Propose that a scope ends without a successor; somebody else approves it. `gateway halt add --scope` stops it at once."""

    async def run(conn: Connection, actor: Actor) -> UUID:
        content = {"scope": scope}
        return await changes.propose(conn, actor, await ground(conn), kind=ChangeKind.SCOPE_END, content=content, reason=reason)

    tell_proposed(act(run), as_json=as_json)


def _state(row: Mapping[str, Any]) -> str:
    if row["active_from"] is None:
        return "draft"
    return "active" if row["is_active"] else "retired"
