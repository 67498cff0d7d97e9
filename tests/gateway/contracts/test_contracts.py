"""Contracts against a running gateway: the demo's hold, one that is not kept fails at its line, and the commands say so."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import parse as parse_xml

import pytest
import yaml
from typer.testing import CliRunner, Result

from gateway.cli import app
from gateway.contracts.contract import Contract, read
from gateway.contracts.opened import opened
from gateway.contracts.run import Finding, check
from gateway.demo.partners import PARTNERS
from tests.gateway.contracts.conftest import ServedPlace
from tests.support.served import free_port

DEMO = Path(__file__).resolve().parents[3] / "gateway" / "demo" / "contracts"
GUIDE = DEMO.parents[2] / "docs" / "contracts.md"
GOOD: dict[str, Any] = {
    "partner": "swiftmsg",
    "purpose": "message_delivery",
    "operation": "query ($id: ID!) { subject(id: $id) { id realName mobileNumber addresses { city } } }",
    "variables": {"id": "${alice}"},
    "expect": {
        "alice": {
            "Subject.realName": {"masked": "欧**"},
            "Subject.mobileNumber": "revealed",
            "Address.city": "revealed",
            "Subject.nationalId": "absent from the schema",
        }
    },
}


def a_file(folder: Path, **changed: Any) -> Path:
    path = folder / "one.yaml"
    path.write_text(yaml.safe_dump(GOOD | changed, allow_unicode=True))
    return path


def gateway(served: ServedPlace, *words: str, **environment: str) -> Result:
    """`gateway contracts` without the sweep, in a thread: a command has an event loop of its own."""
    words = (*words, "--sweep-operations", "0") if words[0] == "verify" else words
    known = served.place.environment(GATEWAY_BASE_URL=served.gateway_url, **environment)
    with ThreadPoolExecutor(1) as elsewhere:
        result = elsewhere.submit(CliRunner().invoke, app, ["contracts", *words], env=known).result()
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


async def findings(served: ServedPlace, contract: Contract) -> tuple[Finding, ...]:
    async with opened(served.place.settings, None, gateway_url=served.gateway_url, enrolment_file=_enrolled(served)) as run:
        return (await check(run, contract)).findings


def _enrolled(served: ServedPlace) -> Path:
    path = served.place.data / "contracts.json"
    if not path.exists():
        done = gateway(served, "enrol")
        assert done.exit_code == 0, done.output
    return path


async def test_what_the_demos_partners_are_promised_is_what_they_get(served_place: ServedPlace, tmp_path: Path) -> None:
    """policy 6.1, 9.2: each partner's contract holds, told as a table, as JUnit's XML and as JSON."""
    assert {path.stem for path in DEMO.glob("*.yaml")} == {partner.name for partner in PARTNERS}

    shown = gateway(served_place, "verify", str(DEMO), "--junit", str(tmp_path / "junit.xml"))
    told = json.loads(gateway(served_place, "verify", str(DEMO), "--json").stdout)

    assert shown.exit_code == 0, shown.output
    assert all(partner.name in shown.stdout for partner in PARTNERS)
    assert told["holds"] is True
    assert len(told["contracts"]) == len(PARTNERS)
    suite = parse_xml(tmp_path / "junit.xml").getroot()[0]  # noqa: S314 - ours
    assert (suite.get("tests"), suite.get("failures")) == (str(len(PARTNERS)), "0")


@pytest.mark.parametrize("partner", [partner.name for partner in PARTNERS])
async def test_a_draft_is_a_contract_that_holds(served_place: ServedPlace, partner: str) -> None:
    """What a person is given to review is what the demo's contracts were reviewed from."""
    done = gateway(served_place, "draft", partner)

    assert done.exit_code == 0, done.output
    assert yaml.safe_load(done.stdout) == yaml.safe_load((DEMO / f"{partner}.yaml").read_text())


