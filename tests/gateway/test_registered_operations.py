"""Registered operations: documents that a partner names by their SHA-256 (GraphQL over HTTP, appendix A), or is held to."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

import pytest
import pytest_asyncio
from typer.testing import CliRunner, Result

from gateway.cli import app
from gateway.oauth.keys import KeyStore
from gateway.request.authenticate import Caller
from gateway.request.codes import Code, GatewayError, Media
from gateway.request.receive import Received
from gateway.settings import Settings
from gateway.stewardship.roles import StaffRole
from gateway.store import registered
from gateway.store.partners import PartnerError
from gateway.store.registered import CHARACTERS_MAX, DOCUMENTS_MAX, OperationError
from scopes import Redaction, Rung
from tests.support.database import Database
from tests.support.races import DOCUMENT, READERS, Lane, Readers, a_lane
from tests.support.served import served
from tests.support.stewardship import a_token_of
from tests.support.world import World

CITIES = "{ subjects(first: 5) { edges { node { city } } } }"
RESPONSE, JSON = "application/graphql-response+json", "application/json"
ROUNDS = 12


def sha256(document: str) -> str:
    return hashlib.sha256(document.encode()).hexdigest()


async def only(world: World, partner_id: UUID, *, registered_only: bool = True) -> None:
    await world.owner.execute(
        "update gateway.partner set registered_only = $2 where partner_id = $1", partner_id, registered_only
    )


async def name(world: World, caller: Caller, document: str, **variables: object) -> Any:
    """Ask by the document's SHA-256."""
    received = Received("", None, variables, None, Media.RESPONSE, "POST", sha256(document))
    return json.loads((await world.gate.answer(caller, received)).sealed)


async def a_reader(world: World) -> tuple[UUID, Caller]:
    partner_id, caller = await world.a_reader(["Subject.city"])
    await world.a_consent(await world.a_subject(), partner_id)
    return partner_id, caller


async def refusals(world: World, partner_id: UUID) -> list[tuple[str, str]]:
    rows = await world.owner.fetch(
        "select code, encode(document_sha256, 'hex') as sha256 from gateway.refusal where partner_id = $1 order by refused_at",
        partner_id,
    )
    return [(row["code"], row["sha256"]) for row in rows]


async def test_a_registered_document_is_answered_by_its_name_until_it_ends(small_world: World) -> None:
    world = small_world
    partner_id, caller = await a_reader(world)
    with pytest.raises(GatewayError) as before:
        await name(world, caller, CITIES)

    known = await registered.register(world.owner, partner_id=partner_id, document=CITIES, label="cities")
    named, sent = await name(world, caller, CITIES), await world.ask(caller, CITIES)
    await registered.end(world.owner, partner_id=partner_id, document_sha256=known)

    assert known == sha256(CITIES)
    assert named["data"] == sent["data"] == {"subjects": {"edges": [{"node": {"city": "深圳市"}}]}}
    with pytest.raises(GatewayError) as after:
        await name(world, caller, CITIES)
    assert before.value.code is after.value.code is Code.DOCUMENT_ID_UNKNOWN
    assert await refusals(world, partner_id) == []


async def test_a_document_of_another_partner_is_unknown(small_world: World) -> None:
    world = small_world
    (mine, _), (_, other) = await a_reader(world), await a_reader(world)
    await registered.register(world.owner, partner_id=mine, document=CITIES, label="cities")

    with pytest.raises(GatewayError) as refused:
        await name(world, other, CITIES)

    assert refused.value.code is Code.DOCUMENT_ID_UNKNOWN


async def test_a_disclosure_by_name_is_on_record_with_its_document(small_world: World) -> None:
    world = small_world
    partner_id, caller = await a_reader(world)
    await registered.register(world.owner, partner_id=partner_id, document=CITIES, label="cities")

    answer = await name(world, caller, CITIES)

    recorded = await world.owner.fetchval(
        "select encode(p.document_sha256, 'hex') from gateway.disclosure d join gateway.projection p using (projection_id)"
        " where d.disclosure_id = $1",
        UUID(answer["extensions"]["disclosure"]["id"]),
    )
    assert recorded == sha256(CITIES)


