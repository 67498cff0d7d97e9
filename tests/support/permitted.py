"""The permitted copy: all that one token may see of a world under one purpose at one instant, as plain values in memory.

Built from `scopes` alone, value by value, and answered from by graphql-core's own executor: the second opinion on the gate. It
also remembers what an answer showed, for the record to be compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

from graphql import FieldNode, FragmentSpreadNode, GraphQLResolveInfo, InlineFragmentNode, SelectionSetNode
from graphql.execution.values import get_directive_values
from graphql.type import GraphQLIncludeDirective, GraphQLSkipDirective

from gateway.catalogue.weidandan import CATALOGUE
from scopes import (
    CATEGORIES,
    Cover,
    FieldDecision,
    Halted,
    Plan,
    PlannedField,
    Purpose,
    Reason,
    Rung,
    cover,
    decide,
    field_key,
    is_visible,
    plan,
    pseudonym,
    redact,
)
from tests.support.platform import Cell, Row
from tests.support.population import Person, Population, Token

Json: TypeAlias = "str | bool | Sequence[Json] | Mapping[str, Json] | Callable[..., Json] | None"

Info: TypeAlias = "GraphQLResolveInfo[Any]"
FIRST: Final = datetime.min.replace(tzinfo=UTC)

SUBJECT: Final[Mapping[str, str]] = {
    "realName": "real_name",
    "mobileNumber": "mobile_number",
    "nationalId": "national_id",
    "email": "email",
    "birthDate": "birth_date",
    "city": "city",
    "registeredAt": "registered_at",
    "language": "language",
    "location": "location",
}


@dataclass(frozen=True, slots=True)
class Lines:
    """A list of the data subject's: its table, the columns of its newest-first order (instant or none, then key), its leaves.

    leaves: by field name; of a list of values the only one has the list's own name.
    """

    table: str
    instant: str | None
    key: str
    leaves: Mapping[str, str]
    type_name: str | None = None


LISTS: Final[Mapping[str, Lines]] = {
    "addresses": Lines(
        "address",
        None,
        "address_id",
        {
            "recipient": "recipient",
            "mobileNumber": "mobile_number",
            "street": "street",
            "city": "city",
            "postcode": "postcode",
        },
        "Address",
    ),
    "posts": Lines("post", "posted_at", "post_id", {"id": "post_id", "text": "text", "postedAt": "posted_at"}, "Post"),
    "photos": Lines("photo", "taken_at", "photo_id", {"photos": "url"}),
    "surveyAnswers": Lines("survey_answer", "answered_at", "answer_id", {"surveyAnswers": "text"}),
    "supportCases": Lines("support_case", "opened_at", "case_id", {"supportCases": "text"}),
    "serviceEvents": Lines(
        "service_event",
        "occurred_at",
        "event_id",
        {"kind": "kind", "at": "occurred_at", "ipAddress": "ip_address", "referrer": "referrer"},
        "ServiceEvent",
    ),
    "devices": Lines("device", None, "device_id", {"appVersion": "app_version", "browser": "browser"}, "Device"),
    "partnerLogins": Lines(
        "partner_login", "logged_in_at", "login_id", {"partner": "partner_name", "at": "logged_in_at"}, "PartnerLogin"
    ),
    "mentions": Lines("post", "posted_at", "post_id", {"mentions": "text"}),
}


def path_of(list_name: str, leaf: str) -> str:
    """The schema path of a list's leaf."""
    return f"{LISTS[list_name].type_name or 'Subject'}.{leaf}"


@dataclass(slots=True)
class Shown:
    """What one answer showed. seen: the data subjects under each root's response key; asked: the paths under each that had any;
    others: the persons besides the owner in the content of the answer."""

    seen: dict[str, list[Person]] = field(default_factory=dict)
    asked: dict[str, dict[str, None]] = field(default_factory=dict)
    others: set[UUID] = field(default_factory=set)


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """The keys of pseudonyms and of the pseudonymise rung."""

    pseudonym: bytes
    field: bytes


