"""What the staff do: each root field is one act, done and recorded or refused and recorded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import strawberry

from gateway.admin.api import people, records, registers
from gateway.admin.api.ask import Ask, offers
from gateway.admin.api.inputs import (
    ClientInput,
    DisclosureFilter,
    GrantEndInput,
    GrantInput,
    PartnerInput,
    RulesInput,
    ScopeEndInput,
    ScopeInput,
    content_of,
)
from gateway.admin.api.query import wanted
from gateway.admin.api.words import SigningAlgorithm
from gateway.oauth.keys import Rotation
from gateway.stewardship import (
    changes,
    client_secrets,
    examine,
    flow,
    initial_tokens,
    operations,
    reviews,
    staff,
    standing,
    support,
)
from gateway.stewardship import records as record_keeping
from gateway.stewardship.configuration_files import texts
from gateway.stewardship.content import ChangeKind
from gateway.stewardship.records import DisclosureEntry
from gateway.stewardship.roles import Act
from scopes import Purpose

EXPORTED_MOST: Final = 1_000
"""Disclosures in one answer, which is built in memory; the console writes files of any length."""


LONGEST_MINUTES: Final = initial_tokens.LONGEST // timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Exported:
    """What `DisclosureExport` shows."""

    nodes: Sequence[DisclosureEntry]
    is_complete: bool


@strawberry.type
class Mutation:
    @offers(Act.CHANGE_PROPOSE, records.Change, "Propose the next version of a scope; the first one of a new name.")
    async def propose_scope(self, info: Ask, scope: ScopeInput, reason: str) -> changes.Change:
        return await _propose(info, ChangeKind.SCOPE, content_of(scope), reason)

    @offers(Act.CHANGE_PROPOSE, records.Change, "Propose that a scope retires without a next version.")
    async def propose_scope_end(self, info: Ask, scope_end: ScopeEndInput, reason: str) -> changes.Change:
        return await _propose(info, ChangeKind.SCOPE_END, content_of(scope_end), reason)

    @offers(Act.CHANGE_PROPOSE, records.Change, "Propose that a partner may use a scope.")
    async def propose_grant(self, info: Ask, grant: GrantInput, reason: str) -> changes.Change:
        return await _propose(info, ChangeKind.GRANT, content_of(grant), reason)

    @offers(Act.CHANGE_PROPOSE, records.Change, "Propose that a grant ends.")
    async def propose_grant_end(self, info: Ask, grant_end: GrantEndInput, reason: str) -> changes.Change:
        return await _propose(info, ChangeKind.GRANT_END, content_of(grant_end), reason)

    @offers(Act.CHANGE_PROPOSE, records.Change, "Propose a partner, or what takes the place of all that is on record of one.")
    async def propose_partner(self, info: Ask, partner: PartnerInput, reason: str) -> changes.Change:
        return await _propose(info, ChangeKind.PARTNER, content_of(partner), reason)

    @offers(Act.CHANGE_PROPOSE, records.Change, "Propose a client, or what takes the place of one's metadata and status.")
    async def propose_client(self, info: Ask, client: ClientInput, reason: str) -> changes.Change:
        return await _propose(info, ChangeKind.CLIENT, content_of(client), reason)

    @offers(Act.CHANGE_PROPOSE, records.Change, "Propose the rules that every scope keeps to.")
    async def propose_rules(self, info: Ask, rules: RulesInput, reason: str) -> changes.Change:
        return await _propose(info, ChangeKind.RULES, content_of(rules), reason)

    @offers(Act.CHANGE_APPROVE, records.Change, "Let what somebody else proposed take effect.")
    async def approve(self, info: Ask, change_id: UUID, decision: str = "") -> changes.Change:
        asking = info.context
        async with asking.connection() as conn:
            await changes.approve(conn, asking.actor, asking.desk.ground, change_id=change_id, decision=decision)
            return await changes.find(conn, asking.actor, change_id)

    @offers(Act.CHANGE_REJECT, records.Change, "Turn down what somebody else proposed, and say why.")
    async def reject(self, info: Ask, change_id: UUID, decision: str) -> changes.Change:
        async with info.context.connection() as conn:
            await changes.reject(conn, info.context.actor, change_id=change_id, decision=decision)
            return await changes.find(conn, info.context.actor, change_id)

    @offers(Act.CHANGE_WITHDRAW, records.Change, "Take back what one proposed.")
    async def withdraw(self, info: Ask, change_id: UUID) -> changes.Change:
        async with info.context.connection() as conn:
            await changes.withdraw(conn, info.context.actor, change_id=change_id)
            return await changes.find(conn, info.context.actor, change_id)

    @offers(
        Act.HALT_ADD,
        UUID,
        "Stop the flow to a partner, through a scope, or altogether where neither is named; gives the halt's id.",
    )
    async def halt(self, info: Ask, reason: str, partner: str | None = None, scope: str | None = None) -> UUID:
        async with info.context.connection() as conn:
            return await flow.halt(conn, info.context.actor, reason=reason, partner=partner, scope=scope)

    @offers(Act.HALT_LIFT, int, "End every halt of exactly this target; gives how many there were.")
    async def lift(self, info: Ask, reason: str, partner: str | None = None, scope: str | None = None) -> int:
        async with info.context.connection() as conn:
            return await flow.lift(conn, info.context.actor, reason=reason, partner=partner, scope=scope)

    @offers(
        Act.PARTNER_SUSPEND, bool, "Nothing goes to the partner until a change, which somebody else approves, makes it active."
    )
    async def suspend_partner(self, info: Ask, partner: str, reason: str) -> bool:
        async with info.context.connection() as conn:
            await flow.suspend(conn, info.context.actor, partner=partner, reason=reason)
        return True

    @offers(Act.KEYS_ROTATE, people.KeyRotation, "Publish a new signing key.")
    async def rotate_keys(self, info: Ask, reason: str, algorithm: SigningAlgorithm = SigningAlgorithm.ES256) -> Rotation:
        asking = info.context
        async with asking.connection() as conn:
            return await flow.rotate_keys(conn, asking.actor, asking.desk.keys, reason=reason, algorithm=algorithm.value)

    @offers(
        Act.INITIAL_TOKEN_ISSUE,
        people.IssuedToken,
        "A token with which a partner registers one client (RFC 7591), for a day at most; somebody else approves the client.",
    )
    async def issue_initial_token(self, info: Ask, partner: str, minutes: int) -> people.IssuedToken:
        lifetime = timedelta(minutes=max(-1, min(minutes, LONGEST_MINUTES + 1)))  # a span has an end that an Int goes beyond
        async with info.context.connection() as conn:
            issued = await initial_tokens.issue(conn, info.context.actor, partner=partner, lifetime=lifetime)
        return people.IssuedToken(token_id=issued.token_id, expires_at=issued.expires_at, token=issued.text)

    @offers(Act.CLIENT_SECRET_ADD, people.IssuedSecret, "Another secret of a client that proves itself by one.")
    async def add_client_secret(self, info: Ask, client_id: str) -> people.IssuedSecret:
        async with info.context.connection() as conn:
            added = await client_secrets.add(conn, info.context.actor, client_id=client_id)
        return people.IssuedSecret(secret_id=added.secret_id, client_secret=added.text)

    @offers(Act.CLIENT_SECRET_END, bool, "End a secret of a client: no worker takes it any more.")
    async def end_client_secret(self, info: Ask, client_id: str, secret_id: UUID) -> bool:
        async with info.context.connection() as conn:
            await client_secrets.end(conn, info.context.actor, client_id=client_id, secret_id=secret_id)
        return True

    @offers(
        Act.OPERATION_REGISTER,
        people.ExaminedDocument,
        "Register a document for a partner, to the letter; gives its cost and redactions.",
    )
    async def register_operation(self, info: Ask, partner: str, document: str, label: str) -> examine.Examined:
        asking = info.context
        async with asking.connection() as conn:
            return await operations.register(
                conn, asking.actor, asking.desk.settings, partner=partner, document=document, label=label
            )

    @offers(Act.OPERATION_END, bool, "End a registration, from the next query on.")
    async def end_operation(self, info: Ask, partner: str, document_sha256: str) -> bool:
        async with info.context.connection() as conn:
            await operations.end(conn, info.context.actor, partner=partner, document_sha256=document_sha256)
        return True

    @offers(Act.CONFIDENTIALITY_ACCEPT, people.Me, "Accept the duty of confidentiality, before anything else.")
    async def accept_confidentiality(self, info: Ask) -> people.Me:
        async with info.context.connection() as conn:
            await staff.accept_confidentiality(conn, info.context.actor)
        return people.Me.of(info.context.actor, has_accepted=True)

    @offers(Act.TOKEN_ISSUE, people.IssuedToken, "Issue a token of one's own, for 90 days at most.")
    async def issue_token(self, info: Ask, label: str, days: int) -> people.IssuedToken:
        lifetime = timedelta(days=max(-1, min(days, staff.LONGEST_TOKEN.days + 1)))  # a span has an end that an Int goes beyond
        async with info.context.connection() as conn:
            issued = await staff.issue_token(conn, info.context.actor, label=label, lifetime=lifetime)
        return people.IssuedToken(token_id=issued.token_id, expires_at=issued.expires_at, token=issued.text)

    @offers(Act.TOKEN_REVOKE, bool, "Revoke a token of one's own.")
    async def revoke_token(self, info: Ask, token_id: UUID) -> bool:
        async with info.context.connection() as conn:
            await staff.revoke_token(conn, info.context.actor, token_id=token_id)
        return True

    @offers(Act.ACCESS_REVIEW, bool, "Put on record that the access review was made, and what came of it.")
    async def confirm_access_review(self, info: Ask, note: str) -> bool:
        async with info.context.connection() as conn:
            await reviews.confirm(conn, info.context.actor, note=note)
        return True

    @offers(Act.DISCLOSURES_EXPORT, records.DisclosureExport, f"Disclosures to take away, newest first, {EXPORTED_MOST} at most.")
    async def export_disclosures(self, info: Ask, where: DisclosureFilter | None = None) -> Exported:
        nodes: list[DisclosureEntry] = []
        async for one in await record_keeping.export(info.context.desk.pool, info.context.actor, wanted(where)):
            if len(nodes) == EXPORTED_MOST:
                return Exported(nodes, is_complete=False)
            nodes.append(one)
        return Exported(nodes, is_complete=True)

    @offers(
        Act.CONFIGURATION_EXPORT,
        list[registers.ConfigurationFile],
        "The whole configuration as files, as `gateway scopes export` writes them.",
    )
    async def export_configuration(self, info: Ask) -> Sequence[registers.ConfigurationFile]:
        async with info.context.connection() as conn:
            found = await standing.export(conn, info.context.actor, info.context.desk.catalogue)
        return [registers.ConfigurationFile(name=name, text=text) for name, text in texts(found).items()]

    @offers(
        Act.SUBJECT_CONSENTS_READ, records.SubjectConsents, "One data subject's consents, for the reason given; it is on record."
    )
    async def read_subject_consents(self, info: Ask, subject_id: UUID, reason: str) -> support.SubjectConsents:
        async with info.context.connection() as conn:
            return await support.consents_of(conn, info.context.actor, subject_id=subject_id, reason=reason)

    @offers(Act.SUBJECT_CONSENT_WITHDRAW, UUID, "Take a consent back on the data subject's behalf; gives its id.")
    async def withdraw_consent(self, info: Ask, subject_id: UUID, partner: str, purpose: Purpose, reason: str) -> UUID:
        asking = info.context
        async with asking.connection() as conn:
            return await support.withdraw(
                conn,
                asking.actor,
                asking.desk.pseudonyms,
                subject_id=subject_id,
                partner=partner,
                purpose=purpose,
                reason=reason,
            )


async def _propose(info: Ask, kind: ChangeKind, content: Mapping[str, Any], reason: str) -> changes.Change:
    asking = info.context
    async with asking.connection() as conn:
        change_id = await changes.propose(conn, asking.actor, asking.desk.ground, kind=kind, content=content, reason=reason)
        return await changes.find(conn, asking.actor, change_id)
