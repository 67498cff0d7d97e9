"""A partner that asks a data subject for consent, with the data subject's rows on the platform."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import asyncpg

from gateway.catalogue.definition import load
from gateway.demo.partners import SERVICE_DELIVERY, DemoField
from gateway.oauth.authorization_request import AuthorizationRequest
from gateway.oauth.authorize import asking, open_request
from gateway.settings import Settings
from gateway.store.consents import PseudonymKeys, give
from gateway.subject.offer import Offer, make_offer
from gateway.subject.quiet import quiet
from scopes import Purpose, Redaction, Role, Rung
from tests.support.authorising import POLICY, Person, a_person, a_policy, a_verifier
from tests.support.oauth import Party, a_client

REDIRECT = "http://127.0.0.1:9/callback"
CATALOGUE = load("gateway.catalogue.weidandan")
FIELDS = SERVICE_DELIVERY.fields
QUIET_FOR = timedelta(days=30)


@dataclass(frozen=True)
class Asker:
    """A partner with one client and one scope."""

    owner: asyncpg.Connection[Any]
    settings: Settings
    party: Party
    scope: str
    purpose: Purpose

    def query(self, **changed: str | None) -> str:
        """A good authorization request as an address has it; None leaves a parameter out."""
        good: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.party.client_id,
            "redirect_uri": REDIRECT,
            "scope": f"openid {self.scope}",
            "state": "st-1",
            "code_challenge": a_verifier()[1],
            "code_challenge_method": "S256",
            **changed,
        }
        return urlencode({name: value for name, value in good.items() if value is not None})

    def details(self, *categories: str) -> str:
        """`authorization_details` that narrow a request to these categories."""
        return json.dumps([{"type": "data_sharing", "purpose": self.purpose.value, "categories": list(categories)}])

    async def ask(self, **changed: str | None) -> AuthorizationRequest:
        """The request, opened."""
        return await open_request(self.owner, self.settings, self.query(**changed))

    async def offer(self, person: Person, **changed: str | None) -> Offer:
        """What the data subject would be asked."""
        request = await self.ask(**changed)
        asked = await asking(self.owner, request.client_id)
        assert asked is not None
        silence = await quiet(
            self.owner,
            subject_id=person.subject_id,
            partner_id=request.partner_id,
            purpose=request.purpose,
            within=QUIET_FOR,
        )
        return await make_offer(self.owner, CATALOGUE, request, asked, person.subject_id, silence)

    async def agreed(self, person: Person, *categories: str, cross_border: bool = False, **rest: Any) -> UUID:
        """The data subject has agreed to these before."""
        return await give(
            self.owner,
            PseudonymKeys(self.settings.key("pseudonym")),
            subject_id=person.subject_id,
            partner_id=self.party.partner_id,
            purpose=self.purpose,
            categories=categories,
            policy_version=POLICY,
            cross_border=cross_border,
            **rest,
        )


async def an_asker(
    owner: asyncpg.Connection[Any],
    settings: Settings,
    *,
    fields: Sequence[DemoField] = FIELDS,
    purpose: Purpose = Purpose.SERVICE_DELIVERY,
    role: Role = Role.RECIPIENT,
    location: str = "CN",
    mechanism: str | None = None,
    **metadata: Any,
) -> Asker:
    """A partner under an agreement in force, with a live grant of a scope over these fields."""
    await a_policy(owner)
    partner_id, scope = uuid4(), f"s{uuid4().hex[:10]}"
    await owner.execute(
        """insert into gateway.partner (partner_id, name, legal_name, contact, role, kind, processing_location,
                                        cross_border_mechanism, agreement_starts_at, agreement_ends_at)
           values ($1, $2, '购伴（深圳）软件有限公司', 'privacy@shopmate.example', $3, 'app_developer', $4, $5,
                   now() - interval '1 day', now() + interval '1 year')""",
        partner_id,
        f"p{partner_id.hex[:12]}",
        role.value,
        location,
        mechanism,
    )
    await a_scope(owner, scope, purpose, fields)
    await a_grant(owner, partner_id, scope)
    registered = {
        "redirect_uris": [REDIRECT],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "policy_uri": "https://shopmate.example/privacy",
        **metadata,
    }
    party = await a_client(owner, settings, partner_id=partner_id, **registered)
    return Asker(owner, settings, party, scope, purpose)


async def another_client(asker: Asker) -> Asker:
    """The same partner's other client."""
    registered: Mapping[str, Any] = {
        "redirect_uris": [REDIRECT],
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
    }
    party = await a_client(asker.owner, asker.settings, partner_id=asker.party.partner_id, **registered)
    return replace(asker, party=party)


