"""The sweep finds nothing in the gateway as it is, and whatever is wrong with one that was broken: it can fail."""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import replace

import pytest

from gateway.app import create_app
from gateway.catalogue.weidandan import CATALOGUE
from gateway.contracts.breach import Breach
from gateway.contracts.opened import connected, opened
from gateway.contracts.sweep import own_subjects, sweep
from gateway.demo.partners import AGREED_AT, AGREED_UNTIL, RETENTION
from gateway.settings import Settings
from gateway.store import grants
from gateway.store.consents import STATES, PseudonymKeys, fold_all
from scopes import Purpose, Redaction, Rung, ScopeField
from tests.gateway.contracts.breaks import BREAKS, TRIGGER, Break, Broken, listening, told
from tests.gateway.contracts.conftest import Place, ServedPlace

DRAWN = 8
PARTNER = "shopmate"
FEW = ("a mask that keeps all it may", "a field that asks for nobody's consent", "a page that is cut before consent is asked")
"""In every run; all of them in `make breaks`."""
CHOSEN = BREAKS if os.environ.get("BREAKS") == "all" else FEW


async def test_the_gateway_as_it_is_gives_nothing_else(served_place: ServedPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every partner, purpose and field of the demo, and a token of two purposes; afterwards nothing of the sweep is left."""
    place = served_place.place
    monkeypatch.setenv("DATABASE_URL", place.url)
    await grant_another_purpose(place, "citymap")
    async with opened(Settings(data=place.data), None, gateway_url=served_place.gateway_url) as run:
        results = await sweep(run, drawn=DRAWN)

    assert {result.partner for result in results} >= {"adlens", "swiftmsg", "overseas", "shopmate", "newcomer"}
    assert {result.purpose for result in results if result.partner == "citymap"} == {"location_service", "survey"}
    assert [finding for result in results for finding in result.findings] == []
    assert min(result.checks for result in results) > 2 * len(run.catalogue.fields)
    assert await place.conn.fetchval("select count(*) from platform.account") == len(run.subjects)


async def grant_another_purpose(place: Place, partner: str) -> None:
    reason = ScopeField(Redaction(Rung.REVEAL), "为了联系受访者。", "To reach whom to ask.")
    fields = {"Subject.email": reason, "Subject.city": reason}
    version = await grants.propose(place.conn, scope="survey.contact", purpose=Purpose.SURVEY, fields=fields)
    await grants.activate(place.conn, scope="survey.contact", version=version, catalogue=CATALOGUE.fields)
    await grants.give(
        place.conn,
        PseudonymKeys(place.settings.key("pseudonym")),
        partner_id=await place.conn.fetchval("select partner_id from gateway.partner where name = $1", partner),
        scope="survey.contact",
        starts_at=AGREED_AT,
        ends_at=AGREED_UNTIL,
        retention=RETENTION,
    )


@pytest.mark.breaks
@pytest.mark.parametrize("broken", [BREAKS[name] for name in CHOSEN], ids=list(CHOSEN))
async def test_a_gateway_that_is_broken_does_not_pass(
    served_place: ServedPlace, broken: Break, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each break is found, as what it is; and what is found never quotes a value."""
    place = served_place.place
    if broken.state is not None:
        await place.conn.execute(TRIGGER.format(broken.state))
    if broken.code is not None:
        broken.code(monkeypatch)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    try:
        with told(monkeypatch, place.url, place.data, port) as settings:
            serving = Broken(create_app(), broken)
            async with listening(serving, listener), opened(settings, None, gateway_url=f"http://localhost:{port}") as run:
                own = own_subjects(list(run.subjects.values()), run.catalogue)[0]
                exposed = own.values[broken.exposed]
                secret = serving.secret = str(exposed if isinstance(exposed, str) else next(iter(exposed or ())))
                [result] = await sweep(run, drawn=DRAWN, partners={PARTNER})
    finally:
        listener.close()
        if broken.state is not None:
            await mend(place)

    kinds = {finding.found.partition(":")[0] for finding in result.findings}
    assert broken.breach.value in kinds, kinds
    assert secret not in repr(result.findings)


async def test_what_cannot_be_looked_for_is_told(served_place: ServedPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A field that nobody has a value for is a finding; a table that takes no misshapen value is none."""
    place = served_place.place
    monkeypatch.setenv("DATABASE_URL", place.url)
    await place.conn.execute("alter table platform.account add constraint digits check (mobile_number ~ '^[0-9]+$')")
    try:
        async with opened(Settings(data=place.data), None, gateway_url=served_place.gateway_url) as run:
            for name, one in run.subjects.items():
                values = {path: value for path, value in one.values.items() if path != "Subject.email"}
                run.subjects = {**run.subjects, name: replace(one, values=values)}
            [result] = await sweep(run, drawn=0, partners={"swiftmsg"})
    finally:
        await place.conn.execute("alter table platform.account drop constraint digits")

    assert [(one.path, one.found) for one in result.findings] == [("Subject.email", Breach.NOT_PLANTED.value)]


async def test_a_second_run_waits_for_the_first(served_place: ServedPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would meet data subjects that the first one plants, and lose its own to it."""
    monkeypatch.setenv("DATABASE_URL", served_place.place.url)
    settings = Settings(data=served_place.place.data)
    async with connected(settings):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5), connected(settings):
                pytest.fail("both at once")
    async with connected(settings):
        pass


async def mend(place: Place) -> None:
    """The state as it follows from the ledgers."""
    keys = PseudonymKeys(place.settings.key("pseudonym"))
    await place.conn.execute("drop function gateway.broken cascade")
    states = await place.conn.fetch(STATES)
    await place.conn.execute("delete from gateway.consent_state")
    for row in states:
        await fold_all(place.conn, keys, partner_id=row["partner_id"], purpose=Purpose(row["purpose"]))
