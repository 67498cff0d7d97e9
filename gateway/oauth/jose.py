"""Signed tokens (RFC 7515, 7519) under pinned algorithms; joserfc does the cryptography, this module decides what it may be
given.

A token is read before it is believed (`read`), and believed only under one named key and that key's one algorithm
(`is_signed_by`). Whatever a stranger sends ends as `Malformed` or as False, never as another exception: depth, duplicate
members, huge numbers, `crit`, unencoded payloads and headers of the wrong type are refused before joserfc sees them.
"""

from __future__ import annotations

import binascii
import hashlib
import json
import math
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, Key, OKPKey, RSAKey
from joserfc.util import base64_to_int, urlsafe_b64decode

ALGORITHMS: Final = ("ES256", "PS256", "Ed25519")
"""All that a client may sign with (FAPI 2.0 Security Profile 5.4); `none`, HMAC and RSA PKCS #1 v1.5 have no name here."""

RENAMED: Final[Mapping[object, str]] = {"EdDSA": "Ed25519"}
"""RFC 9864 renamed EdDSA over Ed25519; FAPI 2.0 and most libraries still say EdDSA, and it names the same operation."""

RSA_BITS: Final = range(2048, 8193)
"""FAPI 2.0 asks for 2048 or more; beyond 8192 a verification is slow enough to be a weapon."""

_SECOND_MAX: Final = 2**53

_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})  # RFC 7518 6; `priv` RFC 9964
_KINDS = ("EC", "RSA", "OKP")  # no set: what is compared may not even be hashable
_EXPONENT_MAX = 6  # characters: the exponent of an RSA key nobody chose with care can make one check cost as much as thousands


class Malformed(Exception):
    """Not a signed token that this gateway can read. Carries nothing of what it read."""


class KeyFault(StrEnum):
    """What is wrong with a key that cannot even be passed over: a closed list."""

    WRONG_TYPE = "wrong_type"
    MALFORMED = "malformed"
    PRIVATE_KEY = "private_key"
    WEAK_KEY = "weak_key"