async def test_the_example_of_the_documentation_holds(served_place: ServedPlace, tmp_path: Path) -> None:
    """docs/contracts.md shows a contract line by line."""
    (example,) = re.findall(r"^```yaml\n(contract:.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "example.yaml").write_text(example)

    assert await findings(served_place, read(tmp_path / "example.yaml")) == ()


async def test_a_good_contract_has_no_findings(served_place: ServedPlace, tmp_path: Path) -> None:
    assert await findings(served_place, read(a_file(tmp_path))) == ()


@pytest.mark.parametrize(
    ("path", "wanted", "found"),
    [
        ("Subject.realName", {"masked": "欧阳**"}, "another text of 3 characters"),
        ("Subject.realName", "revealed", "another text of 3 characters"),
        ("Subject.mobileNumber", {"masked": "138****0000"}, "the value in clear"),
        ("Subject.mobileNumber", "pseudonym", "the value in clear"),
        ("Subject.mobileNumber", "null because NOT_CONSENTED", "the value in clear"),
        ("Address.city", {"masked": ["深圳市"]}, "the value in clear"),
        ("Subject.mobileNumber", "absent from the schema", "the schema tells of it"),
        ("Subject.birthDate", "revealed", "the operation does not ask for it"),
    ],
)
async def test_another_value_than_promised_is_found_at_its_line(
    served_place: ServedPlace, tmp_path: Path, path: str, wanted: object, found: str
) -> None:
    file = a_file(tmp_path, expect={"alice": GOOD["expect"]["alice"] | {path: wanted}})

    got = await findings(served_place, read(file))

    assert (path, found) in [(one.path, one.found) for one in got]
    line = next(number for number, text in enumerate(file.read_text().splitlines(), 1) if f"{path}:" in text)
    assert {one.where.rsplit(":", 1)[0] for one in got} == {str(file)}
    assert any(abs(int(one.where.rsplit(":", 1)[1]) - line) <= 1 for one in got if one.path == path)
    assert not any("13812340000" in repr(one) or "欧阳文澜" in repr(one) for one in got)


async def test_a_field_that_no_expectation_covers_fails(served_place: ServedPlace, tmp_path: Path) -> None:
    """A contract is complete, under whatever alias and in whatever fragment a value comes out."""
    sly = "query ($id: ID!) { who: subject(id: $id) { x: realName ...more mobileNumber addresses { city } } }"
    file = a_file(tmp_path, operation=f"{sly} fragment more on Subject {{ ... {{ innocent: language }} }}")

    got = await findings(served_place, read(file))

    assert [(one.subject, one.path, one.found) for one in got] == [("alice", "Subject.language", "it comes out")]


async def test_a_data_subject_that_no_expectation_names_fails(served_place: ServedPlace, tmp_path: Path) -> None:
    lister = "{ subjects(first: 100) { edges { node { id realName mobileNumber addresses { city } } } } }"

    got = await findings(served_place, read(a_file(tmp_path, operation=lister, variables={})))

    assert {one.subject for one in got if one.found == "visible"} >= {"bob", "grace"}


async def test_values_of_nobody_in_particular_fail(served_place: ServedPlace, tmp_path: Path) -> None:
    """Without an id nobody can tell whose values came out."""
    lister = "{ subjects(first: 1) { edges { node { realName } } } }"

    got = await findings(served_place, read(a_file(tmp_path, operation=lister, variables={})))

    assert "Subject.id" in {one.path for one in got}


async def test_somebody_visible_who_must_not_be_and_the_other_way_round(served_place: ServedPlace, tmp_path: Path) -> None:
    seen = await findings(served_place, read(a_file(tmp_path, expect={"alice": "not visible"})))
    unseen = await findings(
        served_place, read(a_file(tmp_path, variables={"id": "${carol}"}, expect={"carol": {"Subject.realName": "revealed"}}))
    )

    assert [(one.subject, one.expected, one.found) for one in seen] == [("alice", "not visible", "visible")]
    assert [(one.subject, one.expected, one.found) for one in unseen] == [("carol", "visible", "not visible")]


async def test_what_is_withheld_of_more_than_expected_fails(served_place: ServedPlace, tmp_path: Path) -> None:
    """`null` alone proves nothing: the gateway has to say that consent is why."""
    ivan = {"Subject.realName": {"masked": "欧**"}, "Subject.language": "revealed"}
    operation = "query ($id: ID!) { subject(id: $id) { id realName language } }"
    file = a_file(tmp_path, operation=operation, variables={"id": "${ivan}"}, expect={"ivan": ivan})

    got = await findings(served_place, read(file))

    assert {(one.path, one.found) for one in got} == {("Subject.language", "null"), ("Subject.language", "withheld for 1")}


async def test_a_refused_operation_fails_with_its_code(served_place: ServedPlace, tmp_path: Path) -> None:
    got = await findings(served_place, read(a_file(tmp_path, operation="query ($id: ID!) { subject(id: $id) { nationalId } }")))

    assert [one.found for one in got] == ["status 400: VALIDATION"]


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ("partner: swiftmsg\npartner: adlens\n", 2),
        ("partner: swiftmsg\npurpose: fun\noperation: '{ a }'\nexpect: {alice: not visible}\n", 2),
        ("partner: swiftmsg\npurpose: survey\noperation: '{ a '\nexpect: {alice: not visible}\n", 3),
        ("partner: swiftmsg\npurpose: survey\noperation: '{ a }'\nexpect:\n  alice:\n    Subject.city: shown\n", 6),
        ("partner: [\n", 2),
        ("", 1),
    ],
)
async def test_a_file_that_is_wrong_is_told_with_its_line(
    served_place: ServedPlace, tmp_path: Path, changed: str, line: int
) -> None:
    (tmp_path / "one.yaml").write_text(changed)

    done = gateway(served_place, "verify", str(tmp_path))

    assert done.exit_code == 2
    assert f"one.yaml:{line}: " in done.stderr


