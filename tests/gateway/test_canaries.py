"""Canary subjects agreed to everything and their every value is a marker (policy 9.2): a few thousand requests of every kind, and
not one marker where the partner's scope does not put it."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest
import pytest_asyncio

from gateway.demo.canaries import aviary
from gateway.demo.load import SEED
from gateway.demo.partners import GRANTED, PARTNERS
from gateway.oauth.access_token import issue
from gateway.oauth.keys import KeyStore
from tests.support import sweep
from tests.support.demo import Demo
from tests.support.leaks import REVEALED, Answer, Leaks, require_no_mark, shown
from tests.support.sweep import Sender, a_sender
from tests.support.world import ACCOUNT

KEYS = {
    "account": "subject_id",
    "address": "address_id",
    "post": "post_id",
    "photo": "photo_id",
    "mention": "mention_id",
    "survey_answer": "answer_id",
    "support_case": "case_id",
    "service_event": "event_id",
    "device": "device_id",
    "partner_login": "login_id",
}
# Values of the canaries that are no markers: what a partner gets of them is never all of it
WHOLES = """
select 'Subject.birthDate', birth_date::text from platform.account where subject_id = any($1)
union all select 'Subject.location', location[i]::text from platform.account, generate_series(0, 1) i where subject_id = any($1)
union all select 'Address.postcode', postcode from platform.address where subject_id = any($1)
union all select 'ServiceEvent.ipAddress', host(ip_address) from platform.service_event where subject_id = any($1)"""
EVERY_KIND = {
    *("BATCH_REFUSED", "BODY_TOO_LARGE", "CONTENT_ENCODING_REFUSED", "ENCODING_INVALID", "JSON_DUPLICATE_KEY", "JSON_INVALID"),
    *("MEDIA_TYPE", "METHOD_NOT_ALLOWED", "NOT_ACCEPTABLE", "OPERATION_NAME", "PARAMETER_INVALID", "SYNTAX", "VALIDATION"),
    *("CURSOR_INVALID", "TOKEN_EXPIRED", "TOKEN_INVALID", "TOKEN_MISSING", "TOKEN_REVOKED", "HALTED", "INTERNAL", "UNAVAILABLE"),
}
EVERYWHERE = 12  # of the raw values (the first canary's) go wherever a request has room, of the others every FEWth time
FEW = 9
HELD = {partner.name: tuple(field.path for field in scope.fields) for partner, scope in GRANTED}


@dataclass(frozen=True, slots=True, repr=False)
class Swept:
    """A sweep that is over. written: by where, what the gateway and its database have written; tables: the gateway's rows."""

    demo: Demo
    leaks: Leaks
    answers: Sequence[Answer]
    written: dict[str, str]
    tables: dict[str, str]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def swept(demo: Demo) -> Swept:
    owner = await asyncpg.connect(demo.document["database_url"])
    try:
        leaks = await what_to_look_for(demo, owner)
        with a_sender(demo.port) as sender:
            tokens = await tokens_of(demo, owner)
            ask_as_partners_do(demo, sender, tokens)
            for number, value in enumerate(raw_values(demo)):
                partner = PARTNERS[number % len(PARTNERS)].name
                places = slice(None) if number < EVERYWHERE else slice(number % FEW, None, FEW)
                sweep.ill_meant(sender, partner, tokens[partner], value, places)
            await ask_what_has_ended(demo, sender, owner, tokens)
            await ask_a_broken_database(demo, sender, owner, tokens)
            sweep.bystanders(sender)
        return Swept(
            demo,
            leaks,
            sender.answers,
            {"the log": demo.log, "the screen": demo.screen, "the database's log": demo.database_log},
            {
                name: "\n".join([row[0] for row in await owner.fetch(f"select t::text from gateway.{name} t")])
                for name in ("disclosure", "disclosure_subject", "projection", "refusal", "halt", "access_token", "rate_bucket")
            },
        )
    finally:
        await owner.close()


async def what_to_look_for(demo: Demo, owner: asyncpg.Connection[Any]) -> Leaks:
    canaries = demo.document["canaries"]
    ids = [canary["subject_id"] for canary in canaries]
    raw_ids = [row[0] for table, key in KEYS.items() for row in await owner.fetch(f"select {key}::text from platform.{table}")]
    others = [
        row[0]
        for table in KEYS
        if table != "mention"
        for row in await owner.fetch(f"select t::text from platform.{table} t where subject_id <> all($1)", ids)
    ]
    return Leaks(canaries, raw_ids, "\n".join(others), [(row[0], row[1]) for row in await owner.fetch(WHOLES, ids)])


async def tokens_of(demo: Demo, owner: asyncpg.Connection[Any]) -> dict[str, str]:
    """A token for each partner: demo.json's, and one made here for the partner whose clients bind theirs to a key."""
    tokens = {}
    for name, entry in demo.document["partners"].items():
        tokens[name] = entry.get("access_token") or await a_token(demo, owner, name)
    return tokens