class UnusableKey(Exception):
    """A JSON Web Key that is broken, weak, or not public. Carries nothing of it."""

    def __init__(self, fault: KeyFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


@dataclass(frozen=True, slots=True, repr=False)
class Unverified:
    """A token taken apart, not yet believed: `header` and `claims` are the sender's words."""

    text: str
    header: Mapping[str, object]
    claims: Mapping[str, object]

    @property
    def algorithm(self) -> str:
        """The header's `alg` by its present name, or an empty string where it is not one of ALGORITHMS."""
        named = present_name(self.header.get("alg"))
        return named if isinstance(named, str) and named in ALGORITHMS else ""

    @property
    def kid(self) -> str | None:
        """The header's `kid`, None where it names none."""
        named = self.header.get("kid")
        return named if isinstance(named, str) else None


@dataclass(frozen=True, slots=True, repr=False)
class PublicKey:
    """A key that may verify, and the one algorithm it verifies under."""

    kid: str | None
    algorithm: str
    key: Key


def present_name(algorithm: object) -> object:
    """What RENAMED has it called today.

    >>> present_name("EdDSA"), present_name("ES256")
    ('Ed25519', 'ES256')
    """
    return RENAMED.get(algorithm, algorithm) if isinstance(algorithm, str) else algorithm


def algorithm_of(key: Key) -> str | None:
    """The pinned algorithm that a key of this kind, curve and size serves; None: it verifies nothing here."""
    if isinstance(key, ECKey):
        return "ES256" if key.curve_name == "P-256" else None
    if isinstance(key, OKPKey):
        return "Ed25519" if key.curve_name == "Ed25519" else None
    if isinstance(key, RSAKey):
        return "PS256" if key.raw_value.key_size in RSA_BITS else None
    return None


def public_key(entry: object) -> PublicKey | None:
    """A JSON Web Key (RFC 7517 4) that may verify here; None for kinds, curves, uses and algorithms that we do not take.

    Raises UnusableKey for a private member (somebody's secret is out), and for a broken or weak key that claims to be of our
    kinds.
    """
    if not isinstance(entry, Mapping):
        raise UnusableKey(KeyFault.WRONG_TYPE)
    if _PRIVATE_MEMBERS & entry.keys():
        raise UnusableKey(KeyFault.PRIVATE_KEY)
    if entry.get("kty") not in _KINDS or entry.get("use", "sig") != "sig":
        return None
    operations = entry.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    if entry.get("kty") != "RSA" and entry.get("crv") not in ("P-256", "Ed25519"):
        return None
    kid = entry.get("kid")
    if kid is not None and not isinstance(kid, str):
        raise UnusableKey(KeyFault.WRONG_TYPE)
    material = {name: entry[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in entry}
    if not all(isinstance(part, str) and len(part) <= 2048 for part in material.values()):
        raise UnusableKey(KeyFault.MALFORMED)
    key = _imported(material)
    algorithm = algorithm_of(key)
    named = present_name(entry.get("alg", algorithm))
    return PublicKey(kid, algorithm, key) if algorithm is not None and named == algorithm else None


def _imported(material: dict[str, str]) -> Key:
    try:
        if material["kty"] == "RSA" and not _is_sound_rsa(material):
            raise UnusableKey(KeyFault.WEAK_KEY)
        return JWKRegistry.import_key({**material})
    except (JoseError, ValueError, TypeError, KeyError, UnsupportedAlgorithm):
        raise UnusableKey(KeyFault.MALFORMED) from None


def _is_sound_rsa(material: Mapping[str, str]) -> bool:
    return base64_to_int(material["n"]).bit_length() in RSA_BITS and len(material["e"]) <= _EXPONENT_MAX


def read(text: str, *, max_length: int = 16_384) -> Unverified:
    """Take a compact JWS with a JSON object as payload apart, believing nothing.

    Raises Malformed for everything else: another number of parts, padding, JSON that is not an object, repeats a member or nests
    too deep, `crit` or `b64` (extensions we do not know must not be ignored, RFC 7515 4.1.11), a `kid` or `typ` that is no
    string.
    """
    if len(text) > max_length or not text.isascii():
        raise Malformed
    parts = text.split(".")
    if len(parts) != 3 or not all(parts):
        raise Malformed
    header, claims = _json_object(parts[0]), _json_object(parts[1])
    if "crit" in header or "b64" in header:
        raise Malformed
    if any(not isinstance(header.get(name, ""), str) for name in ("alg", "kid", "typ")):
        raise Malformed
    return Unverified(text, header, claims)


def is_signed_by(token: Unverified, key: PublicKey) -> bool:
    """Whether the token's signature is this key's, under this key's algorithm and no other."""
    if token.algorithm != key.algorithm:
        return False
    if token.header["alg"] in RENAMED:
        return _is_signed_under_an_old_name(token, key)
    # joserfc refuses header members it does not know; RFC 7515 4 says to ignore them
    registry = jws.JWSRegistry(algorithms=[key.algorithm], strict_check_header=False)
    registry.max_header_length = 4_096
    registry.max_signature_length = 2_048  # RSA-8192 is 1366 characters
    try:
        jws.deserialize_compact(token.text, key.key, registry=registry)
    except (JoseError, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _is_signed_under_an_old_name(token: Unverified, key: PublicKey) -> bool:
    """joserfc warns of old names; what they name is the algorithm of the new one, over the same bytes."""
    signed, _, signature = token.text.rpartition(".")
    try:
        return jws.JWSRegistry.algorithms[key.algorithm].verify(signed.encode(), urlsafe_b64decode(signature.encode()), key.key)
    except (JoseError, ValueError, TypeError, UnsupportedAlgorithm):
        return False


def sign(claims: Mapping[str, object], key: Key, *, kid: str, algorithm: str, typ: str) -> str:
    """A compact JWS of these claims, its header naming key, algorithm and type (RFC 8725 3.11: tokens of one type only)."""
    header = {"alg": algorithm, "kid": kid, "typ": typ}
    return jwt.encode(header, dict(claims), key, algorithms=[algorithm], default_type=None)


def has_type(token: Unverified, *names: str) -> bool:
    """Whether `typ` is one of these; media types compare without case, `application/` may be left out (RFC 7515 4.1.9)."""
    typ = token.header.get("typ")
    return isinstance(typ, str) and typ.lower().removeprefix("application/") in names


def seconds(value: object) -> float | None:
    """A NumericDate (RFC 7519 2) as seconds; None for what is not a finite, non-negative number of a sane size."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return float(value) if 0 <= value < _SECOND_MAX else None


def certificate_thumbprint(certificate: bytes) -> str:
    """`x5t#S256` of a certificate in DER (RFC 7515 4.1.8).

    >>> certificate_thumbprint(b"")
    '47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU'
    """
    return urlsafe_b64encode(hashlib.sha256(certificate).digest()).rstrip(b"=").decode()


def _json_object(segment: str) -> Mapping[str, object]:
    try:
        value = json.loads(urlsafe_b64decode(segment.encode()), object_pairs_hook=_members)
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise Malformed from None  # the original would quote the input
    if not isinstance(value, dict):
        raise Malformed
    return value


def _members(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError  # RFC 7519 4 leaves a repeated claim's meaning to the parser: two parsers, two meanings
    return members
