"""What a change needs before it may be proposed, what it takes the place of, and what it does once it is approved."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import singledispatch
from typing import Any, Final
from uuid import UUID

from gateway.oauth.registration import InvalidClientMetadata, validate
from gateway.stewardship import rules as rule_book
from gateway.stewardship.actor import ActRefused, Finding, StaffCode
from gateway.stewardship.content import (
    ClientContent,
    Content,
    GrantContent,
    GrantEndContent,
    PartnerContent,
    RulesContent,
    ScopeContent,
    ScopeEndContent,
)
from gateway.store import grants, partners
from gateway.store.consents import PseudonymKeys, fold_all
from gateway.store.pool import AnyConnection
from gateway.store.questions import question
from scopes import BASIS, PURPOSES, Basis, CatalogueField, Purpose, Role, ScopeVersion, Sensitivity, review

ADD_RULES = question("stewardship", "add_rules")
LOCK_RULES = question("stewardship", "lock_rules")
PARTNER_NOW = question("stewardship", "partner_now")
DESCRIBE_PARTNER = question("stewardship", "describe_partner")
CLIENT_NOW = question("stewardship", "client_now")
CHANGE_CLIENT = question("stewardship", "change_client")
GRANT_NOW = question("stewardship", "grant_now")
GRANTS_NOW = question("stewardship", "grants_now")
SCOPE_NOW = question("stewardship", "scope_now")
CAME_OF = question("stewardship", "came_of")
GRANT_CAME_OF = question("stewardship", "grant_came_of")
NOW: Final = "select clock_timestamp()"


@dataclass(frozen=True, slots=True)
class Ground:
    """What every change stands on: the catalogue's fields by path, and the keys of the pseudonyms."""

    catalogue: Mapping[str, CatalogueField]
    keys: PseudonymKeys


@singledispatch
async def base_of(wanted: Content, conn: AnyConnection) -> dict[str, Any] | None:
    """What the change would take the place of, as JSON in the change's own form; None: there is nothing yet.

    Raises ActRefused where what would have to be there is not.
    """
    raise NotImplementedError


@singledispatch
async def check(wanted: Content, conn: AnyConnection, ground: Ground) -> None:
    """Raises ActRefused where a rule of the policy, of the controller or of the registers speaks against the change."""


@singledispatch
async def take_effect(wanted: Content, conn: AnyConnection, ground: Ground, change_id: UUID) -> datetime:
    """Make it so; returns the instant from which it is. Raises ActRefused, and the store's own refusals."""
    raise NotImplementedError


@singledispatch
async def prepare(wanted: Content, conn: AnyConnection, ground: Ground) -> None:
    """What takes long and shows nobody anything yet, before the transaction that decides."""


@singledispatch
async def complete(wanted: Content, conn: AnyConnection, ground: Ground, base: Mapping[str, Any] | None) -> None:
    """What takes long once it has taken effect in place of `base`: until it is done partners see too little, never too much."""


# --- scopes


@base_of.register(ScopeContent)
async def _(wanted: ScopeContent, conn: AnyConnection) -> dict[str, Any] | None:
    version: int | None = await conn.fetchval(SCOPE_NOW, wanted.scope)
    return None if version is None else await _scope(conn, wanted.scope, version)


@base_of.register(ScopeEndContent)
async def _(wanted: ScopeEndContent, conn: AnyConnection) -> dict[str, Any] | None:
    version: int | None = await conn.fetchval(SCOPE_NOW, wanted.scope)
    if version is None:
        raise ActRefused("SCOPE_UNKNOWN", "no version of this scope is active")
    return {**await _scope(conn, wanted.scope, version), "version": version}


@check.register(ScopeContent)
async def _(wanted: ScopeContent, conn: AnyConnection, ground: Ground) -> None:
    latest = await conn.fetchrow(grants.LATEST, wanted.scope)
    if latest is not None and latest["purpose"] != wanted.purpose:
        raise ActRefused("SCOPE_PURPOSE", "a scope has one purpose in all its versions")
    _, rules = await rule_book.in_force(conn)
    version = ScopeVersion(wanted.scope, 1, wanted.purpose, None, None, wanted.rules())
    if found := review(version, ground.catalogue, rules):
        raise ActRefused(
            StaffCode.RULES_BROKEN, "the scope breaks a rule", tuple(Finding(one.path, one.fault.value) for one in found)
        )


