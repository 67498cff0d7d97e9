"""Client metadata (RFC 7591): what may be registered, what is dropped, what is refused."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from gateway.oauth.jose import UnusableKey, certificate_thumbprint, public_key
from gateway.oauth.registration import CERTIFICATE_NAMES, Fault, InvalidClientMetadata, validate
from tests.support.oauth import a_key, a_metadata, segment


def public(key: ECKey | OKPKey | RSAKey, **more: object) -> dict[str, object]:
    """A public JWK with some more members."""
    return {**key.as_dict(private=False), **more}


def fault(metadata: object) -> tuple[Fault, str]:
    """Why this metadata is refused."""
    with pytest.raises(InvalidClientMetadata) as caught:
        validate(metadata)  # type: ignore[arg-type]  # some of what arrives is no mapping
    return caught.value.fault, caught.value.member


def test_least_metadata_is_filled_in() -> None:
    """RFC 7591 3.2.1: the server says what it made of what was left out."""
    client = validate({"client_id": "adlens-1", "jwks": {"keys": [public(ECKey.generate_key("P-256"))]}})

    assert client.grant_types == {"client_credentials"}
    assert (client.token_endpoint_auth_method, client.scopes, client.redirect_uris) == ("private_key_jwt", None, ())
    assert json.loads(client.document)["token_endpoint_auth_method"] == "private_key_jwt"
    assert validate(json.loads(client.document)).document == client.document


def test_metadata_of_a_later_day_is_kept() -> None:
    """DESIGN 6, CLIENTS: what the next endpoints need is stored now."""
    client = validate(
        a_metadata(
            redirect_uris=["https://shop.example/cb", "http://127.0.0.1:4000/cb", "http://[::1]:4000/cb"],
            grant_types=None,
            scope="openid shop.profile",
            dpop_bound_access_tokens=True,
            require_pushed_authorization_requests=True,
            authorization_details_types=["data_sharing"],
        )
    )

    assert client.grant_types == {"authorization_code", "client_credentials", "refresh_token"}
    assert client.response_types == {"code"}
    assert client.scopes == frozenset({"openid", "shop.profile"})
    assert client.dpop_bound_access_tokens
    assert client.require_pushed_authorization_requests
    assert client.authorization_details_types == ("data_sharing",)


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_client_with_a_secret_needs_no_keys(method: str) -> None:
    """RFC 7591 2: `jwks` is for those who sign."""
    client = validate({"client_id": "adlens-1", "token_endpoint_auth_method": method})

    assert (client.token_endpoint_auth_method, client.keys) == (method, ())
    assert client.grant_types == {"client_credentials"}
    assert validate(json.loads(client.document)).document == client.document


def test_public_client_gets_the_grants_that_a_data_subject_starts() -> None:
    """RFC 6749 4.4: client credentials are for clients that have some."""
    client = validate({"client_id": "app", "token_endpoint_auth_method": "none", "redirect_uris": ["http://127.0.0.1/cb"]})

    assert client.grant_types == {"authorization_code", "refresh_token"}
    assert validate(json.loads(client.document)).document == client.document


@pytest.mark.parametrize("name", CERTIFICATE_NAMES)
def test_client_with_a_certificate_is_known_by_one_name(name: str) -> None:
    """RFC 8705 2.1.2; `jwks` is not needed."""
    client = validate({"client_id": "adlens-1", "token_endpoint_auth_method": "tls_client_auth", name: "a"})

    assert client.certificate_name == (name, "a")


def test_client_that_signs_its_own_certificate_is_known_by_its_thumbprint() -> None:
    """RFC 8705 2.2.2: `x5c` of its keys; other keys may stand beside."""
    first, second = public(ECKey.generate_key("P-256"), x5c=["AAAA", "AAEC"]), public(ECKey.generate_key("P-256"))
    client = validate(a_metadata(token_endpoint_auth_method="self_signed_tls_client_auth", jwks={"keys": [first, second]}))

    assert client.certificates == {certificate_thumbprint(bytes(3))}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)
MEMBERS = st.sampled_from(["kty", "crv", "x", "y", "n", "e", "use", "key_ops", "alg", "kid", "d", "x5c"])


@given(st.sampled_from(["ES256", "PS256", "Ed25519"]), st.dictionaries(MEMBERS, JSON, max_size=3))
def test_any_key_is_taken_passed_over_or_refused(algorithm: str, changed: dict[str, object]) -> None:
    """Strangers send keys in proofs: nothing that they can write ends in another exception."""
    with suppress(UnusableKey):
        key = public_key({**a_key(algorithm).as_dict(private=False), **changed})
        assert key is None or key.algorithm == algorithm


def test_unknown_members_are_dropped_and_secrets_never_stored() -> None:
    """RFC 7591 2: what is not understood is ignored."""
    client = validate(a_metadata(client_secret="s3cret-value", x_unknown={"a": 1}) | {"client_name#zh-CN": "微单单"})

    document = json.loads(client.document)
    assert "s3cret-value" not in client.document
    assert "x_unknown" not in document
    assert document["client_name#zh-CN"] == "微单单"


@pytest.mark.parametrize(("algorithm", "expected"), [("ES256", "ES256"), ("PS256", "PS256"), ("Ed25519", "Ed25519")])
def test_each_kind_of_key_serves_one_algorithm(algorithm: str, expected: str) -> None:
    """FAPI 2.0 5.4."""
    (key,) = validate(a_metadata(key=a_key(algorithm))).keys

    assert key.algorithm == expected


def test_keys_of_other_kinds_are_tolerated_and_left_out() -> None:
    """FAPI 2.0: extra keys in a client's set; they stay in the document and never among the usable ones."""
    mine = ECKey.generate_key("P-256")
    extra = [
        public(ECKey.generate_key("P-384")),
        public(OKPKey.generate_key("Ed448")),
        public(OKPKey.generate_key("X25519")),
        public(ECKey.generate_key("P-256"), use="enc"),
        public(ECKey.generate_key("P-256"), key_ops=["sign"]),
        public(ECKey.generate_key("P-256"), alg="ECDH-ES"),
        public(RSAKey.generate_key(2048), alg="RS256"),
        {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"},
    ]

    client = validate(a_metadata(jwks={"keys": [*extra, public(mine, kid="mine")]}))

    assert [(key.kid, key.algorithm) for key in client.keys] == [("mine", "ES256")]
    assert len(json.loads(client.document)["jwks"]["keys"]) == 9


def test_ed25519_key_may_still_be_named_eddsa() -> None:
    """RFC 9864 3: key sets written before it carry the old name for the same operation."""
    (key,) = validate(a_metadata(jwks={"keys": [public(OKPKey.generate_key("Ed25519"), alg="EdDSA")]})).keys

    assert key.algorithm == "Ed25519"


@pytest.mark.parametrize("algorithm", ["ES256", "PS256", "Ed25519"])
def test_private_key_is_refused(algorithm: str) -> None:
    """Whoever sends one has given it away; the error does not repeat it."""
    private = a_key(algorithm).as_dict(private=True)

    with pytest.raises(InvalidClientMetadata) as caught:
        validate(a_metadata(jwks={"keys": [public(ECKey.generate_key("P-256")), private]}))

    assert caught.value.fault is Fault.PRIVATE_KEY
    assert str(private["d"]) not in repr(caught.value)


def test_shared_secret_is_refused() -> None:
    """A symmetric key in a key set is a secret in a document."""
    assert fault(a_metadata(jwks={"keys": [OctKey.generate_key(256).as_dict(private=True)]}))[0] is Fault.PRIVATE_KEY


WEAK = {
    # a modulus of 1024 bits, written out: making one warns
    "short RSA": ({"kty": "RSA", "e": "AQAB", "n": "_" * 170 + "8"}, Fault.WEAK_KEY),
    "endless RSA": ({"kty": "RSA", "e": "AQAB", "n": "_" * 2000}, Fault.WEAK_KEY),
    "RSA without modulus": ({"kty": "RSA", "e": "AQAB"}, Fault.MALFORMED),
    "point off the curve": ({"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "A" * 43}, Fault.MALFORMED),
    "half a point": ({"kty": "EC", "crv": "P-256", "x": "A" * 43}, Fault.MALFORMED),
    "number as coordinate": ({"kty": "OKP", "crv": "Ed25519", "x": 5}, Fault.MALFORMED),
    "short Ed25519": ({"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}, Fault.MALFORMED),
    "number as kid": ({"kty": "OKP", "crv": "Ed25519", "x": "A" * 43, "kid": 5}, Fault.WRONG_TYPE),
    "no mapping": ("key", Fault.WRONG_TYPE),
}


@pytest.mark.parametrize(("entry", "expected"), WEAK.values(), ids=WEAK.keys())
def test_broken_or_weak_key_is_refused(entry: object, expected: Fault) -> None:
    """FAPI 2.0 5.4: RSA of 2048 bits or more; a key that claims to be ours has to be one."""
    assert fault(a_metadata(jwks={"keys": [public(ECKey.generate_key("P-256")), entry]})) == (expected, "jwks")


REFUSED: dict[str, tuple[object, tuple[Fault, str]]] = {
    "no mapping": ([], (Fault.WRONG_TYPE, "metadata")),
    "empty client_id": (a_metadata(""), (Fault.MALFORMED, "client_id")),
    "space in client_id": (a_metadata("a b"), (Fault.MALFORMED, "client_id")),
    "client_id is left out": ({"jwks": a_metadata()["jwks"]}, (Fault.MISSING, "client_id")),
    "no keys": (a_metadata(jwks=None), (Fault.MISSING, "jwks")),
    "empty key set": (a_metadata(jwks={"keys": []}), (Fault.NO_USABLE_KEY, "jwks")),
    "key set is a list": (a_metadata(jwks=[]), (Fault.WRONG_TYPE, "jwks")),
    "too many keys": (a_metadata(jwks={"keys": [{"kty": "AKP"}] * 17}), (Fault.TOO_MANY, "jwks")),
    "keys by address": (a_metadata(jwks_uri="https://p.example/jwks"), (Fault.NOT_SUPPORTED, "jwks_uri")),
    "secret, and requests pushed": (
        a_metadata(token_endpoint_auth_method="client_secret_basic", require_pushed_authorization_requests=True),
        (Fault.NOT_CONSISTENT, "token_endpoint_auth_method"),
    ),
    "public, and requests pushed": (
        a_metadata(
            token_endpoint_auth_method="none",
            grant_types=["authorization_code"],
            redirect_uris=["https://p.example/cb"],
            require_pushed_authorization_requests=True,
        ),
        (Fault.NOT_CONSISTENT, "token_endpoint_auth_method"),
    ),
    "public, and speaks for itself": (a_metadata(token_endpoint_auth_method="none"), (Fault.NOT_CONSISTENT, "grant_types")),
    "public, and nowhere to go": (
        a_metadata(token_endpoint_auth_method="none", grant_types=None),
        (Fault.MISSING, "redirect_uris"),
    ),
    "shared key as method": (
        a_metadata(token_endpoint_auth_method="client_secret_jwt"),
        (Fault.NOT_SUPPORTED, "token_endpoint_auth_method"),
    ),
    "certificate without a name": (
        a_metadata(token_endpoint_auth_method="tls_client_auth"),
        (Fault.MISSING, "tls_client_auth_subject_dn"),
    ),
    "certificate with two names": (
        a_metadata(
            token_endpoint_auth_method="tls_client_auth",
            tls_client_auth_subject_dn="CN=a",
            tls_client_auth_san_dns="a.example",
        ),
        (Fault.NOT_CONSISTENT, "tls_client_auth_subject_dn"),
    ),
    "no certificate": (a_metadata(token_endpoint_auth_method="self_signed_tls_client_auth"), (Fault.NO_USABLE_KEY, "jwks")),
    "certificate is no list": (
        a_metadata(
            token_endpoint_auth_method="self_signed_tls_client_auth",
            jwks={"keys": [public(ECKey.generate_key("P-256"), x5c="x")]},
        ),
        (Fault.WRONG_TYPE, "jwks"),
    ),
    "certificate is no base64": (
        a_metadata(
            token_endpoint_auth_method="self_signed_tls_client_auth",
            jwks={"keys": [public(ECKey.generate_key("P-256"), x5c=["*"])]},
        ),
        (Fault.MALFORMED, "jwks"),
    ),
    "exponent beyond reason": (
        a_metadata(jwks={"keys": [{"kty": "RSA", "n": segment(b"\xff" * 256), "e": segment(b"\xff" * 256)}]}),
        (Fault.WEAK_KEY, "jwks"),
    ),
    "RS256": (a_metadata(token_endpoint_auth_signing_alg="RS256"), (Fault.NOT_SUPPORTED, "token_endpoint_auth_signing_alg")),
    "no key of the registered algorithm": (a_metadata(token_endpoint_auth_signing_alg="Ed25519"), (Fault.NO_USABLE_KEY, "jwks")),
    "implicit": (a_metadata(grant_types=["implicit"]), (Fault.NOT_SUPPORTED, "grant_types")),
    "grant types are a string": (a_metadata(grant_types="client_credentials"), (Fault.WRONG_TYPE, "grant_types")),
    "token as response": (a_metadata(response_types=["token"]), (Fault.NOT_SUPPORTED, "response_types")),
    "code without its grant": (a_metadata(response_types=["code"]), (Fault.NOT_CONSISTENT, "response_types")),
    "code grant without redirect": (a_metadata(grant_types=["authorization_code"]), (Fault.MISSING, "redirect_uris")),
    "flag is a string": (a_metadata(dpop_bound_access_tokens="true"), (Fault.WRONG_TYPE, "dpop_bound_access_tokens")),
    "scope is a list": (a_metadata(scope=["a"]), (Fault.WRONG_TYPE, "scope")),
    "scope with a quote": (a_metadata(scope='a "b"'), (Fault.MALFORMED, "scope")),
    "control character in a name": (a_metadata(client_name="a\x1b[2J"), (Fault.MALFORMED, "client_name")),
    "script as address": (a_metadata(policy_uri="javascript:alert(1)"), (Fault.MALFORMED, "policy_uri")),
    "NUL in an extra key": (
        a_metadata(jwks={"keys": [public(ECKey.generate_key("P-256")), {"kty": "AKP", "pub": "\x00"}]}),
        (Fault.MALFORMED, "jwks"),
    ),
}


@pytest.mark.parametrize(("metadata", "expected"), REFUSED.values(), ids=REFUSED.keys())
def test_metadata_that_cannot_hold_is_refused_with_its_member(metadata: object, expected: tuple[Fault, str]) -> None:
    """RFC 7591 3.2.2: a closed list of faults, each naming the member and never the value."""
    assert fault(metadata) == expected


@pytest.mark.parametrize(
    "uri",
    [
        "http://shop.example/cb",
        "https://shop.example/cb#fragment",
        "https://user:pw@shop.example/cb",
        "https://*.shop.example/cb",
        "https://shop.example\\@evil.example/cb",
        "https://shop.example:99999/cb",
        "https:///cb",
        "https://shop.example/c b",
        "https://shop.example/\u00e9",
        "//shop.example/cb",
        "/cb",
        "com.example.app:/cb",
        "http://localhost.evil.example/cb",
        "http://[::1/cb",
        "data:text/html,x",
        "",
        5,
    ],
)
def test_redirect_to_anywhere_but_https_or_loopback_is_refused(uri: object) -> None:
    """RFC 9700 2.1, RFC 8252 7.3."""
    with pytest.raises(InvalidClientMetadata) as caught:
        validate(a_metadata(redirect_uris=[uri]))

    assert (caught.value.member, caught.value.error) == ("redirect_uris", "invalid_redirect_uri")
