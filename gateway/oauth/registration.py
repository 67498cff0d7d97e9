"""Client metadata (RFC 7591 section 2): what a partner registers for one of its clients, checked once and again on every use.

The values that a client may choose are closed lists; what the gateway does not understand is dropped, as the RFC asks, so that
nothing unchecked is ever stored (a `client_secret` least of all). Keys come by value (`jwks`): a `jwks_uri` would make the
gateway fetch addresses that a partner chooses.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from gateway.oauth.jose import ALGORITHMS, PublicKey, UnusableKey, certificate_thumbprint, present_name, public_key

PRIVATE_KEY: Final = "private_key_jwt"
TLS_CLIENT: Final = "tls_client_auth"
SELF_SIGNED: Final = "self_signed_tls_client_auth"
SECRET_BASIC: Final = "client_secret_basic"  # noqa: S105  # the name of a method
SECRET_POST: Final = "client_secret_post"  # noqa: S105  # the name of a method
PUBLIC: Final = "none"
ASYMMETRIC: Final = (PRIVATE_KEY, TLS_CLIENT, SELF_SIGNED)
"""What FAPI 2.0 Security Profile 5.3.2.1 leaves: nothing that the server could lose."""
AUTH_METHODS: Final = (*ASYMMETRIC, SECRET_BASIC, SECRET_POST, PUBLIC)
CERTIFICATE_NAMES: Final = (
    "tls_client_auth_subject_dn",
    "tls_client_auth_san_dns",
    "tls_client_auth_san_uri",
    "tls_client_auth_san_ip",
    "tls_client_auth_san_email",
)
"""RFC 8705 2.1.2: a `tls_client_auth` client names one of them."""
GRANT_TYPES: Final = ("authorization_code", "client_credentials", "refresh_token")
RESPONSE_TYPES: Final = ("code",)
KEYS_MAX: Final = 16  # an assertion without `kid` is tried against each that fits
URIS_MAX: Final = 32
DOCUMENT_MAX: Final = 65_536
DEPTH_MAX: Final = 16  # nothing that a key set needs lies deeper

_CLIENT_ID = re.compile(r"[\x21-\x7e]{1,255}")  # RFC 6749 A.1, without the space
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,255}")  # RFC 6749 A.4
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class Fault(StrEnum):
    """Why metadata is refused: a closed list."""

    MISSING = "missing"
    WRONG_TYPE = "wrong_type"
    MALFORMED = "malformed"
    NOT_SUPPORTED = "not_supported"
    TOO_MANY = "too_many"
    PRIVATE_KEY = "private_key"
    WEAK_KEY = "weak_key"
    NO_USABLE_KEY = "no_usable_key"
    NOT_CONSISTENT = "not_consistent"


class InvalidClientMetadata(Exception):
    """The metadata cannot be registered: `member` is ours or the RFC's name, the value is never quoted."""

    def __init__(self, fault: Fault, member: str) -> None:
        super().__init__(f"{member}: {fault.value}")
        self.fault, self.member = fault, member

    @property
    def error(self) -> str:
        """The error code of RFC 7591 3.2.2."""
        return "invalid_redirect_uri" if self.member == "redirect_uris" else "invalid_client_metadata"


@dataclass(frozen=True, slots=True)
class ClientMetadata:
    """Metadata that holds. `keys` are the usable ones of `jwks`; `scopes` None means: no narrower than the partner's grants.

    certificates: `x5t#S256` of those that `jwks` carries. certificate_name: which member names the certificate, and how.
    """

    client_id: str
    keys: tuple[PublicKey, ...]
    redirect_uris: tuple[str, ...]
    post_logout_redirect_uris: tuple[str, ...]
    token_endpoint_auth_method: str
    token_endpoint_auth_signing_alg: str | None
    grant_types: frozenset[str]
    response_types: frozenset[str]
    scopes: frozenset[str] | None
    dpop_bound_access_tokens: bool
    tls_client_certificate_bound_access_tokens: bool
    certificates: frozenset[str]
    certificate_name: tuple[str, str] | None
    require_pushed_authorization_requests: bool
    authorization_details_types: tuple[str, ...]
    document: str
    """The normalised metadata as JSON text: what gateway.client.metadata stores."""


