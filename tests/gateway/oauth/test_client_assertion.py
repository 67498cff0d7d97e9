"""Client authentication: what an assertion must be, and each way to fake one (RFC 7523, FAPI 2.0 5.3.2.1)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.jwk import ECKey, OKPKey, RSAKey

from gateway.oauth.client_assertion import _decoy
from tests.support.oauth import Party, World, a_client, a_key, segment


def forged(header: object, claims: object, signature: bytes = b"x" * 64) -> str:
    """A token that no library would make."""
    return f"{segment(header)}.{segment(claims)}.{segment(signature)}"


def signed_by(party: Party, signing_input: str) -> bytes:
    """An Ed25519 signature over any text, past every check a library makes."""
    private = party.key.private_key
    assert isinstance(private, Ed25519PrivateKey)
    return private.sign(signing_input.encode())


async def test_unsigned_assertion_is_refused(world: World) -> None:
    """RFC 8725 3.1: `alg: none`, in any case, with and without a signature."""
    party = await a_client(world.owner, world.settings)
    for name in ("none", "None", "nOnE", ""):
        for signature in (b"", b"x"):
            await world.refused(party, forged({"alg": name}, party.claims(), signature))


async def test_public_key_is_no_shared_secret(world: World) -> None:
    """RFC 8725 2.1: HS256 with the registered public key as secret, in every form an attacker may write it."""
    party = await a_client(world.owner, world.settings, algorithm="PS256")
    assert isinstance(party.key, RSAKey)
    secrets = [
        party.key.as_pem(private=False),
        party.key.as_der(private=False),
        json.dumps(party.key.as_dict(private=False)).encode(),
    ]
    for secret in secrets:
        signing_input = f"{segment({'alg': 'HS256'})}.{segment(party.claims())}"
        mac = hmac.new(secret, signing_input.encode(), hashlib.sha256).digest()
        await world.refused(party, f"{signing_input}.{segment(mac)}")


@pytest.mark.parametrize("algorithm", ["RS256", "PS384", "PS512"])
async def test_registered_rsa_key_signs_under_ps256_only(world: World, algorithm: str) -> None:
    """FAPI 2.0 5.4: a right signature under an algorithm that is not pinned is a wrong one."""
    party = await a_client(world.owner, world.settings, algorithm="PS256")

    await world.refused(party, party.assertion(header={"alg": algorithm}))


@pytest.mark.parametrize("registered", [None, "EdDSA", "Ed25519"])
async def test_eddsa_is_the_old_name_of_the_same_algorithm(world: World, registered: str | None) -> None:
    """FAPI 2.0 5.4.1 says EdDSA over Ed25519, and most libraries do; RFC 9864 renamed it. It opens no other key's door."""
    party = await a_client(world.owner, world.settings, algorithm="Ed25519", token_endpoint_auth_signing_alg=registered)
    other = await a_client(world.owner, world.settings)
    signing_input = f"{segment({'alg': 'EdDSA'})}.{segment(party.claims())}"
    signature = signed_by(party, signing_input)

    await world.refused(party, f"{signing_input}.{segment(bytes(64))}")
    await world.refused(other, f"{segment({'alg': 'EdDSA'})}.{segment(other.claims())}.{segment(signature)}")
    answer = await world.http.post("/oauth/token", data=party.form(f"{signing_input}.{segment(signature)}"))
    assert answer.status_code == 200, answer.text


async def test_header_cannot_choose_an_algorithm_that_is_not_registered(world: World) -> None:
    """`token_endpoint_auth_signing_alg` is a promise of the client's: another pinned algorithm, with its own key, breaks it."""
    other = OKPKey.generate_key("Ed25519")
    mine = a_key()
    jwks = {"keys": [mine.as_dict(private=False), other.as_dict(private=False)]}
    party = await a_client(world.owner, world.settings, jwks=jwks, token_endpoint_auth_signing_alg="ES256")

    await world.refused(party, party.assertion(key=other, header={"alg": "Ed25519"}))
    assert (await world.http.post("/oauth/token", data=party.form(party.assertion(key=mine)))).status_code == 200