@take_effect.register(ScopeContent)
async def _(wanted: ScopeContent, conn: AnyConnection, ground: Ground, change_id: UUID) -> datetime:
    await conn.execute(LOCK_RULES)  # the rules of the review are the rules when this commits
    _, rules = await rule_book.in_force(conn)
    version = await grants.propose(conn, scope=wanted.scope, purpose=wanted.purpose, fields=wanted.rules())
    await conn.execute(CAME_OF, wanted.scope, version, change_id)
    return await grants.activate(
        conn,
        scope=wanted.scope,
        version=version,
        catalogue=ground.catalogue,
        rules=rules,
        active_from=wanted.active_from,
    )


@take_effect.register(ScopeEndContent)
async def _(wanted: ScopeEndContent, conn: AnyConnection, _ground: Ground, _change_id: UUID) -> datetime:
    await grants.retire(conn, scope=wanted.scope)
    return await _now(conn)


async def _scope(conn: AnyConnection, scope: str, version: int) -> dict[str, Any]:
    row = await conn.fetchrow(grants.VERSION, scope, version)
    assert row is not None  # noqa: S101 - the version was read in this transaction, and versions stay
    return {"scope": scope, "purpose": row["purpose"], "fields": json.loads(row["fields"])}


# --- grants


@base_of.register(GrantContent)
async def _(wanted: GrantContent, conn: AnyConnection) -> dict[str, Any] | None:
    standing = [str(row["grant_id"]) for row in await conn.fetch(GRANTS_NOW, wanted.partner, wanted.scope)]
    return {"standing": standing} if standing else None


@base_of.register(GrantEndContent)
async def _(wanted: GrantEndContent, conn: AnyConnection) -> dict[str, Any] | None:
    row = await conn.fetchrow(GRANT_NOW, wanted.grant_id)
    if row is None or (row["partner"], row["scope"]) != (wanted.partner, wanted.scope):
        raise ActRefused("GRANT_UNKNOWN", "no such grant of this partner, or none that still stands")
    return {**row, "starts_at": row["starts_at"].isoformat(), "ends_at": row["ends_at"].isoformat()}


@check.register(GrantContent)
async def _(wanted: GrantContent, conn: AnyConnection, _ground: Ground) -> None:
    partner = await _partner(conn, wanted.partner)
    if partner is None:
        raise ActRefused("PARTNER_UNKNOWN", "no partner of this name is registered")
    version: int | None = await conn.fetchval(SCOPE_NOW, wanted.scope)
    if version is None:
        raise ActRefused("SCOPE_UNKNOWN", "no version of this scope is active")
    purpose = Purpose((await _scope(conn, wanted.scope, version))["purpose"])
    starts_at = wanted.starts_at or await _now(conn)
    broken = {
        "ends_before_it_starts": wanted.ends_at <= starts_at,
        "outlives_the_agreement": wanted.ends_at > datetime.fromisoformat(partner["agreement_ends_at"]),
        "retention_beyond_the_agreement": partner["retention_days"] is not None
        and wanted.retention_days > partner["retention_days"],
        "purpose_not_entrusted": partner["role"] == Role.PROCESSOR and not PURPOSES[purpose].is_entrusted,
        "no_basis": BASIS[purpose, Role(partner["role"]), Sensitivity.ORDINARY] is Basis.NONE,
    }
    found = tuple(Finding(wanted.scope, fault) for fault, is_broken in broken.items() if is_broken)
    if found:
        raise ActRefused(StaffCode.RULES_BROKEN, "the grant breaks a rule", found)