def validate(metadata: Mapping[str, object]) -> ClientMetadata:
    """Check RFC 7591 client metadata and normalise it; members that are absent are filled in with what the gateway will do.

    Two defaults differ from the RFC's, which lets a server replace them (3.2.1): `token_endpoint_auth_method` is private_key_jwt;
    `grant_types` are all that the client could use: all three where there is a `redirect_uris`, else client_credentials alone;
    for a public client, which cannot speak for itself, all but that one.

    Raises InvalidClientMetadata.
    """
    if not isinstance(metadata, Mapping):
        raise InvalidClientMetadata(Fault.WRONG_TYPE, "metadata")
    document: dict[str, object] = {}
    for name, value in metadata.items():
        member, tag, _ = name.partition("#")  # RFC 7591 2.2: client_name#zh-CN
        check = _MEMBERS.get(member)
        if check is not None and (not tag or member in _TRANSLATABLE):
            document[name] = check(name, value)
    if "client_id" not in document:
        raise InvalidClientMetadata(Fault.MISSING, "client_id")
    if "jwks_uri" in metadata:
        raise InvalidClientMetadata(Fault.NOT_SUPPORTED, "jwks_uri")
    _fill_in(document)
    _check_consistent(document)
    return _read(document)


@lru_cache(maxsize=1024)
def stored(document: str) -> ClientMetadata:
    """`validate` for the JSON text of gateway.client.metadata, remembered by its whole text, so never stale.

    Raises InvalidClientMetadata where somebody stored what cannot be registered.
    """
    value = json.loads(document)
    if not isinstance(value, dict):
        raise InvalidClientMetadata(Fault.WRONG_TYPE, "metadata")
    return validate(value)


def scope_tokens(text: str) -> frozenset[str] | None:
    """The scope names of a space-separated list (RFC 6749 3.3); None where one of them is no scope-token."""
    names = frozenset(name for name in text.split(" ") if name)
    return names if all(_SCOPE.fullmatch(name) for name in names) else None


def is_client_id(value: object) -> bool:
    """Whether this could be the name of a client (RFC 6749 A.1): anything else need not be looked up."""
    return isinstance(value, str) and _CLIENT_ID.fullmatch(value) is not None


def usable_keys(jwks: object) -> tuple[PublicKey, ...]:
    """The keys of an RFC 7517 set that may verify here. Kinds, curves, uses and algorithms we do not take are left out.

    Raises InvalidClientMetadata for a private member (the partner's secret is out), for a broken or too small key that claims
    to be of our kinds, and for more keys than KEYS_MAX.
    """
    entries = jwks.get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(entries, list):
        raise InvalidClientMetadata(Fault.WRONG_TYPE, "jwks")
    if len(entries) > KEYS_MAX:
        raise InvalidClientMetadata(Fault.TOO_MANY, "jwks")
    return tuple(key for entry in entries if (key := _public_key(entry)) is not None)


def _public_key(entry: object) -> PublicKey | None:
    try:
        return public_key(entry)
    except UnusableKey as unusable:
        raise InvalidClientMetadata(Fault(unusable.fault.value), "jwks") from None


def _fill_in(document: dict[str, object]) -> None:
    is_public = document.setdefault("token_endpoint_auth_method", PRIVATE_KEY) == PUBLIC
    document.setdefault("redirect_uris", [])
    grants = list(GRANT_TYPES) if document["redirect_uris"] else ["client_credentials"]
    document.setdefault("grant_types", ["authorization_code", "refresh_token"] if is_public else grants)
    document.setdefault("response_types", ["code"] if "authorization_code" in _list(document["grant_types"]) else [])
    document.setdefault("dpop_bound_access_tokens", False)
    document.setdefault("tls_client_certificate_bound_access_tokens", False)
    document.setdefault("require_pushed_authorization_requests", False)
    document.setdefault("authorization_details_types", [])