async def test_another_clients_key_is_a_bad_signature(world: World) -> None:
    """A client can speak for itself only."""
    party, other = await a_client(world.owner, world.settings), await a_client(world.owner, world.settings)

    await world.refused(party, party.assertion(key=other.key))


async def test_key_in_the_header_is_not_believed(world: World) -> None:
    """RFC 8725 3.10: `jwk` and `jku` are the sender's words; only registered keys verify."""
    party, mine = await a_client(world.owner, world.settings), ECKey.generate_key("P-256")

    await world.refused(party, party.assertion(key=mine, header={"jwk": mine.as_dict(private=False)}))
    await world.refused(party, party.assertion(key=mine, header={"jku": "https://attacker.example/jwks"}))


async def test_kid_chooses_among_the_registered_keys(world: World) -> None:
    """RFC 7515 4.1.4: a `kid` that names no registered key names no key at all; without one every fitting key is tried."""
    old, new = a_key(), a_key()
    jwks = {"keys": [{**old.as_dict(private=False), "kid": "old"}, {**new.as_dict(private=False), "kid": "new"}]}
    party = await a_client(world.owner, world.settings, jwks=jwks)

    await world.refused(party, party.assertion(key=new, header={"kid": "old"}))
    await world.refused(party, party.assertion(key=new, header={"kid": "unknown"}))
    for header in ({"kid": "new"}, {}):
        answer = await world.http.post("/oauth/token", data=party.form(party.assertion(key=new, header=header)))
        assert answer.status_code == 200


WRONG: dict[str, dict[str, Any]] = {
    "aud is an array": {"aud": ["http://localhost:8080"]},
    "aud is the token endpoint": {"aud": "http://localhost:8080/oauth/token"},
    "aud ends in a slash": {"aud": "http://localhost:8080/"},
    "aud is missing": {"aud": None},
    "iss is somebody else": {"iss": "somebody-else"},
    "iss is missing": {"iss": None},
    "exp is missing": {"exp": None},
    "exp is no number": {"exp": "9999999999"},
    "exp is true": {"exp": True},
    "exp is beyond all floats": {"exp": 10**400},
    "exp is not a number": {"exp": float("nan")},
    "exp is infinite": {"exp": float("inf")},
    "exp is negative": {"exp": -1},
    "jti is missing": {"jti": None},
    "jti is empty": {"jti": ""},
    "jti is a number": {"jti": 7},
    "jti is too long": {"jti": "x" * 513},
    "iat is a string": {"iat": "now"},
}


@pytest.mark.parametrize("changed", WRONG.values(), ids=WRONG.keys())
async def test_wrong_claim_is_refused_in_spite_of_a_good_signature(world: World, changed: dict[str, Any]) -> None:
    """RFC 7523 3; FAPI 2.0 5.3.2.1: the audience is the issuer as one string."""
    party = await a_client(world.owner, world.settings)

    answer = await world.refused(party, party.assertion(**changed))
    assert answer.json()["error_description"] != "Client authentication failed."  # whoever holds the key is told what is wrong


SHIFTED: dict[str, Callable[[int], dict[str, Any]]] = {
    "exp past": lambda now: {"exp": now - 1},
    "exp two hours ahead": lambda now: {"exp": now + 7200},
    "iat 60 s ahead": lambda now: {"iat": now + 60, "exp": now + 120},
    "nbf 60 s ahead": lambda now: {"nbf": now + 60, "exp": now + 120},
}


@pytest.mark.parametrize("shifted", SHIFTED.values(), ids=SHIFTED.keys())
async def test_assertion_of_another_time_is_refused(world: World, shifted: Callable[[int], dict[str, Any]]) -> None:
    """FAPI 2.0 5.3.2.1: no more than a little ahead; an assertion is made for one request."""
    party = await a_client(world.owner, world.settings)

    answer = await world.refused(party, party.assertion(**shifted(int(time.time()))))
    assert answer.json()["error_description"] != "Client authentication failed."


