"""What the gateway says about itself: authorization server metadata (RFC 8414), protected resource metadata (RFC 9728).

Only what exists is announced; a later endpoint adds its own members here.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from gateway.oauth import jose, revocation, token
from gateway.oauth.client_assertion import METHOD
from gateway.oauth.resource import resource_url
from gateway.settings import Settings

JWKS_PATH = "/oauth/jwks"
SERVER_SUFFIX = "oauth-authorization-server"
RESOURCE_SUFFIX = "oauth-protected-resource"


def authorization_server(settings: Settings) -> dict[str, object]:
    """RFC 8414 section 2. `response_types_supported` is required there, and empty while nothing authorises in a browser."""
    methods, algorithms = [METHOD], list(jose.ALGORITHMS)
    return {
        "issuer": settings.issuer,
        "token_endpoint": settings.base_url + token.PATH,
        "jwks_uri": settings.base_url + JWKS_PATH,
        "revocation_endpoint": settings.base_url + revocation.PATH,
        "response_types_supported": [],
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        "protected_resources": [resource_url(settings)],  # RFC 9728 4
    }


def protected_resource(settings: Settings) -> dict[str, object]:
    """RFC 9728 section 2."""
    return {
        "resource": resource_url(settings),
        "authorization_servers": [settings.issuer],
        "bearer_methods_supported": ["header"],
    }


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
