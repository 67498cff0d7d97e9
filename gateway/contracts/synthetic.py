"""Puts synthetic data subjects and contract runners in place, beside the real ones, and takes them away again.

A synthetic data subject is seen by contract runs only, and a contract run sees nobody else: the gate's statement insists on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from joserfc.jwk import ECKey

from gateway.catalogue.definition import Catalogue
from gateway.contracts.enrolment import Enrolment, Runner
from gateway.contracts.evidence import say
from gateway.contracts.planting import plant, uproot
from gateway.contracts.subjects import Synthetic
from gateway.oauth.registration import validate
from gateway.settings import Settings
from gateway.store import consents, partners, subjects
from gateway.store.consents import PseudonymKeys
from gateway.store.pool import Connection
from gateway.store.view import load_view
from scopes import Purpose, pseudonym

# row: name text, partner_id uuid
# partner_name_key
_PARTNERS: Final = "select name, partner_id from gateway.partner where status = 'active' order by name"

# in:  client_id text
# row: partner_id uuid, is_contract_runner boolean, status text, kid text
# client_pkey
_RUNNER: Final = """
select partner_id, is_contract_runner, status, metadata->'jwks'->'keys'->0->>'kid' as kid
  from gateway.client where client_id = $1"""

# in:  client_id text, metadata text (JSON)
# client_pkey
_RENEW: Final = "update gateway.client set metadata = $2::text::jsonb, status = 'active' where client_id = $1"

# row: client_id text, of those that were ended
_END_RUNNERS: Final = """
update gateway.client set status = 'ended' where is_contract_runner and client_id like 'contracts-%' and status <> 'ended'
returning client_id"""

# in:  subject_id uuid
# row: is_synthetic boolean
# subject_pkey
_IS_SYNTHETIC: Final = "select is_synthetic from gateway.subject where subject_id = $1"

# row: subject_id uuid
_ALL_SYNTHETIC: Final = "select subject_id from gateway.subject where is_synthetic order by subject_id"

# What a synthetic data subject still agrees to.
# in:  subject_id uuid
# row: partner_id uuid, purpose text
# consent_event_by_subject
_STANDING: Final = """
select partner_id, purpose from (
    select distinct on (partner_id, purpose) partner_id, purpose, kind from gateway.consent_event
     where subject_id = $1 order by partner_id, purpose, event_id desc) latest
 where kind <> 'withdrawn'"""


class NotOurs(Exception):
    """An id or a client_id that contract runs need belongs to somebody real. The text names the client_id or the name."""


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """How many data subjects and runners there are no longer."""

    subjects: int
    runners: int


def client_id_of(partner: str) -> str:
    """The client_id of a partner's contract runner."""
    return f"contracts-{partner}"


async def enrol(
    conn: Connection,
    settings: Settings,
    catalogue: Catalogue,
    wanted: Sequence[Synthetic],
    earlier: Enrolment | None = None,
) -> Enrolment:
    """Put the data subjects and a runner for every active partner in place; what is there already stays as it is.

    earlier: whose private keys go on being used. conn: the database's owner. Raises Unplantable, NotOurs, NoPolicy.
    """
    keys = PseudonymKeys(settings.key("pseudonym"))
    async with conn.transaction():
        partner_ids: dict[str, UUID] = {row["name"]: row["partner_id"] for row in await conn.fetch(_PARTNERS)}
        jwks = {name: await _register(conn, name, partner_id, earlier) for name, partner_id in partner_ids.items()}
        scopes = {name: await _granted(conn, client_id_of(name)) for name in partner_ids}
        for subject in wanted:
            await settle(conn, keys, catalogue, subject, partner_ids, scopes)
    names = [subject.name for subject in wanted]
    ids = [subject.subject_id for subject in wanted]
    return Enrolment(
        settings.base_url,
        {
            name: Runner(
                partner=name,
                client_id=client_id_of(name),
                private_key_jwk=jwks[name],
                scopes=scopes[name],
                pseudonyms={
                    purpose: {
                        one: pseudonym(keys.key, partner_id, purpose.value, subject_id)
                        for one, subject_id in zip(names, ids, strict=True)
                    }
                    for purpose in Purpose
                },
            )
            for name, partner_id in partner_ids.items()
        },
    )


