"""The staff's commands as a person or a script meets them: what they do, what they print, and their status.

DESIGN section 6: --json on all that print; 0 holds, 1 does not hold, 2 usage, 3 a dependency is unreachable.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from typer.testing import CliRunner

from gateway.cli import app
from gateway.request.codes import Code, GatewayError
from gateway.store import consents, grants
from scopes import REVEAL, Purpose, ScopeField
from tests.support.database import Database
from tests.support.ids import NOBODY
from tests.support.oauth import a_metadata
from tests.support.world import World, a_world

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


def _run(*words: str, **settings: str) -> Done:
    """Run `gateway` to its end, in this process: starting one takes longer than what it does."""
    with ThreadPoolExecutor(1) as elsewhere:  # a command has an event loop of its own
        result = elsewhere.submit(CliRunner().invoke, app, words, env=settings).result()
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Done(result.exit_code, result.stdout, result.stderr)


def _start(*words: str, **settings: str) -> Done:
    """Run `gateway` to its end, in a process of its own."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    command = [sys.executable, "-m", "gateway.cli", *words]
    done = subprocess.run(command, env=known | settings, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the world's master key."""
    return tmp_path_factory.mktemp("data")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(module_database: Database, data: Path) -> AsyncIterator[World]:
    """One world for all commands: each start of a process takes longer than what it does."""
    async with a_world(module_database, data) as world:
        yield world


@pytest.fixture
def run(module_database: Database, data: Path) -> Run:
    """Run `gateway` on the world's database, with the world's master key."""
    return lambda *words, **more: _run(*words, **({"DATABASE_URL": module_database.owner_url, "GATEWAY_DATA": str(data)} | more))


def _told(done: Done, status: int = 0) -> Any:
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)


async def _reader(world: World, name: str) -> tuple[UUID, Any, UUID]:
    """A partner with its token, and a data subject that it sees."""
    partner_id, caller = await world.a_reader(["Subject.city"], name=name)
    subject_id = await world.a_subject()
    await world.a_consent(subject_id, partner_id)
    return partner_id, caller, subject_id


async def test_a_withdrawal_counts_from_the_next_query_on_and_is_not_repeated(world: World, run: Run) -> None:
    """policy 6.1, PIPL 15."""
    _, caller, subject_id = await _reader(world, "withdrawn")
    assert len(await world.see(caller, "city")) == 1
    words = ("consents", "withdraw", str(subject_id), "withdrawn", Purpose.SERVICE_DELIVERY.value)

    body = _told(run(*words, "--json"))

    assert UUID(body["withdrawn"]).version == 4
    assert await world.see(caller, "city") == []
    again = run(*words)
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr.startswith("NOTHING_TO_WITHDRAW")


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["consents", "withdraw", "not-an-id", "x", "survey"], 2, ""),
        (["consents", "withdraw", str(NOBODY), "x", "curiosity"], 2, "no such purpose"),
        (["consents", "withdraw", str(NOBODY), "nobody", "survey"], 1, "PARTNER_UNKNOWN"),
        (["halt", "add"], 2, "name one of"),
        (["halt", "add", "--all", "--scope", "x"], 2, "name one of"),
        (["halt", "add", "--scope", "misspelt"], 1, "SCOPE_UNKNOWN"),
        (["halt", "lift", "--all"], 1, "HALT_UNKNOWN"),
        (["partners", "show", "nobody"], 1, "PARTNER_UNKNOWN"),
        (["partners", "add-client", "nobody", "no-such-file"], 2, "cannot be read"),
        (["scopes", "show", "nothing"], 1, "SCOPE_UNKNOWN"),
        (["scopes", "activate", "nothing", "1"], 1, "SCOPE_UNKNOWN"),
        (["scopes", "retire", "nothing"], 1, "SCOPE_UNKNOWN"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else None,
)
def test_what_cannot_be_done_is_one_line_with_its_status(run: Run, words: list[str], status: int, said: str) -> None:
    done = run(*words)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


