"""Client registration (RFC 7591) with an initial access token.

What is registered is a wish: it takes effect once somebody else of the controller's staff approves it. Until then the client is
answered as any unknown one is.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from authlib.oauth2 import OAuth2Error
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.oauth.bearer import Unauthorised, challenge
from gateway.oauth.form import read_body
from gateway.oauth.keys import AnyConnection
from gateway.oauth.refusal import InvalidRequest
from gateway.oauth.registration import DOCUMENT_MAX, Fault, InvalidClientMetadata
from gateway.oauth.server import NO_STORE, Services, connection, error_response

PATH: Final = "/oauth/register"
TOKEN_MOST: Final = 200


@dataclass(frozen=True, slots=True)
class Registered:
    """metadata: as the gateway will keep them, `client_id` among them."""

    metadata: Mapping[str, object]
    issued_at: datetime


Registrar: TypeAlias = Callable[[AnyConnection, str, Mapping[str, object]], Awaitable[Registered | None]]
"""Registers a client with an initial token and its metadata; None for a token that does not stand.

Raises InvalidClientMetadata."""


async def register(request: Request, services: Services, registrar: Registrar) -> Response:
    """201 with what was registered (RFC 7591 3.2.1), 401 without a token that stands, 400 for metadata that cannot be (3.2.2)."""
    try:
        found = await _registered(request, services, registrar)
    except InvalidClientMetadata as invalid:
        return _refusal(400, invalid.error, f"{invalid.member}: {invalid.fault}")
    except InvalidRequest as invalid:
        return _refusal(invalid.status_code, "invalid_client_metadata", "The body is not a JSON object of a size that is taken.")
    except Unauthorised as refused:
        status, headers = challenge(refused, services.settings)
        return JSONResponse({"error": refused.error} if refused.error else {}, status, {**NO_STORE, **headers})
    except OAuth2Error as error:
        return error_response(error, services.settings.issuer)
    return JSONResponse({**found.metadata, "client_id_issued_at": int(found.issued_at.timestamp())}, 201, NO_STORE)


async def _registered(request: Request, services: Services, registrar: Registrar) -> Registered:
    text = _token(request)
    metadata = await _metadata(request, services)
    async with connection(services.pool) as conn:
        found = await registrar(conn, text, metadata)
    if found is None:
        raise Unauthorised("invalid_token")
    return found


def _refusal(status: int, error: str, text: str) -> Response:
    return JSONResponse({"error": error, "error_description": text}, status, NO_STORE)


def _token(request: Request) -> str:
    values = request.headers.getlist("authorization")
    kind, _, text = (values[0] if len(values) == 1 else "").partition(" ")
    if kind.lower() != "bearer":
        raise Unauthorised("")
    if len(text) > TOKEN_MOST:
        raise Unauthorised("invalid_token")
    return text.strip(" ")


async def _metadata(request: Request, services: Services) -> Mapping[str, object]:
    body = await read_body(request, "application/json", within_s=services.settings.body_timeout_s, most=DOCUMENT_MAX)
    try:
        found = json.loads(body.decode())
    except (ValueError, RecursionError):
        raise InvalidRequest from None
    if not isinstance(found, dict):
        raise InvalidClientMetadata(Fault.WRONG_TYPE, "metadata")
    return found
