"""Proof of possession (RFC 9449): a request shows that its sender holds the private key that a token, or a code, is bound to.

A proof counts for one request: its method, its address, its access token, its minute. That it counts once is the database's to
say, for all workers; that it was not made in advance, the nonce shows, which no worker has to remember: it names its window of
time and carries a MAC of it.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from gateway.oauth import jose
from gateway.oauth.keys import AnyConnection
from gateway.oauth.refusal import InvalidDpopProof, ProofFault, UseDpopNonce
from gateway.settings import Settings

TYPE: Final = "dpop+jwt"
ALGORITHMS: Final = " ".join(jose.ALGORITHMS)
"""As a challenge names them (RFC 9449 7.1)."""
SKEW_S: Final = 10.0
"""How far ahead of the database's a client's clock may be (FAPI 2.0 5.3.2.1: 10 s accepted, 60 s refused)."""
AGE_MAX_S: Final = 60.0
"""How old a proof may be: for so long, and a minute more, its use is remembered."""
NONCE_WINDOW_S: Final = 120
JTI_MAX: Final = 512
PROOF_MAX: Final = 8_192

_NONCE_LABEL = "dpop-nonce"
_NONCE = re.compile(r"([0-9]{1,12})\.([A-Za-z0-9_-]{22})")
_CALENDAR_END: Final = datetime(9999, 1, 1, tzinfo=UTC).timestamp()
_DEFAULT_PORTS = {"https": 443, "http": 80}
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")  # RFC 3986 2.3

# Two uses at once: the second insert waits for the first one's transaction, then finds its row. The instants are compared in the
# statement that inserts, and rows are kept a minute longer than the proof counts, so no purge makes room for one that still does.
# in: proof_sha256 bytea, starts_at float8, ends_at float8, nonce's window bigint (null: none), seconds of a window int
# row: now timestamptz, in_time bool, has_nonce bool (null: none was given), is_new bool
# primary key of proof_replay; proof_replay_by_expiry
_USE = """
with clock as materialized (select clock_timestamp() as now),
gone as (
    delete from gateway.proof_replay where proof_sha256 in (
        select proof_sha256 from gateway.proof_replay
         where expires_at < clock_timestamp() - interval '1 minute' order by expires_at limit 4 for update skip locked)
), judged as (
    select now, extract(epoch from now) between $2::float8 and $3::float8 as in_time,
           floor(extract(epoch from now) / $5::int) - $4::bigint in (0, 1) as has_nonce
      from clock
), used as (
    insert into gateway.proof_replay (proof_sha256, expires_at)
    select $1, to_timestamp($3) from judged where in_time and has_nonce is not false on conflict do nothing returning true
)
select now, in_time, has_nonce, exists (select from used) as is_new from judged"""

# in: -; row: timestamptz
_NOW = "select clock_timestamp()"


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof that held. jkt: its key's thumbprint (RFC 7638, SHA-256, base64url), as `cnf.jkt` names it."""

    jkt: str


@dataclass(frozen=True, slots=True, repr=False)
class _Read:
    """A proof whose signature holds, for this method, address and token. Instants are seconds since the epoch."""

    jkt: str
    jti: str
    starts_at: float
    ends_at: float
    nonce: str | None