async def test_state_that_does_not_follow_from_the_ledgers_is_told_and_folded_anew(world: World, run: Run) -> None:
    _, caller, subject_id = await _reader(world, "verified")
    assert _told(run("consents", "verify", "--json")) == {"holds": True, "differences": []}
    await world.owner.execute("delete from gateway.consent_state where subject_id = $1", subject_id)

    found = _told(run("consents", "verify", "--json"), 1)
    folded = _told(run("consents", "fold", "--json"))

    assert (found["holds"], len(found["differences"])) == (False, 1)
    assert found["differences"][0]["difference"] == "missing"
    assert found["differences"][0]["subject_id"] == str(subject_id)
    assert folded["changed"] >= 1
    assert len(await world.see(caller, "city")) == 1
    assert run("consents", "verify").returncode == 0


async def test_no_evidence_is_written_under_another_master_key(world: World, run: Run) -> None:
    """Such a pseudonym would stay, and no partner could connect it with what it has."""
    _, caller, subject_id = await _reader(world, "keyed")
    other = base64.b64encode(b"another key, of the same length!").decode()

    withdrawal = run("consents", "withdraw", str(subject_id), "keyed", "service_delivery", GATEWAY_MASTER_KEY=other)
    fold = run("consents", "fold", GATEWAY_MASTER_KEY=other)
    verified = run("consents", "verify", "--json", GATEWAY_MASTER_KEY=other)

    assert (withdrawal.returncode, fold.returncode) == (2, 2)
    assert {row["difference"] for row in _told(verified, 1)["differences"]} == {"pseudonym"}
    assert len(await world.see(caller, "city")) == 1


async def test_a_halt_by_command_stops_the_next_query_and_its_end_lets_it_flow(world: World, run: Run) -> None:
    """policy 9.4: stop the flow at once."""
    _, caller, _ = await _reader(world, "halted")
    [scope] = caller.scopes
    for target in (["--partner", "halted"], ["--scope", scope], ["--all"]):
        added = _told(run("halt", "add", *target, "--reason", "drill", "--json"))
        with pytest.raises(GatewayError) as refused:
            await world.see(caller, "city")
        assert refused.value.code is Code.HALTED
        [row] = _told(run("halt", "list", "--json"))
        assert (row["halt_id"], row["reason"]) == (added["halt_id"], "drill")
        assert _told(run("halt", "lift", *target, "--json")) == {"lifted": 1}
        assert len(await world.see(caller, "city")) == 1
    assert "nothing is halted" in run("halt", "list").stdout


async def test_a_record_that_contradicts_itself_is_told(world: World, run: Run) -> None:
    """Each answer has one disclosure, and one row for each data subject in it."""
    _, caller, _ = await _reader(world, "recorded")
    await world.ask(caller, "{ a: subjects(first: 5) { edges { node { city } } } b: me { city } }")
    await world.ask(caller, '{ subject(id: "unknown") { city } }')
    assert _told(run("disclosures", "verify", "--json")) == {"holds": True, "flaws": []}
    whole, lone, late = uuid4(), uuid4(), uuid4()
    await world.owner.execute(
        """insert into gateway.disclosure (disclosure_id, disclosed_at, partner_id, client_id, token_id, purpose, projection_id,
                                           subject_count, contract_run)
           values ($1, now(), $1, 'c', $1, 'survey', '', 2, false),
                  ($2, now() + interval '1 day', $2, 'c', $2, 'survey', '', 0, false)""",
        whole,
        late,
    )
    await world.owner.execute(
        "insert into gateway.disclosure_subject (disclosed_at, disclosure_id, subject_id, roots, covered)"
        " select now(), $1, $1, 1, 0",
        lone,
    )

    found = _told(run("disclosures", "verify", "--json"), 1)

    assert {(row["disclosure_id"], row["flaw"]) for row in found["flaws"]} == {
        (str(whole), "another number of data subjects than it says"),
        (str(whole), "no projection"),
        (str(late), "no projection"),
        (str(late), "in the future"),
        (str(lone), "data subject without a disclosure"),
    }


