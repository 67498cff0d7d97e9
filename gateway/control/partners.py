"""`gateway partners`: who is registered, and with what."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.control import operations
from gateway.control.answer import USAGE, AsJson, ask, fail, tell
from gateway.oauth.registration import InvalidClientMetadata, validate
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
def status(
    name: Annotated[str, typer.Argument(help="The partner's registered name.")],
    value: Annotated[str, typer.Argument(help="active, suspended or ended.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Suspend a partner, end it, or make it active again; it counts from the next query on."""

    async def run(conn: Connection) -> None:
        await partners.set_status(conn, partner_id=await partners.find(conn, name), status=value)

    ask(run)
    tell({"partner": name, "status": value}, f"{name} is {value}", as_json=as_json)


@app.command("add-client")
def add_client(
    name: Annotated[str, typer.Argument(help="The partner's registered name.")],
    metadata: Annotated[Path, typer.Argument(help="A file of RFC 7591 client metadata (JSON), public keys included.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Register a client of a partner."""
    try:
        content = json.loads(metadata.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        fail("the file cannot be read as JSON", USAGE)

    try:
        client = validate(content)
    except InvalidClientMetadata as invalid:
        fail(f"{invalid.error}: {invalid.fault} {invalid.member}", USAGE)

    async def run(conn: Connection) -> None:
        partner_id = await partners.find(conn, name)
        await partners.register_client(conn, partner_id=partner_id, client=client)

    ask(run)
    tell({"client_id": client.client_id}, f"client {client.client_id} is registered", as_json=as_json)
