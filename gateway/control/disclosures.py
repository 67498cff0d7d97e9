"""`gateway disclosures`: does the record hold together."""

import typer

from gateway.control.answer import DOES_NOT_HOLD, AsJson, ask, tell
from gateway.store.pool import Connection
from gateway.store.questions import question

FLAWS = question("disclosures", "flaws")

app = typer.Typer(help="What went out to whom.", no_args_is_help=True)


@app.callback()
def disclosures() -> None:
    """Keeps `verify` a command of its own."""


@app.command()
def verify(*, as_json: AsJson = False) -> None:
    """Every row of a data subject has its disclosure, every disclosure its projection and as many data subjects as it says."""

    async def run(conn: Connection) -> list[dict[str, object]]:
        return [dict(row) for row in await conn.fetch(FLAWS)]

    found = ask(run)
    lines = [f"{row['disclosure_id']}: {row['flaw']}" for row in found]
    tell({"holds": not found, "flaws": found}, "\n".join(lines) or "the record holds together", as_json=as_json)
    if found:
        raise typer.Exit(DOES_NOT_HOLD)
