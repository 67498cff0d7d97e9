"""What a contract run found: as a table, as JUnit's XML, as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from rich.table import Table

from gateway.contracts.run import Finding, Result


def table(results: Sequence[Result]) -> Table:
    """One line a contract, and below it one for each way in which it does not hold."""
    found = Table(show_lines=False, highlight=False)
    for column in ("contract", "partner", "purpose", "checks", "holds"):
        found.add_column(column, overflow="fold", justify="right" if column == "checks" else "left")
    for result in results:
        verdict = "[green]yes[/]" if result.holds else f"[red]no: {len(result.findings)}[/]"
        found.add_row(result.title, result.partner, result.purpose, str(result.checks), verdict)
    return found


def lines(results: Sequence[Result]) -> list[str]:
    """One line for each finding, with the file and line of the expectation."""
    return [f"{finding.where or finding.contract}: {told(finding)}" for result in results for finding in result.findings]


def told(finding: Finding) -> str:
    """Whose what must be how, and how it is."""
    what = " ".join(part for part in (finding.subject, finding.path) if part) or finding.partner
    return f"{what}: expected {finding.expected}, got {finding.found}"


def as_json(results: Sequence[Result]) -> Mapping[str, Any]:
    """holds, and every contract with its findings."""
    return {
        "holds": all(result.holds for result in results),
        "contracts": [{**asdict(result), "holds": result.holds} for result in results],
    }


def write_junit(path: Path, results: Sequence[Result]) -> None:
    """JUnit's XML: a test case for each contract. Raises OSError."""
    failed = sum(not result.holds for result in results)
    root = Element("testsuites")
    suite = SubElement(root, "testsuite", name="gateway contracts", tests=str(len(results)), failures=str(failed), errors="0")
    for result in results:
        case = SubElement(suite, "testcase", classname=f"{result.partner}.{result.purpose}", name=result.title, file=result.where)
        if not result.holds:
            flaws = [f"{finding.where}: {told(finding)}" for finding in result.findings]
            failure = SubElement(case, "failure", message=f"{len(flaws)} of {result.checks} expectations do not hold")
            failure.text = "\n".join(flaws)
    indent(root)
    ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
