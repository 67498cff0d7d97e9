"""Proofs of possession: what holds, what does not, and that each counts once, in whichever worker (RFC 9449)."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, Key, OctKey

from gateway.oauth import jose
from gateway.oauth.dpop import NONCE_WINDOW_S, Dpop, normalised
from gateway.oauth.refusal import InvalidDpopProof, ProofFault, UseDpopNonce
from tests.support.oauth import Party, World, a_client, a_key, segment
from tests.support.proofs import a_proof

URL = "http://localhost:8080/oauth/token"


async def check(world: World, proof: str | list[str] | None, **more: Any) -> str:
    """The thumbprint that a proof for a POST to the token endpoint shows."""
    request: dict[str, Any] = {"method": "POST", "url": URL, "needs_nonce": False, **more}
    return (await Dpop(world.settings).check(world.owner, proof, **request)).jkt


async def fault(world: World, proof: str | list[str] | None, **more: Any) -> ProofFault:
    """Why a proof does not hold."""
    with pytest.raises(InvalidDpopProof) as caught:
        await check(world, proof, **more)
    found: ProofFault = caught.value.fault
    return found


async def remembered(world: World) -> int:
    """How many proofs are remembered as used."""
    count: int = await world.owner.fetchval("select count(*) from gateway.proof_replay")
    return count


@pytest.mark.parametrize("algorithm", ["ES256", "PS256", "Ed25519"])
async def test_proof_by_a_key_of_each_kind_gives_its_thumbprint(world: World, algorithm: str) -> None:
    """RFC 9449 4.3, 6.1; FAPI 2.0 5.4: the three algorithms."""
    key = a_key(algorithm)

    assert await check(world, a_proof(key, url=URL, algorithm=algorithm)) == key.thumbprint()


@pytest.mark.parametrize(
    "url",
    [
        "HTTP://LOCALHOST:8080/oauth/token",
        URL + "?a=b",
        URL + "#part",
        "http://localhost:8080/oauth/./token",
        "http://localhost:8080/x/../oauth/token",
        "http://localhost:8080/%6fauth/token",
    ],
)
async def test_address_is_compared_in_one_spelling(world: World, url: str) -> None:
    """RFC 9449 4.3: without query and fragment, after the normalisation of RFC 3986."""
    assert await check(world, a_proof(a_key(), url=url))


@pytest.mark.parametrize(
    "header", [{"typ": "application/DPoP+JWT"}, {"kid": "mine"}, {"jwk_more": {"a": [1]}}], ids=["typ", "kid", "unknown member"]
)
async def test_header_may_say_more(world: World, header: dict[str, object]) -> None:
    """RFC 7515 4: members that mean nothing to us are passed over; media types compare without case."""
    assert await check(world, a_proof(a_key(), url=URL, header=header))


async def test_key_may_say_more(world: World) -> None:
    """RFC 7517 4: `kid`, `use`, `alg` and unknown members of a key change neither the key nor its thumbprint."""
    key = a_key()
    jwk = {**key.as_dict(private=False), "kid": "1", "use": "sig", "alg": "ES256", "ext": True, "key_ops": ["verify"]}

    assert await check(world, a_proof(key, url=URL, header={"jwk": jwk})) == key.thumbprint()


WRONG: dict[str, tuple[dict[str, Any], ProofFault]] = {
    "another method": ({"method": "GET"}, ProofFault.METHOD),
    "method in small letters": ({"method": "post"}, ProofFault.METHOD),
    "no method": ({"htm": None}, ProofFault.METHOD),
    "another path": ({"url": "http://localhost:8080/graphql"}, ProofFault.ADDRESS),
    "another host": ({"url": "http://elsewhere.example:8080/oauth/token"}, ProofFault.ADDRESS),
    "another port": ({"url": "http://localhost/oauth/token"}, ProofFault.ADDRESS),
    "another scheme": ({"url": "https://localhost:8080/oauth/token"}, ProofFault.ADDRESS),
    "a slash more": ({"url": URL + "/"}, ProofFault.ADDRESS),
    "a user in the address": ({"url": "http://u@localhost:8080/oauth/token"}, ProofFault.ADDRESS),
    "an escaped slash": ({"url": "http://localhost:8080/oauth%2Ftoken"}, ProofFault.ADDRESS),
    "no address": ({"htu": None}, ProofFault.ADDRESS),
    "address is a list": ({"htu": [URL]}, ProofFault.ADDRESS),
    "address with a port that is none": ({"htu": "http://localhost:x/oauth/token"}, ProofFault.ADDRESS),
    "no identifier": ({"jti": None}, ProofFault.IDENTIFIER),
    "empty identifier": ({"jti": ""}, ProofFault.IDENTIFIER),
    "identifier of 513 characters": ({"jti": "x" * 513}, ProofFault.IDENTIFIER),
    "identifier is a number": ({"jti": 5}, ProofFault.IDENTIFIER),
    "no instant": ({"iat": None}, ProofFault.INSTANT),
    "instant is a string": ({"iat": "1"}, ProofFault.INSTANT),
    "instant beyond the calendar": ({"iat": 2**52}, ProofFault.INSTANT),
    "no type": ({"header": {"typ": None}}, ProofFault.TYPE),
    "type of an assertion": ({"header": {"typ": "JWT"}}, ProofFault.TYPE),
    "type of an access token": ({"header": {"typ": "at+jwt"}}, ProofFault.TYPE),
    "no key": ({"header": {"jwk": None}}, ProofFault.KEY),
}


@pytest.mark.parametrize(("changed", "why"), WRONG.values(), ids=WRONG.keys())
async def test_proof_of_something_else_is_refused(world: World, changed: dict[str, Any], why: ProofFault) -> None:
    """RFC 9449 4.3: every check has its own answer, and a proof that does not hold is not remembered."""
    key = a_key()

    found = await fault(world, a_proof(key, **({"url": URL} | changed)))

    assert (found, await remembered(world)) == (why, 0)


async def test_proof_by_another_key_than_it_names_is_refused(world: World) -> None:
    """RFC 9449 4.3 (7): the signature is the embedded key's."""
    assert await fault(world, a_proof(a_key(), url=URL, signer=a_key())) is ProofFault.SIGNATURE


