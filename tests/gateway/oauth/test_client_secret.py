"""Clients that prove themselves by a secret (RFC 6749 2.3.1), and those that prove nothing."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from urllib.parse import quote_plus
from uuid import uuid4

import httpx2
import pytest
import pytest_asyncio

from gateway.oauth.bridge import run_sync, wait
from gateway.oauth.client import Client, find_client
from gateway.oauth.client_secret import (
    SECRETS_MAX,
    ClientSecrets,
    NewSecret,
    SecretAuthentication,
    add_secret,
    end_secret,
)
from gateway.oauth.form import Form
from gateway.oauth.refusal import InvalidClient, SlowDown
from tests.support.oauth import World, a_client


@pytest_asyncio.fixture(autouse=True)
async def _fresh_counts(world: World) -> None:
    await world.owner.execute("delete from gateway.sign_in_throttle")


async def a_secret(world: World, method: str = "client_secret_basic") -> tuple[str, str]:
    """A new client of this method: its id and its secret."""
    party = await a_client(world.owner, world.settings, token_endpoint_auth_method=method, jwks=None)
    return party.client_id, (await added(world, party.client_id)).text


async def added(world: World, client_id: str) -> NewSecret:
    """A further secret of this client."""
    new = await add_secret(world.owner, client_id)
    assert new is not None
    return new


def basic(client_id: str, secret: str, *, scheme: str = "Basic") -> str:
    """HTTP Basic as RFC 6749 2.3.1 has it: both parts form-encoded first."""
    return f"{scheme} {base64.b64encode(f'{quote_plus(client_id)}:{quote_plus(secret)}'.encode()).decode()}"


async def by_header(world: World, authorization: str, **more: str) -> httpx2.Response:
    """The answer to a token request with this header."""
    form = {"grant_type": "client_credentials", **more}
    return await world.http.post("/oauth/token", data=form, headers={"Authorization": authorization})


async def by_form(world: World, **form: str) -> httpx2.Response:
    """The answer to a token request with these parameters."""
    return await world.http.post("/oauth/token", data={"grant_type": "client_credentials", **form})


async def checked(world: World, known: ClientSecrets, client_id: str, text: str, address: str = "192.0.2.1") -> Client | None:
    """What the method makes of a secret that comes from this address."""
    form = Form({}, basic(client_id, text), address=address)

    def ask() -> Client | None:
        hook = SecretAuthentication("client_secret_basic", world.owner, known, form)
        return hook(lambda name: wait(find_client(world.owner, name)), None)

    return await run_sync(ask)


async def told_of(world: World, known: ClientSecrets, client_id: str, address: str) -> type[Exception]:
    """What a wrong secret from this address is told."""
    try:
        await checked(world, known, client_id, "wrong", address)
    except (InvalidClient, SlowDown) as refused:
        return type(refused)
    raise AssertionError("a wrong secret was taken")


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
async def test_secret_in_the_header_proves_the_client(world: World, scheme: str) -> None:
    """RFC 6749 2.3.1; RFC 9110 11.1: the scheme in any case."""
    client_id, secret = await a_secret(world)

    assert (await by_header(world, basic(client_id, secret, scheme=scheme))).status_code == 200
    assert (await by_header(world, basic(client_id, secret), client_id=client_id)).status_code == 200


async def test_secret_in_the_body_proves_the_client(world: World) -> None:
    """RFC 6749 2.3.1."""
    client_id, secret = await a_secret(world, "client_secret_post")

    assert (await by_form(world, client_id=client_id, client_secret=secret)).status_code == 200


async def test_client_uses_the_method_it_registered(world: World) -> None:
    """RFC 7591 2: one method, at every endpoint."""
    in_header, first = await a_secret(world)
    in_body, second = await a_secret(world, "client_secret_post")
    signing = await a_client(world.owner, world.settings)

    answers = [
        await by_form(world, client_id=in_header, client_secret=first),
        await by_header(world, basic(in_body, second)),
        await by_header(world, basic(signing.client_id, first)),
        await by_form(world, client_id=signing.client_id),
        await by_form(world, client_id=in_body),
    ]

    assert {(answer.status_code, answer.json()["error"]) for answer in answers} == {(401, "invalid_client")}
    assert await world.issued_count() == 0


async def test_wrong_secret_unknown_client_and_ended_secret_are_one_answer(world: World) -> None:
    """A stranger does not learn which clients there are."""
    client_id, secret = await a_secret(world)
    other = await added(world, client_id)
    await end_secret(world.owner, client_id, other.secret_id)

    answers = [
        await by_header(world, basic(client_id, secret + "x")),
        await by_header(world, basic("nobody", secret)),
        await by_header(world, basic(client_id, other.text)),
    ]

    assert len({(answer.status_code, answer.text, answer.headers["WWW-Authenticate"]) for answer in answers}) == 1
    assert answers[0].status_code == 401


@pytest.mark.parametrize(
    "authorization",
    ["Basic", "Basic *", "Basic eA==", "Basic OnM=", "Basic /w==", "Basic " + base64.b64encode(b"a%ff:b").decode()],
)
async def test_header_that_is_no_basic_is_refused(world: World, authorization: str) -> None:
    """RFC 7617 2: no name, no colon, no base64, no UTF-8."""
    answer = await by_header(world, authorization)

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_two_proofs_in_one_request_are_refused(world: World) -> None:
    """RFC 6749 2.3: one way in each request."""
    client_id, secret = await a_secret(world)
    party = await a_client(world.owner, world.settings)

    answers = [
        await by_header(world, basic(client_id, secret), client_secret=secret),
        await by_header(world, basic(client_id, secret), client_assertion="x"),
        await by_form(world, **party.form(client_secret=secret)),
    ]

    assert {(answer.status_code, answer.json()["error"]) for answer in answers} == {(400, "invalid_request")}


async def test_header_and_body_name_the_same_client(world: World) -> None:
    """RFC 6749 2.3.1: a `client_id` beside the header must not be another's."""
    client_id, secret = await a_secret(world)

    answer = await by_header(world, basic(client_id, secret), client_id="another")

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_secret_stands_as_a_hash_and_is_never_printed(world: World) -> None:
    """policy 9.2; secrets as argon2 only."""
    client_id, _ = await a_secret(world)
    new = await added(world, client_id)

    rows = [row["secret_hash"] for row in await world.owner.fetch("select secret_hash from gateway.client_secret")]

    assert all(row.startswith("$argon2id$v=19$") for row in rows)
    assert len(rows) == 2
    assert len(base64.urlsafe_b64decode(new.text + "=")) == 32
    assert new.text not in f"{new} {new!r}"


