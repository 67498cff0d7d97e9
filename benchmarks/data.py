"""The database that all contestants share: the demo's invented people, one partner, one scope, and what the people agreed to."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import islice
from typing import Final
from uuid import UUID

import asyncpg

from gateway.catalogue.weidandan import CATALOGUE
from gateway.demo.load import PLATFORM, copy_platform
from gateway.demo.people import Folk, batches, folk
from gateway.oauth.keys import KeyStore
from gateway.oauth.registration import validate
from gateway.settings import Settings
from gateway.store import consents, grants, partners, policy
from gateway.store.consents import PseudonymKeys
from gateway.store.migrate import migrate
from gateway.store.pool import Connection
from scopes import CATEGORIES, Purpose, Redaction, Role, Rung, ScopeField

SEED: Final = 7
PARTNER: Final = "bench"
CLIENT_ID: Final = "bench"
SCOPE: Final = "bench"
PURPOSE: Final = Purpose.SERVICE_DELIVERY
POLICY: Final = "2024-11-26"
BEGINS: Final = datetime(2024, 11, 26, tzinfo=UTC)
ENDS: Final = datetime(2036, 1, 1, tzinfo=UTC)

# Of a hundred data subjects some seventy agree; six of ten of those to everything, the others to a part; three of ten for a time
AGREE, AGREE_TO_ALL, AGREE_TO_EACH, AGREE_FOR_A_TIME = 0.7, 0.6, 0.8, 0.3
BATCH: Final = 10_000

_REVEAL: Final = Redaction(Rung.REVEAL)
REDACTIONS: Final = {
    "Subject.realName": Redaction(Rung.MASK, head=1),
    "Subject.mobileNumber": Redaction(Rung.MASK, head=3, tail=4),
    "Subject.nationalId": Redaction(Rung.MASK, head=1, tail=1),
    "Subject.email": Redaction(Rung.MASK, head=1),
    "Subject.birthDate": Redaction(Rung.GENERALISE, step="year"),
    "Subject.city": _REVEAL,
    "Subject.registeredAt": _REVEAL,
    "Subject.language": _REVEAL,
    "Address.recipient": Redaction(Rung.MASK, head=1),
    "Address.street": Redaction(Rung.MASK, head=6),
    "Address.city": _REVEAL,
    "Address.postcode": Redaction(Rung.MASK, head=2),
    "Post.id": Redaction(Rung.PSEUDONYMISE),
    "Post.text": _REVEAL,
    "Post.postedAt": _REVEAL,
}

# row: path text, redaction text (JSON), of the scope's active version
RULES: Final = """
select f.path, f.redaction::text from gateway.scope_field f join gateway.scope_version v using (scope, version)
 where f.scope = $1 and v.active_from <= now() and v.retired_at is null"""
# A growing record makes a large page dearer, above all its index by data subject: every run begins with none
FORGET: Final = "truncate gateway.disclosure, gateway.disclosure_subject"
# in:  partner_id uuid
# row: pseudonym uuid, of everybody whom the partner may see
VISIBLE: Final = "select pseudonym from gateway.consent_state where partner_id = $1 and visible_until > now() order by pseudonym"


@dataclass(frozen=True, slots=True)
class Data:
    """What the database holds. pseudonyms: in order, of the data subjects whom the partner sees."""

    partner_id: UUID
    subjects: int
    pseudonyms: tuple[UUID, ...]


class OtherData(Exception):
    """The folder holds a database of another size, or one that another version of the bench filled."""


async def prepare(url: str, settings: Settings, subjects: int) -> Data:
    """Fill the database, unless it is filled already, and empty the disclosure record. Raises OtherData."""
    await migrate(url)
    conn = await asyncpg.connect(url, server_settings={"timezone": "UTC"})
    try:
        await conn.execute(PLATFORM.read_text())
        held = await conn.fetchval("select count(*) from platform.account")
        if not held:
            await _fill(conn, PseudonymKeys(settings.key("pseudonym")), folk(SEED, subjects))
        elif held != subjects:
            raise OtherData(f"{settings.data} holds {held} data subjects: remove it, or name another folder with --data")
        elif await _rules(conn) != {path: redaction.to_wire() for path, redaction in REDACTIONS.items()}:
            raise OtherData(f"{settings.data} was filled for other redactions: remove it, or name another folder with --data")
        await conn.execute(FORGET)
        await KeyStore(settings).ensure(conn)
        partner_id = await partners.find(conn, PARTNER)
        return Data(partner_id, subjects, tuple(row["pseudonym"] for row in await conn.fetch(VISIBLE, partner_id)))
    finally:
        await conn.close()


async def _rules(conn: Connection) -> dict[str, dict[str, str | int]]:
    return {row["path"]: json.loads(row["redaction"]) for row in await conn.fetch(RULES, SCOPE)}


async def _fill(conn: Connection, keys: PseudonymKeys, everybody: Folk) -> None:
    async with conn.transaction():
        for rows in batches(everybody):
            await copy_platform(conn, rows)
        await policy.announce(conn, keys, policy_version=POLICY, effective_at=BEGINS, text_sha256=sha256(b"bench").digest())
        partner_id = await _register(conn, keys)
        for table, columns, records in _ledgers(everybody.subject_ids, partner_id):
            await consents.load(conn, {table: (columns, records)})
        await conn.execute("analyze gateway.subject; analyze gateway.consent_event")
        await consents.fold_everybody(conn, keys, partner_id=partner_id, purpose=PURPOSE)
    await conn.execute("vacuum analyze")


async def _register(conn: Connection, keys: PseudonymKeys) -> UUID:
    partner_id = await partners.register(
        conn,
        name=PARTNER,
        legal_name="Bench Ltd.",
        contact="privacy@bench.example",
        role=Role.RECIPIENT,
        kind="vendor",
        processing_location="CN",
        agreement_starts_at=BEGINS,
        agreement_ends_at=ENDS,
    )
    fields = {path: ScopeField(redaction=redaction, justification="measured") for path, redaction in REDACTIONS.items()}
    version = await grants.propose(conn, scope=SCOPE, purpose=PURPOSE, fields=fields)
    await grants.activate(conn, scope=SCOPE, version=version, catalogue=CATALOGUE.fields)
    period = {"starts_at": BEGINS, "ends_at": ENDS}
    await grants.give(conn, keys, partner_id=partner_id, scope=SCOPE, retention=timedelta(days=30), **period)
    metadata = {
        "client_id": CLIENT_ID,
        "client_name": "bench",
        "token_endpoint_auth_method": "private_key_jwt",
        "grant_types": ["client_credentials"],
        "response_types": [],
        "scope": SCOPE,
        "jwks": {"keys": [_A_PUBLIC_KEY]},
    }
    await partners.register_client(conn, partner_id=partner_id, client=validate(metadata))
    return partner_id


# Registered because a client needs one; nobody holds the private half, the bench's tokens come from the issuing function itself
_A_PUBLIC_KEY: Final = {
    "kty": "EC",
    "crv": "P-256",
    "kid": "bench",
    "use": "sig",
    "alg": "ES256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",  # RFC 7515 appendix A.3
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}


def _ledgers(subject_ids: Sequence[str], partner_id: UUID) -> Iterator[tuple[str, tuple[str, ...], list[tuple[object, ...]]]]:
    """Who is there, and what they agreed to, as records for COPY."""
    chooser = random.Random(SEED)
    waiting = iter(subject_ids)
    while batch := [UUID(subject) for subject in islice(waiting, BATCH)]:
        yield "subject", ("subject_id",), [(subject,) for subject in batch]
        columns = ("consent_id", "subject_id", "partner_id", "purpose", "kind", "categories", "policy_version", "ends_at")
        agreed = [(subject, _categories(chooser)) for subject in batch if chooser.random() < AGREE]
        yield (
            "consent_event",
            columns,
            [
                (
                    UUID(int=chooser.getrandbits(128), version=4),
                    subject,
                    partner_id,
                    PURPOSE.value,
                    "given",
                    categories,
                    POLICY,
                    ENDS if chooser.random() < AGREE_FOR_A_TIME else None,
                )
                for subject, categories in agreed
            ],
        )


def _categories(chooser: random.Random) -> list[str]:
    if chooser.random() < AGREE_TO_ALL:
        return list(CATEGORIES)
    return [name for name in CATEGORIES if chooser.random() < AGREE_TO_EACH] or ["profile.city"]
