"""The surface of the gate without the gate: receive, limits, validate and respond around the ordinary executor of a tiny schema.

Used to prove the surface by itself, over real HTTP. `serving` runs any ASGI application under uvicorn.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
import uvicorn
from graphql import GraphQLSchema, OperationDefinitionNode, build_schema, execute_sync, get_operation_ast
from graphql.execution import ExecutionResult
from graphql.execution.values import VariableValues, get_variable_values

from gateway.request.codes import Code, GatewayError
from gateway.request.limits import Limits, measure, parse_document
from gateway.request.receive import Received, read_head, receive
from gateway.request.respond import new_request_id, send_answer, send_error
from gateway.request.validate import validate_document
from gateway.watch.guard import App, Guard, Message, Receive, Send
from gateway.watch.log import UVICORN_OPTIONS

TOKEN = "a-token-that-this-harness-knows"

SCHEMA: GraphQLSchema = build_schema(
    """
    type Query {
      me: Subject
      subject(id: ID!): Subject
      subjects(first: Int!, after: String): SubjectConnection
      search(filter: Filter): [Subject]
    }
    input Filter { ids: [ID!] inner: Filter }
    type SubjectConnection { edges: [SubjectEdge] pageInfo: PageInfo }
    type SubjectEdge { node: Subject cursor: String }
    type PageInfo { hasNextPage: Boolean endCursor: String }
    type Subject { id: ID! realName: String friend: Subject photos(first: Int! = 20): [String] posts(first: Int! = 20): [Post] }
    type Post { id: ID! text: String }
    """
)


@dataclass(frozen=True)
class GateServer:
    """A running server of the partner endpoint. authorization: the header that opens it."""

    url: str
    host: str
    port: int
    token: str

    @property
    def authorization(self) -> str:
        return f"Bearer {self.token}"


def _authenticate(authorization: str | None) -> None:
    if authorization != f"Bearer {TOKEN}":
        raise GatewayError(Code.TOKEN_MISSING, headers={"WWW-Authenticate": "Bearer"})


class Surface:
    """The partner endpoint over SCHEMA, without data."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()

    async def __call__(self, scope: Message, take: Receive, send: Send) -> None:
        request_id = new_request_id()
        head = read_head(scope)
        try:
            _authenticate(head.authorization)
            received = await receive(head, take, self.limits)
            body = self._answer(received)
        except GatewayError as error:
            await send_error(send, error, head.media, request_id=request_id)
            return
        await send_answer(send, body, head.media, request_id=request_id)

    def _answer(self, received: Received) -> bytes:
        tree = parse_document(received.document, self.limits)
        measured = measure(tree, received.operation_name, received.variables, self.limits)
        measured.require_query(received.method)
        validate_document(SCHEMA, tree)
        operation = get_operation_ast(tree, received.operation_name)
        assert isinstance(operation, OperationDefinitionNode)
        coerced = get_variable_values(SCHEMA, operation.variable_definitions or (), dict(received.variables))
        if not isinstance(coerced, VariableValues):
            raise GatewayError(Code.VARIABLES)
        result = execute_sync(SCHEMA, tree, variable_values=dict(received.variables), operation_name=received.operation_name)
        assert isinstance(result, ExecutionResult)
        return orjson.dumps({"data": result.data})


@asynccontextmanager
async def serving(app: App) -> AsyncIterator[tuple[str, int]]:
    """Runs the application under uvicorn as the gateway runs it; gives host and port. It listens before this returns."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    host, port = listener.getsockname()
    options: Mapping[str, Any] = {**UVICORN_OPTIONS, "lifespan": "off", "ws": "none", "loop": "asyncio"}
    server = uvicorn.Server(uvicorn.Config(app, **options))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield host, port
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def a_surface_server(limits: Limits | None = None) -> AsyncIterator[GateServer]:
    """The surface under uvicorn, guarded as the gateway is."""
    async with serving(Guard(Surface(limits))) as (host, port):
        yield GateServer(f"http://{host}:{port}/graphql", host, port, TOKEN)


@dataclass(frozen=True)
class Reply:
    """An answer as it came over the wire or out of an ASGI application."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def codes(self) -> list[str]:
        return [error["extensions"]["code"] for error in orjson.loads(self.body).get("errors", [])]


async def ask(
    app: App,
    body: bytes = b"",
    *,
    method: str = "POST",
    query: bytes = b"",
    headers: Mapping[str, str] | None = None,
    token: str | None = TOKEN,
) -> Reply:
    """One request to an ASGI application, the body in one piece."""
    return await asked(
        app, [{"type": "http.request", "body": body}], len(body), method=method, query=query, headers=headers, token=token
    )


async def asked(
    app: App,
    messages: list[Message],
    length: int | None,
    *,
    method: str = "POST",
    query: bytes = b"",
    headers: Mapping[str, str] | None = None,
    token: str | None = TOKEN,
) -> Reply:
    """One request whose body arrives as these messages, and then never says more. length: Content-Length."""
    lines = {"content-type": "application/json"} if method == "POST" else {}
    if length is not None:
        lines["content-length"] = str(length)
    if token is not None:
        lines["authorization"] = f"Bearer {token}"
    lines.update({name.lower(): value for name, value in (headers or {}).items()})
    scope: Message = {
        "type": "http",
        "method": method,
        "path": "/graphql",
        "query_string": query,
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in lines.items() if value],
    }
    waiting = iter(messages)
    sent: list[Message] = []

    async def take() -> Message:
        for message in waiting:
            return message
        await asyncio.Event().wait()  # nothing more ever comes
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, take, send)
    answer = {name.decode(): value.decode("latin-1") for name, value in sent[0]["headers"]}
    return Reply(sent[0]["status"], answer, b"".join(message.get("body", b"") for message in sent[1:]))


async def raw(server: GateServer, request: bytes, *, finish: bool = True) -> Reply:
    """Sends these bytes to a server and reads one answer. finish=False: the sending side stays open, as a slow client's does."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        writer.write(request)
        if finish:
            writer.write_eof()
        status_line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        return Reply(int(status_line.split()[1]), headers, body)
    finally:
        writer.close()
