"""One partner and purpose being swept, and the ways in which an answer is not what it has to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from gateway.contracts.client import Answer
from gateway.contracts.expected import Promise
from gateway.contracts.operations import Operation
from gateway.contracts.run import Finding, Run
from gateway.contracts.traces import Traces
from scopes import Purpose

TITLE: Final = "sweep"
PROMISED: Final = "what follows from the scopes"


class Breach(StrEnum):
    """In what way an answer is not what it has to be."""

    REFUSAL = "another refusal than the scopes ask for"
    VALUE = "another value than the rule gives"
    NOT_WITHHELD = "a value that is withheld"
    VISIBLE = "a data subject who may not be seen"
    INVISIBLE = "a data subject who may be seen is missing"
    PAGES = "pages that do not hold everybody, a few at a time"
    COUNT = "counts that do not follow from those shown"
    UNASKED = "something that was not asked for"
    RAW = "a part of a raw value"
    RAW_ID = "a raw id"
    EXISTENCE = "an answer that depends on what may not be known"
    NOT_PLANTED = "nothing to look for: subjects.yaml gives nobody a value"


@dataclass(slots=True)
class Sweeping:
    """One partner and purpose being swept. checks: answers that were held against something."""

    run: Run
    promise: Promise
    partner: str
    traces: Traces
    findings: list[Finding] = field(default_factory=list)
    checks: int = 0

    @property
    def purpose(self) -> Purpose:
        return self.promise.purpose

    @property
    def names(self) -> Mapping[str, str]:
        """By pseudonym, of every synthetic data subject."""
        return {str(one): name for name, one in self.run.pseudonyms(self.partner, self.purpose).items()}

    async def ask(self, operation: Operation) -> Answer:
        """Raises Unreachable, NoToken."""
        self.checks += 1
        purpose = None if operation.names_purpose else self.purpose
        return await self.run.client.ask(self.partner, purpose, operation.document, operation.variables)

    def add(self, breach: Breach, operation: Operation, *, subject: str = "", path: str = "", found: str = "") -> None:
        said = f"{breach.value}: {found}" if found else breach.value
        where = f"{operation.shape} of {', '.join(operation.paths)}"
        self.findings.append(Finding(TITLE, self.partner, self.purpose.value, subject, path, PROMISED, said, where))