async def test_proof_with_its_private_key_inside_is_refused(world: World) -> None:
    """RFC 9449 4.3 (8): whoever sends it has given the key away."""
    key = a_key()

    assert await fault(world, a_proof(key, url=URL, header={"jwk": key.as_dict(private=True)})) is ProofFault.KEY


@pytest.mark.parametrize(
    "jwk", ["x", [], 5, None, True, {}, {"kty": "EC"}, {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, {"kty": []}]
)
async def test_proof_whose_key_is_no_key_is_refused(world: World, jwk: object) -> None:
    """RFC 9449 4.2: `jwk` is a JSON Web Key."""
    _, claims, signature = a_proof(a_key(), url=URL).split(".")
    head = segment({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk})

    assert await fault(world, f"{head}.{claims}.{signature}") is ProofFault.KEY


def _a_shared_key() -> Key:
    return OctKey.import_key({"kty": "oct", "k": segment(b"0" * 32)})


async def test_algorithms_cannot_be_confused(world: World) -> None:
    """RFC 8725 2.1: none, a shared key, PKCS #1 v1.5, another curve, and a key whose own `alg` is another's."""
    key, shared, rsa = a_key(), _a_shared_key(), a_key("PS256")
    text = a_proof(key, url=URL)
    head, claims, signature = text.split(".")
    unsigned = f"{segment({'typ': 'dpop+jwt', 'alg': 'none', 'jwk': key.as_dict(private=False)})}.{claims}."
    hmac_by_public = a_proof(shared, url=URL, algorithm="HS256", header={"jwk": key.as_dict(private=False)})
    embedded_shared = a_proof(shared, url=URL, algorithm="HS256", header={"jwk": {"kty": "oct", "k": segment(b"0" * 32)}})
    said_otherwise = f"{segment({'typ': 'dpop+jwt', 'alg': 'Ed25519', 'jwk': key.as_dict(private=False)})}.{claims}.{signature}"
    renamed = a_proof(key, url=URL, header={"jwk": {**key.as_dict(private=False), "alg": "PS256"}})
    small = {**rsa.as_dict(private=False), "n": segment(b"\xff" * 128)}
    huge = {**rsa.as_dict(private=False), "e": rsa.as_dict(private=False)["n"]}

    assert head != claims
    assert await fault(world, unsigned) is ProofFault.MALFORMED
    assert await fault(world, unsigned + "eA") is ProofFault.ALGORITHM
    assert await fault(world, hmac_by_public) is ProofFault.ALGORITHM
    assert await fault(world, embedded_shared) is ProofFault.ALGORITHM
    assert await fault(world, a_proof(rsa, url=URL, algorithm="RS256")) is ProofFault.ALGORITHM
    assert await fault(world, a_proof(ECKey.generate_key("P-384"), url=URL, algorithm="ES384")) is ProofFault.ALGORITHM
    assert await fault(world, said_otherwise) is ProofFault.KEY
    assert await fault(world, renamed) is ProofFault.KEY
    assert await fault(world, a_proof(rsa, url=URL, algorithm="PS256", header={"jwk": small})) is ProofFault.KEY
    assert await fault(world, a_proof(rsa, url=URL, algorithm="PS256", header={"jwk": huge})) is ProofFault.KEY


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "..", "e30.e30.e30", "é.é.é", "x" * 9000, "\x00"])
async def test_text_that_is_no_proof_is_refused(world: World, text: str) -> None:
    """RFC 9449 4.3 (2): well-formed or nothing."""
    assert await fault(world, text) in (ProofFault.MALFORMED, ProofFault.TYPE)


