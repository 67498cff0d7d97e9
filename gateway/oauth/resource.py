"""Which protected resource a token is for (RFC 8707): there is one, the partner's GraphQL endpoint."""

from __future__ import annotations

from collections.abc import Sequence

from authlib.oauth2 import OAuth2Error

from gateway.settings import Settings


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