@pytest.mark.parametrize(
    "document", ["{ subjects(first: 5) { edges { node { city }  } } }", "{ __typename }", "{ no", CITIES + "\n"]
)
async def test_a_partner_that_is_held_to_them_is_answered_nothing_else(small_world: World, document: str) -> None:
    world = small_world
    partner_id, caller = await a_reader(world)
    await registered.register(world.owner, partner_id=partner_id, document=CITIES, label="cities")
    await only(world, partner_id)

    for ask in (world.ask, lambda caller, document: name(world, caller, document)):
        with pytest.raises(GatewayError) as refused:
            await ask(caller, document)
        assert refused.value.code is Code.OPERATION_NOT_REGISTERED

    assert await refusals(world, partner_id) == [("OPERATION_NOT_REGISTERED", sha256(document))] * 2
    assert (await world.ask(caller, CITIES))["data"] == (await name(world, caller, CITIES))["data"]


async def test_being_held_to_them_counts_for_a_view_that_is_remembered_and_so_does_its_end(small_world: World) -> None:
    world = small_world
    partner_id, caller = await a_reader(world)
    assert len(await world.see(caller, "city")) == 1

    await only(world, partner_id)
    with pytest.raises(GatewayError):
        await world.see(caller, "city")
    await only(world, partner_id, registered_only=False)

    assert len(await world.see(caller, "city")) == 1


async def test_what_a_registered_document_is_refused_for_is_recorded_under_its_hash(small_world: World) -> None:
    """Registering gives nothing: the token's scopes are asked as ever."""
    world = small_world
    partner_id, _ = await a_reader(world)
    await registered.register(world.owner, partner_id=partner_id, document=CITIES, label="cities")

    with pytest.raises(GatewayError) as refused:
        await name(world, await world.a_token(partner_id), CITIES)

    assert refused.value.code is Code.INSUFFICIENT_SCOPE
    assert await refusals(world, partner_id) == [("INSUFFICIENT_SCOPE", sha256(CITIES))]


async def test_a_registration_that_ended_can_begin_again_and_a_label_can_change(small_world: World) -> None:
    world, conn = small_world, small_world.owner
    partner_id = await world.a_partner()
    known = await registered.register(conn, partner_id=partner_id, document=CITIES, label="cities")
    [first] = await registered.of_partner(conn, partner_id)
    await registered.register(conn, partner_id=partner_id, document=CITIES, label="towns")
    [renamed] = await registered.of_partner(conn, partner_id)
    await registered.end(conn, partner_id=partner_id, document_sha256=known)
    [ended] = await registered.of_partner(conn, partner_id)
    await registered.register(conn, partner_id=partner_id, document=CITIES, label="again")
    [again] = await registered.of_partner(conn, partner_id)

    assert (first.document, first.label, first.ended_at) == (CITIES, "cities", None)
    assert (renamed.label, renamed.registered_at) == ("towns", first.registered_at)
    assert ended.ended_at is not None
    assert again.ended_at is None
    assert again.registered_at > ended.ended_at


async def test_what_cannot_be_registered_or_ended_is_told_apart(small_world: World) -> None:
    world, conn = small_world, small_world.owner
    partner_id = await world.a_partner()
    for document, label in ((" ", "a"), ("{ a }", " "), ("{ a }\x00", "a")):
        with pytest.raises(OperationError, match=r"document|label") as invalid:
            await registered.register(conn, partner_id=partner_id, document=document, label=label)
        assert invalid.value.code == "OPERATION_INVALID"
    with pytest.raises(PartnerError):
        await registered.register(conn, partner_id=UUID(int=0), document="{ a }", label="a")
    for unknown in (sha256("{ a }"), "no hash", ""):
        with pytest.raises(OperationError) as ended:
            await registered.end(conn, partner_id=partner_id, document_sha256=unknown)
        assert ended.value.code == "OPERATION_UNKNOWN"


async def test_what_a_partner_may_register_is_bounded(small_world: World) -> None:
    """Workers keep the documents of the partners that ask them."""
    world, conn = small_world, small_world.owner
    full, long = await world.a_partner(), await world.a_partner()
    await conn.execute(
        "insert into gateway.registered_operation (partner_id, document_sha256, document, label)"
        " select $1, sha256(n::text::bytea), n::text, 'a' from generate_series(1, $2) n",
        full,
        DOCUMENTS_MAX,
    )
    await registered.register(conn, partner_id=long, document="a" * CHARACTERS_MAX, label="long")

    for partner_id in (full, long):
        with pytest.raises(OperationError) as refused:
            await registered.register(conn, partner_id=partner_id, document=CITIES, label="one more")
        assert refused.value.code == "OPERATIONS_TOO_MANY"
    await registered.register(conn, partner_id=full, document="1", label="one that it has")


