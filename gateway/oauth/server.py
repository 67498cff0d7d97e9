"""One request to the authorization server: Authlib's grants and endpoints around one connection and one transaction.

The server object lives as long as its request. What Authlib asks of storage it asks through this object, synchronously; the
bridge lets the answers come from asyncpg. A refusal is an answer like any other, so its transaction commits: an assertion once
used stays used, whatever became of the request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import asyncpg
from authlib.oauth2 import AuthorizationServer as Authlib
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import OAuth2Payload, OAuth2Request
from authlib.oauth2.rfc6749.errors import InvalidScopeError
from starlette.responses import JSONResponse, Response

from gateway.oauth.access_token import mint
from gateway.oauth.bridge import run_sync, wait
from gateway.oauth.client import Client, find_client
from gateway.oauth.client_assertion import METHOD, PrivateKeyJwt
from gateway.oauth.form import Form
from gateway.oauth.keys import AnyConnection, KeyStore
from gateway.oauth.refusal import InvalidRequest, Unavailable, shape
from gateway.settings import Settings

ACQUIRE_WITHIN_S: Final = 5.0
NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}  # RFC 6749 5.1


class Payload(OAuth2Payload):  # type: ignore[misc]  # Authlib ships no types
    """A form as Authlib reads it."""

    def __init__(self, form: Form) -> None:
        self._form = form

    @property
    def data(self) -> dict[str, str]:
        """Each parameter's value."""
        return self._form.single

    @property
    def datalist(self) -> Mapping[str, Sequence[str]]:
        """Each parameter's values."""
        return self._form.values


class FormRequest(OAuth2Request):  # type: ignore[misc]
    """A request as Authlib reads it. Its address is the configured one: behind a proxy the real one says nothing."""

    def __init__(self, form: Form, uri: str) -> None:
        # Authlib would refuse loopback names that the settings allow; plain http elsewhere they have refused themselves
        uri = "https" + uri[uri.index(":") :]
        super().__init__("POST", uri, headers={"Authorization": form.authorization} if form.authorization else {})
        self.payload = Payload(form)

    @property
    def args(self) -> dict[str, str]:
        """Nothing: parameters come in the body only."""
        return {}

    @property
    def form(self) -> dict[str, str]:
        """The body's parameters."""
        return dict(self.payload.data)


class AuthorizationServer(Authlib):  # type: ignore[misc]
    """Authlib's server for one request. Grants and endpoints are registered by their modules' endpoint functions."""

    def __init__(self, conn: AnyConnection, keys: KeyStore, settings: Settings) -> None:
        super().__init__()
        self.conn, self.keys, self.settings = conn, keys, settings
        self.register_client_auth_method(METHOD, PrivateKeyJwt(conn, settings.issuer))

    def query_client(self, client_id: str) -> Client | None:
        """The active client of this id."""
        return wait(find_client(self.conn, client_id))

    def generate_token(self, *, client: Client, scope: str | None = None, **_more: object) -> dict[str, object]:
        """The body of a token response, its token stored. Raises InvalidScopeError where `scope` asks for too much.

        Authlib passes more: the lifetime is the settings', and there is no refresh token yet.
        """
        allowed = client.get_allowed_scope(scope)
        if allowed is None:
            raise InvalidScopeError
        token = wait(mint(self.conn, self.keys, self.settings, client_id=client.client_id, scopes=allowed.split()))
        body: dict[str, object] = {
            "access_token": token.text,
            "token_type": "Bearer",
            "expires_in": int(token.lifetime.total_seconds()),
        }
        if token.scopes:  # RFC 6749 3.3: a scope that is there names something
            body["scope"] = " ".join(token.scopes)
        return body

    def save_token(self, token: Mapping[str, object], request: FormRequest) -> None:
        """Nothing left to do: `mint` stored it in the statement that made it."""

    def create_oauth2_request(self, request: FormRequest) -> FormRequest:
        """The request is Authlib's already."""
        return request

    def handle_response(self, status: int, body: Mapping[str, object], _headers: Sequence[tuple[str, str]]) -> Response:
        """A JSON answer that no cache keeps."""
        return JSONResponse(dict(body), status, NO_STORE)

    def handle_error_response(self, request: FormRequest, error: OAuth2Error) -> Response:
        """An error answer; the challenge names the scheme that the client tried, if it tried one (RFC 6749 5.2)."""
        return error_response(error, self.settings.issuer, tried_header="Authorization" in request.headers)

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Authlib's notifications have no listener here."""


def error_response(error: OAuth2Error, issuer: str, *, tried_header: bool = False) -> Response:
    """RFC 6749 5.2: JSON, 401 for a client that is not known, never cached."""
    status, body = shape(error)
    challenge = {"WWW-Authenticate": f'Basic realm="{issuer}"'} if status == 401 and tried_header else {}
    return JSONResponse(body, status, {**NO_STORE, **challenge})


async def in_transaction(
    pool: asyncpg.Pool[Any], keys: KeyStore, settings: Settings, form: Form, path: str, answer: Callable[..., Response]
) -> Response:
    """`answer(server, request)`, run inside one transaction that has committed when this returns. Raises Unavailable.

    path: of the endpoint, below the base URL.
    """
    try:
        conn = await pool.acquire(timeout=ACQUIRE_WITHIN_S)
    except (TimeoutError, OSError, asyncpg.PostgresConnectionError, asyncpg.TooManyConnectionsError):
        raise Unavailable from None
    try:
        async with conn.transaction():
            server = AuthorizationServer(conn, keys, settings)
            return await run_sync(answer, server, FormRequest(form, settings.base_url + path))
    finally:
        await pool.release(conn)


def require(request: FormRequest, name: str) -> str:
    """A parameter's value. Raises InvalidRequest where the request has none."""
    value = request.form.get(name)
    if value is None:
        raise InvalidRequest
    return value