async def test_partners_are_listed_shown_suspended_and_given_clients(world: World, run: Run, tmp_path: Path) -> None:
    _, caller, _ = await _reader(world, "adlens")
    [scope] = caller.scopes
    file = tmp_path / "client.json"
    file.write_text(json.dumps(a_metadata("adlens-2")))

    assert _told(run("partners", "add-client", "adlens", str(file), "--json")) == {"client_id": "adlens-2"}
    shown = _told(run("partners", "show", "adlens", "--json"))
    listed = _told(run("partners", "list", "--json"))

    assert "adlens-2" in shown["clients"]
    assert [grant["scope"] for grant in shown["grants"]] == [scope]
    assert shown in listed
    assert "adlens-2" in run("partners", "show", "adlens").stdout
    assert run("partners", "status", "adlens", "suspended").returncode == 0
    with pytest.raises(GatewayError):
        await world.see(caller, "city")
    file.write_text("{}")
    assert run("partners", "add-client", "adlens", str(file)).returncode == 2


async def test_scopes_are_listed_shown_activated_after_review_and_retired(world: World, run: Run) -> None:
    """policy 1.1, 2.8."""
    good = {"Subject.city": ScopeField(REVEAL, "campaigns are booked by city")}
    bad = {"Subject.realName": ScopeField(REVEAL, "curiosity")}
    for fields in (good, bad):
        await grants.propose(world.owner, scope="reach", purpose=Purpose.AD_MEASUREMENT, fields=fields)

    assert _told(run("scopes", "activate", "reach", "1", "--json")) == {"scope": "reach", "version": 1}
    refused = run("scopes", "activate", "reach", "2")
    shown = _told(run("scopes", "show", "reach", "--json"))
    text = run("scopes", "show", "reach", "--version", "1").stdout

    assert refused.returncode == 1
    assert "SCOPE_REFUSED" in refused.stderr
    assert "Subject.realName: analytics_identity" in refused.stderr
    assert [(row["version"], row["is_active"]) for row in shown] == [(2, False), (1, True)]
    assert "reach@1  ad_measurement  active" in text
    assert "Subject.city  reveal  campaigns are booked by city" in text
    assert run("scopes", "retire", "reach").returncode == 0
    assert {(row["scope"], row["version"]) for row in _told(run("scopes", "list", "--json"))} >= {("reach", 1), ("reach", 2)}


@pytest.mark.parametrize(
    "words",
    [
        ["consents", "verify"],
        ["halt", "add", "--all"],
    ],
    ids=" ".join,
)
def test_an_unreachable_database_is_told_apart_and_its_address_is_not_told(words: list[str], tmp_path: Path) -> None:
    done = _start(*words, GATEWAY_DATA=str(tmp_path), DATABASE_URL="postgresql://u:MARKER@127.0.0.1:1/x")
    assert (done.returncode, done.stdout) == (3, "")
    assert "MARKER" not in done.stderr


async def test_a_database_that_was_never_migrated_is_told_so(empty_database: Database, tmp_path: Path) -> None:
    done = _run("halt", "list", DATABASE_URL=empty_database.owner_url, GATEWAY_DATA=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert "gateway migrate" in done.stderr


async def test_commands_that_need_no_key_make_none(empty_database: Database, tmp_path: Path) -> None:
    """A second master key beside the real one waits for the day on which somebody takes it for that one."""
    _run("partners", "list", DATABASE_URL=empty_database.owner_url, GATEWAY_DATA=str(tmp_path))
    assert not list(tmp_path.iterdir())


async def test_the_withdrawal_is_in_the_ledger(world: World, run: Run) -> None:
    """The state alone would be folded away."""
    partner_id, _, subject_id = await _reader(world, "ledgered")
    run("consents", "withdraw", str(subject_id), "ledgered", "service_delivery")
    kinds = await world.owner.fetch(
        "select kind from gateway.consent_event where subject_id = $1 and partner_id = $2 order by event_id",
        subject_id,
        partner_id,
    )
    assert [row["kind"] for row in kinds] == ["given", "withdrawn"]
    assert await consents.verify(world.owner, world.keys) == []
