"""The configuration as it stands, read from the registers in the form in which it is written down as files."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from gateway.catalogue.definition import Catalogue
from gateway.stewardship import registers
from gateway.stewardship.actor import Actor, acting
from gateway.stewardship.configuration import ClientPart, Configuration, GrantPart, OperationPart, PartnerForm, Standing
from gateway.stewardship.content import FieldContent, PartnerContent, RulesContent, ScopeContent
from gateway.stewardship.registers import ClientEntry, GrantEntry, PartnerEntry, ScopeEntry, VersionState
from gateway.stewardship.roles import Act
from gateway.store import partners, registered
from gateway.store.pool import AnyConnection

# The act's own transaction: a refusal is recorded outside of it
ONE_INSTANT: Final = "set transaction isolation level repeatable read"
NOW: Final = "select statement_timestamp()"
ENDED: Final = "ended"


async def export(conn: AnyConnection, actor: Actor, catalogue: Catalogue) -> Configuration:
    """The whole configuration as it stands at one instant; that it was taken is on record. Raises ActRefused ROLE_MISSING."""
    async with acting(conn, actor, Act.CONFIGURATION_EXPORT):
        await conn.execute(ONE_INSTANT)
        found = await standing(conn, actor, catalogue)
    return found.configuration


async def standing(conn: AnyConnection, actor: Actor, catalogue: Catalogue) -> Standing:
    """Of a scope the version that stands: the active one, or one that will be. Contract runners are not part of it.

    Raises ActRefused ROLE_MISSING.
    """
    now: datetime = await conn.fetchval(NOW)
    rules = (await registers.rules(conn, actor)).rules.to_wire()
    entries = [one for one in await registers.partners(conn, actor) if one.status != ENDED]
    clients = [one for one in await registers.clients(conn, actor) if one.status != ENDED and not one.is_contract_runner]
    grants = [one for one in await registers.grants(conn, actor) if one.revoked_at is None and one.ends_at > now]
    found: dict[str, PartnerForm] = {}
    ids: dict[str, Sequence[str]] = {}
    for entry in entries:
        operations = await registered.of_partner(conn, await partners.find(conn, entry.name))
        own = sorted((one for one in grants if one.partner == entry.name), key=_in_order)
        ids[entry.name] = [str(one.grant_id) for one in own]
        found[entry.name] = _partner(entry, [one for one in clients if one.partner == entry.name], own, operations)
    scopes = {one.scope: _scope(one, now) for one in _standing(await registers.scopes(conn, actor, catalogue))}
    return Standing(Configuration(RulesContent(**rules), scopes, found), ids, now)


def _in_order(grant: GrantEntry) -> tuple[Any, ...]:
    return grant.scope, grant.starts_at, grant.ends_at, grant.grant_id


def _partner(
    entry: PartnerEntry,
    clients: Sequence[ClientEntry],
    grants: Sequence[GrantEntry],
    operations: Sequence[registered.RegisteredOperation],
) -> PartnerForm:
    """As it is on record, even where today's form would not take it any more."""
    told: Mapping[str, Any] = {name: getattr(entry, name) for name in PartnerContent.model_fields}
    return PartnerForm.model_construct(
        **{
            **told,
            "duties": sorted(entry.duties),
            "notice_contacts": list(entry.notice_contacts),
            "clients": [ClientPart.model_construct(metadata=_metadata(one), status=one.status) for one in clients],
            "grants": [
                GrantPart.model_construct(
                    scope=one.scope,
                    starts_at=one.starts_at,
                    ends_at=one.ends_at,
                    retention_days=max(one.retention_days, 1),  # a form knows no part of a day
                )
                for one in grants
            ],
            "operations": [
                OperationPart.model_construct(label=one.label, document=one.document)
                for one in operations
                if one.ended_at is None
            ],
        }
    )


def _metadata(client: ClientEntry) -> dict[str, Any]:
    """Its name first, for whoever reads it."""
    return {"client_id": client.client_id, **dict(sorted(client.metadata.items()))}


def _standing(versions: Sequence[ScopeEntry]) -> Iterator[ScopeEntry]:
    """The newest of each scope that is active or will be: what a change of the scope takes the place of."""
    met: set[str] = set()
    for one in versions:
        if one.state in {VersionState.ACTIVE, VersionState.COMING} and one.scope not in met:
            met.add(one.scope)
            yield one


def _scope(entry: ScopeEntry, now: datetime) -> ScopeContent:
    fields = [
        FieldContent.model_construct(
            path=one.path,
            redaction=dict(one.redaction),
            justification=one.justification,
            justification_en=one.justification_en,
        )
        for one in entry.fields
    ]
    begins = entry.active_from if entry.active_from is not None and entry.active_from > now else None
    return ScopeContent.model_construct(scope=entry.scope, purpose=entry.purpose, fields=fields, active_from=begins)
