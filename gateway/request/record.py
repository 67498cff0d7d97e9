"""The disclosure record, written by the same statement that reads: an answer without a record cannot exist (policy 6).

One header for each disclosure and one row for each data subject whose data went out, also for others in shared content.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from uuid import UUID

from gateway.request.consent import IS_READABLE, SETTLED
from gateway.request.fetch import Reading
from gateway.request.run import RunArguments
from gateway.store.pool import AnyConnection
from gateway.store.questions import question
from scopes import Plan

ADD_PROJECTION = question("disclosures", "add_projection")
ADD_REFUSAL = question("disclosures", "add_refusal")


@dataclass(frozen=True, slots=True)
class Projection:
    """What an operation selects, once for all its disclosures; its id is the SHA-256 of the rest."""

    projection_id: bytes
    document_sha256: bytes
    purpose: str
    scope_versions: tuple[str, ...]
    roots: tuple[str, ...]
    fields: str


def projection(
    document: str, plan: Plan, roots: Sequence[str], asked: Sequence[Reading], ordinals: Mapping[str, int]
) -> Projection:
    """The projection of one planned operation. roots: the data root fields' names in answer order."""
    fields = [
        {
            "path": path,
            "category": field.category,
            "ordinal": ordinals[field.category],
            "redaction": field.redaction.label(),
            "root": n,
        }
        for n, reading in enumerate(asked)
        for path in reading.asked
        for field in [plan.fields[path]]
    ]
    versions = tuple(sorted({version for field in plan.fields.values() for version in field.scopes}))
    document_sha256 = hashlib.sha256(document.encode()).digest()
    listed = json.dumps(fields, sort_keys=True)
    content = json.dumps([document_sha256.hex(), plan.purpose.value, versions, list(roots), listed])
    return Projection(
        hashlib.sha256(content.encode()).digest(), document_sha256, plan.purpose.value, versions, tuple(roots), listed
    )


async def add_projection(connection: AnyConnection, added: Projection) -> None:
    """Commit the projection before the first disclosure that refers to it."""
    await connection.execute(
        ADD_PROJECTION,
        added.projection_id,
        added.document_sha256,
        added.purpose,
        list(added.scope_versions),
        list(added.roots),
        added.fields,
    )


async def add_refusal(
    connection: AnyConnection,
    *,
    refusal_id: UUID,
    partner_id: UUID | None,
    client_id: str,
    token_id: UUID,
    code: str,
    document_sha256: bytes,
) -> None:
    """Record that an authenticated client's operation was refused as a whole (`serve.is_denial`)."""
    await connection.execute(ADD_REFUSAL, refusal_id, partner_id, client_id, token_id, code, document_sha256)


def recording(
    arguments: RunArguments, readings: Sequence[Reading], ordinals: Mapping[str, int], plan: Plan, projected: Projection
) -> list[str]:
    """The CTEs `seen`, `counted`, `header` and the subjects' rows.

    `seen` has one row for each distinct visible subject: subject_id, covered, reasons, roots (bit n: under data root n).
    """
    asked = 0
    for reading in readings:
        for path in reading.asked:
            asked |= 1 << ordinals[plan.fields[path].category]
    disclosure = arguments.add("disclosure_id", "uuid", attrgetter("disclosure_id"))
    identity = arguments.constant(projected.projection_id, "bytea")
    purpose = arguments.constant(plan.purpose.value, "text")
    ctes = [_seen(len(readings)), "counted as (select count(*) as subjects from seen)"]
    ctes.append(f"""header as (
  insert into gateway.disclosure (disclosure_id, disclosed_at, partner_id, client_id, token_id, purpose, projection_id,
                                  subject_count, contract_run)
  select {disclosure}, statement_timestamp(), partner_id, client_id, token_id, {purpose}, {identity},
         (select subjects from counted), contract_run
    from caller where verdict = 'OK')""")
    told = f"case when (s.covered & {asked}) <> {asked} then s.reasons end"
    ctes.append(f"""recorded as (
  insert into gateway.disclosure_subject (disclosed_at, disclosure_id, subject_id, roots, covered, reasons)
  select statement_timestamp(), {disclosure}, s.subject_id, s.roots, s.covered, {told} from seen s)""")
    if any(reading.has_others for reading in readings):
        ctes.append(_others(arguments, readings, disclosure, purpose))
    return ctes


def _seen(count: int) -> str:
    if count == 1:
        return "seen as not materialized (select subject_id, covered, reasons, 1::smallint as roots from node_0)"
    rows = " union all ".join(f"select subject_id, covered, reasons, {1 << n} as root from node_{n}" for n in range(count))
    return f"""seen as materialized (
  select subject_id, covered, reasons, bit_or(root)::smallint as roots
    from ({rows}) u group by subject_id, covered, reasons)"""


def _others(arguments: RunArguments, readings: Sequence[Reading], disclosure: str, purpose: str) -> str:
    """Other persons in content that went out; their cover as the same snapshot has it."""
    partner = arguments.add("partner_id", "uuid", attrgetter("partner_id"))
    listed = " union all ".join(
        f"select others from node_{n} where others <> ''" for n, reading in enumerate(readings) if reading.has_others
    )
    return f"""recorded_others as (
  insert into gateway.disclosure_subject (disclosed_at, disclosure_id, subject_id, roots, covered)
  select statement_timestamp(), {disclosure}, s.subject_id, 0, {SETTLED}
    from (select distinct id::uuid as id
            from ({listed}) l, unnest(string_to_array(rtrim(l.others, ','), ',')) id where id <> '') o
    join gateway.consent_state s on s.partner_id = {partner} and s.purpose = {purpose} and s.subject_id = o.id
   where {IS_READABLE})"""