async def test_the_status_tells_what_happened(served_place: ServedPlace, tmp_path: Path) -> None:
    """DESIGN 6: 0 holds, 1 does not, 2 usage, 3 unreachable."""
    a_file(tmp_path, expect={"alice": "not visible"})
    _enrolled(served_place)
    broken = gateway(served_place, "verify", str(tmp_path), "--junit", str(tmp_path / "junit.xml"))
    nobody = gateway(served_place, "verify", str(tmp_path), "--gateway-url", f"http://localhost:{free_port()}")
    nowhere = gateway(served_place, "verify", str(tmp_path / "missing"))
    unenrolled = gateway(served_place, "verify", str(DEMO), "--enrolment", str(tmp_path / "none.json"))
    unknown = gateway(served_place, "draft", "nobody")
    (tmp_path / "empty").mkdir()
    nothing = gateway(served_place, "verify", str(tmp_path / "empty"))
    a_file(tmp_path, expect={"mallory": "not visible"})
    stranger = gateway(served_place, "verify", str(tmp_path))

    assert [one.exit_code for one in (broken, nobody, nowhere, unenrolled, unknown, nothing, stranger)] == [1, 3, 2, 2, 1, 2, 2]
    assert "alice: expected not visible, got visible" in broken.stdout
    assert "1 of 1" in (tmp_path / "junit.xml").read_text()


async def test_without_the_database_the_enrolment_file_is_enough(served_place: ServedPlace, tmp_path: Path) -> None:
    """As in an adopter's own pipeline: no master key, no database, no secret on the command line."""
    words = [
        "contracts",
        "verify",
        str(DEMO),
        "--enrolment",
        str(_enrolled(served_place)),
        "--gateway-url",
        served_place.gateway_url,
    ]
    known = {name: value for name, value in os.environ.items() if name != "DATABASE_URL" and not name.startswith("GATEWAY_")}

    done = subprocess.run(
        [sys.executable, "-m", "gateway.cli", *words],
        env=known | {"GATEWAY_DATA": str(tmp_path / "empty")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert not (tmp_path / "empty").exists()


async def test_what_is_read_under_several_aliases_is_what_is_promised_once(served_place: ServedPlace, tmp_path: Path) -> None:
    """Fields are named by schema path, however often the operation reads them; a value too many is still found."""
    twice = (
        "query ($id: ID!) { subject(id: $id) { realName x: realName y: mobileNumber mobileNumber addresses { city } } "
        "also: subject(id: $id) { addresses(first: 1) { city recipient } z: addresses { city recipient } } }"
    )
    promised = GOOD["expect"]["alice"] | {"Address.recipient": {"masked": ["欧**", "司**"]}}

    got = await findings(served_place, read(a_file(tmp_path, operation=twice, expect={"alice": promised})))

    assert [(one.path, one.found) for one in got] == [("Address.recipient", "another text of 3 characters")]


async def test_what_nobody_ever_shared_proves_nothing(served_place: ServedPlace, tmp_path: Path) -> None:
    """A misspelt field is absent as well, and under a purpose that is not granted the token would be one for another."""
    misspelt = {"alice": GOOD["expect"]["alice"] | {"Subject.natoinalId": "absent from the schema"}}
    absent = await findings(served_place, read(a_file(tmp_path, expect=misspelt)))
    elsewhere = await findings(served_place, read(a_file(tmp_path, purpose="survey", expect={"alice": "not visible"})))

    assert [(one.path, one.found) for one in absent] == [("Subject.natoinalId", "no field of the catalogue")]
    assert [(one.expected, one.found) for one in elsewhere] == [
        ("a purpose that the partner is granted", "it holds no scope of this one")
    ]


async def test_a_partner_that_is_held_to_its_registered_operations_is_proven_as_well(served_place: ServedPlace) -> None:
    """Its runner is answered any document, or nothing could show what it must not get."""
    conn = served_place.place.conn
    await conn.execute("update gateway.partner set registered_only = true, view_version = view_version + 1 where name = 'adlens'")
    try:
        done = gateway(served_place, "verify", str(DEMO))
    finally:
        await conn.execute("update gateway.partner set registered_only = false, view_version = view_version + 1")

    assert done.exit_code == 0, done.output


async def test_drafts_are_written_as_files_that_hold_and_never_over_others(served_place: ServedPlace, tmp_path: Path) -> None:
    """A file for each purpose of the partner."""
    done = gateway(served_place, "draft", "citymap", "--into", str(tmp_path / "new"))
    again = gateway(served_place, "draft", "citymap", "--into", str(tmp_path / "new"))

    (file,) = (tmp_path / "new").iterdir()
    assert (done.exit_code, file.name, again.exit_code) == (0, "citymap-location_service.yaml", 2)
    assert await findings(served_place, read(file)) == ()


async def test_a_report_that_cannot_be_written_is_no_missing_dependency(served_place: ServedPlace, tmp_path: Path) -> None:
    """What was found is printed all the same."""
    a_file(tmp_path, expect={"alice": "not visible"})

    done = gateway(served_place, "verify", str(tmp_path), "--junit", str(tmp_path / "nowhere" / "junit.xml"))

    assert (done.exit_code, "expected not visible, got visible" in done.stdout) == (2, True)
    assert done.stderr.endswith("junit.xml cannot be written: No such file or directory\n")
