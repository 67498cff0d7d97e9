"""Pushed authorization requests (RFC 9126): a client authenticates before a browser is involved, and nobody can change what it
asked for on the way."""

from __future__ import annotations

import json
import secrets
from typing import Final
from uuid import uuid4

from authlib.oauth2 import OAuth2Error
from starlette.responses import Response

from gateway.oauth.authorize import PUSHED_OPENS_FOR, REFERENCE, asking, check, store
from gateway.oauth.bridge import wait
from gateway.oauth.client import Client
from gateway.oauth.refusal import InvalidClient, InvalidRequest
from gateway.oauth.server import CLIENT_AUTH_METHODS, AuthorizationServer, FormRequest

PATH: Final = "/oauth/par"


def answer(server: AuthorizationServer, request: FormRequest) -> Response:
    """The answer to a pushed request; it runs under the bridge."""
    try:
        return server.handle_response(201, _push(server, request), [])
    except OAuth2Error as error:
        return server.handle_error_response(request, error)


def _push(server: AuthorizationServer, request: FormRequest) -> dict[str, object]:
    client: Client = server.authenticate_client(request, CLIENT_AUTH_METHODS)
    parameters = request.form
    if "request_uri" in parameters or parameters.get("client_id", client.client_id) != client.client_id:
        raise InvalidRequest  # RFC 9126 2.1
    if not _is_storable(parameters):
        raise InvalidRequest
    jkt = server.confirmation(request, client, is_required=False).get("jkt")
    asked = wait(asking(server.conn, client.client_id))
    if asked is None:
        raise InvalidClient
    resources = request.payload.datalist.get("resource", ())
    checked = check(parameters, resources, asked, server.settings, uuid4(), jkt)
    reference = secrets.token_urlsafe(32)
    wait(
        store(
            server.conn, checked, {**parameters, "client_id": client.client_id}, opens_for=PUSHED_OPENS_FOR, reference=reference
        )
    )
    return {"request_uri": REFERENCE + reference, "expires_in": int(PUSHED_OPENS_FOR.total_seconds())}


def _is_storable(parameters: dict[str, str]) -> bool:
    """PostgreSQL's jsonb holds no NUL."""
    return "\\u0000" not in json.dumps(parameters)
