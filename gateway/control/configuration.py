"""`gateway scopes export` and `apply`: the configuration as files that can be reviewed, and put up for decision."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gateway.control.acting import act, catalogue, ground
from gateway.control.answer import DOES_NOT_HOLD, USAGE, AsJson, difference_lines, fail, tell
from gateway.settings import Settings
from gateway.stewardship import configuration_files
from gateway.stewardship.actor import Actor
from gateway.stewardship.applying import Applied, Outcome, apply, planned
from gateway.stewardship.configuration import Configuration, Item, Step
from gateway.stewardship.standing import export
from gateway.store.pool import Connection
from gateway.strict_yaml import InvalidFile

SIGNS: Final = {Step.ADD: "+", Step.CHANGE: "~", Step.END: "-"}
Folder = Annotated[Path, typer.Argument(help="The folder of the files.")]
HERE: Final = Path("policy")


def export_(folder: Folder = HERE, *, as_json: AsJson = False) -> None:
    """Write rules, partners, clients, scopes, grants and registered operations as YAML, with JSON Schemas beside them."""

    async def run(conn: Connection, actor: Actor) -> Configuration:
        return await export(conn, actor, catalogue())

    found = act(run)
    try:
        paths = configuration_files.write(folder, found)
    except OSError:
        fail("the folder cannot be written", USAGE)
    body = {"folder": str(folder), "files": [str(path.relative_to(folder)) for path in paths]}
    tell(body, f"{len(paths)} files in {folder}", as_json=as_json)


def apply_(
    folder: Folder = HERE,
    *,
    only_plan: Annotated[bool, typer.Option("--plan", help="Show what would have to be decided, and propose nothing.")] = False,
    reason: Annotated[str, typer.Option(help="Why, for those who decide; no personal data.")] = "the files say so",
    as_json: AsJson = False,
) -> None:
    """Propose what the files say otherwise than what stands; somebody else approves it, and nothing takes effect by this alone.

    With --plan, status 0: nothing to do, 1: something differs. Without, status 0: whatever differs is proposed or waits for the
    approval of something else, 1: something was refused. 2: a file is wrong, 3: the database is unreachable.
    """
    try:
        wanted = configuration_files.read(folder)
    except InvalidFile as wrong:
        fail(str(wrong), USAGE)
    except OSError:
        fail(f"{folder} holds no configuration that can be read: `gateway scopes export` writes one", USAGE)
    if only_plan:
        _show_plan(wanted, as_json=as_json)
        return

    async def run(conn: Connection, actor: Actor) -> Sequence[Applied]:
        return await apply(conn, actor, await ground(conn), Settings(), catalogue(), wanted, reason=reason)

    found = act(run)
    body = [{**_as_json(one.item), **_of_outcome(one)} for one in found]
    tell(body, "\n".join(line for one in found for line in _outcome_lines(one)) or "nothing to do", as_json=as_json)
    if any(one.outcome is Outcome.REFUSED for one in found):
        raise typer.Exit(DOES_NOT_HOLD)


def _show_plan(wanted: Configuration, *, as_json: bool) -> None:
    async def run(conn: Connection, actor: Actor) -> Sequence[Item]:
        return await planned(conn, actor, catalogue(), wanted)

    items = act(run)
    lines = [line for item in items for line in (_title(item), *difference_lines(item.differences))]
    tell([_as_json(item) for item in items], "\n".join(lines) or "nothing to do", as_json=as_json)
    if items:
        raise typer.Exit(DOES_NOT_HOLD)


def _title(item: Item) -> str:
    return f"{SIGNS[item.step]} {item.title}"


def _outcome_lines(one: Applied) -> Iterator[str]:
    told = {
        Outcome.PROPOSED: f"proposed as {one.change_id}",
        Outcome.PENDING: f"waits for its decision as {one.change_id}",
        Outcome.WAITS: f"waits for the approval of: {', '.join(one.waits_for)}",
        Outcome.REFUSED: f"refused: {one.code}",
        Outcome.DONE: "done: no second person is needed for it",
    }
    yield f"{_title(one.item)}: {told[one.outcome]}"
    for finding in one.findings:
        yield f"    {finding.path}: {finding.fault}"


def _as_json(item: Item) -> dict[str, Any]:
    differences = [dataclasses.asdict(one) for one in item.differences]
    return {"step": item.step, "kind": item.kind, "title": item.title, "content": item.content, "differences": differences}


def _of_outcome(one: Applied) -> dict[str, Any]:
    return {
        "outcome": one.outcome,
        "change_id": one.change_id,
        "waits_for": one.waits_for,
        "code": one.code,
        "findings": [dataclasses.asdict(finding) for finding in one.findings],
    }
