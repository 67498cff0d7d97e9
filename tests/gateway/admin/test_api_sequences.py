"""Whatever the staff propose, decide and take back, in whatever order: one version of a scope at a time, and every disclosure
names the one that it ran under (policy 1.1, 9.3)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.stewardship.content import ChangeKind
from tests.support.admin import AdminDoor
from tests.support.oauth import Party, a_key, a_metadata
from tests.support.stewardship import CITY, a_grant, a_partner, a_scope

OTHERS = ["Subject.realName", "Subject.email", "Subject.language", "Subject.birthDate"]
STEPS = 30
SOON = timedelta(seconds=30)  # from what an act does to its end, on a machine under load
MAY_BE_REFUSED = {"CHANGE_STALE", "CHANGE_EMPTY", "SCOPE_UNKNOWN"}
PROPOSE = 'mutation ($scope: ScopeInput!) { given: proposeScope(scope: $scope, reason: "drawn") { changeId } }'
END = 'mutation ($end: ScopeEndInput!) { given: proposeScopeEnd(scopeEnd: $end, reason: "drawn") { changeId } }'
APPROVE = "mutation ($id: UUID!) { given: approve(changeId: $id) { changeId } }"
REJECT = 'mutation ($id: UUID!) { given: reject(changeId: $id, decision: "drawn") { changeId } }'
WITHDRAW = "mutation ($id: UUID!) { given: withdraw(changeId: $id) { changeId } }"


@dataclass
class Hands:
    """The staff at work on one scope, and a partner that reads after each step."""

    door: AdminDoor
    scope: str
    draw: random.Random
    token: str
    waiting: list[str] = field(default_factory=list)

    async def step(self) -> None:
        kind = self.draw.choices(["scope", "end", "approve", "reject", "withdraw"], [10, 4, 12, 2, 2])[0]
        if kind == "scope":
            await self.do("steward", PROPOSE, scope=self.content())
        elif kind == "end":
            await self.do("steward", END, end={"scope": self.scope})
        elif self.waiting:
            change_id = self.waiting.pop(self.draw.randrange(len(self.waiting)))
            login, document = {
                "approve": ("approver", APPROVE),
                "reject": ("approver-2", REJECT),
                "withdraw": ("steward", WITHDRAW),
            }[kind]
            await self.do(login, document, id=change_id)

    async def do(self, login: str, document: str, **variables: Any) -> None:
        reply = await self.door.by(login, document, **variables)
        assert reply.code is None or reply.code in MAY_BE_REFUSED, reply.body
        if login == "steward" and document is not WITHDRAW and reply.code is None:
            self.waiting.append(reply.body["data"]["given"]["changeId"])

    def content(self) -> dict[str, Any]:
        paths = [CITY, *self.draw.sample(OTHERS, self.draw.randint(0, 3))]
        drawn = a_scope(self.scope, *paths)
        if self.draw.random() < 0.2:
            drawn["activeFrom"] = (datetime.now(UTC) + timedelta(days=self.draw.randint(1, 9))).isoformat()
        return drawn

    async def read(self) -> str | None:
        """The code, None where it is answered."""
        asked = {"query": "{ subjects(first: 1) { edges { node { city } } } }"}
        answer = await self.door.http.post("/graphql", json=asked, headers={"Authorization": f"Bearer {self.token}"})
        errors = answer.json().get("errors")
        return errors[0]["extensions"]["code"] if errors else None


async def hands_of(door: AdminDoor, seed: int) -> Hands:
    """With a scope that is active, a partner that holds it, and its token."""
    office, world, scope, partner, key = door.office, door.office.world, f"drawn-{seed}", f"reader-{seed}", a_key()
    await office.make(ChangeKind.SCOPE, a_scope(scope, CITY))
    await office.make(ChangeKind.PARTNER, a_partner(world, partner))
    await office.make(ChangeKind.CLIENT, {"partner": partner, "metadata": a_metadata(partner, key=key)})
    await office.make(ChangeKind.GRANT, a_grant(world, partner, scope))
    partner_id = await world.owner.fetchval("select partner_id from gateway.partner where name = $1", partner)
    await world.a_consent(await world.a_subject(), partner_id)
    form = Party(partner, partner_id, "ES256", key, door.settings.issuer).form(scope=scope)
    token = (await door.http.post("/oauth/token", data=form)).json()["access_token"]
    return Hands(door, scope, random.Random(seed), token)  # noqa: S311 - drawn again the same way


def active(rows: Sequence[Any], at: datetime) -> list[int]:
    return [row["version"] for row in rows if row["active_from"] <= at and (row["retired_at"] is None or row["retired_at"] > at)]


@pytest.mark.parametrize("seed", range(2))
async def test_one_version_at_each_instant_and_each_disclosure_names_it(door: AdminDoor, seed: int) -> None:
    hands, owner = await hands_of(door, seed), door.office.world.owner
    codes = []
    for _ in range(STEPS):
        await hands.step()
        codes.append(await hands.read())

    rows = await owner.fetch(
        "select version, active_from, retired_at from gateway.scope_version where scope = $1 and active_from is not null",
        hands.scope,
    )
    ends = await owner.fetch(
        "select decided_at from gateway.change where target = $1 and kind = 'scope_end' and state = 'approved'", hands.scope
    )
    beginnings = {row["active_from"] for row in rows}
    for row in rows:
        assert len(active(rows, row["active_from"])) <= 1
        if row["retired_at"] not in {None, *beginnings}:
            assert any(row["retired_at"] <= end["decided_at"] <= row["retired_at"] + SOON for end in ends), "nobody ended it"
    disclosed = await owner.fetch(
        "select d.disclosed_at, j.scope_versions from gateway.disclosure d join gateway.projection j using (projection_id)"
        " join gateway.partner p using (partner_id) where p.name = $1",
        f"reader-{seed}",
    )
    assert len(disclosed) == codes.count(None) > 0
    for one in disclosed:
        assert one["scope_versions"] == [f"{hands.scope}@{version}" for version in active(rows, one["disclosed_at"])]
