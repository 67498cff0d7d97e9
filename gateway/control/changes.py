"""`gateway changes`: one of the staff proposes, another decides (policy 9.3)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from gateway import strict_yaml
from gateway.control.acting import Reason, act, ground
from gateway.control.answer import USAGE, AsJson, difference_lines, fail, tell
from gateway.stewardship import changes
from gateway.stewardship.actor import Actor
from gateway.stewardship.changes import Change
from gateway.stewardship.configuration import differences_between
from gateway.stewardship.content import ChangeKind
from gateway.store.pool import Connection
from gateway.strict_yaml import InvalidFile

app = typer.Typer(help="What somebody wants and somebody else decides.", no_args_is_help=True)
ChangeId = Annotated[UUID, typer.Argument(help="The change's id.")]


@app.command("list")
def list_(
    state: Annotated[str | None, typer.Option(help="proposed, approved, rejected or withdrawn.")] = None,
    target: Annotated[str | None, typer.Option(help="The scope's or the partner's name.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """The changes, those that wait first, then newest first."""

    async def run(conn: Connection, actor: Actor) -> list[Change]:
        return [*await changes.listed(conn, actor, state=state, target=target)]

    found = act(run)
    tell([_as_json(one) for one in found], "\n".join(map(_line, found)) or "there is no change", as_json=as_json)


@app.command()
def show(change_id: ChangeId, *, as_json: AsJson = False) -> None:
    """One change: who wants it and why, and member by member what it would replace."""

    async def run(conn: Connection, actor: Actor) -> Change:
        return await changes.find(conn, actor, change_id)

    found = act(run)
    lines = [_line(found), f"proposed {found.proposed_at.isoformat()}"]
    if found.decided_at is not None:
        lines.append(f"{found.state} {found.decided_at.isoformat()} by {found.decider}  {found.decision or ''}".rstrip())
    if found.takes_effect_at is not None:
        lines.append(f"in effect from {found.takes_effect_at.isoformat()}")
    lines += difference_lines(differences_between(found.base or {}, found.content))
    tell(_as_json(found), "\n".join(lines), as_json=as_json)


@app.command()
def propose(
    kind: Annotated[ChangeKind, typer.Argument(help="What is to be changed.")],
    file: Annotated[Path, typer.Argument(help="What is wanted, in the form of that kind: YAML or JSON.")],
    *,
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Put a change up for decision; nothing takes effect."""
    content = content_of(file)

    async def run(conn: Connection, actor: Actor) -> UUID:
        return await changes.propose(conn, actor, await ground(conn), kind=kind, content=content, reason=reason)

    tell_proposed(act(run), as_json=as_json)


@app.command()
def approve(
    change_id: ChangeId,
    decision: Annotated[str, typer.Option("--reason", help="Why, for the record; no personal data.")] = "",
    *,
    as_json: AsJson = False,
) -> None:
    """Let what somebody else proposed take effect."""

    async def run(conn: Connection, actor: Actor) -> Change:
        await changes.approve(conn, actor, await ground(conn), change_id=change_id, decision=decision)
        return await changes.find(conn, actor, change_id)

    found = act(run)
    since = found.takes_effect_at.isoformat() if found.takes_effect_at is not None else ""
    tell(_as_json(found), f"{change_id} is approved, in effect from {since}", as_json=as_json)


@app.command()
def reject(change_id: ChangeId, *, decision: Reason, as_json: AsJson = False) -> None:
    """Turn down what somebody else proposed."""

    async def run(conn: Connection, actor: Actor) -> None:
        await changes.reject(conn, actor, change_id=change_id, decision=decision)

    act(run)
    tell({"change_id": change_id, "state": "rejected"}, f"{change_id} is rejected", as_json=as_json)


@app.command()
def withdraw(change_id: ChangeId, *, as_json: AsJson = False) -> None:
    """Take back what one proposed oneself."""

    async def run(conn: Connection, actor: Actor) -> None:
        await changes.withdraw(conn, actor, change_id=change_id)

    act(run)
    tell({"change_id": change_id, "state": "withdrawn"}, f"{change_id} is withdrawn", as_json=as_json)


def content_of(file: Path) -> Mapping[str, Any]:
    """What a file holds. Ends the command with status 2 where that is nothing that could be proposed."""
    try:
        value = strict_yaml.read(file).value
    except InvalidFile as wrong:
        fail(str(wrong), USAGE)
    except OSError:
        fail("the file cannot be read", USAGE)
    if not isinstance(value, dict):
        fail(f"{file}:1: members by name, not a list or one value", USAGE)
    return value


def tell_proposed(change_id: UUID, *, as_json: bool) -> None:
    """What somebody else has to decide now."""
    tell({"change_id": change_id}, f"proposed as {change_id}: somebody else approves it", as_json=as_json)


def _line(one: Change) -> str:
    return f"{one.change_id}  {one.state}  {one.kind}  {one.target or 'rules'}  by {one.proposer}  {one.reason}"


def _as_json(one: Change) -> dict[str, Any]:
    return dataclasses.asdict(one)