@pytest.mark.parametrize("claim", ["iat", "nbf"])
async def test_clock_ten_seconds_ahead_is_accepted(world: World, claim: str) -> None:
    """FAPI 2.0 5.3.2.1: clocks differ."""
    party = await a_client(world.owner, world.settings)
    now = int(time.time())
    ahead: dict[str, Any] = {claim: now + 10}

    answer = await world.http.post("/oauth/token", data=party.form(party.assertion(exp=now + 3610, **ahead)))

    assert answer.status_code == 200


async def test_assertion_needs_no_iat_and_may_carry_unknown_words(world: World) -> None:
    """RFC 7523 3: `iat` is optional; RFC 7515 4: unknown header members are ignored, so are unknown claims."""
    party = await a_client(world.owner, world.settings)
    assertion = party.assertion(iat=None, header={"x-unknown": {"a": 1}, "typ": "client-authentication+jwt"}, extra=[1])

    assert (await world.http.post("/oauth/token", data=party.form(assertion))).status_code == 200


async def test_assertion_is_good_once_in_all_workers(world: World) -> None:
    """RFC 7523 3 (7): the second worker knows what the first one took; so does the revocation endpoint."""
    party = await a_client(world.owner, world.settings)
    form = party.form()

    first = await world.workers[0].http.post("/oauth/token", data=form)
    again = [
        await world.workers[0].http.post("/oauth/token", data=form),
        await world.workers[1].http.post("/oauth/token", data=form),
        await world.workers[1].http.post("/oauth/revoke", data={**form, "token": "unknown"}),
    ]

    assert first.status_code == 200
    assert {(answer.status_code, answer.json()["error"]) for answer in again} == {(401, "invalid_client")}
    assert await world.issued_count() == 1


async def test_ten_parallel_uses_of_one_assertion_give_one_token(world: World) -> None:
    """RFC 7523 3 (7), under concurrency: whoever comes second waits and is refused."""
    party = await a_client(world.owner, world.settings)
    form = party.form()

    answers = await asyncio.gather(*(world.workers[n % 2].http.post("/oauth/token", data=form) for n in range(10)))

    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 9
    assert await world.issued_count() == 1


async def test_clients_do_not_share_their_jti(world: World) -> None:
    """Single use is per client: one cannot use up what another is about to send."""
    one, other = await a_client(world.owner, world.settings), await a_client(world.owner, world.settings)

    answers = [await world.http.post("/oauth/token", data=party.form(party.assertion(jti="1"))) for party in (one, other)]

    assert [answer.status_code for answer in answers] == [200, 200]


async def test_stranger_cannot_use_up_an_assertion(world: World) -> None:
    """Only a good signature takes a `jti`: nobody else can lock a client out by guessing."""
    party = await a_client(world.owner, world.settings)
    await world.refused(party, party.assertion(key=a_key(), jti="next"))

    assert (await world.http.post("/oauth/token", data=party.form(party.assertion(jti="next")))).status_code == 200


async def test_used_assertions_are_forgotten_once_they_are_dead(world: World) -> None:
    """The table holds minutes, not history; rows of assertions that could still be sent stay."""
    party = await a_client(world.owner, world.settings)
    await world.owner.execute(
        """insert into gateway.assertion_replay
           select 'other', sha256(n::text::bytea), now() - interval '2 minutes' from generate_series(1, 3) n
           union all select 'other', sha256('alive'), now() + interval '1 minute'"""
    )

    await world.token(party)

    kept = await world.owner.fetch("select client_id, expires_at > now() as alive from gateway.assertion_replay order by 1")
    assert [tuple(row) for row in kept] == [(party.client_id, True), ("other", True)]


