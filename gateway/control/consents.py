"""`gateway consents`: does the state follow from the ledgers, and a withdrawal on a data subject's behalf."""

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

import typer

from gateway.control.acting import Reason, act
from gateway.control.answer import DOES_NOT_HOLD, UNSPECIFIED, USAGE, AsJson, ask, fail, tell
from gateway.control.pseudonyms import proven_keys, pseudonym_keys
from gateway.stewardship import support
from gateway.stewardship.actor import Actor
from gateway.store import consents
from gateway.store.consents import Difference
from gateway.store.pool import Connection
from scopes import Purpose

app = typer.Typer(help="What data subjects agreed to.", no_args_is_help=True)


@app.command()
def verify(*, as_json: AsJson = False) -> None:
    """Fold every ledger anew and compare it with the state that the gate reads."""

    async def run(conn: Connection) -> list[Difference]:
        return await consents.verify(conn, pseudonym_keys())

    found = ask(run)
    lines = [f"{row.subject_id} {row.purpose}: {row.difference} {', '.join(row.categories)}".rstrip() for row in found]
    body = {"holds": not found, "differences": [asdict(row) for row in found]}
    tell(body, "\n".join(lines) or "the state follows from the ledgers", as_json=as_json)
    if found:
        raise typer.Exit(DOES_NOT_HOLD)


@app.command()
def withdraw(
    subject: Annotated[UUID, typer.Argument(help="The data subject's id.")],
    partner: Annotated[str, typer.Argument(help="The partner's registered name.")],
    purpose: Annotated[str, typer.Argument(help="The purpose, such as survey.")],
    *,
    reason: Reason = UNSPECIFIED,
    as_json: AsJson = False,
) -> None:
    """Take a consent back, with effect on the next query."""
    if purpose not in set(Purpose):
        fail("no such purpose", USAGE)

    async def run(conn: Connection, actor: Actor) -> UUID:
        keys, named = await proven_keys(conn), Purpose(purpose)
        return await support.withdraw(conn, actor, keys, subject_id=subject, partner=partner, purpose=named, reason=reason)

    consent_id = act(run)
    tell({"withdrawn": consent_id}, f"consent {consent_id} is withdrawn", as_json=as_json)


@app.command()
def fold(*, as_json: AsJson = False) -> None:
    """Fold everybody anew, where the state no longer follows (a changed category, an interrupted change of a partner)."""

    async def run(conn: Connection) -> int:
        keys = await proven_keys(conn)
        return sum(
            [
                await consents.fold_all(conn, keys, partner_id=row["partner_id"], purpose=Purpose(row["purpose"]))
                for row in await conn.fetch(consents.STATES)
            ]
        )

    changed = ask(run)
    tell({"changed": changed}, f"{changed} changed", as_json=as_json)
