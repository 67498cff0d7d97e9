"""Records to take away: as a table that no spreadsheet computes, or as JSON, written while they are read."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Final

from starlette.responses import Response, StreamingResponse

from gateway.stewardship.records import ActEntry, DisclosureEntry
from gateway.subject.export import BOM, line

FORMS: Final = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
DISCLOSURE_HEAD: Final = (
    "disclosure_id", "disclosed_at", "partner", "client_id", "purpose", "scopes", "subject_count", "is_contract_run", "root",
    "field", "category", "redaction", "shown", "kept_back", "in_content_of_others",
)  # fmt: skip
ACT_HEAD: Final = ("act_id", "acted_at", "actor", "door", "act", "target", "reason", "refused", "before", "after")


def attachment(name: str, form: str, written: AsyncIterator[bytes]) -> Response:
    """form: of FORMS."""
    headers = {
        "Content-Disposition": f'attachment; filename="{name}.{form}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(written, headers=headers, media_type=FORMS[form])


async def disclosures_csv(entries: AsyncIterator[DisclosureEntry]) -> AsyncIterator[bytes]:
    """RFC 4180 in UTF-8 with a byte order mark: a line for each field of each disclosure, in no language."""
    yield (BOM + line(list(DISCLOSURE_HEAD))).encode()
    async for one in entries:
        start = [
            str(one.disclosure_id), one.disclosed_at.isoformat(), one.partner, one.client_id, one.purpose.value,
            " ".join(one.scopes), str(one.subject_count), str(one.is_contract_run).lower(),
        ]  # fmt: skip
        others = str(one.in_content_of_others)
        lines = [
            [
                *start, field.root, field.path, field.category, field.redaction, str(field.shown),
                " ".join(f"{reason}:{count}" for reason, count in field.kept.items()), others,
            ]
            for field in one.fields
        ]  # fmt: skip
        yield "".join(map(line, lines or [[*start, "", "", "", "", "", "", others]])).encode()


async def disclosures_json(entries: AsyncIterator[DisclosureEntry]) -> AsyncIterator[bytes]:
    """One object with a member `disclosures`."""
    yield b'{"disclosures":['
    separator = b"\n"
    async for one in entries:
        entry = {
            "disclosure_id": str(one.disclosure_id),
            "disclosed_at": one.disclosed_at.isoformat(),
            "partner": one.partner,
            "client_id": one.client_id,
            "purpose": one.purpose.value,
            "scopes": list(one.scopes),
            "subject_count": one.subject_count,
            "is_contract_run": one.is_contract_run,
            "fields": [
                {
                    "root": field.root,
                    "path": field.path,
                    "category": field.category,
                    "redaction": field.redaction,
                    "shown": field.shown,
                    "kept_back": dict(field.kept),
                }
                for field in one.fields
            ],
            "in_content_of_others": one.in_content_of_others,
        }
        yield separator + json.dumps(entry, ensure_ascii=False).encode()
        separator = b",\n"
    yield b"\n]}\n"


async def acts_csv(entries: AsyncIterator[ActEntry]) -> AsyncIterator[bytes]:
    """RFC 4180 in UTF-8 with a byte order mark: a line for each act, what was there before and after it as JSON."""
    yield (BOM + line(list(ACT_HEAD))).encode()
    async for one in entries:
        told = [
            str(one.act_id),
            one.acted_at.isoformat(),
            one.actor,
            one.door,
            one.act,
            one.target,
            one.reason,
            one.refused or "",
        ]
        sides = ["" if side is None else json.dumps(side, ensure_ascii=False) for side in (one.before, one.after)]
        yield line([*told, *sides]).encode()


async def acts_json(entries: AsyncIterator[ActEntry]) -> AsyncIterator[bytes]:
    """One object with a member `acts`."""
    yield b'{"acts":['
    separator = b"\n"
    async for one in entries:
        entry = {name: getattr(one, name) for name in ACT_HEAD}
        told = {**entry, "act_id": str(one.act_id), "acted_at": one.acted_at.isoformat()}
        yield separator + json.dumps(told, ensure_ascii=False).encode()
        separator = b",\n"
    yield b"\n]}\n"