def _check_consistent(document: Mapping[str, object]) -> None:
    grants = _list(document["grant_types"])
    if "authorization_code" in grants and not document["redirect_uris"]:
        raise InvalidClientMetadata(Fault.MISSING, "redirect_uris")
    if ("code" in _list(document["response_types"])) != ("authorization_code" in grants):  # RFC 7591 2.1
        raise InvalidClientMetadata(Fault.NOT_CONSISTENT, "response_types")
    method = document["token_endpoint_auth_method"]
    if method == PUBLIC and "client_credentials" in grants:  # RFC 6749 4.4: confidential clients only
        raise InvalidClientMetadata(Fault.NOT_CONSISTENT, "grant_types")
    if document["require_pushed_authorization_requests"] and method not in ASYMMETRIC:  # FAPI 2.0 5.3.2.1
        raise InvalidClientMetadata(Fault.NOT_CONSISTENT, "token_endpoint_auth_method")
    if method in (PRIVATE_KEY, SELF_SIGNED) and "jwks" not in document:
        raise InvalidClientMetadata(Fault.MISSING, "jwks")
    named = [name for name in CERTIFICATE_NAMES if name in document]
    if method == TLS_CLIENT and len(named) != 1:
        raise InvalidClientMetadata(Fault.NOT_CONSISTENT if named else Fault.MISSING, CERTIFICATE_NAMES[0])


def _read(document: Mapping[str, object]) -> ClientMetadata:
    algorithm, method = document.get("token_endpoint_auth_signing_alg"), str(document["token_endpoint_auth_method"])
    keys = usable_keys(document.get("jwks", {"keys": []}))
    certificates = _certificates(document.get("jwks")) if method == SELF_SIGNED else frozenset()
    if method == PRIVATE_KEY and not [key for key in keys if algorithm is None or key.algorithm == algorithm]:
        raise InvalidClientMetadata(Fault.NO_USABLE_KEY, "jwks")
    if method == SELF_SIGNED and not certificates:
        raise InvalidClientMetadata(Fault.NO_USABLE_KEY, "jwks")
    scope = document.get("scope")
    named = [(name, str(document[name])) for name in CERTIFICATE_NAMES if name in document]
    return ClientMetadata(
        client_id=str(document["client_id"]),
        keys=keys,
        redirect_uris=_list(document["redirect_uris"]),
        post_logout_redirect_uris=_list(document.get("post_logout_redirect_uris", ())),
        token_endpoint_auth_method=method,
        token_endpoint_auth_signing_alg=None if algorithm is None else str(algorithm),
        grant_types=frozenset(_list(document["grant_types"])),
        response_types=frozenset(_list(document["response_types"])),
        scopes=scope_tokens(scope) if isinstance(scope, str) else None,
        dpop_bound_access_tokens=document["dpop_bound_access_tokens"] is True,
        tls_client_certificate_bound_access_tokens=document["tls_client_certificate_bound_access_tokens"] is True,
        certificates=certificates,
        certificate_name=named[0] if method == TLS_CLIENT else None,
        require_pushed_authorization_requests=document["require_pushed_authorization_requests"] is True,
        authorization_details_types=_list(document["authorization_details_types"]),
        document=_text_of(document),
    )


def _certificates(jwks: object) -> frozenset[str]:
    """The thumbprint of the certificate that each key carries, if it does: the first of its `x5c` (RFC 7517 4.7)."""
    entries = jwks.get("keys", []) if isinstance(jwks, Mapping) else []
    chains = [entry.get("x5c") for entry in entries]
    if not all(chain is None or (isinstance(chain, list) and chain and isinstance(chain[0], str)) for chain in chains):
        raise InvalidClientMetadata(Fault.WRONG_TYPE, "jwks")
    try:
        return frozenset(certificate_thumbprint(b64decode(chain[0], validate=True)) for chain in chains if chain)
    except ValueError:
        raise InvalidClientMetadata(Fault.MALFORMED, "jwks") from None


def _text_of(document: Mapping[str, object]) -> str:
    """The document as PostgreSQL's jsonb will take it: no NUL and no lone surrogate, which nested members could still hold."""
    try:
        text = json.dumps(document, ensure_ascii=False, sort_keys=True)
        text.encode()
    except (UnicodeEncodeError, RecursionError, TypeError, ValueError):
        raise InvalidClientMetadata(Fault.MALFORMED, "jwks") from None
    if "\\u0000" in text or len(text) > DOCUMENT_MAX or _is_too_deep(document):
        raise InvalidClientMetadata(Fault.MALFORMED, "jwks")
    return text


def _is_too_deep(document: Mapping[str, object]) -> bool:
    level: list[object] = [document]
    for _ in range(DEPTH_MAX):
        level = [
            inner
            for one in level
            if isinstance(one, Mapping | list)
            for inner in (one.values() if isinstance(one, Mapping) else one)
        ]
    return bool(level)


def _list(value: object) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, Sequence) else ()


# One checker a member: takes name and value, returns what is stored, raises InvalidClientMetadata.


