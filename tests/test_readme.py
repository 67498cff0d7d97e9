"""The README and the documents are true: what they tell a reader to type works, and what they name exists."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import typer

from gateway.cli import app
from gateway.settings import Settings
from tests.support.database import a_folder
from tests.support.demo import Demo, a_demo
from tests.support.missing import is_missing

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
DOCUMENTS = sorted(
    [README, *(path for folder in ("docs", "gateway", "scopes", "benchmarks") for path in ROOT.glob(f"{folder}/**/*.md"))]
)
IMAGE_MAX = 300_000  # bytes: a reader looks at it, and everybody who clones carries it
PATIENCE_S = 180
NAMED_FILE = re.compile(
    r"`((?:gateway|scopes|tests|docs|benchmarks|migrations)/[\w./-]*\w\.(?:py|sql|md|toml|json|graphql|html|css))`"
)
COMMAND = re.compile(r"^(?:GATEWAY_\w+=\S+ )*(?:\.venv/bin/)?(gateway|make) (.+)$")

names = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def blocks(document: Path, language: str) -> list[str]:
    """The fenced blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL)


def block(language: str, holding: str) -> str:
    """The README's one block of a language that holds a text."""
    (found,) = [text for text in blocks(README, language) if holding in text]
    return found


def typed(document: Path, program: str) -> Iterator[list[str]]:
    """The words that follow a program's name wherever a reader may type it: in shell blocks, and between backquotes."""
    text = document.read_text()
    lines = [line for shell in blocks(document, "sh") for line in shell.replace("\\\n", " ").splitlines()]
    lines += re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    for line in lines:
        found = COMMAND.match(line.partition(" #")[0].strip())
        if found is not None and found[1] == program:
            yield shlex.split(found[2])


