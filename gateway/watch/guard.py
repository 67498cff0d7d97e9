"""The last line: whatever goes wrong unplanned is one fixed answer to the caller and one line without words in the log, and what
says nothing about caches is kept by none."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final

from gateway.request.codes import Code, GatewayError, Media
from gateway.request.receive import DisconnectedError
from gateway.request.respond import new_request_id, send_error
from gateway.request.serve import UNREACHABLE
from gateway.watch.log import Event, log

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
OF_THE_DISK = (FileNotFoundError, PermissionError, IsADirectoryError, LookupError)  # also OSErrors; a template is looked up

App = Callable[[Message, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

CACHE_CONTROL: Final = b"cache-control"


class Guard:
    """Wraps the whole application. An exception that gets here is a defect, unless it says that the database is away: INTERNAL or
    UNAVAILABLE, logged by type and place, never re-raised (the server would log its text)."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_started = False

        async def watched(message: Message) -> None:
            nonlocal has_started
            has_started = True
            if message["type"] == "http.response.start":
                message = {**message, "headers": _kept_by_none(message.get("headers", ()))}
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except DisconnectedError:
            return
        except Exception as error:  # the net under everything
            is_away = isinstance(error, UNREACHABLE) and not isinstance(error, OF_THE_DISK)
            code = Code.UNAVAILABLE if is_away else Code.INTERNAL
            log(Event.DATABASE_LOST if is_away else Event.DEFECT, error=error, code=code)
            if not has_started:
                await send_error(send, GatewayError(code), Media.JSON, request_id=new_request_id())


def _kept_by_none(headers: Iterable[Header]) -> list[Header]:
    """The headers, with `no-store` unless they say how long the answer may be kept: a redirect with a code in it says nothing."""
    given = list(headers)
    if all(name.lower() != CACHE_CONTROL for name, _ in given):
        given.append((CACHE_CONTROL, b"no-store"))
    return given
