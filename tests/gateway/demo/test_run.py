"""`gateway demo` as somebody runs it who tries the gateway for the first time."""

import base64
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import pytest

from gateway.settings import Settings
from gateway.stewardship import staff
from gateway.stewardship.roles import StaffRole
from tests.support.database import a_folder

PATIENCE_S = 120
LAST_LINE = "Stop it with"
CLIENT = {
    "client_id": "somebody-else",
    "redirect_uris": ["http://127.0.0.1:9999/callback"],
    "scope": "service_delivery.orders",
    "dpop_bound_access_tokens": True,
    "require_pushed_authorization_requests": True,
    "authorization_details_types": ["data_sharing"],
    "jwks": {
        "keys": [
            {
                "kty": "EC",
                "crv": "P-256",
                "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
            }
        ]
    },
}


@dataclass(slots=True)
class Running:
    """A demo that serves. screen: what it has printed; document: its demo.json."""

    process: "subprocess.Popen[str]"
    data: Path
    port: int
    screen: str
    document: Mapping[str, Any]

    def ask(self, token: str, query: str, at: str = "graphql_url") -> tuple[int, Mapping[str, Any]]:
        parts = urlsplit(self.document[at])
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE_S)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection.request("POST", parts.path, json.dumps({"query": query}), headers)
        answer = connection.getresponse()
        found: Mapping[str, Any] = json.loads(answer.read())
        connection.close()
        return answer.status, found


def start(data: Path, port: int, *more: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "gateway.cli", "demo", "--port", str(port), "--data", str(data), "--subjects", "150", *more]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")} | {"COLUMNS": "200"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def run_until_it_serves(data: Path, port: int, *more: str) -> Running:
    process = start(data, port, *more)
    screen = ""
    for line in process.stdout or ():
        screen += line
        if line.startswith(LAST_LINE):
            return Running(process, data, port, screen, json.loads((data / "demo.json").read_text()))
    raise AssertionError(process.communicate()[1])


def stop(running: Running, how: signal.Signals) -> int:
    running.process.send_signal(how)
    running.process.communicate(timeout=PATIENCE_S)
    return running.process.returncode


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with a_folder() as folder:
        clients = folder / "clients.json"
        clients.write_text(json.dumps([CLIENT]))
        found = run_until_it_serves(folder / "data", a_free_port(), "--clients", str(clients))
        try:
            yield found
        finally:
            assert stop(found, signal.SIGTERM) == 0


def test_the_screen_shows_raw_row_answers_and_records(running: Running) -> None:
    for text in ("adlens asks", "raw row", "adlens gets", "swiftmsg gets", "newcomer gets", "disclosure records", "mask(1,0)"):
        assert text in running.screen


def test_the_file_of_keys_and_tokens_is_readable_by_its_owner_alone(running: Running) -> None:
    assert stat.S_IMODE((running.data / "demo.json").stat().st_mode) == 0o600


def test_the_file_holds_what_checks_from_outside_rely_on(running: Running) -> None:
    document = running.document

    assert set(document["partners"]) == {"adlens", "swiftmsg", "citymap", "shopmate", "overseas", "newcomer"}
    assert len(document["canaries"]) == 5
    assert document["subjects"][0].keys() == {"subject_id", "login", "password", "pseudonyms"}
    assert {admin["login"]: admin["roles"] for admin in document["admins"]} == {
        **{role.value: [role.value] for role in StaffRole},
        "approver-2": ["approver"],
    }
    assert all(admin.keys() == {"login", "password", "totp_secret", "access_token", "roles"} for admin in document["admins"])
    assert document["database_url"].startswith("postgresql://")
    assert "access_token" not in document["partners"]["shopmate"]


@pytest.mark.parametrize("partner", ["adlens", "swiftmsg", "citymap", "overseas"])
def test_a_ready_token_opens_the_endpoint_and_a_bound_one_is_about_its_subject(running: Running, partner: str) -> None:
    entry = running.document["partners"][partner]

    status, page = running.ask(entry["access_token"], "{ subjects(first: 5) { edges { node { id } } } }")
    _, own = running.ask(entry["subject_access_token"], "{ me { id } }")

    assert status == 200
    assert len(page["data"]["subjects"]["edges"]) == 5
    assert own["data"]["me"]["id"] == entry["subject_pseudonym"]


def test_an_administrators_token_opens_the_admin_api_and_no_other(running: Running) -> None:
    """What somebody signs in with is theirs alone, and the duty of confidentiality is accepted."""
    for admin in running.document["admins"]:
        status, answer = running.ask(admin["access_token"], "{ me { login roles hasAccepted } }", "admin_graphql_url")

        assert (status, answer["data"]["me"]) == (200, {"login": admin["login"], "roles": admin["roles"], "hasAccepted": True})
        assert running.ask(admin["access_token"], "{ access { partner } }")[0] == 401
    assert len({admin[name] for admin in running.document["admins"] for name in ("password", "totp_secret")}) == 12


async def test_the_administrators_sign_in_with_what_the_file_says(running: Running) -> None:
    """Both factors."""
    owner = await asyncpg.connect(running.document["database_url"])
    vault = staff.Vault(Settings(data=running.data))
    for admin in running.document["admins"]:
        row = await staff.check_password(owner, admin["login"], admin["password"])
        assert row is not None
        assert vault.open(row["staff_id"], row["totp_sealed"]) == admin["totp_secret"]
    await owner.close()