async def test_client_changes_over_with_two_secrets_and_has_four_at_most(world: World) -> None:
    """The old one counts until it is ended; then in no worker."""
    client_id, first = await a_secret(world)
    others = [await added(world, client_id) for _ in range(SECRETS_MAX - 1)]

    assert await add_secret(world.owner, client_id) is None
    for text in (first, *(other.text for other in others)):
        assert (await by_header(world, basic(client_id, text))).status_code == 200
    assert await end_secret(world.owner, client_id, others[0].secret_id)
    assert not await end_secret(world.owner, client_id, others[0].secret_id)
    assert not await end_secret(world.owner, "another", others[1].secret_id)
    assert (await by_header(world, basic(client_id, others[0].text))).status_code == 401


async def test_only_a_client_that_proves_itself_by_a_secret_gets_one(world: World) -> None:
    """A secret beside a key would be the weaker way in."""
    signing = await a_client(world.owner, world.settings)
    public = await a_client(
        world.owner,
        world.settings,
        token_endpoint_auth_method="none",
        jwks=None,
        grant_types=None,
        redirect_uris=["https://app.example/cb"],
    )

    for client_id in (signing.client_id, public.client_id, "nobody"):
        assert await add_secret(world.owner, client_id) is None


async def test_guessing_gets_slow_where_it_comes_from_and_nowhere_else(world: World) -> None:
    """Five wrong ones in a row, then none is looked at for a while; from elsewhere the client gets in all the time."""
    client_id, secret = await a_secret(world)
    guesser = ClientSecrets(world.settings)
    for _ in range(5):
        with pytest.raises(InvalidClient):
            await checked(world, guesser, client_id, "wrong", "192.0.2.1")

    for text in ("wrong", secret):
        with pytest.raises(SlowDown) as slowed:
            await checked(world, guesser, client_id, text, "192.0.2.1")
        assert 0 < slowed.value.retry_after.total_seconds() <= 30
    assert await checked(world, guesser, client_id, secret, "192.0.2.2") is not None
    assert await checked(world, ClientSecrets(world.settings), client_id, secret, "192.0.2.2") is not None