class PermittedCopy:
    """`root` is the executor's root value. shown: filled while it answers."""

    def __init__(self, world: Population, token: Token, purpose: Purpose, at: datetime, secrets: Secrets) -> None:
        self.world, self.token, self.purpose, self.at = world, token, purpose, at
        self.shown = Shown()
        self._key = field_key(secrets.field, token.partner.partner_id, purpose.value)
        self._planned: dict[str, Plan] = {}
        self._covers: dict[tuple[UUID, str], Cover] = {}
        self._decisions: dict[tuple[UUID, str], FieldDecision] = {}
        self._readable: dict[UUID, bool] = {}
        self._people = {person.subject_id: person for person in world.people}
        self._posts = {row["post_id"]: (row, person) for person in world.people for row in person.rows["post"]}
        self.names = {
            person.subject_id: pseudonym(secrets.pseudonym, token.partner.partner_id, purpose.value, person.subject_id)
            for person in world.people
        }
        self.visible = sorted(
            (person for person in world.people if self._exists(person)), key=lambda person: self.names[person.subject_id].int
        )
        self.root: Mapping[str, Json] = {"me": self._me, "subject": self._subject, "subjects": self._subjects}

    def planned(self, path: str) -> PlannedField:
        """Raises Refused."""
        return self._plan_of(path).fields[path]

    def decision(self, person: Person, path: str) -> FieldDecision:
        found = self._decisions.get((person.subject_id, path))
        if found is None:
            found = self._decisions[person.subject_id, path] = decide(self._plan_of(path), person.evidence, self.at)[path]
        return found

    def cover(self, person: Person, category: str) -> Cover:
        found = self._covers.get((person.subject_id, category))
        if found is None:
            found = cover(category, person.evidence, partner=self.token.partner, purpose=self.purpose, now=self.at)
            self._covers[person.subject_id, category] = found
        return found

    def covered(self, person: Person) -> set[str]:
        return {category for category in CATEGORIES if self.cover(person, category).until is not None}

    def roots(self) -> Mapping[UUID, int]:
        """For every data subject that the answer shows the roots under which it does, as bits."""
        found: dict[UUID, int] = {}
        for number, people in enumerate(self.shown.seen.values()):
            for person in people:
                found[person.subject_id] = found.get(person.subject_id, 0) | 1 << number
        return found

    def withheld(self) -> Mapping[str, int]:
        """By path, how many distinct data subjects' evidence withholds it under the roots that ask for it."""
        kept: dict[str, set[UUID]] = {}
        for key, people in self.shown.seen.items():
            for path in self.shown.asked[key]:
                for person in people:
                    if self.decision(person, path).reason is not Reason.CONSENTED:
                        kept.setdefault(path, set()).add(person.subject_id)
        return {path: len(people) for path, people in kept.items()}

    def _plan_of(self, path: str) -> Plan:
        if path not in self._planned:
            self._planned[path] = plan_of(self.world, self.token, self.purpose, [path])
        return self._planned[path]

    def _is_readable(self, person: Person) -> bool:
        """Contract runs see synthetic subjects and nobody else; all others see everybody else."""
        found = self._readable.get(person.subject_id)
        if found is None:
            found = person.evidence.is_synthetic is self.token.contract_run and is_visible(
                self.token.partner, self.purpose, person.evidence, self.at
            )
            self._readable[person.subject_id] = found
        return found

    def _exists(self, person: Person) -> bool:
        return self._is_readable(person) and self.token.subject_id in (None, person.subject_id)

    def _me(self, info: Info) -> Json:
        mine = [person for person in self.visible if person.subject_id == self.token.subject_id]
        return self._one(info, mine)

    def _subject(self, info: Info, *, id: str) -> Json:  # noqa: A002  # the argument's name
        return self._one(info, [person for person in self.visible if str(self.names[person.subject_id]) == id])

    def _one(self, info: Info, found: Sequence[Person]) -> Json:
        owned = [person for person in found if person.account is not None]
        key = self._see(info, owned)
        return self._node(owned[0], key) if owned else None

    def _subjects(self, info: Info, *, first: int, after: str | None = None) -> Json:
        since = UUID(int=0) if after is None else UUID(after)
        follow = [person for person in self.visible if self.names[person.subject_id].int > since.int]
        page = follow[:first]
        owned = [person for person in page if person.account is not None]
        key = self._see(info, owned)
        cursors = [str(self.names[person.subject_id]) for person in page]
        return {
            "edges": [{"cursor": str(self.names[person.subject_id]), "node": self._node(person, key)} for person in owned],
            "pageInfo": {
                "hasNextPage": len(follow) > first,
                "hasPreviousPage": len(follow) < len(self.visible),
                "startCursor": cursors[0] if cursors else None,
                "endCursor": cursors[-1] if cursors else None,
            },
        }

    def _see(self, info: Info, people: Iterable[Person]) -> str:
        key = str(info.path.key)
        self.shown.seen[key] = list(people)
        self.shown.asked.setdefault(key, {})
        return key

    def _node(self, person: Person, root: str) -> Json:
        account = person.account
        assert account is not None
        leaves: dict[str, Json] = {"id": str(self.names[person.subject_id])}
        for name, column in SUBJECT.items():
            leaves[name] = self._leaf(person, root, f"Subject.{name}", account[column])
        return leaves | {name: self._list(person, root, name) for name in LISTS}

    def _leaf(self, person: Person, root: str, path: str, raw: Cell) -> Callable[[Info], str | None]:
        def resolve(_info: Info) -> str | None:
            self.shown.asked[root][path] = None
            return self._value(person, path, raw)

        return resolve

    def _value(self, person: Person, path: str, raw: Cell) -> str | None:
        assert not isinstance(raw, bool | list)
        kind = CATALOGUE.fields[path].kind
        return redact(kind, self.decision(person, path).redaction, raw, at=self.at, key=self._key)

    def _list(self, person: Person, root: str, name: str) -> Callable[..., Json]:
        lines = LISTS[name]

        def resolve(info: Info, *, first: int) -> Json:
            asked = [path_of(name, leaf) for leaf in selected(info)] if lines.type_name else [f"Subject.{name}"]
            asked = asked or [representative(self.world, self.token, self.purpose, name)]
            self.shown.asked[root].update(dict.fromkeys(asked))
            given = [path for path in asked if self.planned(path).redaction.rung is not Rung.WITHHOLD]
            if not any(self.decision(person, path).reason is Reason.CONSENTED for path in given):
                return None
            shown = self._lines_shown(person, name)[:first]
            for _row, persons in shown:
                self.shown.others.update(persons - {person.subject_id})
            if lines.type_name is None:
                return [self._value(person, f"Subject.{name}", row[lines.leaves[name]]) for row, _persons in shown]
            return [
                {leaf: self._leaf(person, root, path_of(name, leaf), row[column]) for leaf, column in lines.leaves.items()}
                for row, _persons in shown
            ]

        return resolve

    def _lines_shown(self, person: Person, name: str) -> list[tuple[Row, set[UUID]]]:
        """The rows that may be shown, in order, each with all persons in it but the owner of a row of its own."""
        lines = LISTS[name]
        found: list[tuple[Row, set[UUID]]] = []
        if name == "mentions":
            for mention in person.rows["mention"]:
                row, author = self._posts[mention["post_id"]]
                if self._is_shown(row) and self._agrees(author.subject_id, "content.posts"):
                    found.append((row, {author.subject_id, *_depicted(row)}))
        else:
            found = [(row, set(_depicted(row))) for row in person.rows[lines.table] if self._is_shown(row)]
        return sorted(
            sorted(found, key=lambda each: _identity(each[0][lines.key])),
            key=lambda each: _recency(each[0][lines.instant]) if lines.instant else (0, FIRST),
            reverse=True,
        )

    def _is_shown(self, row: Row) -> bool:
        """policy 4: not deleted, shared; policy 1.4: everybody whom it shows allows that."""
        if row.get("deleted_at") is not None or row.get("is_shared") is False:
            return False
        depicted = row.get("depicted_ids") or []
        assert isinstance(depicted, list)
        return all(self._agrees(somebody, "content.mentions") for somebody in depicted)

    def _agrees(self, somebody: UUID | None, category: str) -> bool:
        person = self._people.get(somebody) if somebody is not None else None
        return person is not None and self._is_readable(person) and self.cover(person, category).until is not None