async def a_scope(owner: asyncpg.Connection[Any], scope: str, purpose: Purpose, fields: Sequence[DemoField]) -> None:
    """An active scope over these fields."""
    await owner.execute(
        "insert into gateway.scope_version (scope, version, purpose, active_from) values ($1, 1, $2, now() - interval '1 day')",
        scope,
        purpose.value,
    )
    await owner.executemany(
        """insert into gateway.scope_field (scope, version, path, redaction, justification)
           values ($1, 1, $2, $3::text::jsonb, $4)""",
        [(scope, field.path, json.dumps(field.redaction.to_wire()), field.justification) for field in fields],
    )


async def a_grant(owner: asyncpg.Connection[Any], partner_id: UUID, scope: str, *, retention: str = "180 days") -> None:
    """A live grant of the scope."""
    await owner.execute(
        f"""insert into gateway.partner_grant (grant_id, partner_id, scope, starts_at, ends_at, retention)
            values ($1, $2, $3, now() - interval '1 day', now() + interval '1 year', interval '{retention}')""",
        uuid4(),
        partner_id,
        scope,
    )


async def an_inhabitant(owner: asyncpg.Connection[Any]) -> Person:
    """A data subject with a session and rows in every table of the platform."""
    person = await a_person(owner)
    subject = person.subject_id
    await owner.execute(
        """insert into platform.account (subject_id, real_name, mobile_number, national_id, email, birth_date, city, language,
                                         registered_at, location)
           values ($1, '王小明', '13812345678', '11010519491231002X', 'zhang.wei@example.com', $2, '深圳市', 'zh-CN', $3,
                   point(113.94321, 22.54321))""",
        subject,
        date(1990, 5, 17),
        datetime(2020, 3, 4, 5, 6, 7, tzinfo=UTC),
    )
    for number in (1, 2):
        await owner.execute(
            """insert into platform.address (address_id, subject_id, recipient, mobile_number, street, city, postcode)
               values ($1, $2, '王小明', '13812345678', $3, '深圳市', '518057')""",
            uuid4(),
            subject,
            f"广东省深圳市南山区科技园路{number}号",
        )
    return person


async def a_post(
    owner: asyncpg.Connection[Any],
    subject_id: UUID,
    text: str,
    *,
    hours_ago: int = 1,
    depicted: Sequence[UUID] = (),
    is_shared: bool = True,
) -> None:
    """A post of this data subject's, and a mention for each whom it shows."""
    post_id = uuid4()
    await owner.execute(
        """insert into platform.post (post_id, subject_id, text, posted_at, depicted_ids, is_shared)
           values ($1, $2, $3, now() - make_interval(hours => $4), $5, $6)""",
        post_id,
        subject_id,
        text,
        hours_ago,
        list(depicted),
        is_shared,
    )
    for person in depicted:
        await owner.execute(
            "insert into platform.mention (mention_id, post_id, author_id, depicted_id) values ($1, $2, $3, $4)",
            uuid4(),
            post_id,
            subject_id,
            person,
        )


def reveal(path: str, why: str = "it is needed") -> DemoField:
    """A field in clear."""
    return DemoField(path, Redaction(Rung.REVEAL), why)


def mask(path: str, head: int, why: str = "it is needed") -> DemoField:
    """A field of which the first characters are left."""
    return DemoField(path, Redaction(Rung.MASK, head=head), why)
