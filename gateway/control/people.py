"""`gateway staff`: who answers for sharing, named by whoever has access to the machine itself (policy 9.3)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Annotated

import typer

from gateway.control.acting import act
from gateway.control.answer import AsJson, tell
from gateway.settings import Settings
from gateway.stewardship import staff
from gateway.stewardship.actor import Actor
from gateway.stewardship.roles import StaffRole
from gateway.stewardship.staff import Credentials, Member, Vault
from gateway.store.pool import Connection

app = typer.Typer(help="The staff, their roles and what they sign in with.", no_args_is_help=True)
Login = Annotated[str, typer.Argument(help="What the person signs in with.")]


@app.command()
def add(
    login: Login,
    name: Annotated[str, typer.Option(help="The person's name, for the record.")],
    roles: Annotated[list[StaffRole], typer.Option("--role", help="Once for each role.")],
    *,
    upstream_subject: Annotated[
        str | None, typer.Option(help="Their `sub` at the upstream OpenID provider, to sign in by it in place of the password.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Name somebody, and print their password and the secret of their authenticator: neither can be shown again."""
    vault = Vault(Settings())

    async def run(conn: Connection, actor: Actor) -> Credentials:
        return await staff.add(conn, actor, vault, login=login, name=name, roles=roles, upstream_subject=upstream_subject)

    _tell_credentials(login, act(run), as_json=as_json)


@app.command("roles")
def roles_(
    login: Login,
    roles: Annotated[list[StaffRole], typer.Argument(help="All that the person has from now on.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Give a person these roles in place of those they had; it counts at once."""

    async def run(conn: Connection, actor: Actor) -> None:
        await staff.change_roles(conn, actor, login=login, roles=roles)

    act(run)
    tell({"login": login, "roles": sorted(roles)}, f"{login} is {', '.join(sorted(roles))}", as_json=as_json)


@app.command()
def renew(login: Login, *, as_json: AsJson = False) -> None:
    """Give a person who lost a factor another password and another secret, and print them this once."""
    vault = Vault(Settings())

    async def run(conn: Connection, actor: Actor) -> Credentials:
        return await staff.renew_credentials(conn, actor, vault, login=login)

    _tell_credentials(login, act(run), as_json=as_json)


@app.command()
def end(login: Login, *, as_json: AsJson = False) -> None:
    """End a person with their sessions and tokens, at once."""

    async def run(conn: Connection, actor: Actor) -> None:
        await staff.end(conn, actor, login=login)

    act(run)
    tell({"login": login, "ended": True}, f"{login} has ended", as_json=as_json)


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """Everybody, those who have ended last."""

    async def run(conn: Connection, actor: Actor) -> Sequence[Member]:
        return await staff.everybody(conn, actor)

    found = act(run)
    lines = [f"{one.login}  {one.name}  {', '.join(one.roles)}  {_since(one)}" for one in found]
    tell([dataclasses.asdict(one) for one in found], "\n".join(lines) or "nobody is named", as_json=as_json)


def _since(one: Member) -> str:
    if one.ended_at is not None:
        return f"ended {one.ended_at.isoformat()}"
    return (
        "has accepted confidentiality" if one.confidentiality_accepted_at is not None else "has not accepted confidentiality yet"
    )


def _tell_credentials(login: str, given: Credentials, *, as_json: bool) -> None:
    body = {"login": login, "password": given.password, "totp_secret": given.totp_secret}
    text = f"{login}, shown this once:\npassword     {given.password}\nTOTP secret  {given.totp_secret}"
    tell(body, text, as_json=as_json)
