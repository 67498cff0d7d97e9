"""Which protected resource a token is for (RFC 8707): there is one, the partner's GraphQL endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from authlib.oauth2 import OAuth2Error

from gateway.settings import Settings

RESOURCE_SUFFIX: Final = "oauth-protected-resource"


class InvalidTarget(OAuth2Error):  # type: ignore[misc]  # Authlib ships no types
    """The requested resource is not one this server issues tokens for (RFC 8707 2)."""

    error = "invalid_target"


def resource_url(settings: Settings) -> str:
    """The identifier of the protected resource, and so the `aud` of every access token (RFC 9068 2.2)."""
    return settings.base_url + "/graphql"


def check_resource(requested: Sequence[str], settings: Settings) -> None:
    """Accept no `resource` at all or only our own, letter by letter; it may be repeated (RFC 8707 2). Raises InvalidTarget."""
    if any(value != resource_url(settings) for value in requested):
        raise InvalidTarget


def well_known_path(identifier: str, suffix: str) -> str:
    """The path at which metadata of this identifier lives (RFC 8414 3.1, RFC 9728 3.1): before the identifier's own path.

    >>> well_known_path("https://g.example/graphql", "oauth-protected-resource")
    '/.well-known/oauth-protected-resource/graphql'
    """
    return f"/.well-known/{suffix}" + urlsplit(identifier).path.rstrip("/")


def resource_metadata_url(settings: Settings) -> str:
    """Where a client that was refused finds out who issues tokens (RFC 9728 5.1)."""
    parts = urlsplit(resource_url(settings))
    return f"{parts.scheme}://{parts.netloc}" + well_known_path(resource_url(settings), RESOURCE_SUFFIX)
