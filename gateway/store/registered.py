"""Registered operations: documents that a partner may name by their SHA-256, and may be held to.

Every change raises the partner's view version, so it counts for the next query in every worker.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from gateway.store.partners import PartnerError
from gateway.store.pool import AnyConnection
from gateway.store.questions import question

HOLD_PARTNER: Final = question("registered", "hold_partner")
OTHERS: Final = question("registered", "others")
REGISTER: Final = question("registered", "register")
END: Final = question("registered", "end")
OF_PARTNER: Final = question("registered", "of_partner")

# Every worker keeps the documents of the partners that ask it
DOCUMENTS_MAX: Final = 500
CHARACTERS_MAX: Final = 1_000_000
SHA256: Final = re.compile(r"[0-9a-f]{64}")


class OperationError(Exception):
    """code: OPERATION_UNKNOWN, OPERATION_INVALID, OPERATIONS_TOO_MANY. The message never quotes a document."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class RegisteredOperation:
    """document_sha256: in hexadecimal. ended_at: None while it stands."""

    document_sha256: str
    document: str
    label: str
    registered_at: datetime
    ended_at: datetime | None


async def register(conn: AnyConnection, *, partner_id: UUID, document: str, label: str) -> str:
    """Register a document, to the letter, and return its SHA-256 in hexadecimal. Registered already, it gets the label.

    Raises OperationError (OPERATION_INVALID, OPERATIONS_TOO_MANY), PartnerError (PARTNER_UNKNOWN).
    """
    if not document.strip() or "\x00" in document:
        raise OperationError("OPERATION_INVALID", "the document is empty, or has characters that no document has")
    if not label.strip():
        raise OperationError("OPERATION_INVALID", "the operation needs a label")
    digest = hashlib.sha256(document.encode()).digest()
    async with conn.transaction():
        if await conn.fetchval(HOLD_PARTNER, partner_id) is None:
            raise PartnerError("PARTNER_UNKNOWN", "no such partner")
        [others] = await conn.fetch(OTHERS, partner_id, digest)
        if others["documents"] >= DOCUMENTS_MAX or others["characters"] + len(document) > CHARACTERS_MAX:
            raise OperationError(
                "OPERATIONS_TOO_MANY", f"a partner has {DOCUMENTS_MAX} documents and {CHARACTERS_MAX} characters at most"
            )
        await conn.execute(REGISTER, partner_id, digest, document, label)
    return digest.hex()


async def end(conn: AnyConnection, *, partner_id: UUID, document_sha256: str) -> None:
    """End a registration, from the next query on. Raises OperationError (OPERATION_UNKNOWN)."""
    known = SHA256.fullmatch(document_sha256)
    if known is None or await conn.fetchval(END, partner_id, bytes.fromhex(document_sha256)) is None:
        raise OperationError("OPERATION_UNKNOWN", "no document of this SHA-256 is registered for this partner")


async def of_partner(conn: AnyConnection, partner_id: UUID) -> tuple[RegisteredOperation, ...]:
    """Every registration of a partner's, those that have ended last."""
    return tuple(RegisteredOperation(**row) for row in await conn.fetch(OF_PARTNER, partner_id))
