"""Registered operations: which document a request means, and whether this partner is answered it at all.

The view says both, so the gate's statement, which gives nothing under an older view, also makes an end of a registration count
for the next query in every worker.
"""

import hashlib

from gateway.request.codes import Code, GatewayError
from gateway.request.receive import Received
from gateway.store.view import GrantView


def resolve(received: Received, view: GrantView, *, contract_run: bool = False) -> Received:
    """The request with its document's text. Only where a partner is held to its registered operations is a text hashed.

    contract_run: whether it reads synthetic data subjects. Such a run is answered any document, as it has to show what fields
    that the partner does not ask for would give.
    Raises GatewayError: DOCUMENT_ID_UNKNOWN, OPERATION_NOT_REGISTERED.
    """
    is_held = view.registered_only and not contract_run
    if received.document_sha256 is None:
        if is_held and sha256_of(received).hex() not in view.registered:
            raise GatewayError(Code.OPERATION_NOT_REGISTERED)
        return received
    document = view.registered.get(received.document_sha256)
    if document is None:
        raise GatewayError(Code.OPERATION_NOT_REGISTERED if is_held else Code.DOCUMENT_ID_UNKNOWN)
    return received._replace(document=document)


def sha256_of(received: Received) -> bytes:
    """Of the document that a request sends, or names."""
    if received.document_sha256 is not None:
        return bytes.fromhex(received.document_sha256)
    return hashlib.sha256(received.document.encode()).digest()
