"""A race: readers ask without pause while one writer takes something back. What had committed when a request began must be seen.

Each lane has a partner, a scope, a client and a data subject of its own, so lanes run side by side; readers of a lane hold kept
connections to whichever worker took them.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from gateway.oauth.access_token import issue
from gateway.oauth.keys import KeyStore
from gateway.settings import Settings
from gateway.store import consents
from gateway.store.consents import PseudonymKeys
from scopes import Purpose, pseudonym
from tests.support.served import PartnerConnection, Reply

CITY = "竞赛市"
DOCUMENT = "query ($id: ID!) { subject(id: $id) { city } }"
READERS = 2
PURPOSE = Purpose.ADVERTISING


@dataclass(slots=True)
class Lane:
    """One partner with one consenting data subject, and what is known of its requests.

    open_asked: requests that showed the value. missed: requests that showed it although they began after it was taken back.
    unrecorded: answers whose record was not there when the answer was.
    """

    conn: Any
    keys: PseudonymKeys
    store: KeyStore
    settings: Settings
    partner_id: UUID
    client_id: str
    scope: str
    subject_id: UUID
    token: str
    open_asked: int = 0
    missed: list[str] = field(default_factory=list)
    unrecorded: int = 0

    @property
    def id(self) -> str:
        return str(pseudonym(self.keys.key, self.partner_id, PURPOSE.value, self.subject_id))

    async def give(self) -> None:
        await consents.give(
            self.conn,
            self.keys,
            subject_id=self.subject_id,
            partner_id=self.partner_id,
            purpose=PURPOSE,
            categories=["profile.city", "profile.language"],
            policy_version="race",
        )

    async def renew_token(self) -> None:
        self.token = await issue(self.conn, self.store, self.settings, client_id=self.client_id, scopes=[self.scope])


Change = Callable[[Lane], Awaitable[object]]


async def _withdraw(lane: Lane) -> None:
    await consents.withdraw(lane.conn, lane.keys, subject_id=lane.subject_id, partner_id=lane.partner_id, purpose=PURPOSE)


async def _narrow(lane: Lane) -> None:
    await consents.narrow(
        lane.conn,
        lane.keys,
        subject_id=lane.subject_id,
        partner_id=lane.partner_id,
        purpose=PURPOSE,
        categories=["profile.language"],
    )


def _setting(category: str | None, *, allowed: bool) -> Change:
    return lambda lane: consents.set_sharing(
        lane.conn, lane.keys, subject_id=lane.subject_id, partner_id=lane.partner_id, category=category, allowed=allowed
    )


def _advertising(*, allowed: bool) -> Change:
    return lambda lane: consents.set_advertising(lane.conn, lane.keys, subject_id=lane.subject_id, allowed=allowed)


async def _revoke(lane: Lane) -> None:
    await lane.conn.execute("update gateway.access_token set revoked_at = now() where client_id = $1", lane.client_id)


async def _halt_partner(lane: Lane) -> None:
    await lane.conn.execute(
        "insert into gateway.halt (halt_id, target, partner_id, reason) values ($1, 'partner', $2, 'race')",
        uuid4(),
        lane.partner_id,
    )


async def _halt_scope(lane: Lane) -> None:
    await lane.conn.execute(
        "insert into gateway.halt (halt_id, target, scope, reason) values ($1, 'scope', $2, 'race')", uuid4(), lane.scope
    )


async def _lift(lane: Lane) -> None:
    await lane.conn.execute(
        "update gateway.halt set lifted_at = now() where (partner_id = $1 or scope = $2) and lifted_at is null",
        lane.partner_id,
        lane.scope,
    )


async def _revoke_grant(lane: Lane) -> None:
    await lane.conn.execute("update gateway.partner_grant set revoked_at = now() where partner_id = $1", lane.partner_id)


async def _regrant(lane: Lane) -> None:
    await lane.conn.execute("update gateway.partner_grant set revoked_at = null where partner_id = $1", lane.partner_id)


async def _retire_scope(lane: Lane) -> None:
    await lane.conn.execute("update gateway.scope_version set retired_at = now() where scope = $1", lane.scope)


async def _reactivate_scope(lane: Lane) -> None:
    await lane.conn.execute("update gateway.scope_version set retired_at = null where scope = $1", lane.scope)


async def _withhold_field(lane: Lane) -> None:
    await lane.conn.execute('update gateway.scope_field set redaction = \'{"rung": "withhold"}\' where scope = $1', lane.scope)


async def _reveal_field(lane: Lane) -> None:
    await lane.conn.execute('update gateway.scope_field set redaction = \'{"rung": "reveal"}\' where scope = $1', lane.scope)


# what is taken back, and how it is given again
KINDS: dict[str, tuple[Change, Change]] = {
    "withdrawal": (_withdraw, Lane.give),
    "narrowing": (_narrow, Lane.give),
    "setting": (_setting(None, allowed=False), _setting(None, allowed=True)),
    "setting_of_a_category": (_setting("profile", allowed=False), _setting("profile", allowed=True)),
    "advertising_switch": (_advertising(allowed=False), _advertising(allowed=True)),
    "revocation": (_revoke, Lane.renew_token),
    "halt_of_a_partner": (_halt_partner, _lift),
    "halt_of_a_scope": (_halt_scope, _lift),
    "end_of_a_grant": (_revoke_grant, _regrant),
    "end_of_a_scope": (_retire_scope, _reactivate_scope),
    "field_withheld": (_withhold_field, _reveal_field),
}


async def a_lane(conn: Any, settings: Settings, store: KeyStore) -> Lane:
    """A partner that sees one data subject's city, and that subject."""
    keys = PseudonymKeys(settings.key("pseudonym"))
    partner_id, subject_id = uuid4(), uuid4()
    name, scope = f"lane-{partner_id.hex[:12]}", f"lane.{partner_id.hex[:12]}"
    now = datetime.now(UTC)
    start, end = now - timedelta(days=1), now + timedelta(days=1)
    await conn.execute(
        "insert into gateway.partner (partner_id, name, legal_name, contact, role, kind, processing_location,"
        " agreement_starts_at, agreement_ends_at)"
        " values ($1, $2, 'Race', 'race@example.com', 'recipient', 'vendor', 'CN', $3, $4)",
        partner_id,
        name,
        start,
        end,
    )
    await conn.execute(
        "insert into gateway.client (client_id, partner_id, metadata) values ($1, $2, $3)", name, partner_id, json.dumps({})
    )
    await conn.execute(
        "insert into gateway.scope_version (scope, version, purpose, active_from) values ($1, 1, $2, $3)",
        scope,
        PURPOSE.value,
        start,
    )
    await conn.execute(
        "insert into gateway.scope_field (scope, version, path, redaction, justification)"
        " values ($1, 1, 'Subject.city', '{\"rung\": \"reveal\"}', 'it is raced for')",
        scope,
    )
    await conn.execute(
        "insert into gateway.partner_grant (grant_id, partner_id, scope, starts_at, ends_at, retention)"
        " values ($1, $2, $3, $4, $5, '1 day')",
        uuid4(),
        partner_id,
        scope,
        start,
        end,
    )
    await conn.execute("insert into platform.account (subject_id, city) values ($1, $2)", subject_id, CITY)
    lane = Lane(conn, keys, store, settings, partner_id, name, scope, subject_id, "")
    await lane.give()
    await lane.renew_token()
    return lane


