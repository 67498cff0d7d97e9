"""An invented world's rows, written into a database that has none, and the state folded from them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

from gateway.store.consents import PseudonymKeys, fold_everybody, load
from gateway.store.pool import Connection
from scopes import Purpose
from tests.support.platform import ACCOUNT, SHARED, TABLES
from tests.support.population import Population

# Children before their parents; projections stay, the gate remembers those that it has written
EMPTIED: Final = (
    *(
        f"gateway.{table}"
        for table in (
            "disclosure_subject",
            "disclosure",
            "refusal",
            "consent_state",
            "setting_event",
            "consent_event",
            "policy_acceptance",
            "policy_version",
            "subject",
            "access_token",
            "halt",
            "partner_grant",
            "scope_field",
            "scope_version",
            "client",
            "partner",
        )
    ),
    *(f"platform.{table}" for table in ("account", "mention", *TABLES)),
)
PARTNER: Final = (
    "partner_id",
    "name",
    "legal_name",
    "contact",
    "role",
    "kind",
    "processing_location",
    "cross_border_mechanism",
    "agreement_starts_at",
    "agreement_ends_at",
    "status",
    "view_version",
)
CONSENT: Final = (
    "consent_id",
    "subject_id",
    "partner_id",
    "purpose",
    "kind",
    "categories",
    "cross_border",
    "policy_version",
    "ends_at",
)
LIFETIME: Final = timedelta(hours=2)


async def write(conn: Connection, keys: PseudonymKeys, world: Population) -> None:
    """Replace whatever the database holds with this world, folded for every partner and purpose that matters."""
    async with conn.transaction():
        await conn.execute("".join(f"delete from {table};" for table in EMPTIED))
        await _write_register(conn, world)
        await load(conn, _ledgers(world))
        await _write_platform(conn, world)
    for partner in world.partners:
        for purpose in sorted(_purposes(world)):
            await fold_everybody(conn, keys, partner_id=partner.partner_id, purpose=purpose)


def _purposes(world: Population) -> set[Purpose]:
    said = {event.purpose for person in world.people for event in person.evidence.consents}
    return said | {scope.purpose for scope in world.scopes}


async def _write_register(conn: Connection, world: Population) -> None:
    version = int(world.now.timestamp() * 1_000_000)  # a world drawn again has the same partners: its views are later ones
    await _copy(
        conn,
        "gateway.partner",
        PARTNER,
        (
            (p.partner_id, p.name, "x", "x", p.role, "vendor", p.processing_location, p.cross_border_mechanism,
             p.agreement_starts_at, p.agreement_ends_at, p.status, version)
            for p in world.partners
        ),
    )  # fmt: skip
    clients = {(token.client_id, token.partner.partner_id, "{}") for token in world.tokens}
    await _copy(conn, "gateway.client", ["client_id", "partner_id", "metadata"], clients)
    await _copy(
        conn,
        "gateway.scope_version",
        ["scope", "version", "purpose", "active_from", "retired_at"],
        ((s.scope, s.version, s.purpose, s.active_from, s.retired_at) for s in world.scopes),
    )
    await _copy(
        conn,
        "gateway.scope_field",
        ["scope", "version", "path", "redaction", "justification"],
        (
            (s.scope, s.version, path, json.dumps(field.redaction.to_wire()), field.justification)
            for s in world.scopes
            for path, field in s.fields.items()
        ),
    )
    await _copy(
        conn,
        "gateway.partner_grant",
        ["grant_id", "partner_id", "scope", "starts_at", "ends_at", "retention", "revoked_at"],
        ((g.grant_id, partner_id, g.scope, g.starts_at, g.ends_at, g.retention, g.revoked_at) for partner_id, g in world.grants),
    )
    await _copy(
        conn,
        "gateway.access_token",
        ["token_id", "client_id", "subject_id", "scopes", "contract_run", "expires_at"],
        ((t.token_id, t.client_id, t.subject_id, sorted(t.held), t.contract_run, world.now + LIFETIME) for t in world.tokens),
    )
    await _copy(
        conn,
        "gateway.policy_version",
        ["policy_version", "effective_at", "text_sha256"],
        ((policy.policy_version, policy.effective_at, b"") for policy in world.policies),
    )


def _ledgers(world: Population) -> dict[str, tuple[Sequence[str], list[tuple[object, ...]]]]:
    """Each data subject's events in their order; who said nothing and is ordinary is not even known to the gateway."""
    version = world.policies[0].policy_version
    numbered = [(person.subject_id, person.evidence) for person in world.people]
    return {
        "subject": (
            ["subject_id", "is_synthetic", "collected_in_mainland"],
            [
                (subject_id, said.is_synthetic, said.collected_in_mainland)
                for subject_id, said in numbered
                if said.consents or said.settings or said.acceptances or said.is_synthetic or not said.collected_in_mainland
            ],
        ),
        "policy_acceptance": (
            ["subject_id", "policy_version", "accepted_at"],
            [
                (subject_id, event.policy_version, event.accepted_at)
                for subject_id, said in numbered
                for event in said.acceptances
            ],
        ),
        "consent_event": (
            CONSENT,
            [
                (subject_id, subject_id, event.partner_id, event.purpose, event.kind, sorted(event.categories),
                 event.cross_border, version, event.ends_at)
                for subject_id, said in numbered
                for event in said.consents
            ],
        ),
        "setting_event": (
            ["subject_id", "switch", "partner_id", "category", "allowed"],
            [
                (subject_id, event.switch, event.partner_id, event.category, event.allowed)
                for subject_id, said in numbered
                for event in said.settings
            ],
        ),
    }  # fmt: skip


async def _write_platform(conn: Connection, world: Population) -> None:
    accounts = [person.account for person in world.people if person.account is not None]
    columns = ["subject_id", *ACCOUNT, "login"]
    await _copy(conn, "platform.account", columns, (tuple(row[column] for column in columns) for row in accounts))
    for table, (key, kinds) in TABLES.items():
        shared = ["depicted_ids", "deleted_at", "is_shared"] if table in SHARED else []
        columns = [key, "subject_id", *kinds, *shared]
        rows = [row for person in world.people for row in person.rows[table]]
        await _copy(conn, f"platform.{table}", columns, (tuple(row[column] for column in columns) for row in rows))
    columns = ["mention_id", "post_id", "author_id", "depicted_id"]
    rows = [row for person in world.people for row in person.rows["mention"]]
    await _copy(conn, "platform.mention", columns, (tuple(row[column] for column in columns) for row in rows))


async def _copy(conn: Connection, table: str, columns: Sequence[str], records: Iterable[tuple[object, ...]]) -> None:
    schema, name = table.split(".")
    await conn.copy_records_to_table(name, schema_name=schema, columns=list(columns), records=list(records))
