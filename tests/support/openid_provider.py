"""An OpenID provider written by others (npm oidc-provider) on loopback, and a browser that signs in there."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from pathlib import Path
from urllib.parse import urljoin

import httpx2

from tests.support.packages import node_with

FOLDER = Path(__file__).resolve().parents[1] / "openid_provider"
CLIENT_ID, SECRET = "gateway", "a secret: with/odd&characters"


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@asynccontextmanager
async def a_provider(port: int, redirect_uri: str, *, algorithm: str, method: str) -> AsyncIterator[str]:
    """Its issuer. Skips the test, with the reason, where node or npm is missing."""
    node = await node_with(FOLDER, "oidc-provider")
    process = await asyncio.create_subprocess_exec(
        node, "provider.mjs", str(port), redirect_uri, algorithm, method,
        cwd=FOLDER, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            while (line := await process.stdout.readline()).strip() != b"ready":
                assert line, "the provider did not start"
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        await process.wait()


async def sign_in_there(http: httpx2.AsyncClient, address: str, login: str) -> str:
    """Go through the provider's own pages; the address that it sends the browser back to."""
    form: dict[str, str] | None = None
    for _ in range(12):
        answer = await (http.get(address) if form is None else http.post(address, data=form))
        if answer.is_redirect:
            address, form = urljoin(address, answer.headers["location"]), None
            if "/sign-in/upstream/callback" in address:
                return address
            continue
        action = re.search(r'<form[^>]* action="([^"]+)"', answer.text)
        prompt = re.search(r'name="prompt" value="(\w+)"', answer.text)
        assert action is not None, answer.text
        assert prompt is not None, answer.text
        address, form = urljoin(address, unescape(action[1])), {"prompt": prompt[1], "login": login, "password": "any"}
    raise AssertionError("the provider never sent the browser back")
