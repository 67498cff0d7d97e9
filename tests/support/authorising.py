"""A data subject who is asked by a client and says yes: the protocol from end to end, without the pages in between."""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import UUID, uuid4

import asyncpg
import httpx2
from joserfc.jwk import Key

from gateway.oauth.authorize import grant, open_request
from gateway.oauth.client_assertion import METHOD
from gateway.store.consents import PseudonymKeys, give
from scopes import Purpose, Redaction, Rung
from tests.support.oauth import Party, World, a_client, a_partner
from tests.support.proofs import a_proof

REDIRECT = "https://shop.example/callback"
SCOPE = "shop.orders"
FIELDS = {
    "Subject.city": Redaction(Rung.REVEAL),
    "Subject.realName": Redaction(Rung.MASK, head=1),
    "Subject.nationalId": Redaction(Rung.MASK, head=1, tail=1),
}
CITY, NAME, NATIONAL_ID = "profile.city", "identity.real_name", "identity.national_id"
ALL = (CITY, NAME, NATIONAL_ID)
POLICY = "2024-11-26"


@dataclass(frozen=True)
class Person:
    """A data subject with a session."""

    subject_id: UUID
    session_id: UUID
    authenticated_at: datetime
    acr: str = "pwd"


@dataclass(frozen=True)
class Asked:
    """An authorization that came back with a code."""

    code: str
    verifier: str
    answer: Mapping[str, str]

    def form(self, party: Party, **changed: str) -> dict[str, str]:
        """The parameters of the token request."""
        good = {"grant_type": "authorization_code", "code": self.code, "code_verifier": self.verifier, "redirect_uri": REDIRECT}
        return {**credentials(party), **good, **changed}


@dataclass
class Shop:
    """A client that data subjects authorise, on a world of workers. key: its DPoP key, None for bearer tokens."""

    world: World
    party: Party
    key: Key | None = None
    nonce: str | None = field(default=None)

    async def post(self, path: str, form: Mapping[str, str], *, worker: int = 0, key: Key | None = None) -> httpx2.Response:
        """A request with a proof where this client has a key; a nonce that is asked for is fetched and used."""
        signing = key or self.key
        http, url = self.world.workers[worker].http, self.world.settings.base_url + path
        if signing is None:
            return await http.post(path, data=dict(form))
        answer = await http.post(path, data=dict(form), headers={"DPoP": a_proof(signing, url=url, nonce=self.nonce)})
        if answer.status_code == 400 and answer.json().get("error") == "use_dpop_nonce":
            self.nonce = answer.headers["dpop-nonce"]
            again = {**form, **({"client_assertion": self.party.assertion()} if "client_assertion" in form else {})}
            answer = await http.post(path, data=again, headers={"DPoP": a_proof(signing, url=url, nonce=self.nonce)})
        return answer

    async def redeem(self, asked: Asked, **changed: str) -> dict[str, Any]:
        """The tokens for a code; it must succeed."""
        answer = await self.post("/oauth/token", asked.form(self.party, **changed))
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def refresh(self, text: str, **more: str) -> httpx2.Response:
        """A refresh of this token."""
        return await self.post(
            "/oauth/token", {**credentials(self.party), "grant_type": "refresh_token", "refresh_token": text, **more}
        )


def credentials(party: Party) -> dict[str, str]:
    """What a client proves itself with in the form; a public one names itself."""
    if party.algorithm == "none":
        return {"client_id": party.client_id}
    return {name: value for name, value in party.form().items() if name != "grant_type"}


async def a_shop(world: World, *, scope: str | None = None, key: Key | None = None, **metadata: Any) -> Shop:
    """A registered client of a partner that is granted SCOPE for service delivery. key: it is DPoP-bound to this key."""
    await a_scope(world.owner)
    partner_id = await a_partner(world.owner, scopes=(SCOPE,))
    registered: dict[str, Any] = {
        "redirect_uris": [REDIRECT],
        "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
        "response_types": ["code"],
        "dpop_bound_access_tokens": key is not None,
        **({} if scope is None else {"scope": scope}),
        **metadata,
    }
    party = await a_client(world.owner, world.settings, partner_id=partner_id, **registered)
    if metadata.get("token_endpoint_auth_method", METHOD) == "none":
        party = Party(party.client_id, party.partner_id, "none", party.key, party.issuer)
    return Shop(world, party, key)


