"""The admin API over HTTP: as strict as the partner endpoint, and no input makes it fail or repeat what was sent."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from gateway.stewardship.roles import PERMITTED
from tests.support.admin import PATH, AdminDoor
from tests.support.admin_roots import every_root
from tests.support.world import WAIT_S

QUERY = b'{"query":"{ me { login } }"}'
MARK = "S3CRETMARK"
WHERE = "query ($where: DisclosureFilter) { disclosures(where: $where) { nodes { partner } } }"
PROPOSE = 'mutation ($scope: ScopeInput!) { proposeScope(scope: $scope, reason: "r") { state } }'


async def send(door: AdminDoor, body: bytes, **headers: str) -> tuple[int, str | None]:
    """Status and code of a POST by the steward."""
    given = {"Authorization": f"Bearer {door.tokens['steward']}", "Content-Type": "application/json", **headers}
    answer = await door.http.post(PATH, content=body, headers={name.replace("_", "-"): text for name, text in given.items()})
    errors = answer.json().get("errors")
    assert MARK not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.status_code, errors[0]["extensions"]["code"] if errors else None


def document(text: str, **more: Any) -> bytes:
    return json.dumps({"query": text, **more}).encode()


async def test_a_request_without_a_staff_token_is_challenged_whatever_else_is_wrong(door: AdminDoor) -> None:
    """RFC 6750 section 3: no error where no token was sent. Neither a cookie nor a parameter is one."""
    token = door.tokens["steward"]
    json_ = {"Content-Type": "application/json"}
    for answer in (
        await door.http.post(PATH, content=QUERY, headers=json_),
        await door.http.post(PATH, content=QUERY, headers={**json_, "Cookie": f"access_token={token}"}),
        await door.http.post(f"{PATH}?access_token={token}", content=QUERY, headers=json_),
        await door.http.post(PATH, content=QUERY, headers={**json_, "Authorization": f"DPoP {token}"}),
        await door.http.post(PATH, content=b"\xff", headers={"Content-Type": "text/plain"}),
        await door.http.get(PATH),
        await door.http.delete(PATH),
    ):
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="gateway staff"')
        assert answer.json()["errors"][0]["extensions"] == {"code": "TOKEN_MISSING"}
    for wrong in (f"{token}x", token[:-1], "gwstaff_", f"{token} {token}", "A" * 10_000):
        answer = await door.http.post(PATH, content=QUERY, headers={**json_, "Authorization": f"Bearer {wrong}"})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Bearer realm="gateway staff", error="invalid_token"'
    answer = await door.http.post(PATH, content=QUERY, headers=[*json_.items(), *[("Authorization", f"Bearer {token}")] * 2])
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (QUERY, {"Content_Type": "text/plain"}, (415, "MEDIA_TYPE")),
        (QUERY, {"Content_Type": "application/x-www-form-urlencoded"}, (415, "MEDIA_TYPE")),
        (QUERY, {"Content_Type": "multipart/form-data; boundary=x"}, (415, "MEDIA_TYPE")),
        (QUERY, {"Content_Type": "application/json; charset=gbk"}, (415, "MEDIA_TYPE")),
        (QUERY, {"Content_Encoding": "gzip"}, (415, "CONTENT_ENCODING_REFUSED")),
        (QUERY, {"Accept": "text/html"}, (406, "NOT_ACCEPTABLE")),
        (b"\xff\xfe", {}, (400, "ENCODING_INVALID")),
        (b"", {}, (400, "JSON_INVALID")),
        (b"null", {}, (400, "PARAMETER_INVALID")),
        (b'"x"', {}, (400, "PARAMETER_INVALID")),
        (b"[" + QUERY + b"]", {}, (400, "BATCH_REFUSED")),
        (b'{"query":"{ me { login } }","query":"{ me { login } }"}', {}, (400, "JSON_DUPLICATE_KEY")),
        (b'{"query":' + b"[" * 50_000, {}, (400, "JSON_INVALID")),
        (b'{"query":"{ me { login } }","variables":{"a":' + b"9" * 5_000 + b"}}", {}, (400, "JSON_INVALID")),
        (b'{"query":"{ me { login } }","variables":{"a":"\\u0000"}}', {}, (400, "JSON_INVALID")),
        (b'{"query":"{ me { login } }","variables":{"a":"\\ud800"}}', {}, (400, "JSON_INVALID")),
        (b'{"query":"{ me { login } }","variables":{"a":NaN}}', {}, (400, "JSON_INVALID")),
        (b'{"query":1}', {}, (400, "PARAMETER_INVALID")),
        (b'{"documentId":"sha256:' + b"0" * 64 + b'"}', {}, (200, "DOCUMENT_ID_UNKNOWN")),
        (b" " * 300_000, {}, (413, "BODY_TOO_LARGE")),
    ],
)
async def test_a_malformed_request_has_its_code(
    door: AdminDoor, body: bytes, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    assert await send(door, body, **headers) == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{ me { login }", "SYNTAX"),
        (f"{{ me {{ {MARK} }} }}", "VALIDATION"),
        (f'{{ change(changeId: "{MARK}") {{ state }} }}', "VALIDATION"),
        (f"{{ changes(state: {MARK}) {{ nodes {{ state }} }} }}", "VALIDATION"),
        ("subscription { me { login } }", "VALIDATION"),
        ("query a { me { login } } query b { me { login } }", "OPERATION_NAME"),
        ("{ changes(first: 101) { nodes { state } } }", "PAGE_TOO_LARGE"),
        ("{ changes(first: -1) { nodes { state } } }", "PAGE_TOO_LARGE"),
        (f'{{ changes(after: "{MARK}") {{ nodes {{ state }} }} }}', "CURSOR_INVALID"),
        ("{" + " ".join(f"a{n}: me {{ login }}" for n in range(11)) + "}", "TOO_MANY_ROOT_FIELDS"),
        ("{" + "me {" * 5_000, "TOO_DEEP"),
        ("{ me { login } }" + " ".join(f"fragment f{n} on Me {{ login }}" for n in range(61)), "TOO_MANY_FRAGMENTS"),
        ('mutation { halt(reason: "a\\u0000b") }', "VALIDATION"),
        ('mutation { proposeRules(rules: {needs: {a: 1e999}, floors: {}}, reason: "r") { state } }', "VALIDATION"),
        (
            f'mutation {{ proposeRules(rules: {{needs: {{a: {"9" * 5_000}}}, floors: {{}}}}, reason: "r") {{ state }} }}',
            "VALIDATION",
        ),
        (f"{{ overview(days: {'9' * 5_000}) {{ day }} }}", "VALIDATION"),
        ("{ impactOf(change: {}) { target } }", "VALIDATION"),
        ('{ impactOf(change: {scopeEnd: {scope: "a"}, rules: {needs: {}, floors: {}}}) { target } }', "VALIDATION"),
        ("query ($n: Int) { overview(days: $n) { day } }", "VARIABLES"),
    ],
)
async def test_a_wrong_document_has_its_code(door: AdminDoor, text: str, code: str) -> None:
    """Nothing of it is repeated, and nothing is guessed at."""
    variables = {"n": None} if "$n" in text else {}

    assert await send(door, document(text, variables=variables)) == (200, code)


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        (WHERE, {"where": {"since": MARK}}),
        (WHERE, {"where": {"since": "2024-01-01T00:00:00"}}),
        (WHERE, {"where": {"since": "0001-01-01T00:00:00+14:00"}}),
        (WHERE, {"where": {"since": "9999-12-31T23:59:59-14:00"}}),
        (WHERE, {"where": {"since": 5}}),
        (WHERE, {"where": {"subjectId": MARK}}),
        (WHERE, {"where": {"purpose": MARK}}),
        (WHERE, {"where": {MARK: 1}}),
        (WHERE, {"where": [MARK]}),
        (PROPOSE, {}),
        (PROPOSE, {"scope": {"scope": "s", "purpose": "survey"}}),
        (PROPOSE, {"scope": {"scope": "s", "purpose": "survey", "fields": [{"path": 1, "redaction": {}, "justification": "j"}]}}),
        ("query ($c: ChangeInput!) { impactOf(change: $c) { target } }", {"c": {}}),
        ("query ($c: ChangeInput!) { impactOf(change: $c) { target } }", {"c": {"rules": None}}),
        ("query ($n: Int!) { overview(days: $n) { day } }", {"n": 2**31}),
        ("query ($a: String) { acts(act: $a) { nodes { act } } }", {"a": MARK}),
    ],
)
async def test_variables_that_do_not_fit_have_their_code(door: AdminDoor, text: str, variables: dict[str, Any]) -> None:
    assert await send(door, document(text, variables=variables)) == (200, "VARIABLES")


@pytest.mark.parametrize(
    "redaction",
    [
        None,
        1,
        [],
        {},
        "x" * 1_000,
        {"rung": MARK},
        {"rung": "mask", "head": 10**39},
        {"rung": "mask", "head": -1},
        {"rung": "mask", "head": 1.5},
        {"rung": ["mask"]},
        {"rung": "generalise", "step": MARK},
        {"rung": "reveal", MARK: MARK},
    ],
)
async def test_a_redaction_that_is_none_is_an_invalid_change(door: AdminDoor, redaction: Any) -> None:
    """JSON is taken as it comes; what it means is judged, and the finding says where."""
    field = {"path": "Subject.city", "redaction": redaction, "justification": "j"}
    scope = {"scope": "s", "purpose": "service_delivery", "fields": [field]}

    status, code = await send(door, document(PROPOSE, variables={"scope": scope}))

    assert (status, code) in {(200, "CHANGE_INVALID"), (200, "RULES_BROKEN"), (200, "VARIABLES")}


async def test_a_refusal_names_where_and_why(door: AdminDoor) -> None:
    """By the names of the form and of the rule."""
    fields = [
        {"path": "Subject.city", "redaction": {"rung": "reveal"}, "justification": " "},
        {"path": "Subject.unheardOf", "redaction": {"rung": "reveal"}, "justification": "j"},
    ]
    invalid = await door.by("steward", PROPOSE, scope={"scope": "s", "purpose": "survey", "fields": fields[:1]})
    broken = await door.by("steward", PROPOSE, scope={"scope": "s", "purpose": "survey", "fields": fields[1:]})

    (error,) = invalid.body["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["proposeScope"], "CHANGE_INVALID")
    assert [found["path"] for found in error["extensions"]["findings"]] == ["fields.0.justification"]
    (error,) = broken.body["errors"]
    assert error["extensions"] == {
        "code": "RULES_BROKEN",
        "findings": [{"path": "Subject.unheardOf", "fault": "unknown_path"}],
    }
    assert broken.body["data"] == {"proposeScope": None}


async def test_what_was_done_beside_a_refusal_is_told(door: AdminDoor) -> None:
    """Acts of one document come one after the other, each on its own."""
    unknown = '"00000000-0000-4000-8000-000000000000"'
    acts = 'one: halt(reason: "a") two: halt(reason: " ") three: lift(reason: "b")'

    reply = await door.by("operator", f"mutation {{ {acts} four: withdraw(changeId: {unknown}) {{ state }} }}")

    assert reply.status == 200
    assert reply.body["data"]["one"]
    assert reply.body["data"] | {"one": 1} == {"one": 1, "two": None, "three": 1, "four": None}
    assert [error["extensions"]["code"] for error in reply.body["errors"]] == ["REASON_REQUIRED", "ROLE_MISSING"]


async def test_only_post_is_answered(door: AdminDoor) -> None:
    token = {"Authorization": f"Bearer {door.tokens['steward']}"}
    for method in ("GET", "PUT", "DELETE", "OPTIONS", "PATCH"):
        answer = await door.http.request(method, f"{PATH}?query={{me{{login}}}}", headers=token)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_introspection_needs_a_token_and_any_will_do(door: AdminDoor) -> None:
    for login in door.tokens:
        assert (await door.by(login, "{ __schema { queryType { name } } }")).body == {
            "data": {"__schema": {"queryType": {"name": "Query"}}}
        }
    assert (await door.ask("nobody's", "{ __schema { queryType { name } } }")).status == 401


async def test_every_string_argument_takes_any_text(door: AdminDoor) -> None:
    """What the columns and names of the registers are made of is not what people type."""
    for root in every_root():
        if '"x"' not in root.document or root.act is None:
            continue
        login = min(PERMITTED[root.act])
        for text in ("", " ", "'; drop table gateway.act; --", "\u202e\U0001f600", "x" * 20_000, "%s{}[]\\", "A" * 64):
            reply = await door.by(login, root.document.replace('"x"', json.dumps(text, ensure_ascii=False)))

            assert (reply.status, reply.code == "INTERNAL") == (200, False), (root.name, text[:64])


async def test_a_database_that_is_away_is_told_as_such(door: AdminDoor) -> None:
    """503, before the token is known and in the middle of an act alike; nothing of the act stays."""
    owner = door.office.world.owner
    name = await owner.fetchval("select current_database()")
    others = "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()"
    halt = document('mutation { halt(reason: "in the middle") }')
    operator = {"Authorization": f"Bearer {door.tokens['operator']}"}

    async with owner.transaction():
        await owner.execute("lock table gateway.halt in access exclusive mode")
        acting = asyncio.ensure_future(send(door, halt, **operator))
        async with asyncio.timeout(WAIT_S):
            while not await owner.fetchval("select exists (select from pg_locks where not granted)"):
                pass
        await owner.execute(others, name)
        assert await acting == (503, "UNAVAILABLE")
    assert await owner.fetchval("select count(*) from gateway.halt where reason = 'in the middle'") == 0
    await owner.execute(f"alter database {name} set default_transaction_read_only = on")
    await owner.execute(others, name)
    try:
        assert await send(door, QUERY) == (503, "UNAVAILABLE")
    finally:
        await owner.execute(f"alter database {name} reset default_transaction_read_only")
        await owner.execute(others, name)
