"""Keyed pseudonyms: stable for one partner and purpose, of no use outside them (policy 2.8). Keys arrive as arguments.

A pseudonym is still personal data (PIPL 73(3)); nothing here makes data anonymous.
"""

import hmac
from hashlib import sha256
from uuid import UUID

LENGTH = 16  # bytes of an HMAC-SHA-256 that are kept, RFC 2104 section 5: at least half of it


def pseudonym(key: bytes, partner_id: UUID, purpose: str, subject_id: UUID) -> UUID:
    """The id a partner knows a data subject by under one purpose.

    First 16 bytes of HMAC-SHA-256(key, partner_id || purpose in UTF-8 || 0x00 || subject_id). Its UUID version bits are random:
    nothing may be read from them.
    """
    message = partner_id.bytes + purpose.encode() + b"\0" + subject_id.bytes
    return UUID(bytes=hmac.digest(key, message, sha256)[:LENGTH])


def field_key(key: bytes, partner_id: UUID, purpose: str) -> bytes:
    """The 32-byte key of the pseudonymise rung for one partner and purpose: HMAC-SHA-256(key, partner_id || purpose in UTF-8)."""
    return hmac.digest(key, partner_id.bytes + purpose.encode(), sha256)


def value_pseudonym(key: bytes, kind: str, value: str) -> str:
    """What stands for a value: 32 hex digits, the same for the same value of the same kind under the same key.

    First 16 bytes of HMAC-SHA-256(key, kind || 0x00 || value), both in UTF-8. Raises UnicodeEncodeError, whose text quotes the
    value, for lone surrogates: callers rule them out first.
    """
    return hmac.digest(key, kind.encode() + b"\0" + value.encode(), sha256)[:LENGTH].hex()
