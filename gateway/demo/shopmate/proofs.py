"""What a client has to sign, make and check: assertion (RFC 7523), proof of possession (RFC 9449), PKCE (RFC 7636), ID token."""

import base64
import hashlib
import secrets
import time
from collections.abc import Mapping
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_LIVES_FOR_S: Final = 60
ID_TOKEN_ALGORITHMS: Final = ("ES256", "Ed25519")
LEEWAY_S: Final = 10  # between the gateway's clock and ours


class UntrustedIdToken(Exception):
    """The ID token is not one that this client may believe. Carries nothing of it."""


def new_key() -> ECKey:
    """A P-256 key for ES256."""
    return ECKey.generate_key("P-256")


def random_text() -> str:
    """256 random bits as text: a state, a nonce, a `jti`, a code verifier (RFC 7636 4.1: at least 43 characters)."""
    return secrets.token_urlsafe(32)


def challenge(verifier: str) -> str:
    """The S256 code challenge (RFC 7636 4.2).

    >>> challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
    """
    return _digest(verifier)


def client_assertion(client_id: str, issuer: str, key: ECKey) -> str:
    """Says who we are (`private_key_jwt`). FAPI 2.0 5.3.3: the audience is the issuer, as one string."""
    now = int(time.time())
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": issuer,
        "jti": random_text(),
        "iat": now,
        "exp": now + ASSERTION_LIVES_FOR_S,
    }
    header = {"alg": "ES256", "kid": key.kid} if key.kid else {"alg": "ES256"}
    return jwt.encode(header, claims, key)


def dpop_proof(key: ECKey, method: str, url: str, *, nonce: str | None, access_token: str | None = None) -> str:
    """Says that this request comes from whoever holds `key` (RFC 9449 4.2). url: without query and fragment."""
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": key.as_dict(private=False)}
    claims: dict[str, Any] = {"jti": random_text(), "htm": method, "htu": url, "iat": int(time.time())}
    if nonce is not None:
        claims["nonce"] = nonce
    if access_token is not None:
        claims["ath"] = _digest(access_token)
    return jwt.encode(header, claims, key)


def id_token_claims(text: str, keys: Mapping[str, Any], *, issuer: str, client_id: str, nonce: str | None) -> Mapping[str, Any]:
    """The claims of an ID token that passes OpenID Connect Core 3.1.3.7. keys: the issuer's JWK set. Raises UntrustedIdToken.

    nonce: None for one that came with a refresh, where it may be missing (12.2).
    """
    rules: dict[str, Any] = {"iss": {"essential": True, "value": issuer}, "sub": {"essential": True}}
    rules |= {name: {"essential": True} for name in ("aud", "exp", "iat")}
    if nonce is not None:
        rules["nonce"] = {"essential": True, "value": nonce}
    try:
        token = jwt.decode(text, KeySet.import_key_set({"keys": keys["keys"]}), algorithms=list(ID_TOKEN_ALGORITHMS))
        jwt.JWTClaimsRegistry(leeway=LEEWAY_S, **rules).validate(token.claims)
    except (JoseError, KeyError, ValueError, TypeError):
        raise UntrustedIdToken from None
    audience = token.claims["aud"]
    if audience not in (client_id, [client_id]) or token.claims.get("azp", client_id) != client_id:
        raise UntrustedIdToken
    return token.claims


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
