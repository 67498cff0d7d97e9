"""Linearizability: what has been taken back before an operation starts is seen by it, in every worker, under concurrency.

`make races` runs 5,000; the ordinary run a few hundred of the same.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.settings import Settings
from gateway.store.consents import PseudonymKeys, verify
from tests.support.database import Database
from tests.support.races import KINDS, READERS, run_races
from tests.support.served import served

RACES = int(os.environ.get("RACES", "330"))
LANES = 11


async def _policy(database: Database) -> None:
    owner = await database.owner()
    await owner.execute(
        "insert into gateway.policy_version (policy_version, effective_at, text_sha256) values ('race', '2020-01-01', '')"
    )
    await owner.close()


def _settings(data: Path, port: int) -> Settings:
    return Settings(data=data, base_url=f"http://localhost:{port}")


@pytest.mark.races
async def test_what_was_taken_back_before_a_request_began_is_never_shown(database: Database, tmp_path: Path) -> None:
    """policy 6.1, 4, 10, 9.4: a withdrawal, a setting, a revocation, a halt, a changed grant or scope counts at once."""
    await _policy(database)
    async with served(database.owner_url, tmp_path, workers=2) as port:
        lanes = await run_races(database, _settings(tmp_path, port), port, races=RACES, lanes=LANES)

    assert [kind for lane in lanes for kind in lane.missed] == []
    assert sum(lane.unrecorded for lane in lanes) == 0
    assert sum(lane.open_asked for lane in lanes) == READERS * (RACES // LANES) * LANES
    owner = await database.owner()
    assert await verify(owner, PseudonymKeys(_settings(tmp_path, port).key("pseudonym"))) == []
    await owner.close()


@pytest.mark.races
async def test_the_races_catch_a_gateway_that_caches_consent(database: Database, tmp_path: Path) -> None:
    """A race that no weakness can lose would prove nothing."""
    await _policy(database)
    async with served(database.owner_url, tmp_path, workers=1, module="tests.support.consent_cached") as port:
        lanes = await run_races(database, _settings(tmp_path, port), port, races=len(KINDS) * LANES, lanes=LANES)

    assert {kind for lane in lanes for kind in lane.missed} >= set(KINDS) - {"revocation"}


@pytest.mark.races
async def test_the_races_catch_a_gateway_that_records_afterwards(database: Database, tmp_path: Path) -> None:
    await _policy(database)
    async with served(database.owner_url, tmp_path, workers=1, module="tests.support.record_afterwards") as port:
        lanes = await run_races(database, _settings(tmp_path, port), port, races=LANES, lanes=LANES)

    assert sum(lane.unrecorded for lane in lanes) > 0
