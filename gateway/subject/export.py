"""All records that match, as a table or as JSON, written while they are read: memory does not grow with how many there are."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

from gateway.catalogue.definition import Catalogue
from gateway.store import subject_pages
from gateway.store.pool import Pool
from gateway.store.subject_pages import Wanted
from gateway.subject.disclosures import ZONE, Shown, shown
from gateway.subject.wording import Wording

BATCH: Final = 200  # records read at a time, each with a connection of its own: a slow reader holds none
BOM: Final = "\ufeff"  # spreadsheets take a file without it for another encoding
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def cell(text: str) -> str:
    """What a spreadsheet shows and does not compute (OWASP, CSV injection).

    >>> cell('=HYPERLINK("https://example.com")')
    '\\'=HYPERLINK("https://example.com")'
    >>> cell("城市")
    '城市'
    """
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


async def records(pool: Pool, catalogue: Catalogue, subject_id: UUID, wanted: Wanted) -> AsyncIterator[Shown]:
    """Newest first. What goes out meanwhile is newer than the first and does not come."""
    after = None
    while True:
        async with pool.acquire() as conn:
            batch = await subject_pages.disclosures(conn, subject_id, wanted, after=after, page_size=BATCH)
        for record in batch:
            yield shown(record, catalogue)
        if len(batch) < BATCH:
            return
        after = batch[-1].position


async def as_csv(found: AsyncIterator[Shown], wording: Wording) -> AsyncIterator[bytes]:
    """RFC 4180 in UTF-8 with a byte order mark: a line for each field of each record, in the reader's language."""
    t = wording.t
    head = ["when", "partner", "purpose", "export_field", "export_category", "export_outcome", "export_how", "export_record"]
    yield (BOM + line([t(f"me.{name}") for name in head])).encode()
    async for one in found:
        lines = []
        start = [one.position.disclosed_at.astimezone(ZONE).isoformat(sep=" ", timespec="seconds")]
        start += [one.legal_name, wording.words.purpose(one.purpose)]
        record = str(one.position.disclosure_id)
        outcome = t("me.of_others") if one.of_others else t("me.export_seen")
        for seen in one.seen:
            what = [wording.field(seen.path, seen.category), wording.words.category(seen.category)]
            lines.append([*start, *what, outcome, wording.words.redaction(seen.redaction), record])
        for kept in one.kept:
            what = [wording.field(kept.path, kept.category), wording.words.category(kept.category)]
            lines.append([*start, *what, t("me.export_kept"), wording.reason(kept.reason), record])
        if not lines:
            lines.append([*start, "", "", outcome if one.of_others else t("me.saw_nothing"), "", record])
        yield "".join(map(line, lines)).encode()


async def as_json(found: AsyncIterator[Shown]) -> AsyncIterator[bytes]:
    """One object with a member `disclosures`; every name in it is of a closed list or of the catalogue, in no language."""
    yield b'{"disclosures":['
    separator = b"\n"
    async for one in found:
        entry = {
            "disclosure_id": str(one.position.disclosure_id),
            "disclosed_at": one.position.disclosed_at.isoformat(),
            "partner": {"name": one.name, "legal_name": one.legal_name},
            "purpose": one.purpose.value,
            "in_content_of_others": one.of_others,
            "seen": [{"field": seen.path, "category": seen.category, "redaction": seen.redaction} for seen in one.seen],
            "kept_back": [
                {"field": kept.path, "category": kept.category, "reason": kept.reason.wire if kept.reason else "SCOPE_RULE"}
                for kept in one.kept
            ],
        }
        yield separator + json.dumps(entry, ensure_ascii=False).encode()
        separator = b",\n"
    yield b"\n]}\n"


def line(cells: list[str]) -> str:
    """Of a table, each of its cells defused."""
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerow([cell(text) for text in cells])
    return written.getvalue()
