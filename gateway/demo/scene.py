"""One data subject seen by several partners: the operation each may send, what came back, the raw row, the records of it."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPConnection, HTTPException
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg

from gateway.catalogue.definition import Catalogue, Leaf, LeafList, RowList
from gateway.demo.partners import DemoPartner
from gateway.store.pool import Connection
from scopes import Kind, Reason

ASK_TIMEOUT_S: Final = 30
GRAPHQL_RESPONSE: Final = "application/graphql-response+json"

# Disclosures by id, one row a subject, in order of time
# in:  disclosure ids uuid[]
# row: disclosure_id uuid, disclosed_at timestamptz, name text, purpose text, scope_versions text[], fields jsonb,
#      subject_id uuid, covered bigint, reasons smallint[]
# disclosure_pkey, disclosure_subject_by_time
_RECORDS: Final = """
select d.disclosure_id, d.disclosed_at, p.name, d.purpose, j.scope_versions, j.fields, s.subject_id, s.covered, s.reasons
  from gateway.disclosure d
  join gateway.partner p using (partner_id)
  join gateway.projection j using (projection_id)
  join gateway.disclosure_subject s on s.disclosure_id = d.disclosure_id and s.disclosed_at = d.disclosed_at
 where d.disclosure_id = any($1) order by d.disclosed_at, s.subject_id"""


class NoAnswer(Exception):
    """The gateway did not answer in GraphQL's form. Carries the status only."""


@dataclass(frozen=True, slots=True, repr=False)
class Seen:
    """What one partner got: values by schema path asked for, of lists the first item; codes of errors; `extensions`."""

    partner: str
    document: str
    status: int
    values: Mapping[str, str | None]
    codes: tuple[str, ...]
    extensions: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Recorded:
    """One subject of one disclosure as the record holds it. fields: schema path and its redaction, or why it was withheld."""

    disclosure_id: UUID
    disclosed_at: datetime
    partner: str
    purpose: str
    scope_versions: tuple[str, ...]
    subject_id: UUID
    fields: tuple[tuple[str, str], ...]


def operation(paths: Sequence[str], catalogue: Catalogue) -> str:
    """The GraphQL operation that reads these schema paths of one subject, one item of each list."""
    leaves: list[str] = []
    lists: dict[str, list[str]] = {}
    for path in paths:
        owner, _, name = path.partition(".")
        if owner != catalogue.subject.name:
            lists.setdefault(_list_of(owner, catalogue), []).append(name)
        elif isinstance(catalogue.subject.members[name].shared, LeafList):
            leaves.append(f"{name}(first: 1)")
        else:
            leaves.append(name)
    lines = [*leaves, *(f"{name}(first: 1) {{ {' '.join(inner)} }}" for name, inner in lists.items())]
    body = "\n    ".join(["id", *lines])
    return f"query One($id: ID!) {{\n  subject(id: $id) {{\n    {body}\n  }}\n}}"


async def ask(url: str, token: str, partner: str, paths: Sequence[str], pseudonym: UUID, catalogue: Catalogue) -> Seen:
    """Put the operation to the gateway over HTTP, as the partner would. Raises NoAnswer."""
    document = operation(paths, catalogue)
    status, body = await asyncio.to_thread(_post, url, token, {"query": document, "variables": {"id": str(pseudonym)}})
    subject = (body.get("data") or {}).get("subject") or {}
    values: dict[str, str | None] = {} if body.get("errors") else dict.fromkeys(paths)
    for name, found in subject.items():
        member = catalogue.subject.members.get(name)
        if member is None:  # the id
            continue
        first, shared = (found[0] if found else None) if isinstance(found, list) else found, member.shared
        if isinstance(shared, RowList):
            values |= {f"{shared.type_name}.{inner}": value for inner, value in (first or {}).items()}
        else:
            values[member.path] = first
    codes = tuple(error.get("extensions", {}).get("code", "?") for error in body.get("errors", ()))
    return Seen(partner, document, status, values, codes, body.get("extensions") or {})


async def raw_values(conn: Connection, subject_id: UUID, paths: Sequence[str], catalogue: Catalogue) -> Mapping[str, str | None]:
    """What the platform's tables hold for these paths, of lists the first item, read past the gateway as the owner may."""
    values: dict[str, str | None] = {}
    for path in paths:
        owner, _, name = path.partition(".")
        shared = catalogue.types[owner].members[name].shared
        if isinstance(shared, LeafList):
            leaf, source, subject, order = shared.leaf, shared.table.source, shared.table.subject, shared.table.order
            shown = shared.table.shown or "true"
        elif isinstance(shared, Leaf):
            leaf, source, subject, order, shown = shared, catalogue.table, catalogue.key, "1", "true"
            if owner != catalogue.subject.name:
                table = _table_of(owner, catalogue)
                source, subject, order, shown = table.source, table.subject, table.order, table.shown or "true"
        else:
            continue
        column = f"host({leaf.column})" if leaf.kind is Kind.IP else f"({leaf.column})::text"
        text = f"select {column} from {source} where {subject} = $1 and {shown} order by {order} limit 1"
        values[path] = await conn.fetchval(text, subject_id)
    return values


async def records(conn: Connection, seen: Sequence[Seen]) -> list[Recorded]:
    """The disclosure records that the answers name."""
    named = [one.extensions.get("disclosure", {}).get("id") for one in seen]
    rows = await conn.fetch(_RECORDS, [UUID(text) for text in named if text])
    return [_recorded(row) for row in rows]


def _recorded(row: asyncpg.Record) -> Recorded:
    covered, reasons = row["covered"], row["reasons"]
    fields = []
    for entry in json.loads(row["fields"]):
        ordinal = entry["ordinal"]
        went_out = covered >> ordinal & 1
        fields.append((entry["path"], entry["redaction"] if went_out else f"withheld: {Reason(reasons[ordinal]).name}"))
    return Recorded(
        disclosure_id=row["disclosure_id"],
        disclosed_at=row["disclosed_at"],
        partner=row["name"],
        purpose=row["purpose"],
        scope_versions=tuple(row["scope_versions"]),
        subject_id=row["subject_id"],
        fields=tuple(fields),
    )


def paths_of(partner: DemoPartner) -> tuple[str, ...]:
    """The schema paths of a partner's scope."""
    return tuple(field.path for field in partner.scope.fields) if partner.scope else ()


def _row_lists(catalogue: Catalogue) -> Mapping[str, tuple[str, RowList]]:
    members = catalogue.subject.members.items()
    return {member.shared.type_name: (name, member.shared) for name, member in members if isinstance(member.shared, RowList)}


def _list_of(type_name: str, catalogue: Catalogue) -> str:
    return _row_lists(catalogue)[type_name][0]


def _table_of(type_name: str, catalogue: Catalogue) -> Any:
    return _row_lists(catalogue)[type_name][1].table


def _post(url: str, token: str, body: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=ASK_TIMEOUT_S)  # plain http: the demo is on loopback
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Accept": GRAPHQL_RESPONSE}
    try:
        connection.request("POST", parts.path, json.dumps(body), headers)
        answer = connection.getresponse()
        found = json.loads(answer.read())
    except (OSError, HTTPException, ValueError) as error:
        raise NoAnswer(type(error).__name__) from None
    finally:
        connection.close()
    if not isinstance(found, dict):
        raise NoAnswer(f"status {answer.status}")
    return answer.status, found