async def test_request_has_one_proof(world: World) -> None:
    """RFC 9449 4.3 (1): none, two headers, and two joined into one by a proxy."""
    one, other = a_proof(a_key(), url=URL), a_proof(a_key(), url=URL)

    assert await fault(world, None) is ProofFault.MISSING
    assert await fault(world, []) is ProofFault.MISSING
    assert await fault(world, [one, other]) is ProofFault.REPEATED
    assert await fault(world, f"{one}, {other}") is ProofFault.REPEATED
    assert await check(world, [one])


async def test_proof_with_a_token_names_its_hash(world: World) -> None:
    """RFC 9449 4.3 (12): a proof for one token opens no other; without a token, `ath` is not looked at."""
    key = a_key()

    assert await check(world, a_proof(key, url=URL, access_token="one"), access_token="one")
    assert await fault(world, a_proof(key, url=URL, access_token="other"), access_token="one") is ProofFault.TOKEN
    assert await fault(world, a_proof(key, url=URL), access_token="one") is ProofFault.TOKEN
    assert await fault(world, a_proof(key, url=URL, ath=["x"]), access_token="one") is ProofFault.TOKEN
    assert await check(world, a_proof(key, url=URL, access_token="other"))


@pytest.mark.parametrize("ahead", [8, 0, -55])
async def test_clock_that_is_a_little_off_is_accepted(world: World, ahead: int) -> None:
    """FAPI 2.0 5.3.2.1: up to ten seconds ahead; and a proof counts for a minute."""
    assert await check(world, a_proof(a_key(), url=URL, iat=time.time() + ahead))


@pytest.mark.parametrize("ahead", [12, 60, 3600, -62, -3600])
async def test_clock_that_is_far_off_is_refused(world: World, ahead: int) -> None:
    """FAPI 2.0 5.3.2.1: from sixty seconds ahead at the latest; RFC 9449 11.1: a proof is short-lived."""
    found = await fault(world, a_proof(a_key(), url=URL, iat=time.time() + ahead))

    assert (found, await remembered(world)) == (ProofFault.INSTANT, 0)


async def test_proof_that_limits_itself_is_held_to_it(world: World) -> None:
    """RFC 7519 4.1.4, 4.1.5: `exp` and `nbf`, where a proof has them, only shorten it."""
    now = time.time()

    assert await check(world, a_proof(a_key(), url=URL, nbf=now, exp=now + 300))
    assert await fault(world, a_proof(a_key(), url=URL, exp=now - 1)) is ProofFault.INSTANT
    assert await fault(world, a_proof(a_key(), url=URL, nbf=now + 30)) is ProofFault.INSTANT
    assert await fault(world, a_proof(a_key(), url=URL, iat=now - 90, exp=now + 300)) is ProofFault.INSTANT


