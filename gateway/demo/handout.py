"""What the demo hands out: keys and tokens of the partners, sign-ins of some subjects and of the staff, the canaries' markers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from gateway.demo import document
from gateway.demo.admins import give_admins
from gateway.demo.canaries import aviary
from gateway.demo.document import Document
from gateway.demo.load import SEED, Filled
from gateway.demo.partners import GRANTED, PARTNERS, DemoPartner
from gateway.demo.register import register_client
from gateway.demo.sign_ins import give_sign_ins
from gateway.oauth.access_token import issue
from gateway.oauth.keys import KeyStore
from gateway.settings import Settings
from gateway.store.pool import Connection
from scopes import pseudonym

TOKENS_LIVE_FOR: Final = timedelta(days=30)
CLIENTS_PARTNER: Final = "shopmate"


@dataclass(frozen=True, slots=True, repr=False)
class HandOut:
    """document: what demo.json will hold. It has no repr: tokens and keys stand in it."""

    document: Document


async def hand_out(
    conn: Connection,
    settings: Settings,
    url: str,
    filled: Filled,
    earlier: Document,
    clients: Sequence[Mapping[str, Any]],
    site_port: int,
) -> HandOut:
    """Register the partners' clients and those of CLIENTS, issue tokens, set passwords. `earlier`: keys already handed out stay.

    site_port: where shopmate's own site listens. Raises InvalidClientMetadata and ClientTaken for CLIENTS.
    """
    keys = KeyStore(settings)
    await keys.ensure(conn)
    async with conn.transaction():
        subjects = await _subjects(conn, settings, filled, earlier)
        partners = {
            partner.name: await _partner(conn, keys, settings, filled, partner, earlier, subjects)
            for partner in (replace(one, port=site_port) if one.has_site else one for one in PARTNERS)
        }
        for metadata in clients:
            await register_client(conn, partner_id=filled.partner_ids[CLIENTS_PARTNER], metadata=metadata)
    admins = await give_admins(conn, settings, earlier)
    canaries = [
        {
            "subject_id": canary.subject_id,
            "pseudonyms": _pseudonyms(settings, filled, UUID(canary.subject_id)),
            "values": canary.values,
        }
        for canary in aviary(SEED).canaries
    ]
    return HandOut(
        {
            "base_url": settings.base_url,
            "graphql_url": f"{settings.base_url}/graphql",
            "admin_graphql_url": f"{settings.base_url}/admin/graphql",
            "issuer": settings.issuer,
            "database_url": url,
            "partners": partners,
            "subjects": subjects,
            "admins": admins,
            "canaries": canaries,
        }
    )


async def _partner(
    conn: Connection,
    keys: KeyStore,
    settings: Settings,
    filled: Filled,
    partner: DemoPartner,
    earlier: Document,
    subjects: Sequence[Mapping[str, Any]],
) -> Mapping[str, Any]:
    """One entry of demo.json's `partners`. A partner whose tokens must be bound to a key gets none ready."""
    key = document.client_key(earlier, partner.name)
    await register_client(conn, partner_id=filled.partner_ids[partner.name], metadata=_metadata(partner, key))
    scopes = [partner.scope.name] if partner.scope else []
    entry: dict[str, Any] = {
        "role": partner.role.value,
        "client_id": partner.name,
        "private_key_jwk": key,
        "redirect_uris": [partner.redirect_uri],
        "token_endpoint_auth_method": "private_key_jwt",
        "dpop_bound": partner.is_dpop_bound,
        "require_pushed_authorization_requests": partner.is_dpop_bound,
        "purpose": partner.scope.purpose.value if partner.scope else None,
        "scopes": scopes,
    }
    if partner.has_site:
        entry["site"] = partner.home
    if partner.is_dpop_bound:
        return entry
    entry["access_token"] = await issue(conn, keys, settings, client_id=partner.name, scopes=scopes, lifetime=TOKENS_LIVE_FOR)
    if partner.scope:
        subject = subjects[0]
        known_as = subject["pseudonyms"][partner.name]
        entry["subject_id"], entry["subject_pseudonym"] = subject["subject_id"], known_as
        entry["subject_access_token"] = await issue(
            conn,
            keys,
            settings,
            client_id=partner.name,
            scopes=scopes,
            subject_id=UUID(subject["subject_id"]),
            pseudonym=UUID(known_as),
            lifetime=TOKENS_LIVE_FOR,
        )
    return entry


def _metadata(partner: DemoPartner, key: Mapping[str, Any]) -> Mapping[str, Any]:
    """The client as RFC 7591 would register it."""
    return {
        "client_id": partner.name,
        "client_name": partner.legal_name,
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [document.public_part(key)]},
        "redirect_uris": [partner.redirect_uri],
        "post_logout_redirect_uris": [partner.home],
        "policy_uri": partner.policy_uri,
        "contacts": [partner.contact],
        "grant_types": ["authorization_code", "client_credentials", "refresh_token"],
        "response_types": ["code"],
        "scope": " ".join((*(["openid"] if partner.has_site else []), *([partner.scope.name] if partner.scope else []))),
        "authorization_details_types": ["data_sharing"],
        # what FAPI 2.0 asks for as a whole: a pushed request, and tokens that are worth nothing without a key
        "dpop_bound_access_tokens": partner.is_dpop_bound,
        "require_pushed_authorization_requests": partner.is_dpop_bound,
    }


async def _subjects(conn: Connection, settings: Settings, filled: Filled, earlier: Document) -> list[Mapping[str, Any]]:
    canaries = [UUID(canary.subject_id) for canary in aviary(SEED).canaries]
    given = await give_sign_ins(conn, canaries, filled.partner_ids, earlier)
    return [
        {"subject_id": str(subject_id), **sign_in, "pseudonyms": _pseudonyms(settings, filled, subject_id)}
        for subject_id, sign_in in given
    ]


def _pseudonyms(settings: Settings, filled: Filled, subject_id: UUID) -> Mapping[str, str]:
    """The id by which each partner knows the subject, by partner."""
    key = settings.key("pseudonym")
    return {
        partner.name: str(pseudonym(key, filled.partner_ids[partner.name], scope.purpose.value, subject_id))
        for partner, scope in GRANTED
    }
