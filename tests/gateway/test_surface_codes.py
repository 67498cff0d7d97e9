"""The closed list of codes is total: status, message, documentation."""

import re
from pathlib import Path

import pytest

from gateway.request.codes import MESSAGE, SOFT, STATUS, Code, GatewayError, Media, status_of
from gateway.stewardship import operations
from gateway.stewardship.actor import StaffCode
from scopes import Refusal, Refused

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "errors.md"
ROW = re.compile(r"^\| `([A-Z_]+)` \| (\d{3})(, \*200\*)? \| (.+?) \| (.+?) \|$", re.MULTILINE)

REGISTERS = ("consents", "grants", "halts", "partners", "registered")
RAISED = re.compile(r"(?:ActRefused|ConsentError|GrantError|HaltError|OperationError|PartnerError)\(\s*\"([A-Z_]+)\"")


def test_every_code_has_a_status_and_a_message() -> None:
    assert set(STATUS) == set(Code)
    assert set(MESSAGE) == set(Code)
    assert set(SOFT) <= set(Code)
    assert all(code.value == code.name for code in Code)


def test_every_refusal_of_the_policy_has_a_code() -> None:
    assert {refusal.value for refusal in Refusal} <= {code.value for code in Code}


def test_no_two_codes_say_the_same() -> None:
    assert len(set(MESSAGE.values())) == len(Code)


def test_the_documentation_lists_exactly_the_codes_with_their_status() -> None:
    rows = ROW.findall(DOCUMENT.read_text())

    assert [row[0] for row in rows] == list(dict.fromkeys(row[0] for row in rows))
    assert {row[0]: int(row[1]) for row in rows} == {code.value: STATUS[code] for code in Code}
    assert {row[0] for row in rows if row[2]} == {code.value for code in SOFT}


@pytest.mark.parametrize("media", Media)
@pytest.mark.parametrize(
    ("code", "status"),
    [
        *((code, 401) for code in (Code.TOKEN_MISSING, Code.TOKEN_INVALID, Code.TOKEN_EXPIRED, Code.TOKEN_REVOKED)),
        (Code.INSUFFICIENT_SCOPE, 403),
        (Code.HALTED, 403),
    ],
)
def test_tokens_and_refusals_keep_their_status_under_either_media_type(media: Media, code: Code, status: int) -> None:
    assert status_of(code, media) == status


def test_a_kept_error_is_raised_as_a_new_one() -> None:
    """One exception raised again and again would gather a traceback entry each time."""
    kept = GatewayError(Code.PAGE_TOO_LARGE, extensions={"argument": "first"}, retry_after_s=3)

    again = kept.again()

    assert again is not kept
    assert (again.code, again.extensions, again.retry_after_s) == (kept.code, kept.extensions, 3)
    assert str(again) == "PAGE_TOO_LARGE"


def test_a_missing_scope_is_named_in_the_challenge() -> None:
    """RFC 6750 section 3.1."""
    error = GatewayError.of(Refused(Refusal.INSUFFICIENT_SCOPE, scope="ads.basic", path="Subject.city"))

    assert error.headers == {"WWW-Authenticate": 'Bearer error="insufficient_scope", scope="ads.basic"'}
    assert error.extensions == {"scope": "ads.basic", "path": "Subject.city"}


def test_the_documentation_lists_exactly_the_codes_of_refused_acts() -> None:
    """Those of the staff's own functions, and those of the registers beneath them, wherever one is raised."""
    text = DOCUMENT.read_text().partition("# Errors of `/admin/graphql`")[2]
    rows = re.findall(r"^\| `([A-Z_]+)` \| ", text, re.MULTILINE)
    sources = [*ROOT.glob("gateway/stewardship/*.py"), *(ROOT / "gateway" / "store" / f"{name}.py" for name in REGISTERS)]
    raised = {code for source in sources for code in RAISED.findall(source.read_text())}

    assert rows == list(dict.fromkeys(rows))
    assert {*rows} == {*StaffCode} | raised | {operations.INVALID}
