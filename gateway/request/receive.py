"""From bytes to a GraphQL request: size, time, media type and shape of what arrived; nothing of what the document means.

In two steps, so that a caller without a token learns nothing about the rest: `read_head` takes what authentication needs and
never fails, `receive` judges everything else. No step reads more than the limit, waits longer than the limit, or repeats what
was sent.
"""

import asyncio
import json
import math
import re
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator, Mapping, MutableMapping
from functools import lru_cache
from typing import Any, Final, NamedTuple, cast
from urllib.parse import parse_qsl

from gateway.request.codes import Code, GatewayError, Media
from gateway.request.limits import Limits

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

METHODS: Final = ("GET", "POST")
NEST_MAX: Final = 32  # levels of lists and objects in variables
DIGITS_MAX: Final = 40  # of one number: no GraphQL scalar here is longer
HEADER_MAX: Final = 1_024  # a header that has to be parsed
SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")  # only escapes can bring a lone surrogate through UTF-8
SHA256_ID: Final = re.compile(r"(?:sha256:)?([0-9a-f]{64})")  # without its prefix, a custom identifier that means the same
CLOSE: Final = {"Connection": "close"}  # the rest of the body is not worth reading


class DisconnectedError(Exception):
    """The client went away before its request was complete: there is nobody to answer."""


class Head(NamedTuple):
    """The request line and headers. media: what the answer will be in, JSON also where is_acceptable says that nothing
    would do. dpop, certificate, peer: what a sender-constrained token is held against; for all others nobody looks. (A tuple,
    like `Received`, because it is made for every request and costs a third of a dataclass.)"""

    method: str
    query: bytes
    authorization: str | None
    media: Media
    is_acceptable: bool
    content_type: bytes
    content_encoding: bytes
    content_length: bytes | None
    is_chunked: bool
    dpop: bytes | None
    certificate: bytes | None
    peer: tuple[str, int] | None

    def __repr__(self) -> str:
        return f"<head of a {self.method if self.method in METHODS else 'refused'} request>"


class Received(NamedTuple):
    """A well-formed GraphQL request. It holds what a partner wrote, so it prints as nothing.

    document_sha256: in hexadecimal, where the request names a persisted document; its text is empty until that is found.
    """

    document: str
    operation_name: str | None
    variables: Mapping[str, object]
    authorization: str | None
    media: Media
    method: str
    document_sha256: str | None = None

    def __repr__(self) -> str:
        return f"<document of {len(self.document)} characters>"