async def test_proof_counts_once_however_many_workers_get_it(world: World) -> None:
    """RFC 9449 11.1: twenty uses at once in two workers, one of which wins."""
    proof = a_proof(a_key(), url=URL)
    checkers = [Dpop(world.settings), Dpop(world.settings)]

    async def use(number: int) -> ProofFault | None:
        async with world.workers[number % 2].pool.acquire() as conn:
            try:
                await checkers[number % 2].check(conn, proof, method="POST", url=URL, needs_nonce=False)
            except InvalidDpopProof as refused:
                why: ProofFault = refused.fault
                return why
            return None

    told = await asyncio.gather(*(use(number) for number in range(20)))

    assert (told.count(None), told.count(ProofFault.REPLAYED), await remembered(world)) == (1, 19, 1)


async def test_proof_used_in_an_unfinished_transaction_is_used(world: World) -> None:
    """The second use waits for the first one's transaction, and loses."""
    proof = a_proof(a_key(), url=URL)
    first, second = world.workers
    async with first.pool.acquire() as conn:
        transaction = conn.transaction()
        await transaction.start()
        await Dpop(world.settings).check(conn, proof, method="POST", url=URL, needs_nonce=False)
        async with second.pool.acquire() as other:
            waiting = asyncio.ensure_future(Dpop(world.settings).check(other, proof, method="POST", url=URL, needs_nonce=False))
            while not await world.owner.fetchval("select exists (select from pg_locks where not granted)"):
                assert not waiting.done()
            await transaction.commit()
            with pytest.raises(InvalidDpopProof):
                await waiting


async def test_same_identifier_by_another_key_is_another_proof(world: World) -> None:
    """RFC 9449 11.1: nobody can use up somebody else's identifiers."""
    assert await check(world, a_proof(a_key(), url=URL, jti="1"))
    assert await check(world, a_proof(a_key(), url=URL, jti="1"))


async def test_expired_proofs_are_forgotten_a_few_at_a_time(world: World) -> None:
    """The table stays as small as a minute's requests, without a job of its own."""
    await world.owner.execute(
        """insert into gateway.proof_replay (proof_sha256, expires_at)
           select sha256(n::text::bytea), now() - interval '2 minutes' from generate_series(1, 6) n"""
    )
    await world.owner.execute(
        "insert into gateway.proof_replay (proof_sha256, expires_at) values ('\\x00', now() - interval '30 seconds')"
    )

    await check(world, a_proof(a_key(), url=URL))
    assert await remembered(world) == 4
    await check(world, a_proof(a_key(), url=URL))

    assert await remembered(world) == 3  # the two uses, and the one that has only just expired


async def test_proof_without_a_nonce_gets_one_and_then_holds_in_any_worker(world: World) -> None:
    """RFC 9449 8: the challenge carries the nonce, and every worker of the gateway takes it."""
    key = a_key()
    async with world.workers[0].pool.acquire() as conn:
        with pytest.raises(UseDpopNonce) as challenged:
            await Dpop(world.settings).check(conn, a_proof(key, url=URL), method="POST", url=URL, needs_nonce=True)

    again = a_proof(key, url=URL, nonce=challenged.value.nonce)
    async with world.workers[1].pool.acquire() as conn:
        proof = await Dpop(world.settings).check(conn, again, method="POST", url=URL, needs_nonce=True)

    assert proof.jkt == key.thumbprint()


@pytest.mark.parametrize("windows", [-1, 0])
async def test_nonce_counts_in_its_window_and_in_the_next(world: World, windows: int) -> None:
    """RFC 9449 8.2: a new one is handed out before the old one ends."""
    now = (await world.owner.fetchval("select clock_timestamp()")).timestamp()
    nonce = Dpop(world.settings).nonce(now + windows * NONCE_WINDOW_S)

    assert await check(world, a_proof(a_key(), url=URL, nonce=nonce), needs_nonce=True)


async def test_nonce_of_another_time_or_another_maker_is_refused_with_a_new_one(world: World) -> None:
    """RFC 9449 8: even where none is needed, one that is there must be ours and of now; a proof so refused is not used up."""
    dpop = Dpop(world.settings)
    now = (await world.owner.fetchval("select clock_timestamp()")).timestamp()
    window, _, mac = dpop.nonce(now).partition(".")
    strange = [
        dpop.nonce(now - 3 * NONCE_WINDOW_S),
        dpop.nonce(now + 2 * NONCE_WINDOW_S),
        f"{int(window) - 1}.{mac}",
        f"0{window}.{mac}",
        "",
        "x",
        "9" * 400,
    ]
    for nonce in strange:
        for needs_nonce in (True, False):
            with pytest.raises(UseDpopNonce) as challenged:
                await check(world, a_proof(a_key(), url=URL, nonce=nonce), needs_nonce=needs_nonce)
            assert await check(world, a_proof(a_key(), url=URL, nonce=challenged.value.nonce), needs_nonce=True)
    assert await remembered(world) == 2 * len(strange)


