"""What the OAuth endpoints refuse, in the words of their RFCs: a closed list of sentences, none of which repeats the request."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Final

from authlib.oauth2 import OAuth2Error

STATUS: Final[Mapping[str, int]] = {"invalid_client": 401}
"""RFC 6749 5.2; everything that is not here is a 400 unless the refusal says otherwise."""

SENTENCE: Final[Mapping[str, str]] = {
    "invalid_request": "The request is malformed, or lacks or repeats a parameter.",
    "invalid_client": "Client authentication failed.",
    "invalid_grant": "The code or token is not valid, has ended, or was issued to another client.",
    "unauthorized_client": "The client is not registered for this grant type.",
    "unsupported_grant_type": "The grant type is not supported.",
    "invalid_scope": "A requested scope is malformed or beyond what the client may have.",
    "invalid_target": "The resource is not one that tokens are issued for.",
    "invalid_dpop_proof": "The DPoP proof is missing or does not hold.",
    "use_dpop_nonce": "The DPoP proof needs the nonce of the DPoP-Nonce header.",
    "invalid_authorization_details": "authorization_details is malformed, of an unknown type, or beyond what may be had.",
    "invalid_grant_id": "The grant is not known, has ended, or was given to somebody else.",
    "unsupported_response_type": "The response type is not supported: use code.",
    "request_not_supported": "Request objects are not supported: push the request.",
    "registration_not_supported": "The registration parameter is not supported.",
    "invalid_request_uri": "Only the request_uri of a pushed request is accepted.",
    "temporarily_unavailable": "The server cannot answer now.",
}


class InvalidRequest(OAuth2Error):  # type: ignore[misc]  # Authlib ships no types
    """The request cannot be read (RFC 6749 5.2)."""

    error = "invalid_request"


class InvalidClient(OAuth2Error):  # type: ignore[misc]
    """Client authentication failed. `detail` is told only to who has proved to hold the client's key."""

    error = "invalid_client"

    def __init__(self, detail: str = "") -> None:
        super().__init__(description=detail)


class ProofFault(StrEnum):
    """What a DPoP proof lacks: a closed list, told to the sender, who wrote the proof."""

    MISSING = "missing"
    REPEATED = "repeated"
    MALFORMED = "malformed"
    TYPE = "type"
    ALGORITHM = "algorithm"
    KEY = "key"
    SIGNATURE = "signature"
    METHOD = "method"
    ADDRESS = "address"
    TOKEN = "token"  # noqa: S105  # the name of a fault
    IDENTIFIER = "identifier"
    INSTANT = "instant"
    REPLAYED = "replayed"


PROOF_SENTENCE: Final[Mapping[ProofFault, str]] = {
    ProofFault.MISSING: "A DPoP proof is required.",
    ProofFault.REPEATED: "There must be one DPoP header.",
    ProofFault.MALFORMED: "The DPoP proof is not a signed JWT.",
    ProofFault.TYPE: "typ must be dpop+jwt.",
    ProofFault.ALGORITHM: "alg must be ES256, PS256 or Ed25519.",
    ProofFault.KEY: "jwk must be a public key that fits alg.",
    ProofFault.SIGNATURE: "The signature is not that of jwk.",
    ProofFault.METHOD: "htm must be the method of the request.",
    ProofFault.ADDRESS: "htu must be the address of the request.",
    ProofFault.TOKEN: "ath must be the hash of the access token.",
    ProofFault.IDENTIFIER: "jti is missing or too long.",
    ProofFault.INSTANT: "iat is missing, older than a minute, or ahead of the server's clock.",
    ProofFault.REPLAYED: "The DPoP proof was used before.",
}


class InvalidDpopProof(OAuth2Error):  # type: ignore[misc]
    """The proof does not hold (RFC 9449 5), or a DPoP-bound client sent none: it would get a token that anybody could use."""

    error = "invalid_dpop_proof"

    def __init__(self, fault: ProofFault = ProofFault.MISSING) -> None:
        super().__init__(description=PROOF_SENTENCE[fault])
        self.fault = fault


class UseDpopNonce(OAuth2Error):  # type: ignore[misc]
    """The proof lacks a nonce that counts now (RFC 9449 8); `nonce` is one that does, for the DPoP-Nonce header."""

    error = "use_dpop_nonce"

    def __init__(self, nonce: str) -> None:
        super().__init__()
        self.nonce = nonce


class SlowDown(OAuth2Error):  # type: ignore[misc]
    """Too many wrong secrets from there: none is looked at for a while, not even the right one."""

    error = "temporarily_unavailable"
    status_code = 429

    def __init__(self, retry_after: timedelta) -> None:
        super().__init__()
        self.retry_after = retry_after


class Unavailable(OAuth2Error):  # type: ignore[misc]
    """No connection to the database in time."""

    error = "temporarily_unavailable"
    status_code = 503


def shape(error: OAuth2Error) -> tuple[int, dict[str, str]]:
    """Status and body of an error. Authlib's own descriptions are dropped: several repeat the request's values."""
    code = str(error.error)
    own = isinstance(error, InvalidClient | InvalidDpopProof) and error.description
    return STATUS.get(code, error.status_code), {"error": code, "error_description": own or SENTENCE.get(code, "")}


def headers_of(error: OAuth2Error) -> dict[str, str]:
    """What an error adds to the answer's headers, whichever endpoint gives it."""
    if isinstance(error, UseDpopNonce):
        return {"DPoP-Nonce": error.nonce}
    if isinstance(error, SlowDown):
        return {"Retry-After": str(1 + int(error.retry_after.total_seconds()))}
    return {}
