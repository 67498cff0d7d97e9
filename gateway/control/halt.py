"""`gateway halt`: stop the flow to one partner, through one scope, or altogether (policy 9.4)."""

import dataclasses
from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import typer

from gateway.control.acting import Reason, act
from gateway.control.answer import UNSPECIFIED, USAGE, AsJson, fail, tell
from gateway.stewardship import flow, registers
from gateway.stewardship.actor import Actor
from gateway.stewardship.registers import HaltEntry
from gateway.store.pool import Connection

app = typer.Typer(help="Stop the flow; it counts from the next query on.", no_args_is_help=True)

OfPartner = Annotated[str | None, typer.Option("--partner", help="The partner's registered name.")]
OfScope = Annotated[str | None, typer.Option("--scope", help="The scope's name.")]
OfAll = Annotated[bool, typer.Option("--all", help="Everything.")]


@app.command()
def add(
    *,
    partner: OfPartner = None,
    scope: OfScope = None,
    everything: OfAll = False,
    reason: Reason = UNSPECIFIED,
    as_json: AsJson = False,
) -> None:
    """Halt one partner, one scope, or all."""
    _check_target(partner, scope, everything=everything)

    async def run(conn: Connection, actor: Actor) -> UUID:
        return await flow.halt(conn, actor, reason=reason, partner=partner, scope=scope)

    halt_id = act(run)
    tell({"halt_id": halt_id}, f"halted: {halt_id}", as_json=as_json)


@app.command()
def lift(
    *,
    partner: OfPartner = None,
    scope: OfScope = None,
    everything: OfAll = False,
    reason: Reason = UNSPECIFIED,
    as_json: AsJson = False,
) -> None:
    """End every halt of exactly this target."""
    _check_target(partner, scope, everything=everything)

    async def run(conn: Connection, actor: Actor) -> int:
        return await flow.lift(conn, actor, reason=reason, partner=partner, scope=scope)

    lifted = act(run)
    tell({"lifted": lifted}, f"{lifted} lifted", as_json=as_json)


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """The halts in force."""

    async def run(conn: Connection, actor: Actor) -> Sequence[HaltEntry]:
        return await registers.halts(conn, actor)

    found = act(run)
    lines = [f"{one.begun_at}  {one.target} {one.partner or one.scope or ''}  {one.reason}" for one in found]
    tell([dataclasses.asdict(one) for one in found], "\n".join(lines) or "nothing is halted", as_json=as_json)


def _check_target(partner: str | None, scope: str | None, *, everything: bool) -> None:
    if (partner is not None) + (scope is not None) + everything != 1:
        fail("name one of --partner, --scope and --all", USAGE)
