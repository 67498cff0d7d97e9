"""/admin/graphql over HTTP: a staff token in the header and nothing else opens it; POST only, and as strict as /graphql."""

import re
from dataclasses import replace
from typing import Final

from gateway.admin.api.ask import Asking, Desk
from gateway.admin.api.paging import PAGE_MOST
from gateway.admin.api.run import run
from gateway.request.admit import Places
from gateway.request.codes import Code, GatewayError
from gateway.request.limits import ENOUGH, Limits
from gateway.request.receive import Head, Receive, Scope, Send, read_head, receive
from gateway.request.respond import new_request_id, send_answer, send_error
from gateway.request.serve import UNREACHABLE
from gateway.stewardship import staff
from gateway.stewardship.actor import Actor, Door

PATH: Final = "/admin/graphql"
REALM: Final = 'Bearer realm="gateway staff"'
TOKEN: Final = re.compile(rf"{staff.PREFIX}[A-Za-z0-9_-]{{43}}")
RUNNING, WAITING = 4, 100  # at once in one worker: the partners' requests go first
BODY_FACTOR: Final = 4  # a whole scope, or a document to register, travels in a variable


class AdminGraphQL:
    """Bare ASGI, beside the partner endpoint and through the same first rooms."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        limits = Limits.of(desk.settings)
        self._limits = replace(
            limits,
            max_body_bytes=BODY_FACTOR * limits.max_body_bytes,
            max_page_size=PAGE_MOST,
            max_list_size=min(PAGE_MOST, limits.max_list_size),
            max_cost=ENOUGH,  # it takes each object below another for a list, and here few are: pages and depth bound an answer
        )
        self._places = Places(running=RUNNING, waiting=WAITING)

    async def __call__(self, scope: Scope, take: Receive, send: Send) -> None:
        request_id, head = new_request_id(), read_head(scope)
        try:
            try:
                actor = await self._actor(head)
                if head.method != "POST":
                    raise GatewayError(Code.METHOD_NOT_ALLOWED, headers={"Allow": "POST"})
                received = await receive(head, take, self._limits)
                async with self._places.place():
                    ran = await run(Asking(self._desk, actor), received, self._limits)
            except UNREACHABLE as unreachable:
                raise GatewayError(Code.UNAVAILABLE) from unreachable
        except GatewayError as error:
            await send_error(send, error, head.media, request_id=request_id)
            return
        await send_answer(send, ran.body, head.media, request_id=request_id, status=ran.status)

    async def _actor(self, head: Head) -> Actor:
        """Whose token it is. Raises GatewayError: TOKEN_MISSING, and TOKEN_INVALID whatever is wrong with one (RFC 6750 3.1)."""
        scheme, _, text = (head.authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            raise GatewayError(Code.TOKEN_MISSING, headers={"WWW-Authenticate": REALM})
        actor = None
        if TOKEN.fullmatch(text.strip(" ")):
            async with self._desk.pool.acquire() as conn:
                actor = await staff.of_token(conn, text.strip(" "), Door.GRAPHQL)
        if actor is None:
            raise GatewayError(Code.TOKEN_INVALID, headers={"WWW-Authenticate": f'{REALM}, error="invalid_token"'})
        return actor
