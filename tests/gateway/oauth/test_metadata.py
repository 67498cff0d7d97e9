"""What the gateway announces (RFC 8414, RFC 9728): what exists, where a client looks for it."""

from __future__ import annotations

import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata

from gateway.oauth.metadata import authorization_server
from gateway.oauth.resource import resource_metadata_url, well_known_path
from gateway.settings import Settings
from tests.support.oauth import World

LOOKED_AT = ("jwks_uri", "grant_management_endpoint", "authorization_endpoint", "userinfo_endpoint")


async def test_server_announces_the_endpoints_that_answer(world: World) -> None:
    """RFC 8414 3.3: the issuer is the one that was asked; every address given is served."""
    answer = await world.http.get("/.well-known/oauth-authorization-server")

    body = answer.json()
    assert body["issuer"] == "http://localhost:8080"
    assert answer.headers["cache-control"] == "public, max-age=300"
    for name, value in body.items():
        if name.endswith(("_endpoint", "_uri")):
            path = value.removeprefix("http://localhost:8080")
            if name == "grant_management_endpoint":
                path += "/some-grant"
            reached = await (world.http.get(path) if name in LOOKED_AT else world.http.post(path))
            assert reached.status_code in (200, 400, 401, 415), name


async def test_openid_discovery_says_what_the_server_metadata_says_and_more(world: World) -> None:
    """OpenID Connect Discovery 4: at the issuer's own path; subjects are pairwise, no RS256."""
    server = (await world.http.get("/.well-known/oauth-authorization-server")).json()

    provider = (await world.http.get("/.well-known/openid-configuration")).json()

    assert server.items() <= provider.items()
    assert provider["subject_types_supported"] == ["pairwise"]
    assert provider["id_token_signing_alg_values_supported"] == ["ES256", "Ed25519"]


def test_members_are_those_that_authlib_checks_for_an_https_issuer() -> None:
    """A second opinion on RFC 8414 2 for the members."""
    body = AuthorizationServerMetadata(authorization_server(Settings(base_url="https://g.example", issuer="https://g.example")))

    for member in (
        "issuer",
        "authorization_endpoint",
        "response_types_supported",
        "response_modes_supported",
        "code_challenge_methods_supported",
        "introspection_endpoint",
        "token_endpoint",
        "jwks_uri",
        "grant_types_supported",
        "token_endpoint_auth_methods_supported",
        "token_endpoint_auth_signing_alg_values_supported",
        "revocation_endpoint",
        "revocation_endpoint_auth_methods_supported",
        "revocation_endpoint_auth_signing_alg_values_supported",
    ):
        getattr(body, f"validate_{member}")()


@pytest.mark.parametrize("path", ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/graphql"])
async def test_resource_names_its_authorization_server(world: World, path: str) -> None:
    """RFC 9728 3.1: with the resource's path after the well-known one, and without for those who look there."""
    assert (await world.http.get(path)).json() == {
        "resource": "http://localhost:8080/graphql",
        "authorization_servers": ["http://localhost:8080"],
        "bearer_methods_supported": ["header"],
        "authorization_details_types_supported": ["data_sharing"],
        "dpop_signing_alg_values_supported": ["ES256", "PS256", "Ed25519"],
    }


def test_well_known_path_comes_before_the_issuers_own() -> None:
    """RFC 8414 3.1."""
    assert well_known_path("https://g.example/tenant/", "x") == "/.well-known/x/tenant"
    assert well_known_path("https://g.example", "x") == "/.well-known/x"
    assert resource_metadata_url(Settings()) == "http://localhost:8080/.well-known/oauth-protected-resource/graphql"