@dataclass(frozen=True, slots=True)
class Told:
    status: int
    media: str
    body: Any

    @property
    def code(self) -> str | None:
        return self.body["errors"][0]["extensions"]["code"] if "errors" in self.body else None


@dataclass(frozen=True, slots=True)
class Served:
    port: int
    lane: Lane

    async def ask(self, parameters: Mapping[str, object], *, method: str = "POST", accept: str = RESPONSE) -> Told:
        return await asyncio.to_thread(self._ask, parameters, method, accept)

    def _ask(self, parameters: Mapping[str, object], method: str, accept: str) -> Told:
        headers = {"Authorization": f"Bearer {self.lane.token}", "Accept": accept, "Content-Type": JSON}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            if method == "GET":
                flat = {key: value if isinstance(value, str) else json.dumps(value) for key, value in parameters.items()}
                connection.request("GET", f"/graphql?{urlencode(flat, safe=':', quote_via=quote)}", headers=headers)
            else:
                connection.request("POST", "/graphql", json.dumps(parameters), headers)
            reply = connection.getresponse()
            return Told(reply.status, (reply.getheader("content-type") or "").partition(";")[0], json.loads(reply.read()))
        finally:
            connection.close()


@pytest_asyncio.fixture(loop_scope="session")
async def gateway(database: Database, tmp_path: Path) -> AsyncIterator[Served]:
    """`gateway serve` with two workers, and a partner."""
    owner = await database.owner()
    await owner.execute(
        "insert into gateway.policy_version (policy_version, effective_at, text_sha256) values ('race', '2020-01-01', '')"
    )
    try:
        async with served(database.owner_url, tmp_path, workers=2) as port:
            settings = Settings(data=tmp_path, base_url=f"http://localhost:{port}")
            store = KeyStore(settings)
            await store.ensure(owner)
            yield Served(port, await a_lane(owner, settings, store))
    finally:
        await owner.close()


async def test_over_http_a_document_is_named_by_post_and_get_and_each_fault_has_its_status(gateway: Served) -> None:
    """GraphQL over HTTP, appendix A: a request that names no document it finds is a well-formed response with one error."""
    lane = gateway.lane
    known = await registered.register(lane.conn, partner_id=lane.partner_id, document=DOCUMENT, label="a city")
    variables = {"id": lane.id}
    for method in ("POST", "GET"):
        for accept in (RESPONSE, JSON):
            for named in (f"sha256:{known}", known):
                told = await gateway.ask({"documentId": named, "variables": variables}, method=method, accept=accept)
                assert (told.status, told.media, told.code) == (200, accept, None)
                assert told.body["data"]["subject"]["city"]
            for named in (f"sha256:{sha256('other')}", "abc", f"x-own:{known}"):
                told = await gateway.ask({"documentId": named}, method=method, accept=accept)
                assert (told.status, told.media) == (400 if accept == RESPONSE else 200, accept)
                assert (told.code, len(told.body["errors"]), "data" in told.body) == ("DOCUMENT_ID_UNKNOWN", 1, False)
            for parameters in ({"documentId": known, "query": DOCUMENT}, {"variables": variables}):
                told = await gateway.ask(parameters, method=method, accept=accept)
                assert (told.status, told.code) == (400, "PARAMETER_INVALID")
    await lane.conn.execute("update gateway.partner set registered_only = true where partner_id = $1", lane.partner_id)
    for accept in (RESPONSE, JSON):
        told = await gateway.ask({"query": "{ __typename }"}, accept=accept)
        assert (told.status, told.media, told.code) == (403, accept, "OPERATION_NOT_REGISTERED")
        told = await gateway.ask({"documentId": f"sha256:{sha256('other')}"}, accept=accept)
        assert (told.status, told.code) == (403, "OPERATION_NOT_REGISTERED")
        told = await gateway.ask({"query": DOCUMENT, "variables": variables}, accept=accept)
        assert (told.status, told.code) == (200, None)


