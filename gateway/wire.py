"""HTTP/1.1 as the gateway reads it off the wire: uvicorn's, with the bounds that it lacks.

Its parser keeps a request line, headers and trailers however long they grow, and waits for their end however long that takes; so
a stranger without a token could fill the memory, or hold connections for ever. What has been read is bounded before anybody asks
who sent it; the body's bounds are the business of whoever reads the body.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

if TYPE_CHECKING:
    from gateway.settings import Settings

TIMEOUT, TOO_LARGE = 408, 431  # RFC 9110 15.5.9, RFC 6585 5
SAID: Final = {
    TIMEOUT: b"The request did not arrive in time.",
    TOO_LARGE: b"The request line and header fields are too large.",
}


def options(settings: Settings) -> dict[str, Any]:
    """What `uvicorn.Config` is told wherever the gateway is served. Workers get it by value, so all of it can be pickled."""
    return {
        "http": partial(BoundedHttp, head_max=settings.max_head_bytes, head_timeout_s=settings.head_timeout_s),
        "ws": "none",
        "lifespan": "on",
        "interface": "asgi3",
        "proxy_headers": False,  # the public address is a setting, never a header
        "timeout_graceful_shutdown": 10,
    }


class BoundedHttp(HttpToolsProtocol):
    """One connection. head_max: bytes of a request beside its body. head_timeout_s: from the connection, or from the first byte
    of a later request, to the end of its header fields."""

    def __init__(self, *, head_max: int, head_timeout_s: float, **given: Any) -> None:
        super().__init__(**given)
        self._head_max, self._head_timeout_s = head_max, head_timeout_s
        self._is_in_head, self._beside_body = True, 0
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn names a narrower type than asyncio promises
        self._deadline = self.loop.call_later(self._head_timeout_s, self._refuse, TIMEOUT)

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._beside_body += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            self._forget_deadline()
        elif self._beside_body > self._head_max:
            self._refuse(TOO_LARGE)
        elif self._is_in_head and self._deadline is None:
            self._deadline = self.loop.call_later(self._head_timeout_s, self._refuse, TIMEOUT)

    # What the parser finds; a request that comes in one piece sets no timer

    def on_message_begin(self) -> None:
        self._is_in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._forget_deadline()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._beside_body = max(0, self._beside_body - len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._beside_body = 0
        super().on_message_complete()

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: int) -> None:
        """Close; with an answer, unless nothing was asked or one is on its way."""
        self._forget_deadline()
        if self.transport.is_closing():
            return
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None before the first request
        if self._is_in_head and self._beside_body and (cycle is None or cycle.response_complete):
            said = SAID[status]
            fields = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(said)
            self.transport.write(STATUS_LINE[status] + fields + said)
        self.transport.close()
