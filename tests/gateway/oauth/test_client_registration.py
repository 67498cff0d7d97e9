"""Client registration (RFC 7591): by a partner, with a token that a steward gave it, for a client that somebody else approves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
import pytest_asyncio

from gateway.catalogue.weidandan import CATALOGUE
from gateway.stewardship import changes, initial_tokens
from gateway.stewardship.actor import Actor, ActRefused
from gateway.stewardship.effect import Ground
from gateway.stewardship.roles import StaffRole
from gateway.store.consents import PseudonymKeys
from tests.support.oauth import Party, World, a_key, a_metadata, a_partner
from tests.support.stewardship import MACHINE, a_member

PATH = "/oauth/register"
HOUR = timedelta(hours=1)


class Bureau:
    """A world with a steward, an approver and a partner."""

    def __init__(self, world: World) -> None:
        self.world, self.people = world, dict[StaffRole, Actor]()
        self.partner = ""

    async def open(self) -> None:
        partner_id = await a_partner(self.world.owner)
        self.partner = await self.world.owner.fetchval("select name from gateway.partner where partner_id = $1", partner_id)
        for role in (StaffRole.STEWARD, StaffRole.APPROVER):
            self.people[role] = await a_member(self.world.owner, role)

    async def token(self, lifetime: timedelta = HOUR) -> str:
        steward = self.people[StaffRole.STEWARD]
        return (await initial_tokens.issue(self.world.owner, steward, partner=self.partner, lifetime=lifetime)).text

    async def register(self, token: str | None, metadata: object, **more: Any) -> httpx2.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return await self.world.http.post(PATH, json=metadata, headers=headers, **more)

    async def change(self) -> Any:
        return await self.world.owner.fetchrow("select * from gateway.change order by proposed_at desc limit 1")

    async def approve(self, change_id: UUID) -> None:
        ground = Ground(CATALOGUE.fields, PseudonymKeys(self.world.settings.key("pseudonym")))
        await changes.approve(self.world.owner, self.people[StaffRole.APPROVER], ground, change_id=change_id)


@pytest_asyncio.fixture
async def bureau(world: World) -> AsyncIterator[Bureau]:
    made = Bureau(world)
    await made.open()
    yield made


def wanted(**changed: object) -> dict[str, object]:
    """Metadata as a client sends it: without a name, which it is given."""
    return {name: value for name, value in a_metadata(**changed).items() if name != "client_id"}  # type: ignore[arg-type]


async def test_a_registered_client_is_unknown_until_somebody_else_approves_it(bureau: Bureau) -> None:
    """RFC 7591 3.2.1: 201 with client_id and all that was registered; policy 9.3: two people for what widens."""
    key = a_key()
    metadata = wanted(key=key, client_name="Reach", nickname="dropped", client_secret="dropped")

    answer = await bureau.register(await bureau.token(), metadata)

    body = answer.json()
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    assert body["client_id"].startswith(f"{bureau.partner}-")
    assert (body["client_name"], body["token_endpoint_auth_method"]) == ("Reach", "private_key_jwt")
    assert not {"nickname", "client_secret"} & body.keys()
    assert isinstance(body["client_id_issued_at"], int)
    party = Party(body["client_id"], uuid4(), "ES256", key, bureau.world.settings.issuer)
    await bureau.world.refused(party)
    change = await bureau.change()
    assert (change["kind"], change["target"], change["state"]) == ("client", bureau.partner, "proposed")
    [act] = await bureau.world.owner.fetch("select * from gateway.act where act = 'change.propose'")
    assert (act["actor"], act["door"]) == ("steward", "registration")

    await bureau.approve(change["change_id"])

    assert (await bureau.world.token(party))["token_type"] == "Bearer"


async def test_a_token_registers_one_client_however_many_ask_at_once(bureau: Bureau) -> None:
    token = await bureau.token()
    workers = [worker.http for worker in bureau.world.workers]

    answers = await asyncio.gather(
        *(
            workers[number % len(workers)].post(PATH, json=wanted(), headers={"Authorization": f"Bearer {token}"})
            for number in range(8)
        )
    )

    assert sorted(answer.status_code for answer in answers) == [201] + [401] * 7
    assert await bureau.world.owner.fetchval("select count(*) from gateway.change") == 1


@pytest.mark.parametrize(
    "spoil",
    [
        "update gateway.initial_token set expires_at = clock_timestamp()",
        "update gateway.partner set status = 'ended'",
        "update gateway.staff set ended_at = clock_timestamp() where login = 'steward'",
        "update gateway.staff set roles = '{operator}' where login = 'steward'",
    ],
    ids=["expired", "partner ended", "steward ended", "steward no longer"],
)
async def test_a_token_that_stands_no_more_is_refused_like_any_unknown_one(bureau: Bureau, spoil: str) -> None:
    """RFC 6750 3.1, by the database's clock."""
    token = await bureau.token()
    await bureau.world.owner.execute(spoil)

    answers = [await bureau.register(one, wanted()) for one in (token, "gwinitial_unknown", "x" * 5000)]

    for answer in answers:
        assert (answer.status_code, answer.json()) == (401, {"error": "invalid_token"})
        assert answer.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
    assert await bureau.change() is None


