"""The surface over real HTTP: every audit of GraphQL over HTTP, and clients that mean harm or know no better.

`gate_server` is what is put to the test.
"""

import asyncio
import gzip
import json
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from gateway.oauth.keys import KeyStore
from gateway.request.limits import Limits
from gateway.settings import Settings
from tests.support.database import Database
from tests.support.packages import node_with
from tests.support.races import a_lane
from tests.support.served import served
from tests.support.surface import GateServer, a_surface_server, raw

AUDIT = Path(__file__).parent / "audit"
QUERY = b'{"query":"{ __typename }"}'


@pytest_asyncio.fixture
async def surface_server() -> AsyncIterator[GateServer]:
    """The surface alone, around an ordinary executor, with a body timeout that a test can wait for."""
    async with a_surface_server(Limits(body_timeout_s=0.3)) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def whole_server(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[GateServer]:
    """`gateway serve` with a partner whose token opens it."""
    data = tmp_path_factory.mktemp("served")
    owner = await module_database.owner()
    await owner.execute(
        "insert into gateway.policy_version (policy_version, effective_at, text_sha256) values ('race', '2020-01-01', '')"
    )
    async with served(module_database.owner_url, data, body_timeout_s="0.3", head_timeout_s="1", max_head_bytes="32768") as port:
        settings = Settings(data=data, base_url=f"http://localhost:{port}")
        keys = KeyStore(settings)
        await keys.ensure(owner)
        lane = await a_lane(owner, settings, keys)
        yield GateServer(f"http://127.0.0.1:{port}/graphql", "127.0.0.1", port, lane.token)
    await owner.close()


@pytest.fixture(params=["surface_server", "whole_server"])
def gate_server(request: pytest.FixtureRequest) -> GateServer:
    """What every test here is put to: the surface alone, and the gateway as it is served."""
    server: GateServer = request.getfixturevalue(request.param)
    return server


def request(server: GateServer, *lines: str, body: bytes = b"", method: str = "POST", length: int | None = None) -> bytes:
    head = [
        f"{method} /graphql HTTP/1.1",
        f"Host: {server.host}",
        f"Authorization: {server.authorization}",
        "Content-Type: application/json",
        *([] if length is None else [f"Content-Length: {length}"]),
        *lines,
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


async def run(*command: str, cwd: Path, environment: dict[str, str] | None = None) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return out.decode()


async def test_every_audit_of_graphql_over_http_passes(gate_server: GateServer) -> None:
    node = await node_with(AUDIT, "graphql-http")

    out = await run(node, "audit.mjs", gate_server.url, cwd=AUDIT, environment={"AUDIT_TOKEN": gate_server.token})

    results = json.loads(out)
    assert [result for result in results if result["status"] != "ok"] == []
    assert len(results) == 61


async def test_a_plain_request_is_answered(gate_server: GateServer) -> None:
    reply = await raw(gate_server, request(gate_server, body=QUERY, length=len(QUERY)), finish=False)

    assert (reply.status, json.loads(reply.body)["data"]) == (200, {"__typename": "Query"})


@pytest.mark.parametrize("path", ["/sign-in/", "/oauth/token/", "/cookies/"])
async def test_nobody_is_sent_on_to_another_spelling_of_an_address(whole_server: GateServer, path: str) -> None:
    """RFC 9700 4.12, 4.11: a 307 hands a form on with its password or secret, behind a TLS proxy over plain http, to any Host."""
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{whole_server.port}", trust_env=False) as http:
        sent = await http.post(path, data={"client_secret": "x"}, headers={"Host": "evil.example"})
        read = await http.get(path, headers={"Host": "evil.example"})

    assert [answer.headers.get("location", "") for answer in (sent, read)] == ["", ""]
    assert (sent.status_code // 100, read.status_code // 100) == (4, 4)


async def test_two_answers_have_two_request_ids_and_no_server_name(gate_server: GateServer) -> None:
    replies = [
        await raw(gate_server, request(gate_server, "X-Request-Id: mine", body=QUERY, length=len(QUERY)), finish=False)
        for _ in range(2)
    ]

    assert len({reply.headers["x-request-id"] for reply in replies}) == 2
    assert all(reply.headers["x-request-id"] != "mine" and "server" not in reply.headers for reply in replies)


async def test_a_compressed_bomb_is_refused_unopened(gate_server: GateServer) -> None:
    bomb = gzip.compress(b" " * 50_000_000)

    reply = await raw(gate_server, request(gate_server, "Content-Encoding: gzip", body=bomb[:60_000], length=len(bomb)))

    assert (reply.status, reply.codes) == (415, ["CONTENT_ENCODING_REFUSED"])


async def test_a_chunked_body_is_refused_before_it_ends(gate_server: GateServer) -> None:
    reply = await raw(gate_server, request(gate_server, "Transfer-Encoding: chunked", body=b"5\r\n12345\r\n"), finish=False)

    assert (reply.status, reply.codes) == (411, ["LENGTH_REQUIRED"])


async def test_a_huge_body_is_refused_by_its_length(gate_server: GateServer) -> None:
    reply = await raw(gate_server, request(gate_server, length=10**12), finish=False)

    assert (reply.status, reply.codes, reply.headers["connection"]) == (413, ["BODY_TOO_LARGE"], "close")


@pytest.mark.parametrize("body", [b"", QUERY[:10]])
async def test_a_slow_body_is_given_up_in_time(gate_server: GateServer, body: bytes) -> None:
    reply = await raw(gate_server, request(gate_server, body=body, length=len(QUERY)), finish=False)

    assert (reply.status, reply.codes) == (408, ["BODY_TIMEOUT"])


async def test_a_truncated_body_harms_nobody(gate_server: GateServer) -> None:
    """The client has gone: there is no answer, and the next client gets one."""
    with pytest.raises(asyncio.IncompleteReadError):
        await raw(gate_server, request(gate_server, body=QUERY[:10], length=len(QUERY)))

    assert (await raw(gate_server, request(gate_server, body=QUERY, length=len(QUERY)), finish=False)).status == 200


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Content-Length: -5"],
        ["Content-Length: five"],
        ["Transfer-Encoding: gzip, chunked"],
    ],
)
async def test_a_length_that_contradicts_itself_is_a_4xx(gate_server: GateServer, lines: list[str]) -> None:
    reply = await raw(gate_server, request(gate_server, *lines, body=b"12345"), finish=False)

    assert 400 <= reply.status < 500


async def test_a_long_url_is_a_4xx(gate_server: GateServer) -> None:
    reply = await raw(
        gate_server,
        f"GET /graphql?query={'a' * 20_000} HTTP/1.1\r\nHost: a\r\nAuthorization: {gate_server.authorization}\r\n\r\n".encode(),
    )

    assert reply.status == 414


async def test_head_is_answered_without_a_body(gate_server: GateServer) -> None:
    reader, writer = await asyncio.open_connection(gate_server.host, gate_server.port)
    writer.write(request(gate_server, "Connection: close", method="HEAD"))

    answer = await reader.read()
    writer.close()

    assert answer.startswith(b"HTTP/1.1 405 ")
    assert answer.endswith(b"\r\n\r\n")


async def test_no_token_is_401_whatever_else_arrives(gate_server: GateServer) -> None:
    head = f"POST /graphql HTTP/1.1\r\nHost: {gate_server.host}\r\n"
    for rest in (
        "Content-Length: 3\r\n\r\n\xff{[",
        "Content-Encoding: br\r\nContent-Length: 1\r\n\r\nx",
        "Content-Length: 99999999\r\n\r\n",
    ):
        reply = await raw(gate_server, (head + rest).encode("latin-1"), finish=False)

        assert (reply.status, reply.codes) == (401, ["TOKEN_MISSING"])


HEADS = {
    "line": b"GET /graphql?query=" + b"a" * 40_000,
    "one field": b"GET /graphql HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * 40_000,
    "many fields": b"GET /graphql HTTP/1.1\r\nHost: a\r\n" + b"X-A: a\r\n" * 5_000,
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS.keys())
async def test_a_head_without_end_is_refused_at_the_limit(whole_server: GateServer, head: bytes) -> None:
    """RFC 6585 5: nobody has to have a token to send one, so it must not be kept, however long it grows."""
    reply = await raw(whole_server, head, finish=False)

    assert (reply.status, reply.headers["connection"]) == (431, "close")


async def test_trailers_without_end_close_the_connection(whole_server: GateServer) -> None:
    """They come after the body, where an answer may have been given already."""
    reader, writer = await asyncio.open_connection(whole_server.host, whole_server.port)
    writer.write(
        b"POST /oauth/token HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n" + b"X-A: a\r\n" * 5_000
    )

    with suppress(ConnectionResetError):  # some of it is still on its way when the server closes
        assert (await reader.read())[:10] in (b"", b"HTTP/1.1 4")
    writer.close()


async def test_a_head_that_never_ends_is_given_up_in_time(whole_server: GateServer) -> None:
    reply = await raw(whole_server, b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-", finish=False)

    assert reply.status == 408


async def test_a_later_head_that_never_ends_is_given_up_in_time(whole_server: GateServer) -> None:
    """On a connection that has been answered before."""
    reader, writer = await asyncio.open_connection(whole_server.host, whole_server.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    first = await reader.readuntil(b"}")
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-")

    rest = await reader.read()
    writer.close()

    assert first.startswith(b"HTTP/1.1 200 ")
    assert rest.startswith(b"HTTP/1.1 408 ")


async def test_a_connection_on_which_nothing_is_asked_is_closed_without_a_word(whole_server: GateServer) -> None:
    reader, writer = await asyncio.open_connection(whole_server.host, whole_server.port)

    assert await reader.read() == b""
    writer.close()


async def test_many_requests_on_one_connection_are_not_added_up(whole_server: GateServer) -> None:
    reader, writer = await asyncio.open_connection(whole_server.host, whole_server.port)
    one = b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * 20_000 + b"\r\n\r\n"

    for _ in range(5):
        writer.write(one)
        assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200 ")
    writer.close()
