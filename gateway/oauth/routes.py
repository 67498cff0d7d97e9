"""The authorization server's endpoints as routes for `gateway.app` to mount."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
from authlib.oauth2 import OAuth2Error
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.oauth import metadata, revocation, token
from gateway.oauth.form import read_form
from gateway.oauth.keys import JWKS_MAX_AGE, KeyStore
from gateway.oauth.resource import resource_url
from gateway.oauth.server import error_response, in_transaction
from gateway.settings import Settings

Endpoint = Callable[[Request], Awaitable[Response]]
CACHED = {"Cache-Control": f"public, max-age={int(JWKS_MAX_AGE.total_seconds())}"}


def routes(settings: Settings, pool: asyncpg.Pool[Any], keys: KeyStore) -> list[Route]:
    """Every OAuth endpoint there is.

    pool: ordinary connections under the role `gateway`, not the gate's. keys: after `ensure`.
    """
    server, resource = metadata.authorization_server(settings), metadata.protected_resource(settings)
    documents = {
        metadata.well_known_path(settings.issuer, metadata.SERVER_SUFFIX): server,
        metadata.well_known_path("", metadata.RESOURCE_SUFFIX): resource,
        metadata.well_known_path(resource_url(settings), metadata.RESOURCE_SUFFIX): resource,
    }
    return [
        *(Route(path, _document(body), methods=["GET"]) for path, body in documents.items()),
        Route(metadata.JWKS_PATH, _jwks(keys), methods=["GET"]),
        Route(token.PATH, _form(token.PATH, token.answer, settings, pool, keys), methods=["POST"]),
        Route(revocation.PATH, _form(revocation.PATH, revocation.answer, settings, pool, keys), methods=["POST"]),
    ]


def _document(body: dict[str, object]) -> Endpoint:
    async def endpoint(_request: Request) -> Response:
        return JSONResponse(body, headers=CACHED)

    return endpoint


def _jwks(keys: KeyStore) -> Endpoint:
    async def endpoint(_request: Request) -> Response:
        return JSONResponse({"keys": await keys.published()}, headers=CACHED, media_type="application/jwk-set+json")

    return endpoint


def _form(path: str, answer: Callable[..., Response], settings: Settings, pool: asyncpg.Pool[Any], keys: KeyStore) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            form = await read_form(request, within_s=settings.body_timeout_s)
            return await in_transaction(pool, keys, settings, form, path, answer)
        except OAuth2Error as error:
            return error_response(error, settings.issuer)

    return endpoint
