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
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from typer.testing import CliRunner

from gateway.cli import app
from gateway.request.codes import Code, GatewayError
from gateway.stewardship import staff
from gateway.stewardship.actor import Door
from gateway.store import consents, grants
from scopes import REVEAL, Purpose, ScopeField
from tests.support.database import Database
from tests.support.ids import NOBODY
from tests.support.oauth import a_metadata
from tests.support.stewardship import EVERY_NEED
from tests.support.world import World, a_world

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


def _run(*words: str, stdin: str | None = None, **settings: str) -> Done:
    """Run `gateway` to its end, in this process: starting one takes longer than what it does."""
    with ThreadPoolExecutor(1) as elsewhere:  # a command has an event loop of its own
        result = elsewhere.submit(CliRunner().invoke, app, words, input=stdin, env=settings).result()
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
        (["consents", "withdraw", str(NOBODY), "nobody", "survey"], 1, "SUBJECT_UNKNOWN"),
        (["halt", "add"], 2, "name one of"),
        (["halt", "add", "--all", "--scope", "x"], 2, "name one of"),
        (["halt", "add", "--scope", "misspelt"], 1, "SCOPE_UNKNOWN"),
        (["halt", "lift", "--all"], 1, "HALT_UNKNOWN"),
        (["partners", "show", "nobody"], 1, "PARTNER_UNKNOWN"),
        (["partners", "suspend", "nobody", "--reason", "x"], 1, "PARTNER_UNKNOWN"),
        (["partners", "suspend", "nobody"], 2, ""),
        (["changes", "propose", "client", "no-such-file", "--reason", "x"], 2, "cannot be read"),
        (["changes", "propose", "wish", "no-such-file", "--reason", "x"], 2, ""),
        (["changes", "show", str(NOBODY)], 1, "CHANGE_UNKNOWN"),
        (["changes", "approve", str(NOBODY)], 1, "ROLE_MISSING"),
        (["scopes", "apply", "no-such-folder"], 2, "holds no configuration"),
        (["staff", "add", "Not A Login", "--name", "x", "--role", "steward"], 1, "STAFF_INVALID"),
        (["staff", "add", "both", "--name", "x", "--role", "steward", "--role", "approver"], 1, "STAFF_INVALID"),
        (["staff", "end", "nobody"], 1, "STAFF_UNKNOWN"),
        (["scopes", "show", "nothing"], 1, "SCOPE_UNKNOWN"),
        (["scopes", "activate", "nothing", "1", "--reason", "x"], 1, "SCOPE_UNKNOWN"),
        (["scopes", "retire", "nothing", "--reason", "x"], 1, "ROLE_MISSING"),
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


async def test_partners_are_listed_shown_and_suspended(world: World, run: Run) -> None:
    """policy 9.4: at once, by whoever is at the machine, and on record."""
    _, caller, _ = await _reader(world, "adlens")
    [scope] = caller.scopes

    shown = _told(run("partners", "show", "adlens", "--json"))
    listed = _told(run("partners", "list", "--json"))

    assert [grant["scope"] for grant in shown["grants"]] == [scope]
    assert shown in listed
    assert f"grant: {scope}" in run("partners", "show", "adlens").stdout
    assert run("partners", "suspend", "adlens", "--reason", "drill").returncode == 0
    with pytest.raises(GatewayError):
        await world.see(caller, "city")
    [act] = await world.owner.fetch("select * from gateway.act where act = 'partner.suspend' and target = 'adlens'")
    assert act["actor"].startswith("machine:")
    assert (act["door"], act["reason"], act["refused"]) == ("cli", "drill", None)


@dataclass(frozen=True, slots=True)
class Desk:
    """A person's commands: with their token in the environment."""

    run: Run
    tokens: dict[str, str]

    def by(self, role: str, *words: str, **more: str) -> Done:
        return self.run(*words, GATEWAY_STAFF_TOKEN=self.tokens[role], **more)


@pytest_asyncio.fixture
async def desk(world: World, run: Run) -> Desk:
    """A steward, an approver and an operator, named by command, under the duty of confidentiality."""
    tokens = {}
    for role in ("steward", "approver", "operator"):
        if not await world.owner.fetchval("select exists (select from gateway.staff where login = $1)", role):
            given = _told(run("staff", "add", role, "--name", role.title(), "--role", role, "--json"))
            assert {len(given["password"]), len(given["totp_secret"])} == {24, 32}
        tokens[role] = await _token_of(world, role)
    return Desk(run, tokens)


async def _token_of(world: World, login: str) -> str:
    """Of somebody who has accepted confidentiality."""
    row = await world.owner.fetchrow(staff.OF_LOGIN, login)
    assert row is not None
    await staff.accept_confidentiality(world.owner, staff.actor_of(row, Door.CONSOLE))
    return (await staff.make_token(world.owner, row["staff_id"], label="test", lifetime=timedelta(hours=1))).text