def read_head(scope: Scope) -> Head:
    """What the headers say, without a judgement. A repeated header is joined by a comma, as HTTP reads it."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    found = dict(headers)
    if len(found) != len(headers):
        found = {}
        for name, value in headers:
            found[name] = found[name] + b", " + value if name in found else value
    authorization = found.get(b"authorization")
    media = _negotiated(found.get(b"accept", b"*/*"))
    return Head(
        scope["method"],
        scope["query_string"],
        None if authorization is None else authorization.decode("latin-1"),
        media or Media.JSON,
        media is not None,
        found.get(b"content-type", b""),
        found.get(b"content-encoding", b""),
        found.get(b"content-length"),
        b"transfer-encoding" in found,
        found.get(b"dpop"),
        found.get(b"client-cert"),
        scope.get("client"),
    )


async def receive(head: Head, take: Receive, limits: Limits) -> Received:
    """The GraphQL request. take: the ASGI receive callable.

    Raises GatewayError, or DisconnectedError where nobody waits any more.
    """
    if head.method == "POST":
        if not head.is_acceptable:
            raise GatewayError(Code.NOT_ACCEPTABLE)
        parameters = _parse_object(await _body(head, take, limits))
    elif head.method == "GET":
        if not head.is_acceptable:
            raise GatewayError(Code.NOT_ACCEPTABLE)
        parameters = _query_parameters(head.query, limits)
    else:
        raise GatewayError(Code.METHOD_NOT_ALLOWED, headers={"Allow": ", ".join(METHODS)})
    return _received(head, parameters)


async def _body(head: Head, take: Receive, limits: Limits) -> bytes:
    if head.content_encoding.strip().lower() not in (b"", b"identity"):
        raise GatewayError(Code.CONTENT_ENCODING_REFUSED, headers={"Accept-Encoding": "identity", **CLOSE})
    if not _is_json(head.content_type):
        raise GatewayError(Code.MEDIA_TYPE, headers={"Accept-Post": Media.JSON.value, **CLOSE})
    if head.is_chunked:  # with a length before the body, a refusal comes before the first byte of it
        raise GatewayError(Code.LENGTH_REQUIRED, headers=CLOSE)
    length = head.content_length or b"0"
    if not length.isdigit():
        raise GatewayError(Code.BAD_REQUEST, headers=CLOSE)
    if len(length) > 9 or int(length) > limits.max_body_bytes:
        raise GatewayError(Code.BODY_TOO_LARGE, extensions={"maximum": limits.max_body_bytes}, headers=CLOSE)
    body = await _read(take, int(length), limits.body_timeout_s)
    if len(body) != int(length):
        raise GatewayError(Code.BAD_REQUEST, headers=CLOSE)
    return body


async def _read(take: Receive, length: int, seconds: float) -> bytes:
    """The body. Most arrive with their headers: that is tried before a timer, which would cost more than all the rest here."""
    chunks = _chunks(take, length)
    try:
        pending = chunks.send(None)
    except StopIteration as done:
        return cast(bytes, done.value)
    try:
        async with asyncio.timeout(seconds):
            return await _resumed(chunks, pending)
    except TimeoutError:
        raise GatewayError(Code.BODY_TIMEOUT, headers=CLOSE) from None


@types.coroutine
def _resumed(begun: Coroutine[Any, Any, bytes], pending: Any) -> Generator[Any, Any, bytes]:
    """A coroutine that has been run up to its first wait, as an awaitable: what `yield from` does, one step late."""
    try:
        while True:
            try:
                sent = yield pending
            except BaseException as error:  # a cancellation, above all
                pending = begun.throw(error)
            else:
                pending = begun.send(sent)
    except StopIteration as done:
        return cast(bytes, done.value)


async def _chunks(take: Receive, length: int) -> bytes:
    """The body, or what goes beyond the length it said it has, by one chunk at most."""
    message = await take()
    chunk: bytes = message.get("body", b"")
    if message["type"] == "http.request" and not message.get("more_body"):
        return chunk
    parts, size = [chunk], len(chunk)
    while message["type"] == "http.request" and message.get("more_body") and size <= length:
        message = await take()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    if message["type"] != "http.request":
        raise DisconnectedError
    return b"".join(parts)


def _query_parameters(query: bytes, limits: Limits) -> Mapping[str, object]:
    """The parameters of a GET (GraphQL over HTTP 5.2.1): each once, `variables` and `extensions` as JSON objects."""
    if len(query) > limits.max_url_bytes:
        raise GatewayError(Code.URL_TOO_LONG, extensions={"maximum": limits.max_url_bytes})
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=20)
    except UnicodeDecodeError:
        raise GatewayError(Code.ENCODING_INVALID) from None
    except ValueError:
        raise GatewayError(Code.PARAMETER_INVALID) from None
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise GatewayError(Code.PARAMETER_INVALID)
        if "\x00" in value:
            raise GatewayError(Code.PARAMETER_INVALID)
        found[name] = _parse_object(value.encode()) if name in ("variables", "extensions") and value else value or None
    return found


def _received(head: Head, parameters: Mapping[str, object]) -> Received:
    document, document_sha256 = _document(parameters)
    name, variables, extensions = parameters.get("operationName"), parameters.get("variables"), parameters.get("extensions")
    if name is not None and not isinstance(name, str):
        raise GatewayError(Code.PARAMETER_INVALID, extensions={"parameter": "operationName"})
    if variables is not None and not isinstance(variables, dict):
        raise GatewayError(Code.PARAMETER_INVALID, extensions={"parameter": "variables"})
    if extensions is not None and not isinstance(extensions, dict):
        raise GatewayError(Code.PARAMETER_INVALID, extensions={"parameter": "extensions"})
    if variables:
        _judge_nesting(variables)
    return Received(document, name, variables or {}, head.authorization, head.media, head.method, document_sha256)


def _document(parameters: Mapping[str, object]) -> tuple[str, str | None]:
    """The document, or the SHA-256 that identifies a persisted one (GraphQL over HTTP, appendix on persisted documents).

    A request has one or the other. Raises GatewayError: PARAMETER_INVALID, and DOCUMENT_ID_UNKNOWN for an identifier of another
    kind, automatic persisted queries among them.
    """
    document, document_id = parameters.get("query"), parameters.get("documentId")
    if document_id is None:
        if isinstance(document, str):
            return document, None
        if document is None and _is_persisted(parameters.get("extensions")):
            raise GatewayError(Code.DOCUMENT_ID_UNKNOWN)
        raise GatewayError(Code.PARAMETER_INVALID, extensions={"parameter": "query"})
    if document is not None or not isinstance(document_id, str):
        raise GatewayError(Code.PARAMETER_INVALID, extensions={"parameter": "documentId"})
    identified = SHA256_ID.fullmatch(document_id)
    if identified is None:
        raise GatewayError(Code.DOCUMENT_ID_UNKNOWN)
    return "", identified[1]


def _is_persisted(extensions: object) -> bool:
    return isinstance(extensions, dict) and "persistedQuery" in extensions


def _parse_object(body: bytes) -> Mapping[str, object]:
    """A JSON object (RFC 8259) without what parsers disagree about: repeated keys, NaN, huge numbers, lone surrogates, NUL.

    Raises GatewayError: ENCODING_INVALID, JSON_INVALID, JSON_DUPLICATE_KEY, BATCH_REFUSED, PARAMETER_INVALID.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise GatewayError(Code.ENCODING_INVALID) from None
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError):
        raise GatewayError(Code.JSON_INVALID) from None
    if isinstance(value, list):
        raise GatewayError(Code.BATCH_REFUSED)
    if not isinstance(value, dict):
        raise GatewayError(Code.PARAMETER_INVALID)
    if rb"\u0000" in body or SURROGATE.search(body):
        for string in _strings(value):
            if "\x00" in string or not _is_unicode(string):
                raise GatewayError(Code.JSON_INVALID)
    return value


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise GatewayError(Code.JSON_DUPLICATE_KEY)
    return found