async def settle(
    conn: Connection,
    keys: PseudonymKeys,
    catalogue: Catalogue,
    wanted: Synthetic,
    partner_ids: Mapping[str, UUID],
    scopes: Mapping[str, Mapping[Purpose, Sequence[str]]],
) -> None:
    """Make one synthetic data subject what is wanted of it: known, its values in their tables, its will in the ledgers.

    scopes: by partner and purpose, those granted. Runs in the caller's transaction. Raises Unplantable, NotOurs, NoPolicy.
    """
    await subjects.register(
        conn, subject_id=wanted.subject_id, is_synthetic=True, collected_in_mainland=wanted.collected_in_mainland
    )
    if not await conn.fetchval(_IS_SYNTHETIC, wanted.subject_id):
        raise NotOurs(f"the id of {wanted.name} belongs to a real data subject")
    await plant(conn, catalogue, wanted)
    await say(conn, keys, wanted, partner_ids, scopes)


async def withdraw(conn: Connection, settings: Settings, catalogue: Catalogue) -> Withdrawn:
    """Take all synthetic data subjects out of the adopter's tables, withdraw what they agreed to, and end the runners.

    What they said stays in the ledgers, which nothing is ever deleted from; nobody can see them any longer.
    """
    keys = PseudonymKeys(settings.key("pseudonym"))
    async with conn.transaction():
        found = [row["subject_id"] for row in await conn.fetch(_ALL_SYNTHETIC)]
        for subject_id in found:
            await take_away(conn, keys, catalogue, subject_id)
        ended = await conn.fetch(_END_RUNNERS)
    return Withdrawn(len(found), len(ended))


async def take_away(conn: Connection, keys: PseudonymKeys, catalogue: Catalogue, subject_id: UUID) -> None:
    """One of them out of the adopter's tables, with nothing left that it agrees to. In the caller's transaction."""
    for row in await conn.fetch(_STANDING, subject_id):
        await consents.withdraw(conn, keys, subject_id=subject_id, partner_id=row["partner_id"], purpose=Purpose(row["purpose"]))
    # what rests on the policy alone would still put it on a page, as a row without anybody
    await consents.set_sharing(conn, keys, subject_id=subject_id, allowed=False)
    await uproot(conn, catalogue, subject_id)


async def _register(conn: Connection, partner: str, partner_id: UUID, earlier: Enrolment | None) -> Mapping[str, Any]:
    """The partner's runner; returns its private key: the one of before where the registered one is still its public half."""
    client_id = client_id_of(partner)
    known = await conn.fetchrow(_RUNNER, client_id)
    if known is not None and not (known["is_contract_runner"] and known["partner_id"] == partner_id):
        raise NotOurs(f"{client_id} is a client that runs no contracts")
    held = earlier.runners.get(partner) if earlier is not None else None
    if known is not None and held is not None and held.private_key_jwk.get("kid") == known["kid"] and known["status"] == "active":
        return held.private_key_jwk
    key = ECKey.generate_key("P-256")
    marks = {"kid": key.thumbprint(), "use": "sig", "alg": "ES256"}
    client = validate(
        {
            "client_id": client_id,
            "client_name": f"Contract runs of {partner}",
            "jwks": {"keys": [{**key.as_dict(private=False), **marks}]},
            "grant_types": ["client_credentials"],
        }
    )
    if known is None:
        await partners.register_client(conn, partner_id=partner_id, client=client, is_contract_runner=True)
    else:
        await conn.execute(_RENEW, client_id, client.document)
    return {**key.as_dict(private=True), **marks}


async def _granted(conn: Connection, client_id: str) -> Mapping[Purpose, tuple[str, ...]]:
    """The scopes that the partner may use now, by purpose."""
    view = await load_view(conn, client_id)
    found: dict[Purpose, tuple[str, ...]] = {}
    for scope in sorted(view.scopes if view is not None else (), key=lambda scope: scope.scope):
        found[scope.purpose] = (*found.get(scope.purpose, ()), scope.scope)
    return found
