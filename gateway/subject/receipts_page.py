"""/me/consents/{consent_id}/receipt: a consent's receipt, to read and to take away."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.responses import Response
from starlette.routing import Route

from gateway.subject.desk import Desk, NotFound, Visit, page, path_id
from gateway.subject.receipt import Receipt, make_receipt

PATH: Final = "/me/consents/{consent_id}/receipt"


def routes(desk: Desk) -> list[Route]:
    """The receipt's page, and the document itself."""
    return [
        Route(PATH, page(desk, show), methods=["GET"]),
        Route(f"{PATH}.json", page(desk, take), methods=["GET"]),
    ]


async def show(visit: Visit) -> Response:
    """GET: the receipt in words, with what was shown then."""
    receipt = await _receipt(visit)
    document = receipt.document
    return visit.page(
        "receipt.html",
        receipt=receipt,
        document=document,
        purpose=document["pii_processing"]["purposes"][0],
        parties=document["party_identification"],
        shown=document["notice_content"],
        names=_names(visit, document["pii_processing"]["purposes"][0]["pii_information"]),
    )


async def take(visit: Visit) -> Response:
    """GET: the receipt as JSON, for keeping."""
    receipt = await _receipt(visit)
    return Response(
        json.dumps(receipt.document, ensure_ascii=False, indent=2),
        media_type="application/json",
        headers={
            "Content-Disposition": f'attachment; filename="{receipt.file_name}"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


def _names(visit: Visit, information: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
    """What each field is called in the reader's language."""
    return {path: visit.wording.field(path, one["pii_type"]) for one in information for path in one["pii_attribute_id"]}


async def _receipt(visit: Visit) -> Receipt:
    """Raises NotFound, also where it is somebody else's."""
    consent_id = path_id(visit.request, "consent_id")
    receipt = await make_receipt(visit.conn, visit.desk.settings, visit.session.subject_id, consent_id)
    if receipt is None:
        raise NotFound
    return receipt
