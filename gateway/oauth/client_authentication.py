"""Every way in which a client may prove who it is, by its registered name; each client has one (RFC 7591 2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.oauth.client import Client
from gateway.oauth.client_assertion import PrivateKeyJwt
from gateway.oauth.client_secret import ClientSecrets, SecretAuthentication
from gateway.oauth.form import Form
from gateway.oauth.keys import AnyConnection
from gateway.oauth.mutual_tls import MutualTls
from gateway.oauth.refusal import InvalidClient
from gateway.oauth.registration import (
    AUTH_METHODS,
    PRIVATE_KEY,
    PUBLIC,
    SECRET_BASIC,
    SECRET_POST,
    SELF_SIGNED,
    TLS_CLIENT,
    is_client_id,
)
from gateway.settings import Settings

Method = Callable[[Callable[[str], Client | None], Any], Client | None]
"""Authlib's hook: the client that the request proves, None where it does not try this way. Raises OAuth2Error."""

METHODS: Final = list(AUTH_METHODS)
"""In the order in which they are tried: whoever carries a proof is held to it, and only who carries none is public."""
CONFIDENTIAL_METHODS: Final = [name for name in METHODS if name != PUBLIC]
"""For endpoints that tell something about tokens (RFC 7662 2.1, 4: who asks must be authenticated)."""


def offered(settings: Settings) -> list[str]:
    """The methods that a client of this server can use: those by certificate only where one can arrive."""
    return [name for name in METHODS if settings.client_certificate_header or name not in (TLS_CLIENT, SELF_SIGNED)]


def methods(conn: AnyConnection, settings: Settings, form: Form, secrets: ClientSecrets) -> Mapping[str, Method]:
    """All methods for one request, by name."""
    return {
        PRIVATE_KEY: PrivateKeyJwt(conn, settings.issuer),
        TLS_CLIENT: MutualTls(TLS_CLIENT, form.certificate),
        SELF_SIGNED: MutualTls(SELF_SIGNED, form.certificate),
        SECRET_BASIC: SecretAuthentication(SECRET_BASIC, conn, secrets, form),
        SECRET_POST: SecretAuthentication(SECRET_POST, conn, secrets, form),
        PUBLIC: _public,
    }


def _public(query_client: Callable[[str], Client | None], request: Any) -> Client | None:
    """A client that has nothing to prove itself by: its name is all it says (RFC 6749 2.1).

    The code or the refresh token that comes with it carries the proof (PKCE, DPoP). Raises InvalidClient for every other name.
    """
    client_id = request.form.get("client_id")
    if "Authorization" in request.headers or "client_secret" in request.form or not is_client_id(client_id):
        return None
    client = query_client(client_id)
    if client is None or not client.check_endpoint_auth_method(PUBLIC, "token"):
        raise InvalidClient
    return client