async def test_access_token_is_no_assertion(world: World) -> None:
    """RFC 8725 3.11: a JWT of another type is refused by its type, whatever key signed it."""
    party = await a_client(world.owner, world.settings)

    await world.refused(party, party.assertion(header={"typ": "at+jwt"}))
    await world.refused(party, party.assertion(header={"typ": "dpop+jwt"}))


def malformed(party: Party) -> dict[str, str]:
    """Texts that are no assertion at all."""
    head, claims = {"alg": "ES256"}, party.claims()
    twice = json.dumps(claims)[:-1] + ', "aud": "http://localhost:8080"}'
    return {
        "empty parts": "..",
        "two parts": "a.b",
        "no base64": "!.!.!",
        "padded": forged(head, claims) + "==",
        "header is a list": forged(["alg"], claims),
        "header is a string": forged("alg", claims),
        "claims are a list": forged(head, [claims]),
        "claims are not UTF-8": forged(head, b'{"sub": "\xff"}'),
        "deep": forged(head, b'{"a":' + b"[" * 9000),
        "long digits": forged(head, b'{"exp":' + b"9" * 5000 + b"}"),
        "repeated claim": forged(head, twice.encode()),
        "crit": forged({**head, "crit": ["exp"], "exp": 1}, claims),
        "crit is a number": forged({**head, "crit": 5}, claims),
        "unencoded payload": forged({**head, "b64": False, "crit": ["b64"]}, claims),
        "alg is a list": forged({"alg": ["ES256"]}, claims),
        "kid is a number": forged({**head, "kid": 5}, claims),
        "x5u is a number": forged({**head, "x5u": 5}, claims),
        "sub is a list": forged(head, {**claims, "sub": ["a"]}),
        "sub has a NUL": forged(head, {**claims, "sub": "a\x00b"}),
        "sub is half a world": forged(head, {**claims, "sub": "\ud800"}),
        "signature is empty": forged(head, claims, b""),
        "signature is short": forged(head, claims, b"x"),
        "signature is zero": forged(head, claims, bytes(64)),
        "signature is huge": forged(head, claims, b"x" * 5000),
    }


async def test_malformed_assertions_are_refused_and_nothing_breaks(world: World) -> None:
    """Whatever a stranger sends is `invalid_client`, in the same words."""
    party = await a_client(world.owner, world.settings)

    answers = {name: await world.http.post("/oauth/token", data=party.form(text)) for name, text in malformed(party).items()}

    assert {name: answer.status_code for name, answer in answers.items() if answer.status_code != 401} == {}
    assert {answer.text for answer in answers.values()} == {
        '{"error":"invalid_client","error_description":"Client authentication failed."}'
    }


async def test_jti_that_utf8_cannot_spell_is_used_up_like_any_other(world: World) -> None:
    """JSON can spell half a surrogate world; it is hashed like any other, and good once."""
    party = await a_client(world.owner, world.settings, algorithm="Ed25519")
    claims = party.claims(jti="\ud800")
    signing_input = f"{segment({'alg': 'Ed25519'})}.{segment(claims)}"
    signature = signed_by(party, signing_input)
    form = party.form(f"{signing_input}.{segment(signature)}")

    answers = [await world.http.post("/oauth/token", data=form) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 401]


async def test_unknown_client_and_bad_signature_cannot_be_told_apart(world: World) -> None:
    """RFC 6749 10.10: client ids cannot be found out by asking."""
    party = await a_client(world.owner, world.settings)
    stranger = Party("no-such-client", party.partner_id, "ES256", a_key(), party.issuer)

    unknown = await world.refused(stranger)
    bad = await world.refused(party, party.assertion(key=stranger.key))

    def seen(response: object) -> object:
        return (response.status_code, response.text, {k: v for k, v in response.headers.items() if k != "date"})  # type: ignore[attr-defined]

    assert seen(unknown) == seen(bad)


