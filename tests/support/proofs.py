"""Makers for DPoP proofs, true and false (RFC 9449)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from uuid import uuid4

from joserfc import jws, jwt
from joserfc.jwk import Key

from gateway.oauth.dpop import token_hash


def a_proof(
    key: Key,
    *,
    method: str = "POST",
    url: str,
    algorithm: str = "ES256",
    access_token: str | None = None,
    nonce: object = None,
    header: Mapping[str, object] | None = None,
    signer: Key | None = None,
    **changed: object,
) -> str:
    """A proof by this key: good, but for what is changed; None leaves a claim or a header member out.

    signer: the key that signs in place of the one in the header.
    """
    head = {"typ": "dpop+jwt", "alg": algorithm, "jwk": key.as_dict(private=False), **(header or {})}
    head = {name: value for name, value in head.items() if value is not None}
    good: dict[str, object] = {"htm": method, "htu": url, "iat": int(time.time()), "jti": str(uuid4())}
    if access_token is not None:
        good["ath"] = token_hash(access_token)
    if nonce is not None:
        good["nonce"] = nonce
    claims = {name: value for name, value in (good | changed).items() if value is not None}
    registry = jws.JWSRegistry(algorithms=[str(head["alg"])], strict_check_header=False)
    return jwt.encode(head, claims, signer or key, registry=registry, default_type=None)