async def test_without_a_token_only_the_challenge_is_given(bureau: Bureau) -> None:
    answer = await bureau.register(None, wanted())

    assert (answer.status_code, answer.json()) == (401, {})
    assert answer.headers["www-authenticate"].startswith("Bearer resource_metadata=")


@pytest.mark.parametrize(
    ("metadata", "error", "description"),
    [
        (wanted(redirect_uris=["http://evil.example/"]), "invalid_redirect_uri", "redirect_uris: "),
        (wanted(jwks=None), "invalid_client_metadata", "jwks: missing"),
        (wanted(jwks=None, jwks_uri="https://a.example/"), "invalid_client_metadata", "jwks_uri: not_supported"),
        (
            wanted(jwks=None, token_endpoint_auth_method="client_secret_basic"),
            "invalid_client_metadata",
            "token_endpoint_auth_method: not_supported",
        ),
        ([], "invalid_client_metadata", "metadata: wrong_type"),
        ("x", "invalid_client_metadata", "metadata: wrong_type"),
        (wanted(client_name="\ud800"), "invalid_client_metadata", "client_name: malformed"),
    ],
)
async def test_metadata_that_cannot_be_is_refused_by_name_and_the_token_stays(
    bureau: Bureau, metadata: object, error: str, description: str
) -> None:
    """RFC 7591 3.2.2. What was sent is not repeated."""
    token = await bureau.token()

    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    refused = await bureau.world.http.post(PATH, content=json.dumps(metadata).encode(), headers=headers)

    assert (refused.status_code, refused.json()["error"]) == (400, error)
    assert refused.json()["error_description"].startswith(description)
    assert "evil" not in refused.text
    assert (await bureau.register(token, wanted())).status_code == 201


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[" * 60_000, "application/json", 400),
        (b'{"a": ' + b"9" * 5_000 + b"}", "application/json", 400),
        (b"{}", "application/x-www-form-urlencoded", 415),
        (b'"' + b"x" * 70_000 + b'"', "application/json", 413),
    ],
)
async def test_a_body_that_is_none_is_refused_without_a_trace(
    bureau: Bureau, content: bytes, media_type: str, status: int
) -> None:
    headers = {"Authorization": "Bearer gwinitial_x", "Content-Type": media_type}

    answer = await bureau.world.http.post(PATH, content=content, headers=headers)

    assert (answer.status_code, answer.json()["error"]) == (status, "invalid_client_metadata")


async def test_the_name_of_another_partners_client_is_never_taken(bureau: Bureau) -> None:
    """A token speaks for its own partner; whatever else the metadata name is the gateway's to say."""
    other = await bureau.register(await bureau.token(), {**wanted(), "client_id": "adlens", "partner": "adlens"})

    content = json.loads((await bureau.change())["content"])
    assert other.json()["client_id"] != "adlens"
    assert content["partner"] == bureau.partner
    assert content["metadata"]["client_id"] == other.json()["client_id"]


async def test_only_a_steward_issues_a_token_for_a_while_and_it_stands_nowhere(bureau: Bureau) -> None:
    owner, steward = bureau.world.owner, bureau.people[StaffRole.STEWARD]
    text = await bureau.token()

    for actor, partner, lifetime, code in (
        (MACHINE, bureau.partner, HOUR, "ROLE_MISSING"),
        (bureau.people[StaffRole.APPROVER], bureau.partner, HOUR, "ROLE_MISSING"),
        (steward, "nobody", HOUR, "PARTNER_UNKNOWN"),
        (steward, bureau.partner, timedelta(days=2), "LIFETIME_INVALID"),
    ):
        with pytest.raises(ActRefused) as refused:
            await initial_tokens.issue(owner, actor, partner=partner, lifetime=lifetime)
        assert refused.value.code == code
    rows = await owner.fetch("select t::text as line from gateway.initial_token t union select a::text from gateway.act a")
    assert len(rows) >= 6
    assert not [row for row in rows if text in row["line"]]


@pytest.mark.parametrize("depth", [20, 300, 900])
async def test_metadata_that_lie_too_deep_are_refused(bureau: Bureau, depth: int) -> None:
    key: Any = "x"
    for _ in range(depth):
        key = [key]
    metadata = {**wanted(), "jwks": {"keys": [*wanted()["jwks"]["keys"], {"kty": "unheard of", "deep": key}]}}  # type: ignore[index]

    answer = await bureau.register(await bureau.token(), metadata)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")
