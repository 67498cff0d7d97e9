"""A first contract, written from what a partner gets today, for a person to read and correct before it is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import yaml

from gateway.contracts.compare import difference
from gateway.contracts.contract import NOT_VISIBLE, Expectation, Must
from gateway.contracts.observe import observe
from gateway.contracts.run import Run, planted, question
from scopes import Purpose

ACCESS: Final = "{ access { fields { path redaction } } }"
HEAD: Final = """\
# Drafted from what {partner} got on {day}: it says what is, not what ought to be. Read every line before you keep it.
"""


class _Dumper(yaml.SafeDumper):
    """Operations as blocks."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's
        return True


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


async def draft(run: Run, partner: str) -> Mapping[Purpose, str]:
    """The text of a contract for each purpose of the partner; for one without any, that no field exists for it.

    Raises Unreachable, NoToken, KeyError where no such partner is enrolled.
    """
    purposes = list(run.client.enrolment.runners[partner].scopes) or [Purpose.SERVICE_DELIVERY]
    return {purpose: await _draft(run, partner, purpose) for purpose in purposes}


async def _draft(run: Run, partner: str, purpose: Purpose) -> str:
    told = (await run.client.ask(partner, purpose, ACCESS)).data["access"]["fields"]
    redactions: dict[str, str] = {entry["path"]: entry["redaction"] for entry in told if entry["redaction"] is not None}
    names = list(run.subjects)
    absent = {path: Must.ABSENT.value for path in run.catalogue.fields if path not in {entry["path"] for entry in told}}
    body: dict[str, Any] = {"contract": f"what {partner} gets for {purpose.value}", "partner": partner, "purpose": purpose.value}
    if redactions:
        body["operation"] = _operation(run, list(redactions), names)
        body["variables"] = {name: f"${{{name}}}" for name in names}
        body["expect"] = {name: await _expected(run, partner, purpose, name, redactions) for name in names}
        shown = next((name for name in names if isinstance(body["expect"][name], dict)), None)
        if shown is not None:
            body["expect"][shown] |= absent
    else:
        body["operation"] = "{ access { partner } }\n"
        body["expect"] = {names[0]: absent}
    head = HEAD.format(partner=partner, day=datetime.now(UTC).date())
    return head + yaml.dump(body, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=120)


def _operation(run: Run, paths: Sequence[str], names: Sequence[str]) -> str:
    """One query for all of them, each under its name."""
    fields = question(run.catalogue, paths, root="%s").removeprefix("{ ").removesuffix(" }")
    subject = run.catalogue.subject.name
    variables = ", ".join(f"${name}: ID!" for name in names)
    roots = "\n".join(f"  {name}: subject(id: ${name}) {{ ...fields }}" for name in names)
    return f"query ({variables}) {{\n{roots}\n}}\n\nfragment fields on {subject} {{\n  id\n  {fields}\n}}\n"


async def _expected(run: Run, partner: str, purpose: Purpose, name: str, redactions: Mapping[str, str]) -> dict[str, Any] | str:
    """What this data subject shows, asked for alone so that what is withheld can be told from what is empty."""
    document = _operation(run, list(redactions), [name])
    variables = {name: str(run.pseudonyms(partner, purpose)[name])}
    answer = await run.client.ask(partner, purpose, document, variables)
    seen = observe(document, variables, await run.schema(partner, purpose), run.catalogue.subject.name, answer.data)
    if not seen.shown:
        return NOT_VISIBLE
    shown = seen.shown[variables[name]]
    return {
        path: _word(run, name, path, shown[path], redaction, path in answer.withheld) for path, redaction in redactions.items()
    }


def _word(run: Run, name: str, path: str, shown: Sequence[str | None], redaction: str, is_withheld: bool) -> Any:
    """The strictest expectation that holds for what came out."""
    if is_withheld:
        return Must.NULL.value
    field, raw, at = run.catalogue.fields[path], planted(run, name, path), datetime.now(UTC)
    if redaction == "pseudonymise" and any(value is not None for value in shown):
        return Must.PSEUDONYM.value
    if redaction.startswith("generalise(") and shown:
        step = redaction.removeprefix("generalise(").removesuffix(")")
        if difference(Expectation(Must.GENERALISED, 0, step), shown, raw, field, at=at) is None:
            return {Must.GENERALISED.value: step}
    if difference(Expectation(Must.REVEALED, 0), shown, raw, field, at=at) is None:
        return Must.REVEALED.value
    texts = list(shown)
    return {Must.MASKED.value: texts[0] if len(texts) == 1 else texts}
