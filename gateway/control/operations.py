"""`gateway partners register-operation`, `operations`, `end-operation`: the documents that a partner may name, or is held to."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.control.acting import act
from gateway.control.answer import DOES_NOT_HOLD, USAGE, AsJson, fail, tell
from gateway.settings import Settings
from gateway.stewardship import operations
from gateway.stewardship.actor import Actor, ActRefused
from gateway.stewardship.examine import Examined, ExaminedOperation, Hindrance, UnderPurpose
from gateway.store.pool import Connection
from gateway.store.registered import RegisteredOperation

Name = Annotated[str, typer.Argument(help="The partner's registered name.")]


def register_operation(
    name: Name,
    file: Annotated[Path, typer.Argument(help="The document, to the letter as the partner's clients hash or send it.")],
    label: Annotated[str, typer.Option(help="What it is for.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show what a document costs and how each of its fields comes out, and register it if it would be answered."""
    try:
        document = file.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        fail("the file cannot be read as UTF-8", USAGE)

    async def run(conn: Connection, actor: Actor) -> tuple[Examined, ActRefused | None]:
        examined = await operations.look_at(conn, actor, Settings(), partner=name, document=document)
        try:
            await operations.register(conn, actor, Settings(), partner=name, document=document, label=label)
        except ActRefused as refused:
            return examined, refused
        return examined, None

    examined, refused = act(run)
    tell(dataclasses.asdict(examined), "\n".join(_lines(examined)), as_json=as_json)
    if refused is not None:
        fail(f"{refused.code}: {refused}", DOES_NOT_HOLD)


def list_operations(name: Name, *, as_json: AsJson = False) -> None:
    """Every document that is registered for a partner, or was."""

    async def run(conn: Connection, actor: Actor) -> tuple[RegisteredOperation, ...]:
        return await operations.of_partner(conn, actor, partner=name)

    found = act(run)
    lines = [
        f"{one.document_sha256}  {one.label}  "
        + (f"ended {one.ended_at.isoformat()}" if one.ended_at else f"since {one.registered_at.isoformat()}")
        for one in found
    ]
    tell([dataclasses.asdict(one) for one in found], "\n".join(lines) or "no operation is registered", as_json=as_json)


def end_operation(
    name: Name, sha256: Annotated[str, typer.Argument(help="The document's SHA-256 in hexadecimal.")], *, as_json: AsJson = False
) -> None:
    """End a registration; it counts from the next query on."""

    async def run(conn: Connection, actor: Actor) -> None:
        await operations.end(conn, actor, partner=name, document_sha256=sha256)

    act(run)
    told: dict[str, Any] = {"partner": name, "document_sha256": sha256}
    tell(told, f"{sha256} is no longer registered for {name}", as_json=as_json)


def _lines(examined: Examined) -> Iterator[str]:
    yield f"documentId sha256:{examined.document_sha256}"
    if examined.hindrance is not None:
        yield from _hindered(examined.hindrance, "")
    for operation in examined.operations:
        yield f"operation {operation.name or '(unnamed)'}  cost {_cost(operation)}"
        if operation.hindrance is not None:
            yield from _hindered(operation.hindrance, "  ")
        for under in operation.under:
            yield from _under(under)


def _cost(operation: ExaminedOperation) -> str:
    if operation.cost_most is None:
        return f"{operation.cost_least} or more, beyond the limit for some variables"
    least, most = operation.cost_least, operation.cost_most
    return str(most) if least == most else f"{least} to {most}, by its variables"


def _under(under: UnderPurpose) -> Iterator[str]:
    yield f"  {under.purpose or 'no purpose'}  {', '.join(under.scopes)}".rstrip()
    if under.hindrance is not None:
        yield from _hindered(under.hindrance, "    ")
    for field in under.fields:
        yield f"    {field.path}  {field.category} ({field.sensitivity})  {field.redaction}  {', '.join(field.scopes)}"


def _hindered(hindrance: Hindrance, indent: str) -> Iterator[str]:
    about = "".join(f"  {name} {value}" for name, value in hindrance.extensions.items())
    for problem in hindrance.problems:
        places = "".join(f"  at {line}:{column}" for line, column in problem.locations)
        yield f"{indent}{hindrance.code}: {problem.message}{about}{places}"