def run_as_shown(text: str, demo: Demo, folder: Path) -> str:
    """What a shell block prints, typed where the README says: beside .venv and .gateway."""
    for name, target in {".venv": Path(sys.prefix), ".gateway": demo.data}.items():
        (folder / name).symlink_to(target)
    done = subprocess.run(
        ["bash", "-euc", text.replace("localhost:8080", f"localhost:{demo.port}")],
        cwd=folder,
        env={**os.environ, "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ask(demo: Demo, token: str, query: str, path: str = "/graphql") -> Mapping[str, Any]:
    connection = HTTPConnection("127.0.0.1", demo.port, timeout=PATIENCE_S)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection.request("POST", path, json.dumps({"query": query}), headers)
    found: Mapping[str, Any] = json.loads(connection.getresponse().read())
    connection.close()
    return found


@pytest.fixture(scope="module")
def own_demo() -> Iterator[Demo]:
    """A demo of this module's own: what the README says changes it."""
    with a_folder() as folder, a_demo(folder / "data") as demo:
        yield demo


@pytest.fixture(scope="module")
def answer(own_demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """What the README's request brings."""
    if shutil.which("curl") is None:
        is_missing("the README's request is sent with curl, which is not installed")
    found: Mapping[str, Any] = json.loads(run_as_shown(block("sh", "8080/graphql"), own_demo, tmp_path_factory.mktemp("shell")))
    return found


def test_the_request_brings_an_answer_of_the_shape_that_is_shown(answer: Mapping[str, Any]) -> None:
    shown = json.loads(block("json", '"subjects"'))

    nodes, shown_nodes = ([edge["node"] for edge in one["data"]["subjects"]["edges"]] for one in (answer, shown))
    disclosure, shown_disclosure = (one["extensions"]["disclosure"] for one in (answer, shown))
    assert [node.keys() for node in nodes] == [node.keys() for node in shown_nodes]
    assert disclosure.keys() == shown_disclosure.keys()
    assert (disclosure["purpose"], disclosure["subjects"]) == (shown_disclosure["purpose"], shown_disclosure["subjects"])
    assert disclosure["redacted"] == shown_disclosure["redacted"]
    assert answer["extensions"]["cost"].keys() == shown["extensions"]["cost"].keys()
    assert answer["extensions"]["cost"]["requested"] == shown["extensions"]["cost"]["requested"]
    assert answer["extensions"]["cost"]["throttle"].keys() == shown["extensions"]["cost"]["throttle"].keys()


def test_a_scope_is_proposed_as_it_is_shown_and_approved_by_somebody_else(own_demo: Demo, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        is_missing("the README's request is sent with curl, which is not installed")
    tokens = {entry["login"]: entry["access_token"] for entry in own_demo.document["admins"]}

    proposed = json.loads(run_as_shown(block("sh", "8080/admin/graphql"), own_demo, tmp_path))["data"]["proposeScope"]
    approve = f'mutation {{ approve(changeId: "{proposed["changeId"]}") {{ state }} }}'
    own = ask(own_demo, tokens["steward"], approve, "/admin/graphql")
    approved = ask(own_demo, tokens["approver"], approve, "/admin/graphql")

    assert (proposed["state"], proposed["proposer"]) == ("proposed", "steward")
    assert own["errors"][0]["extensions"]["code"] == "ROLE_MISSING"
    assert approved["data"] == {"approve": {"state": "approved"}}


async def test_the_records_are_found_by_the_statement_that_is_shown(own_demo: Demo, answer: Mapping[str, Any]) -> None:
    conn = await asyncpg.connect(own_demo.document["database_url"])
    written = await conn.fetchval(
        "select disclosed_at from gateway.disclosure where disclosure_id = $1::text::uuid",
        answer["extensions"]["disclosure"]["id"],
    )
    rows = await conn.fetch(block("sql", "gateway.disclosure"))
    await conn.close()

    assert [row["purpose"] for row in rows if row["disclosed_at"] == written] == ["message_delivery"] * 2


def test_a_withdrawal_counts_from_the_next_request_on_as_it_is_shown(own_demo: Demo, tmp_path: Path) -> None:
    token = own_demo.document["partners"]["adlens"]["subject_access_token"]
    before = ask(own_demo, token, "{ me { city } }")

    run_as_shown(block("sh", "consents withdraw"), own_demo, tmp_path)

    assert before["data"]["me"] is not None
    assert ask(own_demo, token, "{ me { city } }")["data"]["me"] is None


def test_the_demos_limits_are_set_by_the_settings_that_are_named(own_demo: Demo, answer: Mapping[str, Any]) -> None:
    """Generous on purpose, and said so: nobody shall take them for what `gateway serve` does."""
    text, throttle = README.read_text(), answer["extensions"]["cost"]["throttle"]

    assert all(f"`{name}`" in text for name in ("GATEWAY_DEMO", "GATEWAY_RATE_MAXIMUM", "GATEWAY_RATE_RESTORE_PER_S"))
    assert throttle["maximum"] > Settings(data=own_demo.data).rate_maximum


def test_the_partners_site_stands_where_the_demo_says(own_demo: Demo) -> None:
    assert "`http://127.0.0.1:9104/`" in README.read_text()
    assert own_demo.document["partners"]["shopmate"]["site"] in own_demo.screen


def test_the_demos_contracts_hold_as_it_is_shown(own_demo: Demo, tmp_path: Path) -> None:
    """Beside a running demo, with nothing but what is typed."""
    (tmp_path / "gateway").symlink_to(ROOT / "gateway")

    shown = run_as_shown(block("sh", "contracts verify"), own_demo, tmp_path)

    assert "what adlens gets for ad_measurement" in shown


@names
def test_every_command_that_is_named_exists(document: Path) -> None:
    """Down to its options."""
    for words in typed(document, "gateway"):
        command: Any = typer.main.get_command(app)
        while inner := getattr(command, "commands", {}):
            if not words or words[0].startswith("-"):
                break
            assert words[0] in inner, f"gateway has no {words[0]}"
            command, words = inner[words[0]], words[1:]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known


@names
def test_every_target_and_variable_of_make_that_is_named_exists(document: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets, variables = (
        set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)),
        set(re.findall(r"^([A-Z]+(?:_[A-Z]+)*) \?=", makefile, re.MULTILINE)),
    )
    for words in typed(document, "make"):
        assert {word for word in words if "=" not in word} <= targets
        assert {word.partition("=")[0] for word in words if "=" in word} <= variables


@names
def test_every_link_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)", document.read_text())
    assert not [link for link in links if not (document.parent / link).exists()]


@names
def test_every_file_that_is_named_exists(document: Path) -> None:
    assert not [name for name in NAMED_FILE.findall(document.read_text()) if not (ROOT / name).exists()]


@names
def test_every_setting_that_is_named_exists(document: Path) -> None:
    known = {f"GATEWAY_{name}".upper() for name in Settings.model_fields}
    assert set(re.findall(r"\bGATEWAY_[A-Z_]*[A-Z]\b", document.read_text())) <= known


def test_pictures_are_small() -> None:
    pictures = [*ROOT.glob("docs/images/*")]
    assert pictures
    assert all(path.stat().st_size <= IMAGE_MAX and path.suffix == ".png" for path in pictures)
