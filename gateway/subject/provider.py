"""What the upstream OpenID provider publishes and answers, over HTTP: read when needed and kept for a while."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final
from urllib.parse import quote_plus, urlsplit

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from gateway.settings import Settings, is_loopback

DISCOVERY: Final = "/.well-known/openid-configuration"
WITHIN_S: Final = 5.0
BODY_MAX: Final = 262_144
METADATA_KEPT_S: Final = 600.0
KEYS_KEPT_S: Final = 300.0
AGAIN_EVERY_S: Final = 5.0
"""An ID token with an unknown key makes us read the keys again, this often at most."""


class Unusable(Exception):
    """The provider does not answer, or not in a form that its standard knows."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """names_issuer: its authorization answers carry `iss` (RFC 9207). posts_secret: it takes the secret in the form only."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    names_issuer: bool
    posts_secret: bool


class Provider:
    """One for each worker. How long something is kept is this process's own affair, so by its own clock."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._metadata: tuple[float, Metadata] | None = None
        self._keys: tuple[float, KeySet] | None = None

    async def metadata(self) -> Metadata:
        """OpenID Connect Discovery 4. Raises Unusable."""
        if self._metadata is None or time.monotonic() - self._metadata[0] > METADATA_KEPT_S:
            document = await self._json("GET", self._settings.upstream_issuer.rstrip("/") + DISCOVERY)
            self._metadata = time.monotonic(), self._read(document)
        return self._metadata[1]

    async def keys(self, *, again: bool) -> KeySet:
        """The provider's public keys. again: some key was not among them. Raises Unusable."""
        kept_for_s = AGAIN_EVERY_S if again else KEYS_KEPT_S
        if self._keys is None or time.monotonic() - self._keys[0] > kept_for_s:
            document = await self._json("GET", (await self.metadata()).jwks_uri)
            try:
                known = [
                    key for key in document["keys"] if key.get("kty") in ("RSA", "EC", "OKP") and key.get("use", "sig") == "sig"
                ]
                self._keys = time.monotonic(), KeySet.import_key_set({"keys": known})
            except (JoseError, ValueError, TypeError, KeyError, AttributeError):
                raise Unusable from None
        return self._keys[1]

    async def redeem(self, code: str, verifier: str, redirect_uri: str) -> str:
        """The ID token for a code (Core 3.1.3). Raises Unusable."""
        metadata, settings = await self.metadata(), self._settings
        secret = settings.upstream_client_secret.get_secret_value() if settings.upstream_client_secret else ""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier}
        authentication = None
        if metadata.posts_secret:
            form |= {"client_id": settings.upstream_client_id, "client_secret": secret}
        else:
            # RFC 6749 2.3.1: each a form value of its own
            authentication = httpx.BasicAuth(quote_plus(settings.upstream_client_id), quote_plus(secret))
        document = await self._json("POST", metadata.token_endpoint, form=form, authentication=authentication)
        id_token = document.get("id_token")
        if not isinstance(id_token, str):
            raise Unusable
        return id_token

    def _read(self, document: Mapping[str, Any]) -> Metadata:
        authorize, token, keys = (document.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"))
        # Discovery 4.3: a document of another issuer is a mix-up
        if document.get("issuer") != self._settings.upstream_issuer or not all(map(_is_safe, (authorize, token, keys))):
            raise Unusable
        methods = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        return Metadata(
            issuer=self._settings.upstream_issuer,
            authorization_endpoint=str(authorize),
            token_endpoint=str(token),
            jwks_uri=str(keys),
            names_issuer=document.get("authorization_response_iss_parameter_supported") is True,
            posts_secret=not isinstance(methods, list) or "client_secret_basic" not in methods,
        )

    async def _json(
        self,
        method: str,
        url: str,
        *,
        form: Mapping[str, str] | None = None,
        authentication: httpx.BasicAuth | None = None,
    ) -> Mapping[str, Any]:
        """A JSON object from the provider itself: no redirect is followed. Raises Unusable."""
        body = bytearray()
        try:
            async with (
                httpx.AsyncClient(verify=self._tls, timeout=WITHIN_S, auth=authentication) as http,
                http.stream(method, url, data=form, headers={"Accept": "application/json"}) as answer,
            ):
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > BODY_MAX:
                        raise Unusable
            document = json.loads(body)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            raise Unusable from None
        if answer.status_code != 200 or not isinstance(document, dict):
            raise Unusable
        return document

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Read from disk once: that takes longer than a request."""
        return httpx.create_ssl_context()


def _is_safe(url: object) -> bool:
    """TLS, or this machine."""
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
