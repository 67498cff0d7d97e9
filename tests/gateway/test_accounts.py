"""`gateway accounts`: a data subject is let sign in, with a password that stands in no argument and in no output."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest_asyncio
from typer.testing import CliRunner

from gateway.cli import app
from tests.support.database import Database
from tests.support.visiting import House, a_house

PASSWORD = "correct horse battery"


@pytest_asyncio.fixture(loop_scope="session")
async def house(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(database, tmp_path) as made:
        yield made


def run(database: Database, *words: str, said: str = "") -> tuple[int, str]:
    """Status, and all that the command printed."""
    with ThreadPoolExecutor(1) as elsewhere:  # a command has an event loop of its own
        invoked = elsewhere.submit(
            CliRunner().invoke, app, ["accounts", *words], input=said, env={"DATABASE_URL": database.owner_url}
        )
        result = invoked.result()
    return result.exit_code, result.output


async def test_who_is_given_an_account_signs_in_until_it_is_ended(house: House, database: Database) -> None:
    subject_id = uuid4()

    status, out = run(database, "add", " Somebody ", "--subject", str(subject_id), "--json", said=PASSWORD + "\n")
    assert (status, json.loads(out)) == (0, {"login": " Somebody ", "subject_id": str(subject_id)})
    assert PASSWORD not in out
    async with house.a_visitor() as visitor:
        assert (await visitor.sign_in("somebody", PASSWORD)).status_code == 303
        assert (await visitor.http.get("/me")).status_code == 200

        assert run(database, "add", "somebody", "--subject", str(subject_id), said="another password\n")[0] == 0
        assert (await visitor.http.get("/me")).status_code == 303  # a new password: everybody signs in anew
        assert (await visitor.sign_in("somebody", PASSWORD)).status_code == 422
        assert (await visitor.sign_in("somebody", "another password")).status_code == 303

        assert run(database, "end", "somebody")[0] == 0
        assert (await visitor.http.get("/me")).status_code == 303
        assert (await visitor.sign_in("somebody", "another password")).status_code == 422


async def test_what_cannot_be_is_refused_with_its_code(house: House, database: Database) -> None:
    assert house.url
    first, other = str(uuid4()), str(uuid4())
    assert run(database, "add", "taken", "--subject", first, said=PASSWORD + "\n")[0] == 0

    for words, said, code in (
        (("add", "taken", "--subject", other), PASSWORD, "ACCOUNT_KNOWN"),
        (("add", " ", "--subject", other), PASSWORD, "ACCOUNT_INVALID"),
        (("add", "short", "--subject", other), "short", "ACCOUNT_INVALID"),
        (("end", "nobody"), "", "ACCOUNT_UNKNOWN"),
    ):
        status, out = run(database, *words, said=said + "\n")
        assert (status, code in out) == (1, True), out
    assert run(database, "add", "x", "--subject", "no-uuid", said=PASSWORD)[0] == 2
