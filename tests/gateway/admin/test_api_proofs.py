"""The admin API over HTTP: what the staff do there counts at once, and nobody does it alone (policy 9.3)."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

from gateway.stewardship.roles import StaffRole
from tests.support.admin import AdminDoor
from tests.support.oauth import ASSERTION_TYPE, Party, a_key, a_metadata

PROPOSE_SCOPE = 'mutation ($scope: ScopeInput!) { proposeScope(scope: $scope, reason: "the test needs it") { changeId state } }'
APPROVE = "mutation ($id: UUID!) { approve(changeId: $id) { state decider takesEffectAt } }"


def a_scope(name: str, *paths: str) -> dict[str, Any]:
    fields = [{"path": path, "redaction": {"rung": "reveal"}, "justification": "the test needs it"} for path in paths]
    return {"scope": name, "purpose": "service_delivery", "fields": fields}


async def proposed(door: AdminDoor, name: str) -> str:
    change_id: str = (await door.done("steward", PROPOSE_SCOPE, scope=a_scope(name, "Subject.city")))["changeId"]
    return change_id


async def test_from_nothing_to_a_disclosure_over_http(door: AdminDoor) -> None:
    """Partner, client, scope and grant, proposed by one and approved by another; the partner's own token reads exactly that."""
    world = door.office.world
    now, key = world.started, a_key()
    party = {
        "name": "shop",
        "legalName": "Shop Ltd",
        "contact": "privacy@shop.example",
        "role": "recipient",
        "kind": "vendor",
        "processingLocation": "CN",
        "agreementStartsAt": (now - timedelta(days=1)).isoformat(),
        "agreementEndsAt": (now + timedelta(days=400)).isoformat(),
        "duties": ["confidentiality", "security"],
    }
    grant = {"partner": "shop", "scope": "shop.orders", "endsAt": (now + timedelta(days=30)).isoformat(), "retentionDays": 90}
    client = {"partner": "shop", "metadata": a_metadata("shop-1", key=key)}
    for field, kind, content in (
        ("proposePartner", "PartnerInput", party),
        ("proposeClient", "ClientInput", client),
        ("proposeScope", "ScopeInput", a_scope("shop.orders", "Subject.city")),
        ("proposeGrant", "GrantInput", grant),
    ):
        argument = field.removeprefix("propose").lower()
        document = f'mutation ($content: {kind}!) {{ {field}({argument}: $content, reason: "it is new") {{ changeId }} }}'
        change_id = (await door.done("steward", document, content=content))["changeId"]
        decided = await door.done("approver", APPROVE, id=change_id)
        assert (decided["state"], decided["decider"]) == ("approved", "approver")
    partner_id = await world.owner.fetchval("select partner_id from gateway.partner where name = 'shop'")
    await world.a_consent(await world.a_subject(), partner_id)

    shop = Party("shop-1", partner_id, "ES256", key, door.settings.issuer)
    token = (await door.http.post("/oauth/token", data=shop.form(scope="shop.orders"))).json()["access_token"]
    asked = {"query": "{ subjects(first: 5) { edges { node { city } } } access { scopes fields { path } } }"}
    answer = (await door.http.post("/graphql", json=asked, headers={"Authorization": f"Bearer {token}"})).json()

    assert answer["data"]["subjects"]["edges"] == [{"node": {"city": "深圳市"}}]
    assert answer["data"]["access"] == {"scopes": ["shop.orders"], "fields": [{"path": "Subject.city"}]}
    assert (await door.ask(token, "{ me { login } }")).status == 401
    assert ASSERTION_TYPE not in json.dumps(answer)


async def test_two_approvers_at_once_decide_once(door: AdminDoor) -> None:
    change_id = await proposed(door, "race")

    replies = await asyncio.gather(
        *(door.by(login, APPROVE, id=change_id) for login in ("approver", "approver-2") for _ in range(4))
    )

    assert sorted(str(reply.code) for reply in replies) == ["CHANGE_DECIDED"] * 7 + ["None"]
    versions = await door.office.world.owner.fetch("select version from gateway.scope_version where scope = 'race'")
    assert [row["version"] for row in versions] == [1]


async def test_nobody_approves_what_they_proposed_whatever_roles_they_hold(door: AdminDoor) -> None:
    """The commands let nobody have both roles; if the database said so all the same, it would still take two people."""
    token = await door.somebody("both", {StaffRole.STEWARD})
    own = (await door.ask(token, PROPOSE_SCOPE, {"scope": a_scope("own", "Subject.city")})).body["data"]["proposeScope"]

    alone = await door.ask(token, APPROVE, {"id": own["changeId"]})
    await door.office.world.owner.execute("update gateway.staff set roles = $1 where login = 'both'", sorted(StaffRole))
    with_both = await door.ask(token, APPROVE, {"id": own["changeId"]})

    assert (alone.status, alone.code) == (403, "ROLE_MISSING")
    assert (with_both.status, with_both.code) == (200, "OWN_CHANGE")
    assert await door.office.world.owner.fetchval("select count(*) from gateway.scope_version where scope = 'own'") == 0
