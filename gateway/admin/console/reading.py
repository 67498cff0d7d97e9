"""Forms into the content of changes, and back: instants as people write them, redactions by their labels, lines of text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from gateway.admin.console.difference import label_of
from gateway.subject.page import ZONE
from scopes import CATEGORIES, Purpose

DUTIES: Final = ("confidentiality", "security", "deletion", "audit", "no_onward")
_MASK: Final = re.compile(r"mask\((\d{1,3}),(\d{1,3})\)")
_STEP: Final = re.compile(r"generalise\((\w{1,20})\)")


def redaction_of(label: str) -> dict[str, Any]:
    """The wire form of what somebody typed; what is no redaction stays one that the review refuses.

    >>> redaction_of("mask(3, 4)"), redaction_of("generalise(year)"), redaction_of("reveal")
    ({'rung': 'mask', 'head': 3, 'tail': 4}, {'rung': 'generalise', 'step': 'year'}, {'rung': 'reveal'})
    """
    text = "".join(label.split()).lower()
    if mask := _MASK.fullmatch(text):
        return {"rung": "mask", "head": int(mask[1]), "tail": int(mask[2])}
    if step := _STEP.fullmatch(text):
        return {"rung": "generalise", "step": step[1]}
    return {"rung": text}


def local(instant: str | datetime | None) -> str:
    """An instant as a form shows it, in Beijing time."""
    if instant is None or instant == "":
        return ""
    at = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    return at.astimezone(ZONE).strftime("%Y-%m-%dT%H:%M")


def instant_of(typed: str, kept: str = "") -> str | None:
    """What a form says, as an instant; `kept`, to the microsecond, where the form still says the same. None for nothing.

    What cannot be read goes on as it is, for the review to refuse.
    """
    if not typed:
        return None
    try:
        if kept and local(kept) == typed:
            return datetime.fromisoformat(kept).astimezone(UTC).isoformat()
        return datetime.fromisoformat(typed).replace(tzinfo=ZONE).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        return typed


def number_of(typed: str) -> int | str | None:
    """None for nothing; what is no number stays a text, for the review to refuse."""
    return None if not typed else int(typed) if typed.isdecimal() and len(typed) < 9 else typed


def partner_of(form: Mapping[str, str]) -> dict[str, Any]:
    """Content of kind `partner`."""
    return {
        "name": form.get("name", ""),
        "legal_name": form.get("legal_name", ""),
        "contact": form.get("contact", ""),
        "role": form.get("role", ""),
        "kind": form.get("kind", ""),
        "processing_location": form.get("processing_location", "").upper(),
        "cross_border_mechanism": form.get("cross_border_mechanism") or None,
        "agreement_sha256": form.get("agreement_sha256", "").lower() or None,
        "agreement_starts_at": instant_of(form.get("agreement_starts_at", ""), form.get("kept_starts_at", "")),
        "agreement_ends_at": instant_of(form.get("agreement_ends_at", ""), form.get("kept_ends_at", "")),
        "duties": [duty for duty in DUTIES if f"duty_{duty}" in form],
        "notice_contacts": [line.strip() for line in form.get("notice_contacts", "").splitlines() if line.strip()],
        "retention_days": number_of(form.get("retention_days", "")),
        "registered_only": "registered_only" in form,
        "status": form.get("status", "active"),
    }


def partner_form(content: Mapping[str, Any]) -> dict[str, str]:
    """What the form shows of content of kind `partner`."""
    shown = {name: "" if content.get(name) is None else str(content[name]) for name in content}
    shown |= {f"duty_{duty}": "on" for duty in content["duties"]}
    shown["notice_contacts"] = "\n".join(content["notice_contacts"])
    for name in ("starts_at", "ends_at"):
        shown[f"agreement_{name}"] = local(content[f"agreement_{name}"])
        shown[f"kept_{name}"] = str(content[f"agreement_{name}"])
    if not content["registered_only"]:
        del shown["registered_only"]
    return shown


def client_of(form: Mapping[str, str]) -> dict[str, Any]:
    """Content of kind `client`: RFC 7591 metadata as they were pasted; what is no JSON object is refused by the review."""
    try:
        metadata = json.loads(form.get("metadata", ""))
    except (ValueError, RecursionError):
        metadata = None
    return {"partner": form.get("partner", ""), "metadata": metadata, "status": form.get("status", "active")}


def grant_of(form: Mapping[str, str]) -> dict[str, Any]:
    """Content of kind `grant`."""
    return {
        "partner": form.get("partner", ""),
        "scope": form.get("scope", ""),
        "starts_at": instant_of(form.get("starts_at", "")),
        "ends_at": instant_of(form.get("ends_at", "")),
        "retention_days": number_of(form.get("retention_days", "")),
    }


def scope_of(form: Mapping[str, str]) -> dict[str, Any]:
    """Content of kind `scope`: a row without a path is one that was taken out."""
    return {
        "scope": form.get("scope", ""),
        "purpose": form.get("purpose", ""),
        "fields": [
            {
                "path": path,
                "redaction": redaction_of(form.get(f"redaction_{row}", "")),
                "justification": form.get(f"justification_{row}", ""),
                "justification_en": form.get(f"justification_en_{row}", ""),
            }
            for row, path in _rows(form)
        ],
        "active_from": instant_of(form.get("active_from", "")),
    }


def _rows(form: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    for row in range(rows_in(form)):
        if path := form.get(f"path_{row}", "").strip():
            yield row, path


def rows_in(form: Mapping[str, str]) -> int:
    """How many rows a form has."""
    count = form.get("rows", "0")
    return min(int(count), 500) if count.isdecimal() and len(count) < 4 else 0


def scope_form(content: Mapping[str, Any]) -> dict[str, str]:
    """What the form shows of content of kind `scope`."""
    shown = {"scope": content["scope"], "purpose": content["purpose"], "rows": str(len(content["fields"]))}
    for row, field in enumerate(content["fields"]):
        shown[f"path_{row}"] = field["path"]
        shown[f"redaction_{row}"] = label_of(field["redaction"]) or ""
        shown[f"justification_{row}"] = field["justification"]
        shown[f"justification_en_{row}"] = field.get("justification_en", "")
    return shown


def rules_of(form: Mapping[str, str]) -> dict[str, Any]:
    """Content of kind `rules`: a box for each purpose and category, and a line `category kind redaction` for each floor."""
    floors: dict[str, dict[str, Any]] = {}
    for line in form.get("floors", "").splitlines():
        category, _, rest = line.strip().partition(" ")
        kind, _, label = rest.strip().partition(" ")
        if category:
            floors.setdefault(category, {})[kind] = redaction_of(label)
    categories = sorted(CATEGORIES)
    needs = {one.value: [name for name in categories if f"need_{one}_{name}" in form] for one in Purpose}
    return {"needs": {purpose: named for purpose, named in needs.items() if named}, "floors": floors}


def rules_form(content: Mapping[str, Any]) -> dict[str, str]:
    """What the form shows of content of kind `rules`."""
    shown = {f"need_{purpose}_{category}": "on" for purpose, named in content["needs"].items() for category in named}
    floors = [
        f"{category} {kind} {label_of(rule)}" for category, kinds in content["floors"].items() for kind, rule in kinds.items()
    ]
    return {**shown, "floors": "\n".join(floors)}
