"""A contract: one operation of one partner under one purpose, and what must come out of every field for named data subjects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from graphql import GraphQLError, OperationDefinitionNode, parse

from gateway.contracts import files, subjects
from gateway.strict_yaml import Document, InvalidFile
from scopes import Purpose

NOT_VISIBLE: Final = "not visible"


class Must(StrEnum):
    """What must come out of a field: the words of a contract file."""

    REVEALED = "revealed"
    MASKED = "masked"
    GENERALISED = "generalised"
    PSEUDONYM = "pseudonym"
    NULL = "null because NOT_CONSENTED"
    ABSENT = "absent from the schema"


@dataclass(frozen=True, slots=True)
class Expectation:
    """text: what a mask or a generalisation gives: one for every item, one for each, or the step's name. line: in the file."""

    must: Must
    line: int
    text: str | Sequence[str | None] | None = None

    def label(self) -> str:
        """As the file has it."""
        told = ", ".join(map(str, self.text)) if isinstance(self.text, tuple) else self.text
        return self.must.value if told is None else f"{self.must.value}: {told}"


@dataclass(frozen=True, slots=True)
class Contract:
    """expected: by data subject and schema path. invisible: named data subjects whom the answer must not hold.

    variables: with `${name}` still in them.
    """

    path: Path
    title: str
    partner: str
    purpose: Purpose
    operation: str
    variables: Mapping[str, Any]
    expected: Mapping[str, Mapping[str, Expectation]]
    invisible: frozenset[str]

    def filled(self, pseudonyms: Mapping[str, object]) -> Mapping[str, Any]:
        """The variables, with a pseudonym in the place of every `${name}`."""
        return {name: _filled(value, pseudonyms) for name, value in self.variables.items()}

    @property
    def named(self) -> frozenset[str]:
        """Every data subject that the expectations name."""
        return self.invisible | self.expected.keys()


def read(path: Path) -> Contract:
    """The contract of a file. Raises InvalidFile with file:line, OSError."""
    document = files.read(path, "contract")
    value = document.value
    _check_operation(document)
    expected, invisible = {}, set()
    for name, wanted in value["expect"].items():
        if wanted == NOT_VISIBLE:
            invisible.add(name)
        else:
            expected[name] = {field: _expectation(told, document.line(("expect", name, field))) for field, told in wanted.items()}
    return Contract(
        path=path,
        title=value.get("contract", path.stem),
        partner=value["partner"],
        purpose=Purpose(value["purpose"]),
        operation=value["operation"],
        variables=value.get("variables", {}),
        expected=expected,
        invisible=frozenset(invisible),
    )


def paths_in(folder: Path) -> list[Path]:
    """The contract files of a folder and those below it, in order. Raises OSError where there is no such folder."""
    if not folder.is_dir():
        raise NotADirectoryError(str(folder))
    return sorted(path for path in [*folder.rglob("*.yaml"), *folder.rglob("*.yml")] if path.name != subjects.NAME)


def check_names(contract: Contract, names: frozenset[str]) -> None:
    """Raises InvalidFile where it names a data subject that nobody described."""
    for name in sorted(contract.named | _names_in(contract.variables)):
        if name not in names:
            raise InvalidFile(contract.path, 1, f"{name} is no data subject of {subjects.NAME}")


def _check_operation(document: Document) -> None:
    try:
        parsed = parse(document.value["operation"])
    except GraphQLError as error:
        raise document.flaw(f"operation: {error.message}", ("operation",)) from None
    operations = [node for node in parsed.definitions if isinstance(node, OperationDefinitionNode)]
    if len(operations) != 1:
        raise document.flaw("operation: one query, not several and not none", ("operation",))


def _expectation(told: Any, line: int) -> Expectation:
    if isinstance(told, str):
        return Expectation(Must(told), line)
    word, text = next(iter(told.items()))
    return Expectation(Must(word), line, tuple(text) if isinstance(text, list) else text)


def _filled(value: Any, pseudonyms: Mapping[str, object]) -> Any:
    if isinstance(value, Mapping):
        return {name: _filled(inner, pseudonyms) for name, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, pseudonyms) for inner in value]
    if isinstance(value, str) and value.startswith("${") and value.endswith("}"):
        return str(pseudonyms[value[2:-1]])
    return value


def _names_in(value: Any) -> frozenset[str]:
    if isinstance(value, Mapping | list):
        inner = value.values() if isinstance(value, Mapping) else value
        return frozenset[str]().union(*(_names_in(one) for one in inner))
    return frozenset({value[2:-1]} if isinstance(value, str) and value.startswith("${") and value.endswith("}") else ())
