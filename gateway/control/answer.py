"""What every command of the staff shares: one connection, one way to print, one status for each kind of failure."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, NoReturn, TypeVar

import asyncpg
import typer

from gateway.settings import Settings
from gateway.stewardship.actor import ActRefused, Finding
from gateway.stewardship.configuration import Difference
from gateway.store.accounts import AccountError
from gateway.store.consents import ConsentError
from gateway.store.embedded import owner_url
from gateway.store.grants import GrantError
from gateway.store.halts import HaltError
from gateway.store.partners import PartnerError
from gateway.store.pool import Connection
from gateway.store.registered import OperationError

DOES_NOT_HOLD, USAGE = 1, 2
UNSPECIFIED: Final = "unspecified"
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Found = TypeVar("Found")


def ask(question: Callable[[Connection], Awaitable[Found]]) -> Found:
    """Run a question on the database of the settings; a planned refusal is one line and status 1."""

    async def run() -> Found:
        async with owner_url(Settings()) as url:
            conn: Connection = await asyncpg.connect(
                url, server_settings={"timezone": "UTC", "application_name": "gateway control"}
            )
            try:
                return await question(conn)
            finally:
                await conn.close()

    try:
        return asyncio.run(run())
    except ActRefused as refused:
        fail(told(refused.code, str(refused), refused.findings), DOES_NOT_HOLD)
    except GrantError as refused:
        findings = "".join(f"\n{finding.path}: {finding.fault.value}" for finding in refused.findings)
        fail(f"{refused.code}: {refused}{findings}", DOES_NOT_HOLD)
    except (AccountError, ConsentError, HaltError, OperationError, PartnerError) as refused:
        fail(f"{refused.code}: {refused}", DOES_NOT_HOLD)
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        fail("this database holds no gateway: `gateway migrate` makes one", DOES_NOT_HOLD)


def tell(body: object, text: str, *, as_json: bool) -> None:
    """Print one or the other. body may hold ids, instants and names."""
    typer.echo(json.dumps(body, default=_plain, ensure_ascii=False) if as_json else text)


def difference_lines(differences: Sequence[Difference]) -> Iterator[str]:
    """Member by member, before and after."""
    for one in differences:
        if one.before is None:
            yield f"    {one.path}: {_short(one.after)}"
        else:
            yield f"    {one.path}: {_short(one.before)} -> {'nothing' if one.after is None else _short(one.after)}"


def told(code: str, text: str, findings: Sequence[Finding]) -> str:
    """A refusal: one line, and one more for each finding."""
    return "\n".join([f"{code}: {text}", *(f"{one.path}: {one.fault}" for one in findings)])


def fail(text: str, status: int) -> NoReturn:
    """End the command with one line and this status."""
    typer.echo(text, err=True)
    raise typer.Exit(status)


def _short(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