class Dpop:
    """One for each worker. Stateless: all workers give and take the same nonces."""

    def __init__(self, settings: Settings) -> None:
        self._key = settings.key(_NONCE_LABEL)
        self.latest: str | None = None
        """The nonce of the newest instant at which this worker checked a proof, for the answer to a request that had one."""

    def nonce(self, now: float) -> str:
        """The nonce of the window that holds this instant. It is accepted in that window and in the next.

        now: seconds since the epoch, by the database's clock.
        """
        return self._nonce_of(int(now // NONCE_WINDOW_S))

    async def check(
        self,
        conn: AnyConnection,
        proof_header: str | Sequence[str] | None,
        *,
        method: str,
        url: str,
        access_token: str | None = None,
        now: datetime | None = None,
        needs_nonce: bool,
    ) -> Proof:
        """Judge the proof that a request carries, and use it up (RFC 9449 4.3). One statement.

        proof_header: the value of the DPoP header, or the values of all of them. method, url: of the request; of the address only
        what goes before `?` and `#` counts. access_token: the one that the request uses, so that `ath` must be its hash. now: the
        database's clock, where the caller has read it anyhow.

        Raises InvalidDpopProof, UseDpopNonce.
        """
        proof = _read(_one(proof_header), method=method, url=url, access_token=access_token)
        if proof.nonce is None and needs_nonce:
            instant = now if now is not None else await conn.fetchval(_NOW)
            raise UseDpopNonce(self.nonce(instant.timestamp()))
        window = None if proof.nonce is None else self._window_of(proof.nonce)
        digest = hashlib.sha256(f"{proof.jkt} {proof.jti}".encode("utf-8", "surrogatepass")).digest()
        [row] = await conn.fetch(_USE, digest, proof.starts_at, proof.ends_at, window, NONCE_WINDOW_S)
        self.latest = self.nonce(row["now"].timestamp())
        if row["has_nonce"] is False:
            raise UseDpopNonce(self.latest)
        if not row["in_time"]:
            raise InvalidDpopProof(ProofFault.INSTANT)
        if not row["is_new"]:
            raise InvalidDpopProof(ProofFault.REPLAYED)
        return Proof(proof.jkt)

    def _nonce_of(self, window: int) -> str:
        mac = hmac.digest(self._key, b"%d" % window, "sha256")
        return f"{window}.{_base64url(mac[:16])}"

    def _window_of(self, nonce: str) -> int:
        """The window that a nonce of ours names; the window before all others for a nonce that is not ours."""
        found = _NONCE.fullmatch(nonce)
        if found is None:
            return 0
        window = int(found[1])
        return window if hmac.compare_digest(self._nonce_of(window), nonce) else 0


def token_hash(access_token: str) -> str:
    """`ath` of an access token (RFC 9449 4.2).

    >>> token_hash("abc")
    'ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0'
    """
    return _base64url(hashlib.sha256(access_token.encode()).digest())


def normalised(url: str) -> str | None:
    """An address as `htu` is compared (RFC 9449 4.3, RFC 3986 6.2.2 and 6.2.3): no query, no fragment, one spelling.

    None where it is not an absolute http address, or names a user.

    >>> normalised("HTTPS://G.example:443/a/./b/../%7Ec%2f?x#y")
    'https://g.example/a/~c%2F'
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not host or "@" in parts.netloc or not url.isascii() or not url.isprintable():
        return None
    name = f"[{host}]" if ":" in host else host
    port_part = "" if port is None or port == _DEFAULT_PORTS[parts.scheme] else f":{port}"
    return f"{parts.scheme}://{name}{port_part}{_path(parts.path)}"


def _path(path: str) -> str:
    """Escapes of unreserved characters undone, the others in capitals, `.` and `..` walked (RFC 3986 5.2.4)."""
    segments: list[str] = []
    walked = _ESCAPE.sub(_escape, path).split("/")[1:]
    for segment in walked:
        if segment == "..":
            del segments[-1:]
        elif segment != ".":
            segments.append(segment)
    ends_in_slash = walked[-1:] in (["."], [".."]) and segments
    return "/" + "/".join(segments) + ("/" if ends_in_slash else "")


def _escape(found: re.Match[str]) -> str:
    octet = int(found[1], 16)
    return chr(octet) if octet in _UNRESERVED else found[0].upper()


def _one(header: str | Sequence[str] | None) -> str:
    values = [header] if isinstance(header, str) else [*(header or ())]
    if not values:
        raise InvalidDpopProof(ProofFault.MISSING)
    if len(values) > 1 or "," in values[0]:  # joined by a comma, as HTTP reads a repeated header
        raise InvalidDpopProof(ProofFault.REPEATED)
    return values[0].strip(" \t")


def _signed(text: str) -> tuple[jose.Unverified, str]:
    """A proof that is signed by the key in its own header, and that key's thumbprint."""
    try:
        token = jose.read(text, max_length=PROOF_MAX)
    except jose.Malformed:
        raise InvalidDpopProof(ProofFault.MALFORMED) from None
    if not jose.has_type(token, TYPE):
        raise InvalidDpopProof(ProofFault.TYPE)
    if not token.algorithm:
        raise InvalidDpopProof(ProofFault.ALGORITHM)
    try:
        key = jose.public_key(token.header.get("jwk"))
    except jose.UnusableKey:
        raise InvalidDpopProof(ProofFault.KEY) from None
    if key is None or key.algorithm != token.algorithm:
        raise InvalidDpopProof(ProofFault.KEY)
    if not jose.is_signed_by(token, key):
        raise InvalidDpopProof(ProofFault.SIGNATURE)
    return token, key.key.thumbprint()


def _read(text: str, *, method: str, url: str, access_token: str | None) -> _Read:
    token, jkt = _signed(text)
    claims = token.claims
    if claims.get("htm") != method:
        raise InvalidDpopProof(ProofFault.METHOD)
    address = claims.get("htu")
    if not isinstance(address, str) or normalised(address) is None or normalised(address) != normalised(url):
        raise InvalidDpopProof(ProofFault.ADDRESS)
    if access_token is not None and claims.get("ath") != token_hash(access_token):
        raise InvalidDpopProof(ProofFault.TOKEN)
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= JTI_MAX:
        raise InvalidDpopProof(ProofFault.IDENTIFIER)
    starts_at, ends_at = _span(token)
    nonce = claims.get("nonce")
    return _Read(jkt, jti, starts_at, ends_at, None if nonce is None else str(nonce))


def _span(token: jose.Unverified) -> tuple[float, float]:
    """From when to when the proof counts: a minute from `iat`, cut by `nbf` and `exp` where it has them (RFC 7519 4.1)."""
    issued = jose.seconds(token.claims.get("iat"))
    begins, expires = jose.seconds(token.claims.get("nbf", 0)), jose.seconds(token.claims.get("exp", math.ldexp(1, 52)))
    if issued is None or begins is None or expires is None or issued > _CALENDAR_END:
        raise InvalidDpopProof(ProofFault.INSTANT)
    return max(issued, begins) - SKEW_S, min(issued + AGE_MAX_S, expires)


def _base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
