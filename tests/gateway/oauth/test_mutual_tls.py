"""Clients that prove themselves by a certificate, which a trusted proxy passes on (RFC 8705, RFC 9440)."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from cryptography import x509

from gateway.oauth import jose
from gateway.oauth.jose import certificate_thumbprint
from gateway.settings import Settings
from tests.support.certificates import a_certificate, passed
from tests.support.database import Database
from tests.support.oauth import World, a_client, a_key, a_world

NAMES: dict[str, tuple[str, x509.GeneralName | None]] = {
    "tls_client_auth_subject_dn": ("CN=client,O=Partner Ltd,C=CN", None),
    "tls_client_auth_san_dns": ("client.partner.example", x509.DNSName("client.partner.example")),
    "tls_client_auth_san_uri": ("https://partner.example/c", x509.UniformResourceIdentifier("https://partner.example/c")),
    "tls_client_auth_san_ip": ("2001:db8::1", x509.IPAddress(ipaddress.ip_address("2001:db8::1"))),
    "tls_client_auth_san_email": ("client@partner.example", x509.RFC822Name("client@partner.example")),
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def proxied(module_database: Database, settings: Settings) -> AsyncIterator[World]:
    """A worker whose every caller is a trusted proxy."""
    told = {"client_certificate_header": True, "trusted_proxies": "127.0.0.0/8"}
    async with a_world(module_database.owner_url, Settings(**{**settings.model_dump(), **told}), workers=1) as world:
        yield world


async def a_token(world: World, client_id: str, certificate: bytes | None) -> httpx2.Response:
    """The answer to a token request over this certificate."""
    headers = {} if certificate is None else {"Client-Cert": passed(certificate)}
    return await world.http.post(
        "/oauth/token", data={"grant_type": "client_credentials", "client_id": client_id}, headers=headers
    )


async def a_self_signed_client(world: World, certificate: bytes, **changed: Any) -> str:
    """A client that is known by this certificate."""
    jwk = {**a_key().as_dict(private=False), "x5c": [base64.b64encode(certificate).decode()]}
    other = a_key("Ed25519").as_dict(private=False)
    party = await a_client(
        world.owner,
        world.settings,
        token_endpoint_auth_method="self_signed_tls_client_auth",
        jwks={"keys": [other, jwk]},
        **changed,
    )
    return party.client_id


def is_refused(answer: httpx2.Response) -> bool:
    """Whether the client was not believed."""
    return (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("member", NAMES)
async def test_client_is_known_by_the_name_it_registered(proxied: World, member: str) -> None:
    """RFC 8705 2.1.2: the subject, or one of the alternative names."""
    value, alternative = NAMES[member]
    named: dict[str, Any] = {member: value}
    party = await a_client(proxied.owner, proxied.settings, token_endpoint_auth_method="tls_client_auth", jwks=None, **named)
    right = a_certificate(x509.DNSName("other.example"), *([alternative] if alternative else []))
    wrong = a_certificate(x509.DNSName("other.example"), common_name="another")

    assert (await a_token(proxied, party.client_id, right)).status_code == 200
    assert is_refused(await a_token(proxied, party.client_id, wrong))
    assert is_refused(await a_token(proxied, party.client_id, a_certificate(common_name="another")))


async def test_self_signed_certificate_is_known_by_itself(proxied: World) -> None:
    """RFC 8705 2.2.2: another certificate of the same name is another's."""
    certificate = a_certificate()
    client_id = await a_self_signed_client(proxied, certificate)

    assert (await a_token(proxied, client_id, certificate)).status_code == 200
    assert is_refused(await a_token(proxied, client_id, a_certificate()))
    assert is_refused(await a_token(proxied, client_id, None))
    assert is_refused(await a_token(proxied, client_id, b"no certificate"))
    assert is_refused(await a_token(proxied, "nobody", certificate))


@pytest.mark.parametrize("days", [(-2, -1), (1, 2)])
async def test_certificate_out_of_its_time_is_refused(proxied: World, days: tuple[int, int]) -> None:
    """RFC 5280 4.1.2.5, by the database's clock."""
    certificate = a_certificate(days=days)
    client_id = await a_self_signed_client(proxied, certificate)

    assert is_refused(await a_token(proxied, client_id, certificate))


async def test_client_of_another_method_is_not_known_by_a_certificate(proxied: World) -> None:
    """One method for each client."""
    certificate = a_certificate()
    party = await a_client(proxied.owner, proxied.settings)

    assert is_refused(await a_token(proxied, party.client_id, certificate))


async def test_certificate_beside_an_assertion_is_the_connections_own_business(proxied: World) -> None:
    """A client that signs may have a certificate for the transport."""
    party = await a_client(proxied.owner, proxied.settings)
    headers = {"Client-Cert": passed(a_certificate())}

    assert (await proxied.http.post("/oauth/token", data=party.form(), headers=headers)).status_code == 200


async def test_token_is_bound_to_the_certificate_where_the_client_registered_so(proxied: World) -> None:
    """RFC 8705 3.1, 3.4; without a certificate such a client gets none."""
    certificate = a_certificate()
    client_id = await a_self_signed_client(proxied, certificate, tls_client_certificate_bound_access_tokens=True)
    signing = await a_client(proxied.owner, proxied.settings, tls_client_certificate_bound_access_tokens=True)

    body = (await a_token(proxied, client_id, certificate)).json()
    without = await proxied.http.post("/oauth/token", data=signing.form())

    claims = jose.read(body["access_token"]).claims
    assert (body["token_type"], claims["cnf"]) == ("Bearer", {"x5t#S256": certificate_thumbprint(certificate)})
    assert (without.status_code, without.json()["error"]) == (400, "invalid_request")


async def test_metadata_names_the_methods_only_where_a_certificate_can_arrive(proxied: World, world: World) -> None:
    """RFC 8705 3.3, RFC 8414 2."""
    methods = {"tls_client_auth", "self_signed_tls_client_auth"}
    for served, is_on in ((proxied, True), (world, False)):
        body = (await served.http.get("/.well-known/oauth-authorization-server")).json()
        assert body["tls_client_certificate_bound_access_tokens"] is is_on
        assert (set(body["token_endpoint_auth_methods_supported"]) & methods == methods) is is_on


async def test_header_of_anybody_else_is_nothing(world: World) -> None:
    """RFC 9440 4: where no proxy is trusted, everybody can write the header, and it proves nothing."""
    certificate = a_certificate()
    client_id = await a_self_signed_client(world, certificate)

    assert is_refused(await a_token(world, client_id, certificate))


def test_certificates_without_a_trusted_proxy_are_no_setting() -> None:
    """The gateway does not start where anybody could write the header."""
    with pytest.raises(ValueError, match="trusted_proxies"):
        Settings(client_certificate_header=True)
    with pytest.raises(ValueError, match="trusted_proxies"):
        Settings(trusted_proxies="10.0.0.1/8")
    told = Settings(client_certificate_header=True, trusted_proxies="10.0.0.0/8, 2001:db8::/32, 192.0.2.1")
    assert [str(network) for network in told.trusted_proxies] == ["10.0.0.0/8", "2001:db8::/32", "192.0.2.1/32"]
