"""Changes, disclosures, acts and one data subject's consents in the schema."""

from datetime import datetime
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from gateway.admin.api.registers import Count
from gateway.admin.api.words import ChangeState
from gateway.stewardship import records
from gateway.stewardship.content import ChangeKind
from scopes import ConsentKind, Purpose


@strawberry.type(description="endCursor: what `after` takes for the page that follows.")
class PageInfo:
    has_next_page: bool
    end_cursor: str | None


@strawberry.type(
    description="What somebody wants and somebody else decides. content: in the form of the configuration files. "
    "base: what it would take the place of, as it stood when it was proposed; null: there was nothing."
)
class Change:
    change_id: UUID
    kind: ChangeKind
    target: str
    content: JSON
    base: JSON | None
    reason: str
    proposer: str
    proposed_at: datetime
    state: ChangeState
    decider: str | None
    decided_at: datetime | None
    decision: str | None
    takes_effect_at: datetime | None


@strawberry.type
class ChangePage:
    nodes: list[Change]
    page_info: PageInfo


@strawberry.type(
    description="A field under one root field of the operation, over the data subjects that are asked about. shown: for how many "
    "it went out, in the form of `redaction`; kept: for how many not, by exact reason."
)
class FieldOutcome:
    path: str
    category: str
    redaction: str
    root: str
    shown: int

    @strawberry.field
    @staticmethod
    def kept(root: strawberry.Parent[records.FieldOutcome]) -> list[Count]:
        return [Count(name=reason, count=count) for reason, count in root.kept.items()]


@strawberry.type(
    description="What went out, to whom and why; no values. scopes: `name@version`. "
    "inContentOfOthers: data subjects that it concerned only as people in what others shared."
)
class Disclosure:
    disclosure_id: UUID
    disclosed_at: datetime
    partner: str
    client_id: str
    purpose: Purpose
    scopes: list[str]
    roots: list[str]
    subject_count: int
    is_contract_run: bool
    fields: list[FieldOutcome]
    in_content_of_others: int


@strawberry.type
class DisclosurePage:
    nodes: list[Disclosure]
    page_info: PageInfo


@strawberry.type(description="isComplete: false where there are older ones; export those until the last instant given here.")
class DisclosureExport:
    nodes: list[Disclosure]
    is_complete: bool


@strawberry.type(description="One act of the staff. refused: the code of the refusal; null: it was done.")
class StaffAct:
    act_id: UUID
    acted_at: datetime
    actor: str
    door: str
    act: str
    target: str
    reason: str
    refused: str | None
    before: JSON | None
    after: JSON | None


@strawberry.type
class ActPage:
    nodes: list[StaffAct]
    page_info: PageInfo


@strawberry.type(description="The newest version of the policy that was accepted.")
class PolicyAcceptance:
    policy_version: str
    accepted_at: datetime
    is_current: bool


@strawberry.type(description="The latest word to one partner about one purpose. covered: what may go out at this instant.")
class Consent:
    consent_id: UUID
    partner: str
    purpose: Purpose
    kind: ConsentKind
    categories: list[str]
    cross_border: bool
    policy_version: str
    given_at: datetime
    changed_at: datetime
    ends_at: datetime | None
    is_live: bool
    covered: list[str]


@strawberry.type(description="The latest word about one switch. partnerId, category: null for all.")
class Setting:
    switch: str
    partner_id: UUID | None
    category: str | None
    allowed: bool


@strawberry.type(description="What one data subject decided; no data of its own.")
class SubjectConsents:
    subject_id: UUID
    accepted: PolicyAcceptance | None
    consents: list[Consent]
    settings: list[Setting]
