"""What the OAuth endpoints refuse, in the words of their RFCs: a closed list of sentences, none of which repeats the request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from authlib.oauth2 import OAuth2Error

STATUS: Final[Mapping[str, int]] = {"invalid_client": 401}
"""RFC 6749 5.2; everything that is not here is a 400 unless the refusal says otherwise."""

SENTENCE: Final[Mapping[str, str]] = {
    "invalid_request": "The request is malformed, or lacks or repeats a parameter.",
    "invalid_client": "Client authentication failed.",
    "invalid_grant": "The token was issued to another client.",
    "unauthorized_client": "The client is not registered for this grant type.",
    "unsupported_grant_type": "The grant type is not supported.",
    "invalid_scope": "A requested scope is malformed or beyond what the client may have.",
    "invalid_target": "The resource is not one that tokens are issued for.",
    "invalid_dpop_proof": "The client is registered for DPoP-bound access tokens and sent no proof.",
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


class InvalidDpopProof(OAuth2Error):  # type: ignore[misc]
    """A DPoP-bound client asked without a proof (RFC 9449 5): it would get a token that anybody could use."""

    error = "invalid_dpop_proof"


class Unavailable(OAuth2Error):  # type: ignore[misc]
    """No connection to the database in time."""

    error = "temporarily_unavailable"
    status_code = 503


def shape(error: OAuth2Error) -> tuple[int, dict[str, str]]:
    """Status and body of an error. Authlib's own descriptions are dropped: several repeat the request's values."""
    code = str(error.error)
    own = isinstance(error, InvalidClient) and error.description
    return STATUS.get(code, error.status_code), {"error": code, "error_description": own or SENTENCE.get(code, "")}