async def a_scope(owner: asyncpg.Connection[Any], name: str = SCOPE, purpose: Purpose = Purpose.SERVICE_DELIVERY) -> None:
    """An active scope over FIELDS, once."""
    added = await owner.fetchval(
        """insert into gateway.scope_version (scope, version, purpose, active_from) values ($1, 1, $2, now() - interval '1 day')
           on conflict do nothing returning true""",
        name,
        purpose.value,
    )
    for path, redaction in FIELDS.items() if added else ():
        await owner.execute(
            """insert into gateway.scope_field (scope, version, path, redaction, justification)
               values ($1, 1, $2, $3::text::jsonb, 'an order needs it')""",
            name,
            path,
            json.dumps(redaction.to_wire()),
        )


async def a_person(owner: asyncpg.Connection[Any], *, acr: str = "pwd") -> Person:
    """A data subject who has just signed in."""
    subject_id, session_id, now = uuid4(), uuid4(), datetime.now(UTC)
    await owner.execute("insert into gateway.subject (subject_id) values ($1)", subject_id)
    await owner.execute(
        """insert into gateway.session (session_id, token_sha256, subject_id, acr, authenticated_at, expires_at)
           values ($1, $2, $3, $4, $5, now() + interval '1 hour')""",
        session_id,
        secrets.token_bytes(32),
        subject_id,
        acr,
        now,
    )
    return Person(subject_id, session_id, now, acr)


async def a_policy(owner: asyncpg.Connection[Any]) -> str:
    """A version of the policy that consents can be given under."""
    await owner.execute(
        """insert into gateway.policy_version (policy_version, effective_at, text_sha256) values ($1, $2, $3)
           on conflict do nothing""",
        POLICY,
        datetime(2024, 11, 26, tzinfo=UTC),
        bytes(32),
    )
    return POLICY


def a_verifier() -> tuple[str, str]:
    """A PKCE verifier and its S256 challenge."""
    verifier = secrets.token_urlsafe(48)
    return verifier, urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def parameters(shop: Shop, challenge: str, **changed: str | None) -> dict[str, str]:
    """A good authorization request, with some parameters changed; None leaves one out."""
    good: dict[str, str | None] = {
        "response_type": "code",
        "client_id": shop.party.client_id,
        "redirect_uri": REDIRECT,
        "scope": f"openid {SCOPE}",
        "state": "st-1",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        **changed,
    }
    return {name: value for name, value in good.items() if value is not None}


async def authorised(
    shop: Shop,
    person: Person,
    *,
    agreed: Collection[str] = ALL,
    is_pushed: bool = False,
    ends_in: timedelta | None = None,
    signs_in: bool = True,
    **changed: str | None,
) -> Asked:
    """The data subject was asked and agreed to these categories."""
    verifier, challenge = a_verifier()
    query = parameters(shop, challenge, **changed)
    if is_pushed:
        pushed = await shop.post("/oauth/par", {**credentials(shop.party), **query})
        assert pushed.status_code == 201, pushed.text
        query = {"client_id": shop.party.client_id, "request_uri": pushed.json()["request_uri"]}
    owner, settings = shop.world.owner, shop.world.settings
    request = await open_request(owner, settings, urlencode(query))
    async with owner.transaction():
        consent_id = None
        ends_at = None if ends_in is None else datetime.now(UTC) + ends_in
        if agreed and request.purpose is not None:
            consent_id = await give(
                owner,
                PseudonymKeys(settings.key("pseudonym")),
                subject_id=person.subject_id,
                partner_id=request.partner_id,
                purpose=request.purpose,
                categories=set(agreed) & set(request.categories),
                policy_version=await a_policy(owner),
                ends_at=ends_at,
            )
        redirect = await grant(
            owner, settings, request, person, categories=agreed, signs_in=signs_in, consent_id=consent_id, ends_at=ends_at
        )
    answer = {name: values[0] for name, values in parse_qs(urlsplit(redirect).query).items()}
    return Asked(answer["code"], verifier, answer)
