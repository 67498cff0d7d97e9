"""What the gateway says about itself: authorization server metadata (RFC 8414), protected resource metadata (RFC 9728).

Only what exists is announced; a later endpoint adds its own members here.
"""

from __future__ import annotations

from gateway.oauth import (
    authorize,
    client_registration,
    details,
    end_session,
    grant_management,
    introspection,
    jose,
    pushed,
    revocation,
    token,
    userinfo,
)
from gateway.oauth.authorization_request import ACRS, OPENID, PROMPTS
from gateway.oauth.client_authentication import CONFIDENTIAL_METHODS, offered
from gateway.oauth.keys import SIGNING_ALGORITHMS
from gateway.oauth.resource import resource_url
from gateway.settings import Settings

JWKS_PATH = "/oauth/jwks"
SERVER_SUFFIX = "oauth-authorization-server"
OPENID_SUFFIX = "openid-configuration"


def authorization_server(settings: Settings) -> dict[str, object]:
    """RFC 8414 section 2, with the members of RFC 9126, 9207, 9396, 9449 and Grant Management for OAuth 2.0."""
    methods, algorithms = offered(settings), list(jose.ALGORITHMS)
    authenticated = {
        f"{endpoint}_endpoint_auth_{suffix}": value
        for endpoint in ("token", "revocation", "introspection")
        for suffix, value in (("methods_supported", methods), ("signing_alg_values_supported", algorithms))
    }
    authenticated["introspection_endpoint_auth_methods_supported"] = [name for name in methods if name in CONFIDENTIAL_METHODS]
    url = settings.base_url
    return {
        "issuer": settings.issuer,
        "authorization_endpoint": url + authorize.PATH,
        "pushed_authorization_request_endpoint": url + pushed.PATH,
        "token_endpoint": url + token.PATH,
        "registration_endpoint": url + client_registration.PATH,
        "jwks_uri": url + JWKS_PATH,
        "revocation_endpoint": url + revocation.PATH,
        "introspection_endpoint": url + introspection.PATH,
        "grant_management_endpoint": url + grant_management.PATH,
        "grant_management_actions_supported": ["create", "query", "replace", "revoke"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "client_credentials", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "require_pushed_authorization_requests": False,
        "authorization_details_types_supported": [details.TYPE],
        "dpop_signing_alg_values_supported": algorithms,
        "tls_client_certificate_bound_access_tokens": settings.client_certificate_header,
        "ui_locales_supported": ["zh-CN", "en"],
        "protected_resources": [resource_url(settings)],  # RFC 9728 4
        **authenticated,
    }


def openid_provider(settings: Settings) -> dict[str, object]:
    """OpenID Connect Discovery 1.0 section 3. RS256 is absent on purpose: FAPI 2.0 Security Profile 5.4 forbids it."""
    return {
        **authorization_server(settings),
        "userinfo_endpoint": settings.base_url + userinfo.PATH,
        "end_session_endpoint": settings.base_url + end_session.PATH,
        "scopes_supported": [OPENID],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": list(SIGNING_ALGORITHMS),
        "acr_values_supported": sorted(ACRS.values()),
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr"],
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "prompt_values_supported": sorted(PROMPTS),
    }


def protected_resource(settings: Settings) -> dict[str, object]:
    """RFC 9728 section 2."""
    return {
        "resource": resource_url(settings),
        "authorization_servers": [settings.issuer],
        "bearer_methods_supported": ["header"],
        "authorization_details_types_supported": [details.TYPE],
        "dpop_signing_alg_values_supported": list(jose.ALGORITHMS),
    }
