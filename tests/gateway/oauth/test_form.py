"""The bodies that the OAuth endpoints take, and those they refuse quickly (RFC 6749 3.2 and appendix B)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlencode

import pytest

from tests.support.oauth import World, a_client

FORM = {"content-type": "application/x-www-form-urlencoded"}

BODIES: dict[str, tuple[bytes, dict[str, str], int]] = {
    "JSON": (b'{"grant_type": "client_credentials"}', {"content-type": "application/json"}, 415),
    "multipart": (b"--x--", {"content-type": "multipart/form-data; boundary=x"}, 415),
    "no media type": (b"grant_type=x", {"content-type": ""}, 415),
    "another charset": (b"grant_type=x", {"content-type": FORM["content-type"] + "; charset=utf-16"}, 415),
    "compressed": (b"\x1f\x8b\x08\x00", {**FORM, "content-encoding": "gzip"}, 415),
    "too large": (b"a=" + b"x" * 16_384, FORM, 413),
    "too many parameters": (b"&".join(b"a%d=1" % n for n in range(65)), FORM, 400),
    "repeated parameter": (b"grant_type=client_credentials&grant_type=client_credentials", FORM, 400),
    "repeated without a value": (b"scope=&scope=", FORM, 400),
    "escaped bytes are not UTF-8": (b"grant_type=%ff%fe", FORM, 400),
    "raw bytes are not ASCII": ("grant_type=客户".encode(), FORM, 400),
    "a name without a value": (b"grant_type", FORM, 400),
    "empty": (b"", FORM, 400),
    "NUL": (b"grant_type=client_credentials%00", FORM, 400),
}


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke"])
@pytest.mark.parametrize(("body", "headers", "status"), BODIES.values(), ids=BODIES.keys())
async def test_body_that_is_no_form_is_a_4xx(world: World, path: str, body: bytes, headers: dict[str, str], status: int) -> None:
    """Never a 500, and no word of the body in the answer."""
    answer = await world.http.post(path, content=body, headers=headers)

    assert answer.status_code in ({status} if path == "/oauth/token" else {status, 401})
    assert answer.json()["error"] in {"invalid_request", "invalid_client", "unsupported_grant_type"}
    assert answer.headers["cache-control"] == "no-store"


async def test_charset_utf8_is_the_form_that_many_clients_send(world: World) -> None:
    """RFC 6749 appendix B; the media type compares without case."""
    party = await a_client(world.owner, world.settings)
    headers = {"content-type": 'Application/X-WWW-Form-Urlencoded; charset="UTF-8"'}

    answer = await world.http.post("/oauth/token", content=urlencode(party.form()), headers=headers)

    assert answer.status_code == 200


async def test_parameter_without_a_value_counts_as_left_out(world: World) -> None:
    """RFC 6749 3.2; unknown parameters are ignored."""
    party = await a_client(world.owner, world.settings)

    answer = await world.http.post("/oauth/token", data={**party.form(), "scope": "", "client_id": "", "unknown": "1"})

    assert answer.json()["scope"] == "ads.reach ads.results"


async def test_credentials_in_the_address_are_refused(world: World) -> None:
    """RFC 6749 2.3.1: addresses end up in logs."""
    party = await a_client(world.owner, world.settings)

    answer = await world.http.post("/oauth/token?" + urlencode(party.form()), data=party.form())

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert await world.issued_count() == 0


async def test_chunked_body_is_cut_off_at_the_limit(world: World) -> None:
    """Bounded memory without a declared length."""

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b"x" * 1024

    answer = await world.http.post("/oauth/token", content=endless(), headers=FORM)

    assert answer.status_code == 413


async def test_body_that_never_comes_is_given_up(world: World) -> None:
    """A slow or truncated body costs one connection for a bounded time."""
    host, _, port = world.workers[0].url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /oauth/token HTTP/1.1\r\nhost: x\r\n"
        b"content-type: application/x-www-form-urlencoded\r\ncontent-length: 20\r\n\r\ngrant"
    )

    status = await reader.readline()

    writer.close()
    assert status.split()[1] == b"408"


async def test_two_authorization_headers_are_refused(world: World) -> None:
    """RFC 9110 5.3: a field that is no list is sent once."""
    answer = await world.http.post(
        "/oauth/token",
        content=b"grant_type=client_credentials",
        headers=[*FORM.items(), ("authorization", "Basic eDp4"), ("authorization", "Basic eTp5")],
    )

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke"])
async def test_only_post_reaches_the_form_endpoints(world: World, path: str) -> None:
    """RFC 6749 3.2."""
    assert (await world.http.get(path)).status_code == 405