def _whole(digits: str) -> int:
    if len(digits) > DIGITS_MAX:
        raise ValueError
    return int(digits)


def _finite(digits: str) -> float:
    value = float(digits) if len(digits) <= HEADER_MAX else math.inf
    if not math.isfinite(value):
        raise ValueError
    return value


def _no_constant(_name: str) -> None:
    """NaN and the infinities, which RFC 8259 does not know."""
    raise ValueError


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_without_repeats, parse_int=_whole, parse_float=_finite, parse_constant=_no_constant
)


def _strings(value: object) -> Iterator[str]:
    """All strings in a JSON value, keys included."""
    waiting = [value]
    while waiting:
        here = waiting.pop()
        if isinstance(here, str):
            yield here
        elif isinstance(here, dict):
            waiting.extend(here)
            waiting.extend(here.values())
        elif isinstance(here, list):
            waiting.extend(here)


def _is_unicode(string: str) -> bool:
    try:
        string.encode()
    except UnicodeEncodeError:
        return False
    return True


def _judge_nesting(variables: Mapping[str, object]) -> None:
    """Coercion follows lists and objects down: deeper than any input type is refused here."""
    level = [value for value in variables.values() if isinstance(value, dict | list)]
    for _depth in range(NEST_MAX):
        if not level:
            return
        inner: list[object] = []
        for value in level:
            inner.extend(value.values() if isinstance(value, dict) else value)
        level = [value for value in inner if isinstance(value, dict | list)]
    raise GatewayError(Code.JSON_INVALID)


@lru_cache(maxsize=256)
def _is_json(content_type: bytes) -> bool:
    """application/json, in UTF-8 where it says so (RFC 8259 8.1 knows no other encoding)."""
    if len(content_type) > HEADER_MAX:
        return False
    media, parameters = _media_type(content_type.decode("latin-1"))
    return media == Media.JSON and parameters.get("charset", "utf-8").lower() in ("utf-8", "utf8")


@lru_cache(maxsize=256)
def _negotiated(accept: bytes) -> Media | None:
    """The best of our two media types (RFC 9110 12.5.1); None where neither will do.

    Named equally, the GraphQL one wins; by wildcard alone, or without an Accept header, plain JSON does, which every client
    reads.
    """
    if len(accept) > HEADER_MAX:
        return None
    best: dict[Media, tuple[int, float]] = {}
    for part in accept.decode("latin-1").split(","):
        media, parameters = _media_type(part)
        if parameters.pop("charset", "utf-8").lower() not in ("utf-8", "utf8"):
            continue
        quality = _quality(parameters.get("q", "1"))
        for ours in Media:
            closeness = {ours.value: 2, "application/*": 1, "*/*": 0}.get(media, -1)
            if closeness >= 0 and (ours not in best or closeness >= best[ours][0]):
                best[ours] = (closeness, quality)
    ranked = sorted(
        ((quality, closeness, ours is Media.RESPONSE if closeness == 2 else ours is Media.JSON, ours.value, ours))
        for ours, (closeness, quality) in best.items()
        if quality > 0
    )
    return ranked[-1][-1] if ranked else None


def _quality(text: str) -> float:
    """A weight between 0 and 1; what is no weight counts as 0."""
    return float(text) if re.fullmatch(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?", text) else 0.0


def _media_type(text: str) -> tuple[str, dict[str, str]]:
    media, *rest = text.split(";")
    parameters: dict[str, str] = {}
    for entry in rest:
        name, _, value = entry.partition("=")
        parameters.setdefault(name.strip().lower(), value.strip().strip('"'))
    return media.strip().lower(), parameters