def plan_of(world: Population, token: Token, purpose: Purpose | None, paths: Sequence[str]) -> Plan:
    """What `scopes` plans for these paths under this token. Raises Refused."""
    return plan(
        partner=token.partner,
        grants=world.grants_of(token.partner),
        scopes=world.scopes,
        held=token.held,
        purpose=purpose,
        paths=paths,
        catalogue=CATALOGUE.fields,
        halted=Halted.nothing(),
        now=world.now,
    )


def offered_paths(world: Population, token: Token, purpose: Purpose | None) -> set[str]:
    """The paths that the token's own scopes give more than nothing for under the purpose."""
    return {
        path
        for scope in world.views_of(token.partner)
        if scope.scope in token.held and scope.purpose is purpose
        for path, given in scope.fields.items()
        if given.redaction.rung is not Rung.WITHHOLD
    }


def representative(world: Population, token: Token, purpose: Purpose | None, list_name: str) -> str:
    """What stands for a list of which only the length is asked: its first field that the token gives, or else any grant."""
    paths = [path_of(list_name, leaf) for leaf in LISTS[list_name].leaves]
    given = offered_paths(world, token, purpose)
    views = world.views_of(token.partner)
    granted = {path for scope in views for path in scope.fields if scope.fields[path].redaction.rung is not Rung.WITHHOLD}
    return next(path for known in (given, granted) for path in paths if path in known)


def selected(info: Info) -> list[str]:
    """The names of the fields selected below a field, __typename left out (GraphQL specification, CollectFields)."""
    found: dict[str, None] = {}

    def collect(selections: SelectionSetNode) -> None:
        for node in selections.selections:
            skip = get_directive_values(GraphQLSkipDirective, node, info.variable_values)
            include = get_directive_values(GraphQLIncludeDirective, node, info.variable_values)
            if (skip and skip["if"]) or (include and not include["if"]):
                continue
            if isinstance(node, FieldNode):
                found[node.name.value] = None
            elif isinstance(node, InlineFragmentNode):
                collect(node.selection_set)
            elif isinstance(node, FragmentSpreadNode):
                collect(info.fragments[node.name.value].selection_set)

    for node in info.field_nodes:
        if node.selection_set:
            collect(node.selection_set)
    return [name for name in found if not name.startswith("__")]


def _depicted(row: Row) -> list[UUID]:
    listed = row.get("depicted_ids") or []
    assert isinstance(listed, list)
    return [somebody for somebody in listed if somebody is not None]


def _identity(key: Cell) -> int:
    assert isinstance(key, UUID)
    return key.int


def _recency(instant: Cell) -> tuple[int, datetime]:
    """As `desc` orders timestamps: nulls, then infinity, then instants, then minus infinity."""
    if instant is None:
        return 1, FIRST
    assert isinstance(instant, datetime)
    return 0, instant.astimezone(UTC)  # the extremes are the infinities
