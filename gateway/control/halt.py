"""`gateway halt`: stop the flow to one partner, through one scope, or altogether (policy 9.4)."""

from typing import Annotated
from uuid import UUID

import typer

from gateway.control.answer import USAGE, AsJson, ask, fail, tell
from gateway.store import halts, partners
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
    reason: Annotated[str, typer.Option(help="Why, for the record; no personal data.")] = "unspecified",
    as_json: AsJson = False,
) -> None:
    """Halt one partner, one scope, or all."""
    target = _target(partner, scope, everything=everything)

    async def run(conn: Connection) -> UUID:
        partner_id = None if partner is None else await partners.find(conn, partner)
        return await halts.add(conn, target=target, partner_id=partner_id, scope=scope, reason=reason)

    halt_id = ask(run)
    tell({"halt_id": halt_id}, f"halted: {halt_id}", as_json=as_json)


@app.command()
def lift(*, partner: OfPartner = None, scope: OfScope = None, everything: OfAll = False, as_json: AsJson = False) -> None:
    """End every halt of exactly this target."""
    target = _target(partner, scope, everything=everything)

    async def run(conn: Connection) -> int:
        partner_id = None if partner is None else await partners.find(conn, partner)
        return await halts.lift(conn, target=target, partner_id=partner_id, scope=scope)

    lifted = ask(run)
    tell({"lifted": lifted}, f"{lifted} lifted", as_json=as_json)


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """The halts in force."""

    async def run(conn: Connection) -> list[dict[str, object]]:
        return [dict(row) for row in await halts.in_force(conn)]

    found = ask(run)
    lines = [f"{row['begun_at']}  {row['target']} {row['partner'] or row['scope'] or ''}  {row['reason']}" for row in found]
    tell(found, "\n".join(lines) or "nothing is halted", as_json=as_json)


def _target(partner: str | None, scope: str | None, *, everything: bool) -> str:
    if (partner is not None) + (scope is not None) + everything != 1:
        fail("name one of --partner, --scope and --all", USAGE)
    return "all" if everything else "partner" if partner is not None else "scope"
