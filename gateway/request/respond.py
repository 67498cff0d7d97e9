"""What goes back: the only place that knows status codes, headers and the shape of an error."""

import json
import os
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

from gateway.request.codes import MESSAGE, GatewayError, Media, Problem, status_of

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

CONTENT_TYPE: Final = {media: f"{media.value}; charset=utf-8".encode() for media in Media}
# An answer is one partner's view of one moment: nobody keeps it, guesses its type, or shows it in a page
FIXED: Final = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"vary", b"accept, authorization"),
)
RETRY_AFTER_S: Final = 1  # where nothing better is known


def new_request_id() -> str:
    """Ours alone: what a caller calls its request is never repeated. A UUID of version 4 (RFC 9562 5.4), as text at once."""
    noise = os.urandom(16).hex()
    return f"{noise[:8]}-{noise[8:12]}-4{noise[13:16]}-a{noise[17:20]}-{noise[20:]}"


async def send_answer(
    send: Send,
    body: bytes,
    media: Media,
    *,
    request_id: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> None:
    """One complete answer. status stays 200 where there is data, whatever errors stand beside it."""
    lines = [
        (b"content-type", CONTENT_TYPE[media]),
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", request_id.encode()),
        *FIXED,
    ]
    if headers:
        lines.extend((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items())
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})


async def send_error(send: Send, error: GatewayError, media: Media, *, request_id: str) -> int:
    """The answer to a request that failed as a whole. Returns the status that went out."""
    status = status_of(error.code, media)
    headers = dict(error.headers)
    if status in (429, 503):
        headers.setdefault("Retry-After", str(error.retry_after_s or RETRY_AFTER_S))
    await send_answer(send, error_body(error), media, request_id=request_id, status=status, headers=headers)
    return status


def error_body(error: GatewayError) -> bytes:
    """`errors` without `data` (GraphQL specification 7.1.2), each with its code.

    >>> from gateway.request.codes import Code
    >>> error_body(GatewayError(Code.HALTED))
    b'{"errors":[{"message":"Disclosure is halted at present.","extensions":{"code":"HALTED"}}]}'
    """
    problems = error.problems or (Problem(MESSAGE[error.code]),)
    return json.dumps({"errors": [_entry(error, problem) for problem in problems]}, separators=(",", ":")).encode()


def _entry(error: GatewayError, problem: Problem) -> dict[str, object]:
    entry: dict[str, object] = {"message": problem.message}
    if problem.locations:
        entry["locations"] = [{"line": line, "column": column} for line, column in problem.locations]
    extensions: dict[str, object] = {"code": error.code.value, **error.extensions}
    if problem.rule:
        extensions["rule"] = problem.rule
    if error.retry_after_s is not None:
        extensions["retryAfter"] = error.retry_after_s
    entry["extensions"] = extensions
    return entry