async def test_client_that_was_right_gets_in_while_its_neighbour_guesses(world: World) -> None:
    """Behind one address: a secret that this worker has seen to be right is known again."""
    client_id, secret = await a_secret(world)
    known = ClientSecrets(world.settings)
    assert await checked(world, known, client_id, secret) is not None
    for _ in range(5):
        with pytest.raises(InvalidClient):
            await checked(world, known, client_id, "wrong")

    with pytest.raises(SlowDown):
        await checked(world, known, client_id, "wrong")
    assert await checked(world, known, client_id, secret) is not None


async def test_one_address_cannot_try_all_clients(world: World) -> None:
    """Thirty wrong ones from one address, whichever clients they name; all of an IPv6 network count as one."""
    known = ClientSecrets(world.settings)

    told = [await told_of(world, known, f"client-{number}", f"2001:db8::{number:x}") for number in range(60)]

    assert 30 <= told.index(SlowDown) < 60
    with pytest.raises(SlowDown):
        await checked(world, known, "client", "wrong", "2001:db8::ffff:1")
    with pytest.raises(InvalidClient):
        await checked(world, known, "client", "wrong", "2001:db8:0:1::1")


async def test_parallel_guesses_are_all_counted(world: World) -> None:
    """Those that were let in together are held against the place together."""
    client_id, _ = await a_secret(world)

    answers = await asyncio.gather(*(by_header(world, basic(client_id, f"wrong-{n}")) for n in range(12)))
    later = await by_header(world, basic(client_id, "wrong"))

    assert {answer.status_code for answer in answers} <= {401, 429}
    assert (later.status_code, later.json()["error"]) == (429, "temporarily_unavailable")
    assert 0 < int(later.headers["Retry-After"]) <= 900


async def test_what_is_held_against_a_place_holds_no_name_and_no_address(world: World) -> None:
    """policy 9.2: HMACs, which only this gateway can make."""
    with pytest.raises(InvalidClient):
        await checked(world, ClientSecrets(world.settings), "client", "wrong", "192.0.2.1")

    keys = [row["throttle_key"] for row in await world.owner.fetch("select throttle_key from gateway.sign_in_throttle")]

    assert len(keys) == 2
    assert hashlib.sha256(b"192.0.2.1").digest() not in keys


async def test_places_that_nothing_is_held_against_are_forgotten(world: World) -> None:
    """The table stays as small as a quarter of an hour's guesses, without a job of its own."""
    await world.owner.execute(
        """insert into gateway.sign_in_throttle (throttle_key, full_at)
           select sha256(n::text::bytea), now() - interval '1 second' from generate_series(1, 10) n"""
    )

    for _ in range(2):
        with pytest.raises(InvalidClient):
            await checked(world, ClientSecrets(world.settings), "client", "wrong")

    assert await world.owner.fetchval("select count(*) from gateway.sign_in_throttle") == 2


async def test_secret_too_long_to_be_ours_is_not_hashed(world: World) -> None:
    """It fails like any other."""
    client_id, _ = await a_secret(world)

    with pytest.raises(InvalidClient):
        await checked(world, ClientSecrets(world.settings), client_id, "x" * 8_000)


async def test_public_client_has_no_grant_of_its_own(world: World) -> None:
    """RFC 6749 4.4: client credentials are for those that have some."""
    party = await a_client(
        world.owner,
        world.settings,
        token_endpoint_auth_method="none",
        jwks=None,
        grant_types=None,
        redirect_uris=["https://app.example/cb"],
    )

    answer = await by_form(world, client_id=party.client_id)
    asked = await world.http.post("/oauth/introspect", data={"client_id": party.client_id, "token": "x"})

    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")
    assert (asked.status_code, asked.json()["error"]) == (401, "invalid_client")


async def test_public_client_with_a_secret_of_its_own_making_is_refused(world: World) -> None:
    """What it sends proves nothing, and must not look as if it did."""
    party = await a_client(
        world.owner,
        world.settings,
        token_endpoint_auth_method="none",
        jwks=None,
        grant_types=None,
        redirect_uris=["https://app.example/cb"],
    )

    answers = [
        await by_form(world, client_id=party.client_id, client_secret="x"),
        await by_header(world, basic(party.client_id, "x")),
        await by_form(world, client_id=str(uuid4())),
        await by_form(world),
    ]

    assert {(answer.status_code, answer.json()["error"]) for answer in answers} == {(401, "invalid_client")}