def _client_id(name: str, value: object) -> object:
    if not is_client_id(value):
        raise InvalidClientMetadata(Fault.MALFORMED, name)
    return value


def _text(name: str, value: object) -> object:
    if not isinstance(value, str):
        raise InvalidClientMetadata(Fault.WRONG_TYPE, name)
    if len(value) > 1000 or not value.isprintable():
        raise InvalidClientMetadata(Fault.MALFORMED, name)
    return value


def _flag(name: str, value: object) -> object:
    if not isinstance(value, bool):
        raise InvalidClientMetadata(Fault.WRONG_TYPE, name)
    return value


def _scope(name: str, value: object) -> object:
    if not isinstance(value, str):
        raise InvalidClientMetadata(Fault.WRONG_TYPE, name)
    if len(value) > 8192 or scope_tokens(value) is None:
        raise InvalidClientMetadata(Fault.MALFORMED, name)
    return value


def _texts(name: str, value: object) -> object:
    if not isinstance(value, list):
        raise InvalidClientMetadata(Fault.WRONG_TYPE, name)
    if len(value) > URIS_MAX:
        raise InvalidClientMetadata(Fault.TOO_MANY, name)
    return [_text(name, item) for item in value]


def _one_of(allowed: tuple[str, ...]) -> Callable[[str, object], object]:
    def check(name: str, value: object) -> object:
        if value not in allowed:
            raise InvalidClientMetadata(Fault.NOT_SUPPORTED if isinstance(value, str) else Fault.WRONG_TYPE, name)
        return value

    return check


def _algorithm(name: str, value: object) -> object:
    return _one_of(ALGORITHMS)(name, present_name(value))


def _some_of(allowed: tuple[str, ...]) -> Callable[[str, object], object]:
    def check(name: str, value: object) -> object:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise InvalidClientMetadata(Fault.WRONG_TYPE, name)
        if not set(value) <= set(allowed):
            raise InvalidClientMetadata(Fault.NOT_SUPPORTED, name)
        return sorted(set(value))

    return check


def _uri(name: str, value: object) -> object:
    """An absolute https address, or a plain one on loopback; compared later as text, so nothing here rewrites it."""
    if not isinstance(value, str):
        raise InvalidClientMetadata(Fault.WRONG_TYPE, name)
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port  # the port is read because reading it is what checks it
    except ValueError:
        raise InvalidClientMetadata(Fault.MALFORMED, name) from None
    if len(value) > 2048 or not re.fullmatch(r"[\x21-\x7e]+", value) or "\\" in value or "*" in value:
        raise InvalidClientMetadata(Fault.MALFORMED, name)
    if not host or "#" in value or parts.username is not None or parts.password is not None:
        raise InvalidClientMetadata(Fault.MALFORMED, name)
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        raise InvalidClientMetadata(Fault.NOT_SUPPORTED, name)
    return value


def _uris(name: str, value: object) -> object:
    if not isinstance(value, list):
        raise InvalidClientMetadata(Fault.WRONG_TYPE, name)
    if len(value) > URIS_MAX:
        raise InvalidClientMetadata(Fault.TOO_MANY, name)
    return [_uri(name, item) for item in value]


def _jwks(_name: str, value: object) -> object:
    usable_keys(value)
    return value


_TRANSLATABLE = frozenset({"client_name", "client_uri", "logo_uri", "tos_uri", "policy_uri"})

_MEMBERS: Mapping[str, Callable[[str, object], object]] = {
    "client_id": _client_id,
    "jwks": _jwks,
    "redirect_uris": _uris,
    "post_logout_redirect_uris": _uris,
    "token_endpoint_auth_method": _one_of(AUTH_METHODS),
    "token_endpoint_auth_signing_alg": _algorithm,
    "grant_types": _some_of(GRANT_TYPES),
    "response_types": _some_of(RESPONSE_TYPES),
    "scope": _scope,
    "dpop_bound_access_tokens": _flag,
    "tls_client_certificate_bound_access_tokens": _flag,
    **dict.fromkeys(CERTIFICATE_NAMES, _text),
    "require_pushed_authorization_requests": _flag,
    "authorization_details_types": _texts,
    "client_name": _text,
    "client_uri": _uri,
    "logo_uri": _uri,
    "tos_uri": _uri,
    "policy_uri": _uri,
    "contacts": _texts,
    "software_id": _text,
    "software_version": _text,
}
