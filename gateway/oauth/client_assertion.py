"""Client authentication by private_key_jwt (RFC 7521, RFC 7523), as narrow as FAPI 2.0 Security Profile 5.3.2.1 asks.

What an assertion may say about itself is fixed: signed with one of jose.ALGORITHMS under a registered key, `aud` the issuer as
one string, `iss` and `sub` the client, `exp` at most LIFETIME ahead, used once. All instants are the database's, so workers
agree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from authlib.oauth2.rfc7523.client import ASSERTION_TYPE
from joserfc.jwk import ECKey, OKPKey, RSAKey

from gateway.oauth import jose
from gateway.oauth.bridge import wait
from gateway.oauth.client import Client
from gateway.oauth.keys import AnyConnection
from gateway.oauth.refusal import InvalidClient
from gateway.oauth.registration import is_client_id

METHOD: Final = "private_key_jwt"
SKEW: Final = timedelta(seconds=10)
"""How far ahead of the database's a client's clock may be (FAPI 2.0 5.3.2.1: 10 s accepted, 60 s refused)."""
LIFETIME: Final = timedelta(hours=1)
"""RFC 7523 3 (4) lets a server refuse an `exp` unreasonably far ahead; an hour is what Authlib's client signs for unless told."""
JTI_MAX: Final = 512

# JWTs of other uses carry other types (RFC 8725 3.11): an access token or a DPoP proof is no assertion
_TYPES: Final = ("jwt", "client-authentication+jwt")

# Two uses at once: the second insert waits for the first one's transaction, then finds its row. The instant is compared in the
# statement that inserts, and rows are kept a minute longer, so no purge can make room for an assertion that is still alive.
# in: client_id text, jti_sha256 bytea, expires_at timestamptz; row: bool; none: used before, or expired meanwhile
_USE = """
with gone as (
    delete from gateway.assertion_replay where (client_id, jti_sha256) in (
        select client_id, jti_sha256 from gateway.assertion_replay
         where expires_at < clock_timestamp() - interval '1 minute' order by expires_at limit 4 for update skip locked)
)
insert into gateway.assertion_replay (client_id, jti_sha256, expires_at)
select $1, $2, $3 where $3::timestamptz > clock_timestamp() on conflict do nothing returning true"""


class PrivateKeyJwt:
    """Authlib's hook for a client authentication method; one for each request, around that request's connection."""

    def __init__(self, conn: AnyConnection, issuer: str) -> None:
        self._conn, self._issuer = conn, issuer

    def __call__(self, query_client: Callable[[str], Client | None], request: Any) -> Client | None:
        """The client that the request's assertion proves; None where it carries none. Raises InvalidClient.

        A stranger learns nothing from it: an unknown client costs a signature check like a known one, and gets the same answer.
        """
        form = request.form
        assertion, kind = form.get("client_assertion"), form.get("client_assertion_type")
        if assertion is None and kind is None:
            return None
        token = _readable(assertion, kind)
        client_id = token.claims.get("sub")
        if not is_client_id(client_id) or form.get("client_id", client_id) != client_id:  # RFC 7521 4.2
            raise InvalidClient
        client = query_client(str(client_id))
        if not _is_signed(token, client) or client is None or not client.check_endpoint_auth_method(METHOD, "token"):
            raise InvalidClient
        jti, expires_at = self._claims(token, client)
        digest = hashlib.sha256(jti.encode("utf-8", "surrogatepass")).digest()
        if wait(self._conn.fetchval(_USE, client.client_id, digest, expires_at)) is None:
            raise InvalidClient("The assertion was used before.")
        return client

    def _claims(self, token: jose.Unverified, client: Client) -> tuple[str, datetime]:
        """`jti` and `exp` of an assertion whose other claims hold; now the sender holds the key, it may be told what is wrong."""
        claims, now = token.claims, client.read_at.timestamp()
        if claims.get("iss") != client.client_id:
            raise InvalidClient("iss and sub must both be the client_id.")
        if claims.get("aud") != self._issuer:
            raise InvalidClient("aud must be the issuer, as one string.")
        expires = jose.seconds(claims.get("exp"))
        if expires is None or expires <= now:
            raise InvalidClient("exp is missing or past.")
        if expires > now + (LIFETIME + SKEW).total_seconds():
            raise InvalidClient("exp is more than an hour ahead.")
        for name in ("iat", "nbf"):
            starts = jose.seconds(claims.get(name, 0))
            if starts is None or starts > now + SKEW.total_seconds():
                raise InvalidClient("iat or nbf is ahead of the server's clock.")
        jti = claims.get("jti")
        if not isinstance(jti, str) or not 0 < len(jti) <= JTI_MAX:
            raise InvalidClient("jti is missing or too long.")
        return jti, datetime.fromtimestamp(expires, tz=client.read_at.tzinfo)


def _readable(assertion: str | None, kind: str | None) -> jose.Unverified:
    if assertion is None or kind != ASSERTION_TYPE:
        raise InvalidClient
    try:
        token = jose.read(assertion)
    except jose.Malformed:
        raise InvalidClient from None
    if not token.algorithm or ("typ" in token.header and not jose.has_type(token, *_TYPES)):
        raise InvalidClient
    return token


def _is_signed(token: jose.Unverified, client: Client | None) -> bool:
    candidates = () if client is None else _candidates(token, client)
    verified = [jose.is_signed_by(token, key) for key in candidates or (_decoy(token.algorithm),)]
    return bool(candidates) and any(verified)


def _candidates(token: jose.Unverified, client: Client) -> Sequence[jose.PublicKey]:
    """The registered keys that this header may mean: of its algorithm, which must be the registered one, and of its `kid`."""
    pinned = client.metadata.token_endpoint_auth_signing_alg
    if pinned is not None and token.algorithm != pinned:
        return ()
    fitting = [key for key in client.metadata.keys if key.algorithm == token.algorithm]
    return fitting if token.kid is None else [key for key in fitting if key.kid == token.kid]


@lru_cache(maxsize=len(jose.ALGORITHMS))
def _decoy(algorithm: str) -> jose.PublicKey:
    """A key of nobody, checked where there is no key to check, so that time does not tell the two cases apart."""
    if algorithm == "ES256":
        return jose.PublicKey(None, algorithm, ECKey.generate_key("P-256", private=False))
    if algorithm == "Ed25519":
        return jose.PublicKey(None, algorithm, OKPKey.generate_key("Ed25519", private=False))
    return jose.PublicKey(None, algorithm, RSAKey.generate_key(2048, private=False))