def test_a_scope_may_be_proposed_in_the_demo(running: Running) -> None:
    """Rules are laid down, and what is active keeps to them."""
    steward = next(admin for admin in running.document["admins"] if admin["login"] == "steward")
    field = '{path: "Subject.city", redaction: {rung: "reveal"}, justification: "the survey is about cities"}'
    proposal = f'mutation {{ proposeScope(scope: {{scope: "survey.cities", purpose: survey, fields: [{field}]}}, reason: "new")'

    _, answer = running.ask(steward["access_token"], proposal + " { state } }", "admin_graphql_url")

    assert answer == {"data": {"proposeScope": {"state": "proposed"}}}


def test_the_newcomer_has_a_token_and_nothing_to_read(running: Running) -> None:
    token = running.document["partners"]["newcomer"]["access_token"]

    status, answer = running.ask(token, "{ access { partner scopes } }")

    assert (status, answer["data"]["access"]) == (200, {"partner": "newcomer", "scopes": []})


def test_every_partner_knows_the_canaries_by_the_pseudonyms_of_the_file(running: Running) -> None:
    document = running.document
    canary = document["canaries"][0]
    for name, known_as in canary["pseudonyms"].items():
        token = document["partners"][name].get("access_token")
        if token:
            _, answer = running.ask(token, f'{{ subject(id: "{known_as}") {{ id }} }}')
            assert answer["data"]["subject"]["id"] == known_as


async def test_a_token_that_the_statement_ends_is_challenged_like_any_other(running: Running) -> None:
    """RFC 6750 section 3: every 401 says how to come back."""
    token = running.document["partners"]["citymap"]["subject_access_token"]
    owner = await asyncpg.connect(running.document["database_url"])
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    await owner.execute("update gateway.access_token set revoked_at = now() where token_id = $1", UUID(claims["jti"]))
    await owner.close()

    connection = HTTPConnection("127.0.0.1", running.port, timeout=PATIENCE_S)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection.request("POST", "/graphql", json.dumps({"query": "{ me { id } }"}), headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()

    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token", resource_metadata="http')


def test_a_taken_port_is_said_clearly_with_status_3(running: Running, tmp_path: Path) -> None:
    second = start(tmp_path / "data", running.port)

    _, errors = second.communicate(timeout=PATIENCE_S)

    assert second.returncode == 3
    assert f"Port {running.port}" in errors


def test_a_clients_file_that_is_none_is_said_clearly_with_status_2(tmp_path: Path) -> None:
    path = tmp_path / "clients.json"
    path.write_text('{"client_id": "not in an array"}')
    process = start(tmp_path / "data", a_free_port(), "--clients", str(path))

    _, errors = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 2
    assert "CLIENTS" in errors
    assert "not in an array" not in errors


def test_a_second_demo_keeps_data_keys_and_passwords_and_an_interrupt_ends_it_well(running: Running) -> None:
    second = run_until_it_serves(running.data, a_free_port(), "--clients", str(running.data.parent / "clients.json"))
    ended = stop(second, signal.SIGINT)

    assert ended == 0
    assert "kept from last time" in second.screen
    assert second.document["canaries"] == running.document["canaries"]
    assert second.document["subjects"] == running.document["subjects"]
    assert second.document["admins"] == running.document["admins"]
    for name, entry in second.document["partners"].items():
        assert entry["private_key_jwk"] == running.document["partners"][name]["private_key_jwk"]


def test_the_screen_says_where_to_click_and_who_can_sign_in(running: Running) -> None:
    assert running.document["partners"]["shopmate"]["site"] in running.screen
    assert running.document["subjects"][1]["login"] in running.screen
    assert not any(entry["password"] in running.screen for entry in running.document["subjects"])


async def test_clients_are_registered_as_they_were_described(running: Running) -> None:
    owner = await asyncpg.connect(running.document["database_url"])
    text = (
        "select c.metadata from gateway.client c join gateway.partner p using (partner_id) where c.client_id = $1 and p.name = $2"
    )
    found = json.loads(await owner.fetchval(text, CLIENT["client_id"], "shopmate"))
    await owner.close()

    assert {name: found[name] for name in CLIENT} == CLIENT


async def test_shopmates_site_stands_at_the_redirect_address_and_ends_with_the_demo(running: Running) -> None:
    """However the demo ends; and where its usual port is taken, as by the first demo here, on one that was registered."""
    first = running.document["partners"]["shopmate"]
    taken = urlsplit(first["site"]).port
    second = run_until_it_serves(running.data, a_free_port(), "--shopmate-port", str(taken))
    entry = second.document["partners"]["shopmate"]
    port = urlsplit(entry["site"]).port or 0
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as held:
        owner = await asyncpg.connect(running.document["database_url"])
        registered = json.loads(await owner.fetchval("select metadata from gateway.client where client_id = 'shopmate'"))
        await owner.close()

        second.process.kill()
        second.process.communicate(timeout=PATIENCE_S)

        held.settimeout(PATIENCE_S)
        assert held.recv(1) == b""  # the site closed its side
    assert port != taken
    assert registered["redirect_uris"] == entry["redirect_uris"] == [f"{entry['site']}callback"]