async def a_token(demo: Demo, owner: asyncpg.Connection[Any], name: str) -> str:
    entry, settings = demo.document["partners"][name], demo.settings()
    keys = KeyStore(settings)
    await keys.ensure(owner)
    return await issue(owner, keys, settings, client_id=entry["client_id"], scopes=entry["scopes"])


def raw_values(demo: Demo) -> list[str]:
    """Every marker and the raw id of every canary."""
    found = []
    for canary in demo.document["canaries"]:
        found.append(canary["subject_id"])
        for values in canary["values"].values():
            found += [values] if isinstance(values, str) else values
    return found


def ask_as_partners_do(demo: Demo, sender: Sender, tokens: dict[str, str]) -> None:
    canaries = demo.document["canaries"]
    for number, partner in enumerate(PARTNERS):
        known = partner.name if partner.scope else "adlens"
        ids = [canary["pseudonyms"][known] for canary in canaries]
        sweep.well_meant(sender, partner.name, tokens[partner.name], HELD.get(partner.name, ()), ids, number)
        bound = demo.document["partners"][partner.name].get("subject_access_token")
        for path in sweep.PATHS if bound else ():
            sender.ask(partner.name, f"{path} of oneself", bound, f"{{ me {{ {sweep.selection([path])} }} }}")
        for other in HELD:  # a pseudonym of somebody else's
            strange = [canary["pseudonyms"][other] for canary in canaries]
            chosen = sweep.selection(HELD.get(partner.name, ()))
            sender.ask(partner.name, f"ids of {other}", tokens[partner.name], sweep.of_each(strange, chosen))


async def ask_what_has_ended(demo: Demo, sender: Sender, owner: asyncpg.Connection[Any], tokens: dict[str, str]) -> None:
    """Halts through the command line, tokens that are revoked, expired, cut, changed or made up."""

    def everything(partner: str, what: str, token: str) -> None:
        ids = [canary["pseudonyms"][partner] for canary in demo.document["canaries"]]
        sender.ask(partner, what, token, sweep.of_each(ids, sweep.selection(HELD[partner])))

    for target in (["--partner", "shopmate"], ["--scope", "message_delivery.recipient"], ["--all"]):
        demo.command("halt", "add", *target, "--reason", "the sweep")
        for partner in HELD:
            everything(partner, "halted", tokens[partner])
        demo.command("halt", "lift", *target)
    for partner in HELD:
        token = await a_token(demo, owner, partner)
        everything(partner, "in force", token)
        for change in ("revoked_at = now()", "revoked_at = null, expires_at = now() - interval '1 second'"):
            await owner.execute(f"update gateway.access_token set {change} where token_id = $1::uuid", token_id(token))
            everything(partner, "ended", token)
        head, claims, signature = tokens[partner].split(".")
        canary = demo.document["canaries"][0]["subject_id"]
        forged = base64.urlsafe_b64encode(json.dumps({"sub": canary, "client_id": canary}).encode()).decode().rstrip("=")
        for wrong in (token[:-9], f"{head}.{claims}.", f"{head}.{forged}.{signature}", "", "x" * 9000, f"{head}.{head}.{head}"):
            everything(partner, "a wrong token", wrong)


def token_id(token: str) -> str:
    claims = token.split(".")[1]
    found: str = json.loads(base64.urlsafe_b64decode(claims + "=="))["jti"]
    return found


async def ask_a_broken_database(demo: Demo, sender: Sender, owner: asyncpg.Connection[Any], tokens: dict[str, str]) -> None:
    """Statements that fail with canaries on the way, and connections that go away under the gateway."""

    def everything(what: str) -> None:
        for partner, paths in HELD.items():
            ids = [canary["pseudonyms"][partner] for canary in demo.document["canaries"]]
            sender.ask(partner, what, tokens[partner], sweep.of_each(ids, sweep.selection(paths)))

    # PostgreSQL's complaint about it quotes the whole row, the raw id first
    await owner.execute("alter table gateway.disclosure_subject add constraint broken check (disclosed_at is null) not valid")
    everything("a record that is refused")
    await owner.execute("alter table gateway.disclosure_subject drop constraint broken")
    await owner.execute("alter table platform.account rename to elsewhere")
    everything("a table that is gone")
    await owner.execute("alter table platform.elsewhere rename to account")
    mine = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    for _ in range(3):
        await owner.fetch(f"{mine} and backend_type = 'client backend'")
        everything("connections that end")


def found_in(answers: Sequence[Answer], leaks: Leaks) -> list[str]:
    return [found for answer in answers for found in leaks.of(answer)]


async def test_no_answer_holds_a_value_beyond_the_partners_scope(swept: Swept) -> None:
    assert found_in(swept.answers, swept.leaks) == []


async def test_nothing_that_is_written_down_holds_a_value(swept: Swept) -> None:
    shown_subject = swept.demo.document["subjects"][0]["subject_id"]  # whose raw row the demo's screen shows
    found = [
        f"{where}: {what}"
        for where, text in swept.written.items()
        for what in swept.leaks.in_text(text, known_ids=[shown_subject] if where == "the screen" else [])
    ]

    assert found == []


