"""Clients that others wrote get all they need and nothing else: openid-client (npm) and Authlib's, as a partner uses them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import httpx
import httpx2
import pytest
import pytest_asyncio
from authlib.common.security import generate_token
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT

from gateway.catalogue.weidandan import CATALOGUE
from gateway.settings import Settings
from gateway.stewardship import changes, initial_tokens
from gateway.stewardship.effect import Ground
from gateway.stewardship.roles import StaffRole
from gateway.store.consents import PseudonymKeys
from gateway.subject import session
from scopes import Purpose, pseudonym
from tests.support.authorising import ALL, REDIRECT, SCOPE, Person, a_person, a_policy, a_scope
from tests.support.consent_pages import Screen
from tests.support.database import Database
from tests.support.oauth import Party, a_client, a_partner
from tests.support.packages import node_with
from tests.support.served import served
from tests.support.stewardship import a_member

FOLDER = Path(__file__).resolve().parents[2] / "real_clients"
PATIENCE_S = 60
DOCUMENT = "{ me { id city } }"


@dataclass
class Scene:
    """A served gateway, a partner that may ask for SCOPE, and a data subject in a browser of its own."""

    owner: asyncpg.Connection[Any]
    settings: Settings
    partner_id: Any
    person: Person
    browser: httpx2.AsyncClient

    async def client(self, **metadata: Any) -> Party:
        return await a_client(
            self.owner,
            self.settings,
            partner_id=self.partner_id,
            redirect_uris=[REDIRECT],
            grant_types=["authorization_code", "refresh_token", "client_credentials"],
            **metadata,
        )

    async def agrees(self, address: str) -> str:
        """The data subject follows the client's link and allows everything; where the browser is sent then."""
        opened = Screen(await self.browser.get(address))
        path = opened.location.partition("?")[0]
        screen = Screen(await self.browser.get(opened.location))
        form: dict[str, str | list[str]] = {name: screen.hidden(name) for name in ("csrf", "notice")}
        boxes = screen.boxes()
        form |= {"decision": "allow", "category": [name for name in boxes if name in ALL]}
        form |= {name: "yes" for name in boxes if name not in ALL}
        return Screen(await self.browser.post(path, data=form)).location

    def known_as(self, purpose: Purpose) -> str:
        key = self.settings.key("pseudonym")
        return str(pseudonym(key, self.partner_id, purpose.value, self.person.subject_id))


@pytest_asyncio.fixture(loop_scope="session")
async def scene(database: Database, tmp_path: Path) -> AsyncIterator[Scene]:
    owner = await database.owner()
    await a_policy(owner)
    await a_scope(owner)
    partner_id = await a_partner(owner, scopes=(SCOPE,))
    person = await a_person(owner)
    await owner.execute("insert into platform.account (subject_id, city) values ($1, '深圳市')", person.subject_id)
    async with served(database.owner_url, tmp_path) as port:
        settings = Settings(data=tmp_path, base_url=f"http://localhost:{port}")
        _, cookie = await session.begin(owner, subject_id=person.subject_id, acr="pwd", settings=settings)
        headers = {"Cookie": f"session={cookie}", "Accept-Language": "en"}
        async with httpx2.AsyncClient(base_url=settings.base_url, headers=headers, trust_env=False) as browser:
            yield Scene(owner, settings, partner_id, person, browser)
    await owner.close()


async def test_openid_client_goes_the_whole_way_under_the_fapi_profile(scene: Scene) -> None:
    """Discovery, PAR, PKCE, private_key_jwt, DPoP nonces, refresh, introspection, revocation, userinfo; and what must fail."""
    node = await node_with(FOLDER, "openid-client")
    party = await scene.client(dpop_bound_access_tokens=True, require_pushed_authorization_requests=True)
    configuration = {
        "issuer": scene.settings.issuer,
        "client_id": party.client_id,
        "jwk": party.key.as_dict(private=True),
        "redirect_uri": REDIRECT,
        "scope": f"openid {SCOPE}",
        "data_scope": SCOPE,
        "graphql": f"{scene.settings.base_url}/graphql",
        "document": DOCUMENT,
    }
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(node, "client.mjs", cwd=FOLDER, stdin=pipe, stdout=pipe, stderr=pipe)

    async with asyncio.timeout(PATIENCE_S):
        address = (await _exchange(process, configuration))["address"]
        did = await _exchange(process, {"address": await scene.agrees(address)})
        await process.wait()

    assert set(parse_qs(urlsplit(address).query)) == {"client_id", "request_uri"}
    assert did["mixed"] == {
        "foreign_issuer": "OAUTH_INVALID_RESPONSE",
        "no_issuer": "OAUTH_INVALID_RESPONSE",
        "other_state": "OAUTH_INVALID_RESPONSE",
    }
    assert did["claims"]["sub"] == did["userinfo"]["sub"] == scene.known_as(Purpose.LOGIN)
    assert (did["token_type"], did["scope"], did["bound"]) == ("dpop", f"openid {SCOPE}", "dpop")
    seen = {"me": {"id": scene.known_as(Purpose.SERVICE_DELIVERY), "city": "深圳市"}}
    assert did["answer"]["data"] == did["again"]["data"] == seen
    assert did["kept"]
    assert (did["introspected"]["active"], did["introspected"]["client_id"]) == (True, party.client_id)
    assert did["introspected"]["cnf"].keys() == {"jkt"}
    assert (did["widened"], did["other_key"], did["unbound"]) == ("invalid_scope", "invalid_grant", "invalid_dpop_proof")
    assert (did["revoked"], did["replayed"], did["afterwards"]) == (False, "invalid_grant", "invalid_grant")