@take_effect.register(GrantContent)
async def _(wanted: GrantContent, conn: AnyConnection, _ground: Ground, change_id: UUID) -> datetime:
    now = await _now(conn)
    grant_id = await grants.enter(
        conn,
        partner_id=await partners.find(conn, wanted.partner),
        scope=wanted.scope,
        starts_at=wanted.starts_at or now,
        ends_at=wanted.ends_at,
        retention=wanted.retention,
    )
    await conn.execute(GRANT_CAME_OF, grant_id, change_id)
    return max(now, wanted.starts_at or now)


@complete.register(GrantContent)
async def _(wanted: GrantContent, conn: AnyConnection, ground: Ground, _base: object) -> None:
    await prepare(wanted, conn, ground)


@prepare.register(GrantContent)
async def _(wanted: GrantContent, conn: AnyConnection, ground: Ground) -> None:
    partner_id, purpose = await partners.find(conn, wanted.partner), await grants.purpose_of(conn, wanted.scope)
    await fold_all(conn, ground.keys, partner_id=partner_id, purpose=purpose)


@take_effect.register(GrantEndContent)
async def _(wanted: GrantEndContent, conn: AnyConnection, _ground: Ground, _change_id: UUID) -> datetime:
    await grants.revoke(conn, grant_id=wanted.grant_id)
    return await _now(conn)


# --- partners and their clients


@base_of.register(PartnerContent)
async def _(wanted: PartnerContent, conn: AnyConnection) -> dict[str, Any] | None:
    return await _partner(conn, wanted.name)


@base_of.register(ClientContent)
async def _(wanted: ClientContent, conn: AnyConnection) -> dict[str, Any] | None:
    client_id = wanted.metadata.get("client_id")
    row = await conn.fetchrow(CLIENT_NOW, client_id) if isinstance(client_id, str) else None
    if row is None:
        return None
    return {"partner": row["partner"], "metadata": json.loads(row["content"]), "status": row["status"]}


@check.register(PartnerContent)
async def _(wanted: PartnerContent, conn: AnyConnection, _ground: Ground) -> None:
    broken = {
        "agreement_ends_before_it_starts": wanted.agreement_ends_at <= wanted.agreement_starts_at,
        "kind_not_entrusted": wanted.role is Role.PROCESSOR and wanted.kind not in partners.KINDS,
        "mechanism_at_home": wanted.processing_location == "CN" and wanted.cross_border_mechanism is not None,
    }
    found = tuple(Finding(wanted.name, fault) for fault, is_broken in broken.items() if is_broken)
    if found:
        raise ActRefused(StaffCode.RULES_BROKEN, "the registration breaks a rule", found)
    before = await _partner(conn, wanted.name)
    if before is not None and before["status"] == "ended" and wanted.status != "ended":
        raise ActRefused("PARTNER_ENDED", "what has ended with a partner does not begin again")


@check.register(ClientContent)
async def _(wanted: ClientContent, conn: AnyConnection, _ground: Ground) -> None:
    await partners.find(conn, wanted.partner)
    checked = _checked(wanted)
    held = await conn.fetchrow(CLIENT_NOW, checked.client_id)
    if held is not None and held["partner"] != wanted.partner:
        raise ActRefused("CLIENT_KNOWN", "a client of this client_id is registered")
    if held is not None and held["status"] == "ended" and wanted.status != "ended":
        raise ActRefused("CLIENT_ENDED", "a client that has ended does not begin again")


