"""The authorization server's endpoints as routes for `gateway.app` to mount."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import asyncpg
from authlib.oauth2 import OAuth2Error
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.oauth import client_registration, grant_management, introspection, metadata, pushed, revocation, token, userinfo
from gateway.oauth.client_registration import Registrar
from gateway.oauth.client_secret import ClientSecrets
from gateway.oauth.dpop import Dpop
from gateway.oauth.form import read_form
from gateway.oauth.keys import JWKS_MAX_AGE, KeyStore
from gateway.oauth.proxy import Proxies
from gateway.oauth.resource import RESOURCE_SUFFIX, resource_url, well_known_path
from gateway.oauth.server import Services, error_response, in_transaction
from gateway.settings import Settings

Endpoint = Callable[[Request], Awaitable[Response]]
CACHED = {"Cache-Control": f"public, max-age={int(JWKS_MAX_AGE.total_seconds())}"}


def routes(settings: Settings, pool: asyncpg.Pool[Any], keys: KeyStore, registrar: Registrar) -> list[Route]:
    """Every OAuth endpoint that is not a page.

    pool: ordinary connections under the role `gateway`, not the gate's. keys: after `ensure`.
    registrar: what puts a client that registers itself up for decision.
    """
    services = Services(settings, pool, keys, Dpop(settings), ClientSecrets(settings))
    server, resource = metadata.authorization_server(settings), metadata.protected_resource(settings)
    documents = {
        well_known_path(settings.issuer, metadata.SERVER_SUFFIX): server,
        # OpenID Connect Discovery 4: behind the issuer's own path, not before it
        urlsplit(settings.issuer).path + f"/.well-known/{metadata.OPENID_SUFFIX}": metadata.openid_provider(settings),
        well_known_path("", RESOURCE_SUFFIX): resource,
        well_known_path(resource_url(settings), RESOURCE_SUFFIX): resource,
    }
    forms = {
        token.PATH: token.answer,
        pushed.PATH: pushed.answer,
        revocation.PATH: revocation.answer,
        introspection.PATH: introspection.answer,
    }
    return [
        *(Route(path, _document(body), methods=["GET"]) for path, body in documents.items()),
        Route(metadata.JWKS_PATH, _jwks(keys), methods=["GET"]),
        *(Route(path, _form(path, answer, services), methods=["POST"]) for path, answer in forms.items()),
        Route(client_registration.PATH, _registration(services, registrar), methods=["POST"]),
        Route(userinfo.PATH, _protected(userinfo.userinfo, services), methods=["GET", "POST"]),
        Route(grant_management.PATH + "/{grant_id}", _protected(grant_management.manage, services), methods=["GET", "DELETE"]),
    ]


def _document(body: dict[str, object]) -> Endpoint:
    async def endpoint(_request: Request) -> Response:
        return JSONResponse(body, headers=CACHED)

    return endpoint


def _jwks(keys: KeyStore) -> Endpoint:
    async def endpoint(_request: Request) -> Response:
        return JSONResponse({"keys": await keys.published()}, headers=CACHED, media_type="application/jwk-set+json")

    return endpoint


def _form(path: str, answer: Callable[..., Response], services: Services) -> Endpoint:
    proxies = Proxies.of(services.settings)

    async def endpoint(request: Request) -> Response:
        try:
            form = await read_form(request, within_s=services.settings.body_timeout_s, proxies=proxies)
            return await in_transaction(services, form, path, answer)
        except OAuth2Error as error:
            return error_response(error, services.settings.issuer)

    return endpoint


def _registration(services: Services, registrar: Registrar) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return await client_registration.register(request, services, registrar)

    return endpoint


def _protected(answer: Callable[[Request, Services], Awaitable[Response]], services: Services) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return await answer(request, services)

    return endpoint