async def test_openid_client_registers_itself_and_gets_a_token_once_it_is_approved(scene: Scene) -> None:
    """RFC 7591, with an initial access token; policy 9.3: nothing before a second person approved it."""
    node = await node_with(FOLDER, "openid-client")
    steward, approver = [await a_member(scene.owner, role) for role in (StaffRole.STEWARD, StaffRole.APPROVER)]
    partner = await scene.owner.fetchval("select name from gateway.partner where partner_id = $1", scene.partner_id)
    token = (await initial_tokens.issue(scene.owner, steward, partner=partner, lifetime=timedelta(hours=1))).text
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(node, "register.mjs", cwd=FOLDER, stdin=pipe, stdout=pipe, stderr=pipe)

    async with asyncio.timeout(PATIENCE_S):
        did = await _exchange(process, {"issuer": scene.settings.issuer, "token": token})
        [change] = await changes.listed(scene.owner, approver, state="proposed")
        ground = Ground(CATALOGUE.fields, PseudonymKeys(scene.settings.key("pseudonym")))
        await changes.approve(scene.owner, approver, ground, change_id=change.change_id)
        approved = await _exchange(process, {})
        await process.wait()

    assert change.content["metadata"]["client_id"] == did["client_id"]
    assert (did["before"], approved["after"]) == ("invalid_client", "bearer")


async def _exchange(process: asyncio.subprocess.Process, line: dict[str, Any]) -> dict[str, Any]:
    """Say one line and hear one."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(line).encode() + b"\n")
    answer = await process.stdout.readline()
    if not answer:
        assert process.stderr is not None
        pytest.fail((await process.stderr.read()).decode())
    heard: dict[str, Any] = json.loads(answer)
    return heard


async def test_authlibs_client_gets_refreshes_and_revokes(scene: Scene) -> None:
    """private_key_jwt, PKCE, code, refresh, introspection, revocation, userinfo, with the library that many partners have."""
    party = await scene.client()
    base = scene.settings.base_url
    document = (await scene.browser.get("/.well-known/openid-configuration")).json()
    client = AsyncOAuth2Client(
        client_id=party.client_id,
        client_secret=party.key,
        token_endpoint_auth_method="private_key_jwt",
        revocation_endpoint_auth_method="private_key_jwt",
        redirect_uri=REDIRECT,
        scope=f"openid {SCOPE}",
        code_challenge_method="S256",
        trust_env=False,
    )

    client.register_client_auth_method(PrivateKeyJWT(document["issuer"], alg="ES256"))  # the issuer is the audience

    async with client:
        verifier = generate_token(48)
        address, state = client.create_authorization_url(document["authorization_endpoint"], code_verifier=verifier)
        back = await scene.agrees(address)
        tokens = await client.fetch_token(
            document["token_endpoint"], authorization_response=back, code_verifier=verifier, state=state
        )
        answer: httpx.Response = await client.post(f"{base}/graphql", json={"query": DOCUMENT})
        told = (await client.get(document["userinfo_endpoint"])).json()
        refreshed = await client.refresh_token(document["token_endpoint"], refresh_token=tokens["refresh_token"])
        introspected = await client.introspect_token(document["introspection_endpoint"], token=refreshed["access_token"])
        await client.revoke_token(document["revocation_endpoint"], token=tokens["refresh_token"])
        afterwards = await client.post(f"{base}/graphql", json={"query": DOCUMENT})

    assert answer.json()["data"]["me"]["city"] == "深圳市"
    assert told == {"sub": scene.known_as(Purpose.LOGIN)}
    assert introspected.json()["active"] is True
    assert (afterwards.status_code, afterwards.json()["errors"][0]["extensions"]["code"]) == (401, "TOKEN_REVOKED")