async def test_nonce_that_is_no_text_is_refused(world: World) -> None:
    """A claim of another type is no nonce of ours."""
    strange: list[object] = [5, ["x"], {}, False]
    for nonce in strange:
        with pytest.raises(UseDpopNonce):
            await check(world, a_proof(a_key(), url=URL, nonce=nonce), needs_nonce=True)


async def a_token(world: World, party: Party, *proofs: str, worker: int = 0) -> httpx2.Response:
    """The answer of a worker to a token request with these proofs."""
    headers = [("DPoP", proof) for proof in proofs]
    return await world.workers[worker].http.post("/oauth/token", data=party.form(), headers=headers)


async def test_client_gets_a_token_bound_to_the_key_that_it_showed(world: World) -> None:
    """RFC 9449 5, 8: one challenge, then a token of type DPoP, with the next nonce beside it."""
    party, key = await a_client(world.owner, world.settings), a_key("Ed25519")

    first = await a_token(world, party, a_proof(key, url=URL, algorithm="Ed25519"))
    nonce = first.headers["DPoP-Nonce"]
    second = await a_token(world, party, a_proof(key, url=URL, algorithm="Ed25519", nonce=nonce), worker=1)
    nonce = second.headers["DPoP-Nonce"]
    third = await a_token(world, party, a_proof(key, url=URL, algorithm="Ed25519", nonce=nonce))

    assert (first.status_code, first.json()["error"]) == (400, "use_dpop_nonce")
    assert (second.status_code, second.json()["token_type"], third.status_code) == (200, "DPoP", 200)
    assert jose.read(second.json()["access_token"]).claims["cnf"] == {"jkt": key.thumbprint()}


async def test_proof_for_the_token_endpoint_counts_once_in_either_worker(world: World) -> None:
    """RFC 9449 11.1: ten requests at once, each with an assertion of its own and the same proof; one gets a token."""
    party, key = await a_client(world.owner, world.settings), a_key()
    nonce = (await a_token(world, party, a_proof(key, url=URL))).headers["DPoP-Nonce"]
    proof = a_proof(key, url=URL, nonce=nonce)

    answers = await asyncio.gather(*(a_token(world, party, proof, worker=number % 2) for number in range(10)))

    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 9
    assert {answer.json()["error"] for answer in answers if answer.status_code == 400} == {"invalid_dpop_proof"}
    assert await world.issued_count() == 1


async def test_token_request_with_a_wrong_proof_gets_no_token(world: World) -> None:
    """RFC 9449 5: two proofs, a proof for another endpoint, another method, with its private key: never a bearer token."""
    party, key = await a_client(world.owner, world.settings), a_key()
    nonce = (await a_token(world, party, a_proof(key, url=URL))).headers["DPoP-Nonce"]
    wrong = [
        [a_proof(key, url=URL, nonce=nonce), a_proof(key, url=URL, nonce=nonce)],
        [a_proof(key, url="http://localhost:8080/graphql", nonce=nonce)],
        [a_proof(key, url=URL, method="GET", nonce=nonce)],
        [a_proof(key, url=URL, nonce=nonce, header={"jwk": key.as_dict(private=True)})],
        [""],
    ]

    answers = [await a_token(world, party, *proofs) for proofs in wrong]

    assert {(answer.status_code, answer.json()["error"]) for answer in answers} == {(400, "invalid_dpop_proof")}
    assert answers[0].json()["error_description"] == "There must be one DPoP header."
    assert await world.issued_count() == 0


@given(st.text(max_size=60))
def test_any_text_has_one_normal_form_or_none(text: str) -> None:
    """What is normalised stays as it is when it is normalised again."""
    for url in (text, "https://g.example/" + text, "https://" + text):
        found = normalised(url)
        assert found is None or normalised(found) == found