def shows(reply: Reply) -> bool:
    """Whether the answer gave the value away."""
    return CITY in json.dumps(reply.body, ensure_ascii=False)


class Readers:
    """Asks for a lane's subject without pause; every finished request with the instant at which it began."""

    def __init__(self, lane: Lane, port: int, check: Any) -> None:
        self._lane, self._check, self._stopped = lane, check, False
        self._checking = asyncio.Lock()
        self.finished: list[asyncio.Queue[tuple[float, bool]]] = [asyncio.Queue() for _ in range(READERS)]
        self._tasks = [asyncio.create_task(self._ask(PartnerConnection(port), n)) for n in range(READERS)]

    async def _ask(self, connection: PartnerConnection, reader: int) -> None:
        try:
            while not self._stopped:
                began, token = time.monotonic(), self._lane.token
                reply = await connection.ask(token, DOCUMENT, {"id": self._lane.id})
                if shows(reply) and not await self._is_recorded(reply):
                    self._lane.unrecorded += 1
                self.finished[reader].put_nowait((began, shows(reply)))
        finally:
            connection.close()

    async def _is_recorded(self, reply: Reply) -> bool:
        async with self._checking:
            found: bool = await self._check.fetchval(
                "select exists (select from gateway.disclosure where disclosure_id = $1)", UUID(reply.disclosure_id)
            )
        return found

    async def until(self, reader: int, *, began_after: float, shown: bool | None = None) -> bool:
        """The first request of `reader` that began after an instant (and showed or hid the value); whether it showed it."""
        while True:
            began, was_shown = await self.finished[reader].get()
            if began > began_after and (shown is None or was_shown is shown):
                return was_shown

    async def stop(self) -> None:
        self._stopped = True
        await asyncio.gather(*self._tasks)


async def race(lane: Lane, kind: str, readers: Readers) -> None:
    """One race. Every reader has seen the value when it is taken back; no request that begins afterwards may show it."""
    take_back, give_again = KINDS[kind]
    before = time.monotonic()
    await asyncio.gather(*(readers.until(n, began_after=before, shown=True) for n in range(READERS)))
    lane.open_asked += READERS
    await take_back(lane)
    committed = time.monotonic()
    shown = await asyncio.gather(*(readers.until(n, began_after=committed) for n in range(READERS)))
    if any(shown):
        lane.missed.append(kind)
    await give_again(lane)


async def run_races(database: Any, settings: Settings, port: int, *, races: int, lanes: int) -> list[Lane]:
    """`races` races over all kinds, `lanes` at a time. Each lane has a connection that writes and one that looks for records."""
    kinds = list(KINDS)
    owners = [await database.owner() for _ in range(2 * lanes)]
    try:
        store = KeyStore(settings)
        await store.ensure(owners[0])
        made = [await a_lane(owners[n], settings, store) for n in range(lanes)]

        async def run(lane: Lane, number: int) -> None:
            readers = Readers(lane, port, owners[lanes + number])
            try:
                for turn in range(races // lanes):
                    async with asyncio.timeout(30):
                        await race(lane, kinds[(turn + number) % len(kinds)], readers)
            finally:
                await readers.stop()

        async with asyncio.TaskGroup() as group:
            for number, lane in enumerate(made):
                group.create_task(run(lane, number))
        return made
    finally:
        for owner in owners:
            await owner.close()
