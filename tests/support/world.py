"""A small world with good defaults: partners, scopes, grants, data subjects and what they agreed to, around a ready gate."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from gateway.catalogue.weidandan import CATALOGUE
from gateway.request.admit import RateLimiter
from gateway.request.authenticate import Caller
from gateway.request.codes import Media
from gateway.request.limits import Limits
from gateway.request.receive import Received
from gateway.request.serve import Gate
from gateway.settings import Settings
from gateway.store import consents, grants, partners, policy, subjects
from gateway.store.consents import PseudonymKeys
from gateway.store.pool import Connection, GatePool, plain_connection, plain_pool
from scopes import CATEGORIES, Purpose, Redaction, Role, Rung, ScopeField, pseudonym
from tests.support.database import Database

REVEAL = Redaction(Rung.REVEAL)
EVERYTHING = frozenset(CATEGORIES)
POLICY = "2024-11-26"
WAIT_S = 20
ACCOUNT: Mapping[str, object] = {
    "real_name": "欧阳娜娜",
    "mobile_number": "13812345678",
    "national_id": "11010519491231002X",
    "email": "nana@example.com",
    "birth_date": date(1990, 2, 28),
    "city": "深圳市",
    "language": "zh-CN",
    "registered_at": datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC),
}
# Child tables of the platform: primary key, and the column of the data subject whom a row belongs to
CHILDREN: Mapping[str, tuple[str, str]] = {
    "address": ("address_id", "subject_id"),
    "post": ("post_id", "subject_id"),
    "photo": ("photo_id", "subject_id"),
    "mention": ("mention_id", "depicted_id"),
    "survey_answer": ("answer_id", "subject_id"),
    "support_case": ("case_id", "subject_id"),
    "service_event": ("event_id", "subject_id"),
    "device": ("device_id", "subject_id"),
    "partner_login": ("login_id", "subject_id"),
}


@dataclass(slots=True)
class World:
    """`owner` writes, `gate` answers. Instants lie a day and more away from now."""

    owner: Connection
    gate: Gate
    keys: PseudonymKeys
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def a_partner(self, **changed: Any) -> UUID:
        """A recipient in mainland China under an agreement in force."""
        wanted: dict[str, Any] = {
            "name": f"p{uuid4().hex[:12]}",
            "legal_name": "Partner Ltd",
            "contact": "privacy@partner.example",
            "role": Role.RECIPIENT,
            "kind": "vendor",
            "processing_location": "CN",
            "agreement_starts_at": self.started - timedelta(days=400),
            "agreement_ends_at": self.started + timedelta(days=400),
        }
        partner_id = await partners.register(self.owner, **(wanted | changed))
        await self.owner.execute(
            "insert into gateway.client (client_id, partner_id, metadata) values ($1, $2, '{}')",
            self.client_of(partner_id),
            partner_id,
        )
        return partner_id

    @staticmethod
    def client_of(partner_id: UUID) -> str:
        return f"client-{partner_id.hex}"

    async def a_scope(
        self,
        fields: Mapping[str, Redaction] | Collection[str],
        *,
        purpose: Purpose = Purpose.SERVICE_DELIVERY,
        scope: str | None = None,
    ) -> str:
        """An active scope; fields that come without a redaction are revealed."""
        name = scope or f"s{uuid4().hex[:12]}"
        rules = fields if isinstance(fields, Mapping) else dict.fromkeys(fields, REVEAL)
        wanted = {path: ScopeField(redaction, "the test needs it") for path, redaction in rules.items()}
        version = await grants.propose(self.owner, scope=name, purpose=purpose, fields=wanted)
        await grants.activate(self.owner, scope=name, version=version, catalogue=CATALOGUE.fields)
        return name

    async def a_grant(self, partner_id: UUID, scope: str, **changed: Any) -> UUID:
        wanted: dict[str, Any] = {
            "starts_at": self.started - timedelta(days=30),
            "ends_at": self.started + timedelta(days=30),
            "retention": timedelta(days=90),
        }
        return await grants.give(self.owner, self.keys, partner_id=partner_id, scope=scope, **(wanted | changed))

    async def a_subject(
        self,
        *,
        is_synthetic: bool = False,
        collected_in_mainland: bool = True,
        rows: Mapping[str, Sequence[Mapping[str, object]]] | None = None,
        **changed: object,
    ) -> UUID:
        """A data subject with an account; `changed` names other values of its columns. The gateway hears of an ordinary one with
        the first word it says.

        rows: by child table of the platform, the columns that matter; keys are made, `post` and `photo` are as good as new.
        """
        subject_id = uuid4()
        if is_synthetic or not collected_in_mainland:
            await subjects.register(
                self.owner, subject_id=subject_id, is_synthetic=is_synthetic, collected_in_mainland=collected_in_mainland
            )
        await self._insert("account", {**ACCOUNT, **changed, "subject_id": subject_id})
        for table, lines in (rows or {}).items():
            key, owner = CHILDREN[table]
            for line in lines:
                await self._insert(table, {key: uuid4(), owner: subject_id, **line})
        return subject_id

    async def _insert(self, table: str, row: Mapping[str, object]) -> None:
        places = ", ".join(f"${n}" for n in range(1, len(row) + 1))
        await self.owner.execute(f"insert into platform.{table} ({', '.join(row)}) values ({places})", *row.values())

    async def a_policy(self, policy_version: str, *, effective_at: datetime | None = None) -> str:
        """A further version of the policy, in force from now on unless said otherwise."""
        await policy.announce(
            self.owner,
            self.keys,
            policy_version=policy_version,
            effective_at=effective_at or datetime.now(UTC),
            text_sha256=bytes(32),
        )
        return policy_version

    async def a_consent(
        self,
        subject_id: UUID,
        partner_id: UUID,
        *,
        purpose: Purpose = Purpose.SERVICE_DELIVERY,
        categories: Collection[str] = EVERYTHING,
        **changed: Any,
    ) -> UUID:
        return await consents.give(
            self.owner,
            self.keys,
            subject_id=subject_id,
            partner_id=partner_id,
            purpose=purpose,
            categories=categories,
            policy_version=POLICY,
            **changed,
        )

    async def a_token(self, partner_id: UUID, *scopes: str, bound_to: UUID | None = None, contract_run: bool = False) -> Caller:
        """What a token for these scopes authenticates as."""
        token_id, expires_at = uuid4(), self.started + timedelta(hours=1)
        await self.owner.execute(
            "insert into gateway.access_token (token_id, client_id, subject_id, scopes, contract_run, expires_at)"
            " values ($1, $2, $3, $4, $5, $6)",
            token_id,
            self.client_of(partner_id),
            bound_to,
            list(scopes),
            contract_run,
            expires_at,
        )
        return Caller(
            token_id=token_id,
            client_id=self.client_of(partner_id),
            scopes=frozenset(scopes),
            is_bound=bound_to is not None,
            contract_run=contract_run,
            expires_at=expires_at,
            authenticated_at=self.started.timestamp(),
        )

    async def a_reader(
        self,
        fields: Mapping[str, Redaction] | Collection[str],
        *,
        purpose: Purpose = Purpose.SERVICE_DELIVERY,
        **partner: Any,
    ) -> tuple[UUID, Caller]:
        """A partner with one scope granted, and a token for it."""
        partner_id = await self.a_partner(**partner)
        scope = await self.a_scope(fields, purpose=purpose)
        await self.a_grant(partner_id, scope)
        return partner_id, await self.a_token(partner_id, scope)

    def id_of(self, subject_id: UUID, partner_id: UUID, purpose: Purpose = Purpose.SERVICE_DELIVERY) -> str:
        """The pseudonym under which this partner knows this data subject."""
        return str(pseudonym(self.keys.key, partner_id, purpose.value, subject_id))

    async def ask(self, caller: Caller, document: str, **variables: object) -> Any:
        """The answer's JSON. Raises GatewayError as the gate does."""
        answer = await self.gate.answer(caller, Received(document, None, variables, None, Media.RESPONSE, "POST"))
        return json.loads(answer.sealed)

    async def see(self, caller: Caller, selection: str) -> list[Any]:
        """What the first hundred visible data subjects show of `selection`, in order of their pseudonyms."""
        answer = await self.ask(caller, f"{{ subjects(first: 100) {{ edges {{ node {{ {selection} }} }} }} }}")
        return [edge["node"] for edge in answer["data"]["subjects"]["edges"]]

    async def until_waiting(self, conn: Connection) -> None:
        """Return once what another task runs on `conn` waits for a lock. Raises TimeoutError where it never does."""
        waits = "select exists (select from pg_locks where pid = $1 and not granted)"
        async with asyncio.timeout(WAIT_S):
            while not await self.owner.fetchval(waits, conn.get_server_pid()):
                pass


@asynccontextmanager
async def a_world(database: Database, data: Path) -> AsyncIterator[World]:
    """An empty world in a migrated database, with the policy in force. data: a folder for the master key."""
    settings = Settings(data=data)
    owner = await database.owner()
    gate_pool = GatePool(database.owner_url, settings)
    pool = await plain_pool(database.owner_url, settings)
    limiter = RateLimiter(lambda: plain_connection(database.owner_url, settings), maximum=10**8, restore_rate=10**7)
    try:
        gate = Gate(
            catalogue=CATALOGUE,
            field_secret=settings.key("field"),
            limits=Limits.of(settings),
            limiter=limiter,
            gate=gate_pool,
            pool=pool,
            kept=100,
            step_up_after_s=settings.step_up_after_s,
        )
        await owner.execute(
            "insert into gateway.policy_version (policy_version, effective_at, text_sha256) values ($1, '2024-11-26', '')", POLICY
        )
        yield World(owner, gate, PseudonymKeys(settings.key("pseudonym")))
    finally:
        await limiter.close()
        await gate_pool.close()
        await pool.close()
        await owner.close()
