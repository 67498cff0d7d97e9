"""`gateway consents`: does the state follow from the ledgers, and a withdrawal on a data subject's behalf."""

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

import typer

from gateway.control.answer import DOES_NOT_HOLD, USAGE, AsJson, ask, fail, tell
from gateway.settings import Settings
from gateway.store import consents, partners
from gateway.store.consents import Difference, PseudonymKeys
from gateway.store.pool import Connection
from gateway.store.questions import question
from scopes import Purpose, pseudonym

A_STATE = question("consents", "a_state")

app = typer.Typer(help="What data subjects agreed to.", no_args_is_help=True)


@app.command()
def verify(*, as_json: AsJson = False) -> None:
    """Fold every ledger anew and compare it with the state that the gate reads."""

    async def run(conn: Connection) -> list[Difference]:
        return await consents.verify(conn, _keys())

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
    as_json: AsJson = False,
) -> None:
    """Take a consent back, with effect on the next query."""
    if purpose not in set(Purpose):
        fail("no such purpose", USAGE)

    async def run(conn: Connection) -> UUID:
        partner_id = await partners.find(conn, partner)
        return await consents.withdraw(
            conn, await proven_keys(conn), subject_id=subject, partner_id=partner_id, purpose=Purpose(purpose)
        )

    consent_id = ask(run)
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


def _keys() -> PseudonymKeys:
    return PseudonymKeys(Settings().key("pseudonym"))


async def proven_keys(conn: Connection) -> PseudonymKeys:
    """The keys, once they are seen to be those of this database: under others, data subjects would get pseudonyms that no
    partner can connect with what it has, and that stay."""
    keys = _keys()
    row = await conn.fetchrow(A_STATE)
    if row is not None and row["pseudonym"] != pseudonym(keys.key, row["partner_id"], row["purpose"], row["subject_id"]):
        fail("this is not the master key that the database's pseudonyms were made with", USAGE)
    return keys
