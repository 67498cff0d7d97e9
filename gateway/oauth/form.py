"""The body of a request to an OAuth endpoint (RFC 6749 appendix B): a small UTF-8 form, each parameter once."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from gateway.oauth.jose import certificate_thumbprint
from gateway.oauth.proxy import CERTIFICATE_HEADER, NOBODY, Proxies
from gateway.oauth.refusal import InvalidRequest
from gateway.settings import Settings

BODY_MAX: Final = 16_384
PARAMETERS_MAX: Final = 64
REPEATABLE: Final = frozenset({"resource"})
"""RFC 8707 2 allows several; RFC 6749 3.2 allows no other parameter twice."""


@dataclass(frozen=True, slots=True, repr=False)
class Form:
    """A request's parameters. It holds credentials, so it has no repr; parameters without a value are left out (RFC 6749 3.2)."""

    values: Mapping[str, Sequence[str]]
    authorization: str | None
    dpop: Sequence[str] = ()
    """The DPoP headers as they came: `dpop.Dpop.check` takes one and refuses several."""
    certificate: bytes | None = None
    """The client's certificate in DER, where a trusted proxy passes it."""
    address: str = ""
    """Where the request comes from, as the nearest trusted proxy says, if there is one."""
    is_foreign: bool = False
    """A browser says that a page of another origin sent it."""

    @property
    def single(self) -> dict[str, str]:
        """Each parameter's first value."""
        return {name: values[0] for name, values in self.values.items()}


async def read_form(
    request: Request,
    *,
    within_s: float,
    proxies: Proxies = NOBODY,
    repeatable: frozenset[str] = REPEATABLE,
    body_max: int = BODY_MAX,
    parameters_max: int = PARAMETERS_MAX,
) -> Form:
    """Read and parse the body. Raises InvalidRequest, with the status that says what was wrong with the body.

    proxies: who is believed about the client's certificate and address. repeatable: what may come several times, as boxes that
    are ticked do. body_max: in bytes.
    """
    if request.url.query:
        # RFC 6749 2.3.1: never in the URI, where every log keeps them
        raise InvalidRequest
    body = await read_body(request, "application/x-www-form-urlencoded", within_s=within_s, most=body_max)
    headers = request.headers.getlist("authorization")
    if len(headers) > 1:
        raise InvalidRequest
    values, peer = _parameters(body, repeatable, parameters_max), request.client.host if request.client else None
    if len([tried for tried in (headers, "client_assertion" in values, "client_secret" in values) if tried]) > 1:
        raise InvalidRequest  # RFC 6749 2.3: one way of authenticating in each request
    return Form(
        values,
        headers[0] if headers else None,
        tuple(request.headers.getlist("dpop")),
        proxies.certificate(_joined(request, CERTIFICATE_HEADER), peer),
        proxies.client_address(_joined(request, "x-forwarded-for"), peer),
        is_foreign(request),
    )


async def read_body(request: Request, media_type: str, *, within_s: float, most: int) -> bytes:
    """The body, of this media type and of `most` bytes. Raises InvalidRequest, with the status that says what was wrong."""
    if _media_type(request) != media_type or request.headers.get("content-encoding") is not None:
        raise InvalidRequest(status_code=415)
    try:
        async with asyncio.timeout(within_s):
            return await _body(request, most)
    except TimeoutError:
        raise InvalidRequest(status_code=408) from None
    except ClientDisconnect:
        raise InvalidRequest from None


def is_foreign(request: Request) -> bool:
    """Whether a browser says that a page of another origin sent this (Fetch Metadata; RFC 6454 7 where it has none of that)."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is not None and origin.partition("://")[2] != request.headers.get("host")


def shown_thumbprint(settings: Settings, request: Request) -> str | None:
    """`x5t#S256` of the certificate that a request came over, where a trusted proxy passes it (RFC 8705 3.1)."""
    peer = request.client.host if request.client else None
    shown = Proxies.of(settings).certificate(_joined(request, CERTIFICATE_HEADER), peer)
    return None if shown is None else certificate_thumbprint(shown)


def _joined(request: Request, name: str) -> str | None:
    """A header's value; repeated, its values joined by a comma, as HTTP reads it (RFC 9110 5.3)."""
    values = request.headers.getlist(name)
    return ", ".join(values) if values else None


def _media_type(request: Request) -> str:
    values = request.headers.getlist("content-type")
    if len(values) != 1:
        return ""
    header = Message()
    header["content-type"] = values[0]
    charset = header.get_content_charset("utf-8")
    return header.get_content_type() if charset in ("utf-8", "utf8") else ""


async def _body(request: Request, most: int) -> bytes:
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or len(declared) > 9 or int(declared) > most:
        raise InvalidRequest(status_code=413)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise InvalidRequest(status_code=413)
    return bytes(body)


def _parameters(body: bytes, repeatable: frozenset[str], most: int) -> Mapping[str, Sequence[str]]:
    values: defaultdict[str, list[str]] = defaultdict(list)
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=most,
        )
    except ValueError:
        raise InvalidRequest from None
    for name, value in pairs:
        values[name].append(value)
    if any(len(repeated) > 1 and name not in repeatable for name, repeated in values.items()):
        raise InvalidRequest
    return {name: kept for name, given in values.items() if (kept := [value for value in given if value])}