@pytest.mark.parametrize("algorithm", ["ES256", "PS256", "Ed25519"])
async def test_unknown_client_costs_a_signature_check_too(algorithm: str) -> None:
    """The decoy is of the header's own kind, so that it takes as long as a registered key would."""
    assert _decoy(algorithm).algorithm == algorithm
    assert _decoy(algorithm) is _decoy(algorithm)


async def test_client_id_parameter_must_be_the_assertions_subject(world: World) -> None:
    """RFC 7521 4.2: it is optional, and may not name somebody else."""
    party = await a_client(world.owner, world.settings)

    assert (await world.http.post("/oauth/token", data=party.form(client_id=party.client_id))).status_code == 200
    other = await world.http.post("/oauth/token", data=party.form(client_id="somebody-else"))
    assert (other.status_code, other.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    "change",
    [{"client_assertion_type": ""}, {"client_assertion_type": "urn:other"}, {"client_assertion": ""}],
    ids=["no type", "another type", "no assertion"],
)
async def test_assertion_and_its_type_go_together(world: World, change: dict[str, str]) -> None:
    """RFC 7521 4.2."""
    party = await a_client(world.owner, world.settings)

    answer = await world.http.post("/oauth/token", data={**party.form(), **change})

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_other_ways_of_authenticating_do_not_exist(world: World) -> None:
    """Only private_key_jwt; a scheme that was tried is answered in kind (RFC 6749 5.2), two ways at once are refused (2.3)."""
    party = await a_client(world.owner, world.settings)
    grant, basic = {"grant_type": "client_credentials"}, (party.client_id, "secret")

    by_header = await world.http.post("/oauth/token", data=grant, auth=basic)
    by_body = await world.http.post("/oauth/token", data={**grant, "client_id": party.client_id, "client_secret": "secret"})
    by_name = await world.http.post("/oauth/token", data={**grant, "client_id": party.client_id})
    by_both = await world.http.post("/oauth/token", data=party.form(), auth=basic)

    assert [answer.status_code for answer in (by_header, by_body, by_name, by_both)] == [401, 401, 401, 400]
    assert by_header.headers["www-authenticate"] == 'Basic realm="http://localhost:8080"'
    assert "www-authenticate" not in by_body.headers
    assert by_both.json()["error"] == "invalid_request"


async def test_extra_keys_of_other_kinds_are_tolerated_and_never_used(world: World) -> None:
    """FAPI 2.0: a client's key set may hold keys for other uses."""
    p384, encryption = ECKey.generate_key("P-384"), ECKey.generate_key("P-256")
    mine = a_key()
    jwks = {
        "keys": [
            p384.as_dict(private=False),
            {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"},
            {**encryption.as_dict(private=False), "use": "enc"},
            mine.as_dict(private=False),
        ]
    }
    party = await a_client(world.owner, world.settings, jwks=jwks)

    await world.refused(party, party.assertion(key=p384, header={"alg": "ES384"}))
    await world.refused(party, party.assertion(key=encryption))
    assert (await world.http.post("/oauth/token", data=party.form(party.assertion(key=mine)))).status_code == 200


async def test_key_removed_from_the_registration_stops_working_at_once(world: World) -> None:
    """policy 9.4: a leaked key is taken out of the metadata, and no worker remembers it."""
    party = await a_client(world.owner, world.settings)
    await world.token(party)
    metadata = json.dumps({"client_id": party.client_id, "jwks": {"keys": [a_key().as_dict(private=False)]}})
    await world.owner.execute("update gateway.client set metadata = $1::text::jsonb", metadata)

    answer = await world.http.post("/oauth/token", data=party.form())

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_metadata_that_does_not_hold_is_no_client(world: World) -> None:
    """Stored metadata is checked on use: what somebody wrote past the checks opens nothing."""
    party = await a_client(world.owner, world.settings)
    await world.owner.execute("""update gateway.client set metadata = metadata - 'jwks' || '{"jwks_uri": "https://x.example"}'""")

    await world.refused(party)
