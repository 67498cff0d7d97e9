"""One request to the authorization server: Authlib's grants and endpoints around one connection and one transaction.

The server object lives as long as its request. What Authlib asks of storage it asks through this object, synchronously; the
bridge lets the answers come from asyncpg. A refusal is an answer like any other, so its transaction commits: an assertion once
used stays used, whatever became of the request.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
from authlib.oauth2 import AuthorizationServer as Authlib
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import OAuth2Payload, OAuth2Request
from starlette.responses import JSONResponse, Response

from gateway.oauth.bridge import run_sync, wait
from gateway.oauth.client import Client, find_client
from gateway.oauth.client_authentication import METHODS, Method, methods
from gateway.oauth.client_secret import ClientSecrets
from gateway.oauth.dpop import Dpop
from gateway.oauth.form import Form
from gateway.oauth.jose import certificate_thumbprint
from gateway.oauth.keys import AnyConnection, KeyStore
from gateway.oauth.refusal import InvalidDpopProof, InvalidRequest, Unavailable, headers_of, shape
from gateway.settings import Settings

ACQUIRE_WITHIN_S: Final = 5.0
CLIENT_AUTH_METHODS: Final = METHODS
"""What a client may prove itself by, at every endpoint (Authlib wants a list)."""
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

    def __init__(self, form: Form, base_url: str, path: str) -> None:
        self.path = path
        # Authlib would refuse loopback names that the settings allow; plain http elsewhere they have refused themselves
        uri = "https" + base_url[base_url.index(":") :] + path
        super().__init__("POST", uri, headers={"Authorization": form.authorization} if form.authorization else {})
        self.payload, self.sent = Payload(form), form

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

    def __init__(
        self, conn: AnyConnection, keys: KeyStore, settings: Settings, dpop: Dpop, client_methods: Mapping[str, Method]
    ) -> None:
        super().__init__()
        self.conn, self.keys, self.settings, self.dpop = conn, keys, settings, dpop
        self.dpop_nonce: str | None = None
        for name, method in client_methods.items():
            self.register_client_auth_method(name, method)

    def query_client(self, client_id: str) -> Client | None:
        """The active client of this id."""
        return wait(find_client(self.conn, client_id))

    def confirmation(self, request: FormRequest, client: Client, *, is_required: bool = True) -> dict[str, str]:
        """The `cnf` members (RFC 7800) of what the request's sender has shown to hold: what its tokens will be bound to.

        is_required: a client registered for bound tokens must show it here.

        Raises InvalidDpopProof, UseDpopNonce, InvalidRequest.
        """
        bound: dict[str, str] = {}
        if is_required and client.metadata.tls_client_certificate_bound_access_tokens:  # RFC 8705 3.4
            if request.sent.certificate is None:
                raise InvalidRequest
            bound["x5t#S256"] = certificate_thumbprint(request.sent.certificate)
        if not request.sent.dpop:
            if is_required and client.metadata.dpop_bound_access_tokens:
                raise InvalidDpopProof
            return bound
        proof = wait(
            self.dpop.check(
                self.conn,
                request.sent.dpop,
                method="POST",
                url=self.settings.base_url + request.path,
                now=client.read_at,
                needs_nonce=self.settings.dpop_nonce_required,
            )
        )
        self.dpop_nonce = self.dpop.nonce(client.read_at.timestamp())
        return {**bound, "jkt": proof.jkt}

    def create_oauth2_request(self, request: FormRequest) -> FormRequest:
        """The request is Authlib's already."""
        return request

    def handle_response(self, status: int, body: Mapping[str, object], _headers: Sequence[tuple[str, str]]) -> Response:
        """A JSON answer that no cache keeps, with the nonce for the next proof where this request had one (RFC 9449 8.2)."""
        nonce = {} if self.dpop_nonce is None else {"DPoP-Nonce": self.dpop_nonce}
        return JSONResponse(dict(body), status, {**NO_STORE, **nonce})

    def handle_error_response(self, request: FormRequest, error: OAuth2Error) -> Response:
        """An error answer; the challenge names the scheme that the client tried, if it tried one (RFC 6749 5.2)."""
        return error_response(error, self.settings.issuer, tried_header="Authorization" in request.headers)

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Authlib's notifications have no listener here."""


def error_response(error: OAuth2Error, issuer: str, *, tried_header: bool = False) -> Response:
    """RFC 6749 5.2: JSON, 401 for a client that is not known, never cached."""
    status, body = shape(error)
    challenge = {"WWW-Authenticate": f'Basic realm="{issuer}"'} if status == 401 and tried_header else {}
    return JSONResponse(body, status, {**NO_STORE, **challenge, **headers_of(error)})


@dataclass(frozen=True, slots=True)
class Services:
    """What every endpoint of one worker stands on. pool: ordinary connections under the role `gateway`. keys: after `ensure`."""

    settings: Settings
    pool: asyncpg.Pool[Any]
    keys: KeyStore
    dpop: Dpop
    secrets: ClientSecrets


async def in_transaction(services: Services, form: Form, path: str, answer: Callable[..., Response]) -> Response:
    """`answer(server, request)`, run inside one transaction that has committed when this returns. Raises Unavailable.

    path: of the endpoint, below the base URL.
    """
    settings = services.settings
    async with connection(services.pool) as conn, conn.transaction():
        tried = methods(conn, settings, form, services.secrets)
        server = AuthorizationServer(conn, services.keys, settings, services.dpop, tried)
        return await run_sync(answer, server, FormRequest(form, settings.base_url, path))


@asynccontextmanager
async def connection(pool: asyncpg.Pool[Any]) -> AsyncIterator[AnyConnection]:
    """One of the pool's, for a while. Raises Unavailable where none is to be had in time."""
    try:
        conn = await pool.acquire(timeout=ACQUIRE_WITHIN_S)
    except (TimeoutError, OSError, asyncpg.PostgresConnectionError, asyncpg.TooManyConnectionsError):
        raise Unavailable from None
    try:
        yield conn
    finally:
        await pool.release(conn)


def require(request: FormRequest, name: str) -> str:
    """A parameter's value. Raises InvalidRequest where the request has none."""
    value = request.form.get(name)
    if value is None:
        raise InvalidRequest
    return value
