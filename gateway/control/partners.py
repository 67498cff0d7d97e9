"""`gateway partners`: who is registered, and with what."""

from typing import Annotated, Any

import typer

from gateway.control import operations
from gateway.control.acting import Reason, act
from gateway.control.answer import AsJson, ask, tell
from gateway.stewardship import flow
from gateway.stewardship.actor import Actor
from gateway.store import partners
from gateway.store.pool import Connection

app = typer.Typer(help="Partners and their clients.", no_args_is_help=True)
app.command("register-operation")(operations.register_operation)
app.command("operations")(operations.list_operations)
app.command("end-operation")(operations.end_operation)


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """Every partner, with its clients and the scopes it is granted."""

    async def run(conn: Connection) -> list[dict[str, Any]]:
        return [dict(row) for row in await partners.everyone(conn)]

    found = ask(run)
    lines = [
        f"{row['name']}  {row['role']}  {row['processing_location']}  {row['status']}  "
        + ", ".join(grant["scope"] for grant in row["grants"])
        for row in found
    ]
    tell(found, "\n".join(lines) or "no partner is registered", as_json=as_json)


@app.command()
def show(name: Annotated[str, typer.Argument(help="The partner's registered name.")], *, as_json: AsJson = False) -> None:
    """One partner: its agreement, its clients, its grants."""

    async def run(conn: Connection) -> dict[str, Any]:
        await partners.find(conn, name)
        return next(dict(row) for row in await partners.everyone(conn) if row["name"] == name)

    found = ask(run)
    lines = [f"{label}: {value}" for label, value in found.items() if label not in {"clients", "grants"}]
    lines += [f"client: {client}" for client in found["clients"]]
    lines += [f"grant: {grant['scope']} from {grant['starts_at']} to {grant['ends_at']}" for grant in found["grants"]]
    tell(found, "\n".join(lines), as_json=as_json)


@app.command()
def suspend(
    name: Annotated[str, typer.Argument(help="The partner's registered name.")],
    *,
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Let nothing go to a partner from the next query on. That it does again is a change, which somebody else approves."""

    async def run(conn: Connection, actor: Actor) -> None:
        await flow.suspend(conn, actor, partner=name, reason=reason)

    act(run)
    tell({"partner": name, "status": "suspended"}, f"{name} is suspended", as_json=as_json)