@take_effect.register(PartnerContent)
async def _(wanted: PartnerContent, conn: AnyConnection, _ground: Ground, _change_id: UUID) -> datetime:
    sha256 = None if wanted.agreement_sha256 is None else bytes.fromhex(wanted.agreement_sha256)
    if await _partner(conn, wanted.name) is None:
        partner_id = await partners.register(
            conn,
            name=wanted.name,
            legal_name=wanted.legal_name,
            contact=wanted.contact,
            role=wanted.role,
            kind=wanted.kind,
            processing_location=wanted.processing_location,
            agreement_starts_at=wanted.agreement_starts_at,
            agreement_ends_at=wanted.agreement_ends_at,
            cross_border_mechanism=wanted.cross_border_mechanism,
            agreement_sha256=sha256,
        )
    else:
        partner_id = await partners.find(conn, wanted.name)
    await conn.execute(
        DESCRIBE_PARTNER,
        partner_id,
        wanted.legal_name,
        wanted.contact,
        wanted.kind,
        sha256,
        wanted.agreement_starts_at,
        wanted.agreement_ends_at,
        wanted.duties,
        wanted.notice_contacts,
        None if wanted.retention_days is None else timedelta(days=wanted.retention_days),
        wanted.registered_only,
    )
    await partners.record_basis(
        conn,
        partner_id=partner_id,
        role=wanted.role,
        processing_location=wanted.processing_location,
        cross_border_mechanism=wanted.cross_border_mechanism,
    )
    await partners.set_status(conn, partner_id=partner_id, status=wanted.status)
    return await _now(conn)


@complete.register(PartnerContent)
async def _(wanted: PartnerContent, conn: AnyConnection, ground: Ground, base: Mapping[str, Any] | None) -> None:
    now = wanted.wire()
    if base is not None and any(base[name] != now[name] for name in ("role", "processing_location", "cross_border_mechanism")):
        await partners.fold_for(conn, ground.keys, partner_id=await partners.find(conn, wanted.name))


@take_effect.register(ClientContent)
async def _(wanted: ClientContent, conn: AnyConnection, _ground: Ground, _change_id: UUID) -> datetime:
    checked = _checked(wanted)
    if await conn.fetchrow(CLIENT_NOW, checked.client_id) is None:
        await partners.register_client(conn, partner_id=await partners.find(conn, wanted.partner), client=checked)
    await conn.execute(CHANGE_CLIENT, checked.client_id, checked.document, wanted.status)
    return await _now(conn)


async def _partner(conn: AnyConnection, name: str) -> dict[str, Any] | None:
    text: str | None = await conn.fetchval(PARTNER_NOW, name)
    if text is None:
        return None
    found = json.loads(text)
    return PartnerContent.model_construct(
        **{
            **found,
            "role": Role(found["role"]),
            "agreement_starts_at": datetime.fromisoformat(found["agreement_starts_at"]),
            "agreement_ends_at": datetime.fromisoformat(found["agreement_ends_at"]),
        }
    ).wire()


def _checked(wanted: ClientContent) -> partners.CheckedClient:
    try:
        return validate(wanted.metadata)
    except InvalidClientMetadata as invalid:
        found = Finding(f"metadata.{invalid.member}", str(invalid.fault))
        raise ActRefused(StaffCode.CHANGE_INVALID, "the client's metadata are not ones that can be", (found,)) from None


# --- the rules for all scopes


@base_of.register(RulesContent)
async def _(_wanted: RulesContent, conn: AnyConnection) -> dict[str, Any] | None:
    version, rules = await rule_book.in_force(conn)
    return rules.to_wire() if version else None


@check.register(RulesContent)
async def _(wanted: RulesContent, conn: AnyConnection, ground: Ground) -> None:
    """Nothing that is active may break them: what does is changed or ended first."""
    rules, found = wanted.rules(), []
    for row in await grants.everything(conn):
        if row["is_active"]:
            version = ScopeVersion(
                row["scope"], row["version"], Purpose(row["purpose"]), None, None, grants.rules_of(row["fields"])
            )
            found += [Finding(f"{row['scope']}: {one.path}", one.fault.value) for one in review(version, ground.catalogue, rules)]
    if found:
        raise ActRefused(StaffCode.RULES_BROKEN, "a scope in use breaks these rules", tuple(found))


@take_effect.register(RulesContent)
async def _(wanted: RulesContent, conn: AnyConnection, _ground: Ground, change_id: UUID) -> datetime:
    await conn.execute(LOCK_RULES)
    await conn.execute(ADD_RULES, json.dumps(wanted.rules().to_wire()), change_id)
    return await _now(conn)


async def _now(conn: AnyConnection) -> datetime:
    found: datetime = await conn.fetchval(NOW)
    return found