@pytest.mark.races
async def test_no_worker_answers_by_a_registration_that_ended_before_the_request_began(
    gateway: Served, database: Database
) -> None:
    """policy 9.4: what is taken back counts for the next query in every worker."""
    lane, check = gateway.lane, await database.owner()
    partner_id = lane.partner_id
    known = await registered.register(lane.conn, partner_id=partner_id, document=DOCUMENT, label="raced for")
    await lane.conn.execute("update gateway.partner set registered_only = true where partner_id = $1", partner_id)
    readers = Readers(lane, gateway.port, check)
    try:
        for _ in range(ROUNDS):
            async with asyncio.timeout(30):
                begun = time.monotonic()
                await asyncio.gather(*(readers.until(n, began_after=begun, shown=True) for n in range(READERS)))
                await registered.end(lane.conn, partner_id=partner_id, document_sha256=known)
                ended = time.monotonic()
                shown = await asyncio.gather(*(readers.until(n, began_after=ended) for n in range(READERS)))
                await registered.register(lane.conn, partner_id=partner_id, document=DOCUMENT, label="raced for")
            assert shown == [False] * READERS
    finally:
        await readers.stop()
        await check.close()
    assert lane.unrecorded == 0


def test_examples_of_the_appendix_have_the_hash_that_it_says() -> None:
    assert sha256("query($id:ID!){user(id:$id){name}}") == "71f7dc5758652baac68e4a10c50be732b741c892ade2883a99358f52b555286b"


Command = Callable[..., Result]


@pytest.fixture
def command(database: Database, tmp_path: Path) -> Command:
    """Run `gateway partners` on the world's database."""

    def run(*words: str, token: str = "") -> Result:
        environment = {"DATABASE_URL": database.owner_url, "GATEWAY_DATA": str(tmp_path)}
        if token:
            environment["GATEWAY_STAFF_TOKEN"] = token
        with ThreadPoolExecutor(1) as elsewhere:  # a command has an event loop of its own
            return elsewhere.submit(CliRunner().invoke, app, ["partners", *words], env=environment).result()

    return run


async def test_the_command_shows_cost_and_redaction_and_registers_to_the_letter(
    small_world: World, command: Command, tmp_path: Path
) -> None:
    world = small_world
    partner_id, caller = await world.a_reader({"Subject.mobileNumber": Redaction(Rung.MASK, head=3, tail=4)}, name="shop")
    await world.a_consent(await world.a_subject(), partner_id)
    document = "query Phones {\r\n  subjects(first: 5) { edges { node { mobileNumber } } }\n}\n"
    file = tmp_path / "phones.graphql"
    file.write_bytes(document.encode())

    at_the_machine = command("register-operation", "shop", str(file), "--label", "phones")
    done = command("register-operation", "shop", str(file), "--label", "phones", token=await a_token_of(world, StaffRole.STEWARD))

    assert (at_the_machine.exit_code, at_the_machine.stderr.partition(":")[0]) == (1, "ROLE_MISSING")
    [scope] = caller.scopes
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"documentId sha256:{sha256(document)}",
        "operation Phones  cost 6",
        f"  service_delivery  {scope}",
        f"    Subject.mobileNumber  identity.mobile_number (ordinary)  mask(3,4)  {scope}@1",
    ]
    assert (await name(world, caller, document))["data"]["subjects"]["edges"] == [{"node": {"mobileNumber": "138****5678"}}]
    [listed] = json.loads(command("operations", "shop", "--json").stdout)
    assert (listed["document_sha256"], listed["label"], listed["ended_at"]) == (sha256(document), "phones", None)
    assert command("end-operation", "shop", sha256(document)).exit_code == 0
    assert "phones  ended" in command("operations", "shop").stdout
    again = command("end-operation", "shop", sha256(document))
    assert (again.exit_code, again.stderr.partition(":")[0]) == (1, "OPERATION_UNKNOWN")


async def test_the_command_tells_why_a_document_would_be_refused_and_registers_none(
    small_world: World, command: Command, tmp_path: Path
) -> None:
    partner_id, _ = await small_world.a_reader(["Subject.city"], name="shop")
    file = tmp_path / "names.graphql"
    file.write_text("{ me { realName } }")

    token = await a_token_of(small_world, StaffRole.STEWARD)
    done = command("register-operation", "shop", str(file), "--label", "names", token=token)

    assert (done.exit_code, done.stderr.partition(":")[0]) == (1, "OPERATION_INVALID")
    assert "VALIDATION: A field is selected that this type does not have.  at 1:8" in done.stdout
    assert await registered.of_partner(small_world.owner, partner_id) == ()
    assert command("operations", "shop").stdout == "no operation is registered\n"
    assert command("register-operation", "shop", str(tmp_path), "--label", "a folder").exit_code == 2
    assert command("operations", "nobody").exit_code == 1