async def test_what_widens_takes_two_people_by_command_as_well(world: World, desk: Desk, tmp_path: Path) -> None:
    """policy 9.3: from rules to a client; the machine itself may not, and nobody may alone."""
    file = tmp_path / "wanted.json"

    def proposed(kind: str, content: object, by: str = "steward") -> Done:
        file.write_text(json.dumps(content))
        return desk.by(by, "changes", "propose", kind, str(file), "--reason", "needed", "--json")

    rules = _told(proposed("rules", {"needs": EVERY_NEED, "floors": {}}))["change_id"]
    assert desk.run("changes", "approve", rules).stderr.startswith("ROLE_MISSING")
    assert desk.by("steward", "changes", "approve", rules).stderr.startswith("ROLE_MISSING")
    assert _told(desk.by("approver", "changes", "approve", rules, "--json"))["state"] == "approved"
    assert proposed("rules", {"needs": EVERY_NEED, "floors": {}}).stderr.startswith("CHANGE_EMPTY")
    assert "needs.fun" not in proposed("rules", {"needs": {"fun": []}, "floors": {}}).stderr
    await world.a_partner(name="clientele")
    client = _told(proposed("client", {"partner": "clientele", "metadata": a_metadata("clientele-1")}))["change_id"]

    shown = desk.by("approver", "changes", "show", client).stdout
    listed = _told(desk.by("approver", "changes", "list", "--state", "proposed", "--json"))
    assert 'metadata.client_id: "clientele-1"' in shown
    assert [one["change_id"] for one in listed] == [client]
    assert desk.by("approver", "changes", "reject", client, "--reason", "not yet").returncode == 0
    again = _told(proposed("client", {"partner": "clientele", "metadata": a_metadata("clientele-1")}))["change_id"]
    assert desk.by("steward", "changes", "withdraw", again).returncode == 0
    assert desk.by("approver", "changes", "approve", again).stderr.startswith("CHANGE_DECIDED")
    assert "clientele-1" not in desk.run("partners", "show", "clientele").stdout


async def test_scopes_are_listed_shown_activated_by_two_rolled_back_and_retired(world: World, desk: Desk) -> None:
    """policy 1.1, 2.8. A version of before is activated as a new one."""
    good = {"Subject.city": ScopeField(REVEAL, "campaigns are booked by city")}
    bad = {"Subject.realName": ScopeField(REVEAL, "curiosity")}
    for fields in (good, bad):
        await grants.propose(world.owner, scope="reach", purpose=Purpose.AD_MEASUREMENT, fields=fields)
    await world.owner.execute(
        "insert into gateway.rules (version, content) select coalesce(max(version), 0) + 1, $1::jsonb from gateway.rules",
        json.dumps({"needs": EVERY_NEED, "floors": {}}),
    )

    def decided(*words: str) -> None:
        change_id = _told(desk.by("steward", "scopes", *words, "--reason", "needed", "--json"))["change_id"]
        assert desk.by("approver", "changes", "approve", change_id).returncode == 0

    assert desk.run("scopes", "activate", "reach", "1", "--reason", "x").stderr.startswith("ROLE_MISSING")
    decided("activate", "reach", "1")
    refused = desk.by("steward", "scopes", "activate", "reach", "2", "--reason", "x")
    shown = _told(desk.run("scopes", "show", "reach", "--json"))
    text = desk.run("scopes", "show", "reach", "--version", "3").stdout

    assert refused.returncode == 1
    assert "RULES_BROKEN" in refused.stderr
    assert "Subject.realName: analytics_identity" in refused.stderr
    assert [(row["version"], row["is_active"]) for row in shown] == [(3, True), (2, False), (1, False)]
    assert "reach@3  ad_measurement  active" in text
    assert "Subject.city  reveal  campaigns are booked by city" in text
    decided("retire", "reach")
    listed = _told(desk.run("scopes", "list", "--json"))
    assert {row["version"] for row in listed if row["scope"] == "reach" and not row["is_active"]} == {1, 2, 3}


