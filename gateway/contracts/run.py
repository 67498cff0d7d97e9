"""A contract run: every contract put to a running gateway, and every way in which it does not hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from graphql import GraphQLSchema, build_schema

from gateway.catalogue.definition import Catalogue, Leaf, RowList
from gateway.contracts.client import Answer, GatewayClient
from gateway.contracts.compare import difference
from gateway.contracts.contract import Contract, Expectation, Must
from gateway.contracts.observe import Seen, observe
from gateway.contracts.subjects import Synthetic
from gateway.settings import Settings
from gateway.store.pool import Connection
from scopes import Purpose

SCHEMA_QUESTION = "{ access { sdl } }"
VALIDATION = "VALIDATION"
NOT_CONSENTED = "NOT_CONSENTED"


@dataclass(frozen=True, slots=True)
class Finding:
    """One way in which what came out is not what was promised. No member holds a value that came out.

    contract: its title, or `sweep`. subject: a named synthetic data subject, empty where it is nobody's in particular.
    """

    contract: str
    partner: str
    purpose: str
    subject: str
    path: str
    expected: str
    found: str
    where: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """One contract, or the sweep, and what it found; checks: how many expectations were held against an answer."""

    title: str
    partner: str
    purpose: str
    where: str
    checks: int
    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        return not self.findings


@dataclass(slots=True)
class Run:
    """What a run works with. conn: the owner's connection where the run has the database, else None."""

    client: GatewayClient
    settings: Settings
    catalogue: Catalogue
    subjects: Mapping[str, Synthetic]
    conn: Connection | None = None
    _schemas: dict[tuple[str, Purpose], GraphQLSchema] = field(default_factory=dict)

    async def schema(self, partner: str, purpose: Purpose) -> GraphQLSchema:
        """The partner's schema as the gateway itself tells it. Raises Unreachable, NoToken."""
        found = self._schemas.get((partner, purpose))
        if found is None:
            answer = await self.client.ask(partner, purpose, SCHEMA_QUESTION)
            found = self._schemas[partner, purpose] = build_schema(answer.data["access"]["sdl"])
        return found

    @property
    def names(self) -> frozenset[str]:
        """The data subjects that subjects.yaml describes and that are enrolled."""
        enrolled = {
            name for runner in self.client.enrolment.runners.values() for named in runner.pseudonyms.values() for name in named
        }
        return frozenset(self.subjects.keys() & enrolled)

    def pseudonyms(self, partner: str, purpose: Purpose) -> Mapping[str, UUID]:
        """By name of a data subject."""
        return self.client.enrolment.runners[partner].pseudonyms[purpose]


async def check(run: Run, contract: Contract) -> Result:
    """Put one contract to the gateway. Raises Unreachable, NoToken."""
    report = _Report(contract)
    runner = run.client.enrolment.runners.get(contract.partner)
    if runner is None:
        report.add("", "", "a registered partner", "no runner is enrolled for it")
        return report.result(0)
    if runner.scopes and contract.purpose not in runner.scopes:  # its token would be one for all that it is granted
        report.add("", "", "a purpose that the partner is granted", "it holds no scope of this one")
        return report.result(0)
    variables = contract.filled(run.pseudonyms(contract.partner, contract.purpose))
    answer = await run.client.ask(contract.partner, contract.purpose, contract.operation, variables)
    if answer.codes or not answer.body.get("data"):
        report.add("", "", "an answer", f"status {answer.status}: {', '.join(answer.codes) or 'no data'}")
    else:
        schema = await run.schema(contract.partner, contract.purpose)
        seen = observe(contract.operation, variables, schema, run.catalogue.subject.name, answer.data)
        _compare(run, contract, seen, answer, report)
    absent = {path for wanted in contract.expected.values() for path, one in wanted.items() if one.must is Must.ABSENT}
    for path in sorted(absent):
        await _check_absent(run, contract, path, report)
    return report.result(sum(map(len, contract.expected.values())) + len(contract.invisible))


class _Report:
    def __init__(self, contract: Contract) -> None:
        self.contract, self.findings = contract, list[Finding]()

    def add(self, subject: str, path: str, expected: str, found: str, line: int = 1) -> None:
        one = self.contract
        where = f"{one.path}:{line}"
        self.findings.append(Finding(one.title, one.partner, one.purpose.value, subject, path, expected, found, where))

    def result(self, checks: int) -> Result:
        one = self.contract
        return Result(one.title, one.partner, one.purpose.value, str(one.path), checks, tuple(self.findings))