async def test_records_hold_ids_and_no_value(swept: Swept) -> None:
    ids = [canary["subject_id"] for canary in swept.demo.document["canaries"]]
    found = [
        f"{name}: {what}" for name, text in swept.tables.items() for what in swept.leaks.in_text(text) if "raw id" not in what
    ]

    assert found == []
    assert all(one in swept.tables["disclosure_subject"] for one in ids)


async def test_the_sweep_saw_every_value_that_a_scope_reveals_and_something_of_every_other_field(swept: Swept) -> None:
    """Without this, a gateway that answers nothing would pass."""
    canaries = swept.demo.document["canaries"]
    revealed = {(answer.partner, path, number) for answer in swept.answers for path, number, _ in swept.leaks.revealed(answer)}
    something = {(answer.partner, one.path) for answer in swept.answers for one in shown(answer.data)}

    assert revealed == {
        (partner, path, number)
        for partner, path in REVEALED
        for number, canary in enumerate(canaries)
        if path in canary["values"]
    }
    assert something == {(partner, path) for partner, paths in HELD.items() for path in paths}


async def test_the_sweep_met_every_kind_of_answer(swept: Swept) -> None:
    codes = {code for answer in swept.answers for code in codes_of(answer)}

    assert {answer.status for answer in swept.answers} >= {200, 400, 401, 403, 404, 405, 406, 413, 415, 500, 503}
    assert codes >= EVERY_KIND, EVERY_KIND - codes
    assert '"event": "defect"' in swept.written["the log"]
    assert "FATAL" in swept.written["the database's log"]  # of the connections that ended


def codes_of(answer: Answer) -> list[str]:
    try:
        errors = json.loads(answer.body).get("errors", [])
    except (ValueError, AttributeError):
        return []
    return [error.get("extensions", {}).get("code") for error in errors]


async def test_a_planted_value_is_caught_wherever_and_however_it_is_written(swept: Swept) -> None:
    """The sweep can fail: recorded answers with one marker put in."""
    answer = next(answer for answer in swept.answers if answer.what == "Subject.city" and answer.partner == "shopmate")
    line = swept.written["the log"].splitlines()[-1]
    assert answer.status == 200
    canary = swept.demo.document["canaries"][2]
    phone, street = canary["values"]["Subject.mobileNumber"], canary["values"]["Address.street"][0]
    name, post = canary["values"]["Subject.realName"], canary["values"]["Post.text"][0]
    for value in (phone, street, name, phone[:7], street[4:11]):
        for text in written_otherwise(value):
            for planted in (
                replace(answer, body=answer.body[:-1] + f', "x": "{text}"' + "}"),
                replace(answer, head=f"{answer.head}\nX-Trace: {text}"),
                Answer(None, "planted", 500, "500", json.dumps({"errors": [{"message": text}]})),
            ):
                assert swept.leaks.of(planted), (text, planted.what)
            assert swept.leaks.in_text(f"{line}{text}")
    for raw in (canary["subject_id"], canary["values"]["Post.id"][1], canary["subject_id"].replace("-", "").upper()):
        assert swept.leaks.of(replace(answer, body=f"{answer.body} {raw}"))
    # what the partner may see in one place is a leak at any other, and for any other partner
    right = next(answer for answer in swept.answers if answer.what == "Post.text" and answer.partner == "shopmate")
    assert post in right.body
    another = swept.demo.document["canaries"][0]["pseudonyms"]["shopmate"]
    assert swept.leaks.of(right) == []
    assert swept.leaks.of(replace(right, partner="swiftmsg"))
    assert swept.leaks.of(replace(right, status=500))
    assert swept.leaks.of(replace(right, body=right.body.replace('"text"', '"city"')))
    assert swept.leaks.of(replace(right, body=right.body.replace(canary["pseudonyms"]["shopmate"], another)))
    assert swept.leaks.of(replace(right, body=right.body[:-1] + f', "x": "{post}"' + "}"))


def written_otherwise(value: str) -> list[str]:
    raw = value.encode()
    return [
        value,
        value.upper(),
        f"x{value}x",
        quote(value),
        "".join(f"%{byte:02x}" for byte in raw),
        raw.hex(),
        raw.hex().upper(),
        *(base64.b64encode(b"_" * start + raw + b"_").decode() for start in range(3)),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
        "".join(f"\\u{ord(character):04x}" for character in value),
        base64.b64encode(json.dumps({"after": value}).encode()).decode(),
    ]


def test_a_log_of_the_run_that_holds_a_whole_value_fails_it_without_being_quoted() -> None:
    """What tests/conftest.py and tests/support/served.py ask of PostgreSQL's log and of every gateway's."""
    canary = aviary(SEED).canaries[3]
    require_no_mark("a log", "2026-01-01 LOG:  checkpoint starting")
    for value in (str(canary.values["Subject.realName"]), canary.values["Post.text"][0], str(ACCOUNT["mobile_number"])):
        with pytest.raises(AssertionError) as found:
            require_no_mark("a log", f'ERROR:  duplicate key ("{value}")')
        assert value not in str(found.value)