async def test_policy_goes_out_as_files_and_comes_back_as_proposals(world: World, desk: Desk, tmp_path: Path) -> None:
    """Status 0 where nothing differs, 1 where something does, 2 for a file that is wrong, with its line."""
    partner_id = await world.a_partner(name="filed")
    await world.owner.execute("update gateway.partner set duties = '{confidentiality,security}'")
    folder = tmp_path / "policy"
    told = _told(desk.run("scopes", "export", str(folder), "--json"))
    assert "partners/filed.yaml" in told["files"]
    assert _told(desk.run("scopes", "apply", str(folder), "--plan", "--json")) == []
    assert desk.by("steward", "scopes", "apply", str(folder)).stdout == "nothing to do\n"

    file = folder / "partners" / "filed.yaml"
    contact = str(await world.owner.fetchval("select contact from gateway.partner where partner_id = $1", partner_id))
    file.write_text(file.read_text().replace(f"contact: {contact}", "contact: dpo@filed.example"))
    planned = desk.run("scopes", "apply", str(folder), "--plan")
    applied = desk.by("steward", "scopes", "apply", str(folder), "--reason", "review 41")
    again = _told(desk.by("steward", "scopes", "apply", str(folder), "--json"))
    assert (planned.returncode, applied.returncode) == (1, 0)
    assert planned.stdout.splitlines() == ["~ partner filed", f'    contact: "{contact}" -> "dpo@filed.example"']
    assert applied.stdout.startswith("~ partner filed: proposed as ")
    assert [one["outcome"] for one in again] == ["pending"]
    assert desk.run("scopes", "apply", str(folder)).stderr.startswith("ROLE_MISSING")
    assert desk.by("steward", "changes", "withdraw", again[0]["change_id"]).returncode == 0

    file.write_text(file.read_text() + "colour: blue\n")
    wrong = desk.run("scopes", "apply", str(folder), "--plan")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert f"{file}:{file.read_text().count(chr(10))}: colour: " in wrong.stderr


async def test_a_token_comes_by_environment_file_or_pipe_and_a_wrong_one_opens_nothing(
    world: World, desk: Desk, tmp_path: Path
) -> None:
    """Never by the command line; and whoever has ended is nobody."""
    (tmp_path / "token").write_text(desk.tokens["operator"] + "\n")
    words = ("halt", "add", "--all", "--reason", "drill")

    by_file = desk.run(*words, GATEWAY_STAFF_TOKEN_FILE=str(tmp_path / "token"))
    by_pipe = desk.run("halt", "lift", "--all", GATEWAY_STAFF_TOKEN_FILE="-", stdin=desk.tokens["operator"])
    wrong = desk.run(*words, GATEWAY_STAFF_TOKEN="gwstaff_wrong")
    unread = desk.run(*words, GATEWAY_STAFF_TOKEN_FILE=str(tmp_path / "none"))

    assert (by_file.returncode, by_pipe.returncode, wrong.returncode, unread.returncode) == (0, 0, 1, 2)
    assert wrong.stderr.startswith("TOKEN_UNKNOWN")
    rows = await world.owner.fetch("select actor from gateway.act where act like 'halt.%' order by acted_at desc limit 2")
    assert [row["actor"] for row in rows] == ["operator", "operator"]
    assert desk.by("steward", *words).stderr.startswith("ROLE_MISSING")
    assert desk.run("staff", "add", "guest", "--name", "Guest", "--role", "operator").returncode == 0
    token = await _token_of(world, "guest")
    assert desk.run("staff", "end", "guest").returncode == 0
    assert desk.run(*words, GATEWAY_STAFF_TOKEN=token).stderr.startswith("TOKEN_UNKNOWN")


async def test_staff_are_named_given_roles_and_ended_at_the_machine_alone(world: World, desk: Desk) -> None:
    """policy 9.3. A password and a secret of an authenticator are shown once and stand nowhere."""
    add = ("staff", "add", "wen", "--name", "Wen", "--role", "support", "--json")
    assert desk.by("steward", *add).stderr.startswith("ROLE_MISSING")
    given = _told(desk.run(*add))
    assert desk.run(*add).stderr.startswith("STAFF_KNOWN")
    renewed = _told(desk.run("staff", "renew", "wen", "--json"))
    assert given["password"] != renewed["password"]
    assert await staff.check_password(world.owner, "wen", renewed["password"]) is not None
    assert await staff.check_password(world.owner, "wen", given["password"]) is None

    assert _told(desk.run("staff", "roles", "wen", "operator", "--json")) == {"login": "wen", "roles": ["operator"]}
    assert desk.run("staff", "roles", "wen", "auditor", "operator").stderr.startswith("STAFF_INVALID")
    listed = {one["login"]: one for one in _told(desk.run("staff", "list", "--json"))}
    assert listed["wen"]["roles"] == ["operator"]
    assert "wen  Wen  operator  has not accepted confidentiality yet" in desk.run("staff", "list").stdout
    assert desk.run("staff", "end", "wen").returncode == 0
    assert await staff.check_password(world.owner, "wen", renewed["password"]) is None
    written = await world.owner.fetch("select act::text as line from gateway.act")
    assert not [row for row in written if renewed["password"] in row["line"] or renewed["totp_secret"] in row["line"]]


@pytest.mark.parametrize(
    "words",
    [
        ["consents", "verify"],
        ["halt", "add", "--all"],
        ["keys", "rotate"],
        ["scopes", "export"],
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
