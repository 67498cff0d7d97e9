"""What shopmate signs, and what it does not believe."""

import base64
import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from gateway.demo.shopmate.proofs import UntrustedIdToken, challenge, client_assertion, dpop_proof, id_token_claims, new_key

ISSUER, CLIENT, NONCE = "https://platform.example", "shopmate", "n-1"
KEY = ECKey.generate_key("P-256", {"kid": "k1"})
NONE = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
JWKS = {"keys": [KEY.as_dict(private=False)]}


def an_id_token(key: ECKey = KEY, **changed: Any) -> str:
    now = int(time.time())
    claims = {"iss": ISSUER, "sub": "s", "aud": CLIENT, "iat": now, "exp": now + 60, "nonce": NONCE, **changed}
    return jwt.encode({"alg": "ES256", "kid": "k1"}, {name: value for name, value in claims.items() if value is not None}, key)


def believed(token: str) -> Any:
    return id_token_claims(token, JWKS, issuer=ISSUER, client_id=CLIENT, nonce=NONCE)


def test_the_challenge_is_that_of_the_rfc() -> None:
    """RFC 7636 appendix B."""
    assert challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_a_proof_holds_the_public_key_and_the_tokens_hash() -> None:
    """RFC 9449 4.2, with the access token and its hash of section 7.1."""
    key = new_key()

    token = jwt.decode(
        dpop_proof(key, "GET", "https://a.example/r", nonce="x", access_token="Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"), key
    )

    assert token.header["typ"] == "dpop+jwt"
    assert "d" not in token.header["jwk"]
    assert {name: token.claims[name] for name in ("htm", "htu", "nonce")} == {
        "htm": "GET",
        "htu": "https://a.example/r",
        "nonce": "x",
    }
    assert token.claims["ath"] == "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"


def test_an_assertion_is_for_the_issuer_alone_and_never_the_same() -> None:
    """FAPI 2.0 Security Profile 5.3.3."""
    first, second = (jwt.decode(client_assertion(CLIENT, ISSUER, KEY), KEY).claims for _ in range(2))

    assert (first["iss"], first["sub"], first["aud"]) == (CLIENT, CLIENT, ISSUER)
    assert first["jti"] != second["jti"]


def test_a_good_id_token_is_believed() -> None:
    assert believed(an_id_token())["sub"] == "s"
    assert believed(an_id_token(aud=[CLIENT]))["sub"] == "s"


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://elsewhere.example"},
        {"aud": "another"},
        {"aud": [CLIENT, "another"]},
        {"azp": "another"},
        {"nonce": "n-2"},
        {"nonce": None},
        {"sub": None},
        {"exp": 1},
        {"exp": None},
    ],
)
def test_an_id_token_that_is_not_for_this_login_is_not_believed(changed: dict[str, Any]) -> None:
    """OpenID Connect Core 3.1.3.7."""
    with pytest.raises(UntrustedIdToken):
        believed(an_id_token(**changed))


def test_an_id_token_of_another_key_or_of_none_is_not_believed() -> None:
    _, payload, _ = an_id_token().split(".")
    unsigned = f"{NONE}.{payload}."
    for text in (an_id_token(ECKey.generate_key("P-256", {"kid": "k1"})), unsigned, "None", "a.b.c", ""):
        with pytest.raises(UntrustedIdToken):
            believed(text)