def _compare(run: Run, contract: Contract, seen: Seen, answer: Answer, report: _Report) -> None:
    names = {str(one): name for name, one in run.pseudonyms(contract.partner, contract.purpose).items()}
    if seen.nameless:
        report.add(
            "", f"{run.catalogue.subject.name}.id", "selected, to tell whose values come out", "values of nobody in particular"
        )
    for key in seen.unasked:
        report.add("", key, "nothing that was not asked for", "a value")
    shown = {names.get(one, ""): fields for one, fields in seen.shown.items()}
    if "" in shown and not seen.nameless:
        report.add("", "", "named data subjects only", "a data subject that subjects.yaml does not name")
    for name in sorted(contract.invisible & shown.keys()):
        report.add(name, "", "not visible", "visible")
    for name in sorted(shown.keys() - contract.named - {""}):
        report.add(name, "", "nothing: no expectation names this data subject", "visible")
    at = datetime.now(UTC)
    for name, expected in contract.expected.items():
        asked = {path: one for path, one in expected.items() if one.must is not Must.ABSENT}
        if name in shown:
            _compare_fields(run, name, asked, shown[name], at, report)
        elif asked:
            report.add(name, "", "visible", "not visible", min(one.line for one in asked.values()))
    _compare_withheld(contract, shown, answer, report)


def _compare_fields(
    run: Run, name: str, expected: Mapping[str, Expectation], shown: Mapping[str, list[str | None]], at: datetime, report: _Report
) -> None:
    for path in sorted(shown.keys() - expected.keys()):
        report.add(name, path, "nothing: no expectation covers it", "it comes out")
    for path, one in expected.items():
        if path not in run.catalogue.fields:
            report.add(name, path, one.label(), "no field of the catalogue", one.line)
        elif path not in shown:
            report.add(name, path, one.label(), "the operation does not ask for it", one.line)
        else:
            wrong = difference(one, shown[path], planted(run, name, path), run.catalogue.fields[path], at=at)
            if wrong is not None:
                report.add(name, path, one.label(), wrong, one.line)


def planted(run: Run, name: str, path: str) -> str | Sequence[str | None] | None:
    """The values of a data subject for a path; a list that it has none of is empty."""
    owner, _, member = path.partition(".")
    is_one = owner == run.catalogue.subject.name and isinstance(run.catalogue.types[owner].members[member].shared, Leaf)
    return run.subjects[name].values.get(path, None if is_one else ())


def _compare_withheld(contract: Contract, shown: Mapping[str, Mapping[str, object]], answer: Answer, report: _Report) -> None:
    """The gateway counts, field by field, how many of those shown do not allow it: exactly those of whom it is expected.

    It gives one reason for whatever depends on a data subject: an exact one would tell what they said (DESIGN section 2).
    """
    withheld = answer.withheld
    if answer.reasons - {NOT_CONSENTED}:
        report.add("", "", f"withheld because {NOT_CONSENTED}", "another reason")
    expected: dict[str, int] = {}
    lines: dict[str, int] = {}
    for name, wanted in contract.expected.items():
        for path, one in wanted.items():
            if one.must is Must.NULL and name in shown:
                expected[path], lines[path] = expected.get(path, 0) + 1, one.line
    for path in sorted(expected.keys() | withheld.keys()):
        wanted_count, told = expected.get(path, 0), withheld.get(path, 0)
        if wanted_count != told:
            report.add("", path, f"withheld for {wanted_count}", f"withheld for {told}", lines.get(path, 1))


async def _check_absent(run: Run, contract: Contract, path: str, report: _Report) -> None:
    """Neither told of by the schema, nor answered to somebody who guesses its name."""
    line = min(wanted[path].line for wanted in contract.expected.values() if path in wanted)
    owner, _, name = path.partition(".")
    if path not in run.catalogue.fields:  # what is misspelt is absent as well
        report.add("", path, Must.ABSENT.value, "no field of the catalogue", line)
        return
    told = (await run.schema(contract.partner, contract.purpose)).get_type(owner)
    if told is not None and name in getattr(told, "fields", {}):
        report.add("", path, Must.ABSENT.value, "the schema tells of it", line)
    guess = await run.client.ask(contract.partner, contract.purpose, question(run.catalogue, [path]))
    if VALIDATION not in guess.codes:
        report.add("", path, Must.ABSENT.value, f"asked for it answers {', '.join(guess.codes) or 'with data'}", line)


def question(catalogue: Catalogue, paths: Sequence[str], *, root: str = "subjects(first: 1) { edges { node { %s } } }") -> str:
    """A query for these schema paths. root: with the place of the fields; the first data subject's where none is named."""
    own: list[str] = []
    lists: dict[str, list[str]] = {}
    for path in paths:
        owner, _, name = path.partition(".")
        if owner == catalogue.subject.name:
            own.append(name)
        else:
            lists.setdefault(_list_of(catalogue, owner), []).append(name)
    own += [f"{name} {{ {' '.join(inner)} }}" for name, inner in lists.items()]
    return "{ " + root % " ".join(own) + " }"


def _list_of(catalogue: Catalogue, type_name: str) -> str:
    """The field of the data subject that lists rows of a type; the type's own name where there is none."""
    members = catalogue.subject.members.items()
    return next(
        (name for name, one in members if isinstance(one.shared, RowList) and one.shared.type_name == type_name), type_name
    )
