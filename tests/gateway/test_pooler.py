"""Behind a transaction pooler: no session setting, no prepared statement, and a login role that is only a member of `gateway`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from gateway.oauth.keys import KeyStore
from gateway.settings import Settings
from tests.support.database import Database
from tests.support.races import a_lane
from tests.support.served import PartnerConnection, served


async def test_a_gateway_that_can_keep_nothing_in_a_session_answers_and_records(database: Database, tmp_path: Path) -> None:
    """DESIGN 4. The pooler itself was tried by hand (PgBouncer, transaction mode); this is all that it asks of its clients."""
    owner, login, password = await database.owner(), f"login_{uuid4().hex[:12]}", uuid4().hex
    await owner.execute(f"create role {login} login password '{password}' in role gateway")
    place = urlsplit(database.owner_url)
    url = place._replace(netloc=f"{login}:{password}@{place.hostname}:{place.port}").geturl()
    try:
        await owner.execute(
            "insert into gateway.policy_version (policy_version, effective_at, text_sha256) values ('race', '2020-01-01', '')"
        )
        async with served(url, tmp_path, pooler="1") as port:
            settings = Settings(data=tmp_path, base_url=f"http://localhost:{port}")
            lane = await a_lane(owner, settings, KeyStore(settings))
            partners = [PartnerConnection(port) for _ in range(4)]
            replies = await asyncio.gather(
                *(one.ask(lane.token, "{ subjects(first: 5) { edges { node { id } } } }") for one in partners)
            )
            for one in partners:
                one.close()
        kept = await owner.fetch("select disclosure_id::text from gateway.disclosure")
        assert [reply.status for reply in replies] == [200] * 4
        assert {row[0] for row in kept} == {reply.disclosure_id for reply in replies}
    finally:
        await owner.execute(f"drop role {login}")
        await owner.close()
