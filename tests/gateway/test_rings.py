"""Three rings around a value: what no grant covers does not exist, what the token does not hold is refused, what the data
subject's evidence does not cover is null and counted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import pytest

from gateway.request.authenticate import Caller
from gateway.request.codes import Code, GatewayError
from gateway.store import consents
from scopes import PSEUDONYMISE, REVEAL, WITHHOLD, Purpose, Redaction, Rung
from tests.support.world import World

CITY, NAME, POSTS = "Subject.city", "Subject.realName", "Post.text"


async def refusal(world: World, caller: Caller, document: str, **variables: object) -> GatewayError:
    """The error that the operation is answered with."""
    with pytest.raises(GatewayError) as raised:
        await world.ask(caller, document, **variables)
    return raised.value


def plain(answer: Any) -> str:
    """An answer without what differs between any two: the record's id and what is left of the rate."""
    answer["extensions"].get("disclosure", {}).pop("id", None)
    answer["extensions"]["cost"].pop("throttle")
    return json.dumps(answer)


async def record(world: World, answer: Any) -> Mapping[UUID, list[int]]:
    """For every data subject on record for this answer its rows' roots."""
    rows = await world.owner.fetch(
        "select subject_id, roots from gateway.disclosure_subject where disclosure_id = $1 order by roots",
        UUID(answer["extensions"]["disclosure"]["id"]),
    )
    found: dict[UUID, list[int]] = {}
    for row in rows:
        found.setdefault(row["subject_id"], []).append(row["roots"])
    return found


async def withdraw(world: World, subject_id: UUID, partner_id: UUID) -> None:
    await consents.withdraw(
        world.owner, world.keys, subject_id=subject_id, partner_id=partner_id, purpose=Purpose.SERVICE_DELIVERY
    )


async def a_post(world: World, author: UUID, *depicted: UUID, text: str = "ok") -> None:
    """A post and its mentions."""
    post_id = uuid4()
    await world.owner.execute(
        "insert into platform.post (post_id, subject_id, text, posted_at, depicted_ids) values ($1, $2, $3, now(), $4)",
        post_id,
        author,
        text,
        list(depicted),
    )
    for person in depicted:
        await world.owner.execute("insert into platform.mention values ($1, $2, $3, $4)", uuid4(), post_id, author, person)


@pytest.mark.parametrize(
    "selection", ["realName", "posts { text }", "addresses { city }", "nationalId", "passwordHash", "posts { postedAt }"]
)
async def test_what_no_grant_covers_does_not_exist(small_world: World, selection: str) -> None:
    """policy 1.1: the first ring; the same error for a field of somebody else's scope and for one that nobody has."""
    await small_world.a_scope([NAME, POSTS])  # of another partner's, granted to nobody
    _, caller = await small_world.a_reader([CITY])

    error = await refusal(small_world, caller, f"{{ subjects(first: 1) {{ edges {{ node {{ city {selection} }} }} }} }}")

    assert error.code is Code.VALIDATION
    assert {problem.rule for problem in error.problems} == {"FieldsOnCorrectType"}
    kept = await small_world.owner.fetch("select code from gateway.refusal where token_id = $1", caller.token_id)
    assert [row["code"] for row in kept] == ["VALIDATION"]


async def test_a_partner_without_any_grant_has_no_data_roots(small_world: World) -> None:
    partner_id = await small_world.a_partner()
    caller = await small_world.a_token(partner_id)

    assert (await refusal(small_world, caller, "{ me { id } }")).code is Code.VALIDATION
    answer = await small_world.ask(caller, "{ access { scopes fields { path } } }")
    assert answer["data"]["access"] == {"scopes": [], "fields": []}


@pytest.mark.parametrize("selection", ["realName", "posts { text }", "posts { __typename }", "a: realName city"])
async def test_what_the_token_does_not_hold_is_refused_with_the_scope_that_would_do(small_world: World, selection: str) -> None:
    """policy 6.2: the second ring; nothing is given, not even what the token does hold. A list's length is of the list."""
    partner_id = await small_world.a_partner()
    held, wanting = await small_world.a_scope([CITY]), await small_world.a_scope([NAME, POSTS])
    for scope in (held, wanting):
        await small_world.a_grant(partner_id, scope)
    caller = await small_world.a_token(partner_id, held)

    error = await refusal(small_world, caller, f"{{ subjects(first: 1) {{ edges {{ node {{ {selection} }} }} }} }}")

    assert error.code is Code.INSUFFICIENT_SCOPE
    assert error.extensions["scope"] == wanting
    assert error.extensions["path"] == (POSTS if "posts" in selection else NAME)
    assert f'scope="{wanting}"' in error.headers["WWW-Authenticate"]
    kept = await small_world.owner.fetch("select code from gateway.refusal where token_id = $1", caller.token_id)
    assert [row["code"] for row in kept] == ["INSUFFICIENT_SCOPE"]
    assert await small_world.owner.fetchval("select count(*) from gateway.disclosure") == 0


async def test_a_token_that_holds_nothing_is_told_what_it_lacks(small_world: World) -> None:
    partner_id = await small_world.a_partner()
    scope = await small_world.a_scope([CITY])
    await small_world.a_grant(partner_id, scope)
    caller = await small_world.a_token(partner_id)

    error = await refusal(small_world, caller, "{ subjects(first: 1) { edges { node { city } } } }")

    assert (error.code, error.extensions["scope"]) == (Code.INSUFFICIENT_SCOPE, scope)


async def test_what_the_evidence_does_not_cover_is_null_and_counted_once_for_each_field(small_world: World) -> None:
    """policy 1.2, 6.1: the third ring; neither rows nor items nor aliases are counted, data subjects are."""
    partner_id, caller = await small_world.a_reader([CITY, NAME, POSTS, "ServiceEvent.ipAddress", "ServiceEvent.kind"])
    for categories in (["profile.city", "log.events"], ["profile.city", "log.events"], ["identity.real_name", "content.posts"]):
        rows = {"service_event": [{"kind": "view"}, {"kind": "search"}], "post": [{"text": "a"}, {"text": "b"}]}
        await small_world.a_consent(await small_world.a_subject(rows=rows), partner_id, categories=categories)

    page = "subjects(first: 9) { edges { node { realName again: realName posts { text } serviceEvents { ipAddress kind } } } }"
    answer = await small_world.ask(caller, f"{{ {page} b: {page} }}")

    told = answer["extensions"]["disclosure"]
    assert told["subjects"] == 3
    assert told["withheld"] == [
        {"field": "Subject.realName", "reason": "NOT_CONSENTED", "count": 2},
        {"field": "Post.text", "reason": "NOT_CONSENTED", "count": 2},
        {"field": "ServiceEvent.ipAddress", "reason": "NOT_CONSENTED", "count": 3},
        {"field": "ServiceEvent.kind", "reason": "NOT_CONSENTED", "count": 1},
    ]
    events = [edge["node"]["serviceEvents"] for edge in answer["data"]["subjects"]["edges"]]
    kinds = [{"ipAddress": None, "kind": "search"}, {"ipAddress": None, "kind": "view"}]
    assert sorted((sorted(each, key=str) for each in events if each), key=str) == [kinds, kinds]
    assert events.count(None) == 1


async def test_a_value_of_the_wrong_shape_is_null_and_not_counted(small_world: World) -> None:
    """policy 6.2: counts say nothing of values."""
    partner_id, caller = await small_world.a_reader(["Subject.mobileNumber"])
    await small_world.a_consent(await small_world.a_subject(mobile_number="not a number"), partner_id)
    await small_world.a_consent(await small_world.a_subject(mobile_number=None), partner_id)

    answer = await small_world.ask(caller, "{ subjects(first: 9) { edges { node { mobileNumber } } } }")

    assert [edge["node"] for edge in answer["data"]["subjects"]["edges"]] == [{"mobileNumber": None}] * 2
    assert answer["extensions"]["disclosure"]["withheld"] == []


async def test_a_refusing_subject_and_an_unknown_id_get_the_same_answer(small_world: World) -> None:
    """policy 6.1: nobody learns who has refused. Down to the record's size."""
    partner_id, caller = await small_world.a_reader([CITY, POSTS])
    other_id = await small_world.a_partner()
    silent, withdrawn, switched_off, elsewhere = [await small_world.a_subject() for _ in range(4)]
    await small_world.a_consent(withdrawn, partner_id)
    await withdraw(small_world, withdrawn, partner_id)
    await small_world.a_consent(switched_off, partner_id)
    await consents.set_sharing(small_world.owner, small_world.keys, subject_id=switched_off, allowed=False)
    await small_world.a_consent(elsewhere, other_id)
    document = "query ($id: ID!) { subject(id: $id) { id city posts { text } } }"
    ids = [small_world.id_of(subject_id, partner_id) for subject_id in (silent, withdrawn, switched_off, elsewhere)]

    answers = [await small_world.ask(caller, document, id=each) for each in [*ids, str(uuid4()), "nonsense", str(silent)]]

    assert [await record(small_world, answer) for answer in answers] == [{}] * len(answers)
    assert {answer["data"]["subject"] for answer in answers} == {None}
    assert len({plain(answer) for answer in answers}) == 1


async def test_several_purposes_have_to_be_told_apart(small_world: World) -> None:
    """policy 2: every disclosure happens under exactly one purpose, and each has its own pseudonyms."""
    partner_id = await small_world.a_partner()
    purposes = (Purpose.SERVICE_DELIVERY, Purpose.SECURITY)
    scopes = [await small_world.a_scope([CITY], purpose=purpose) for purpose in purposes]
    for scope in scopes:
        await small_world.a_grant(partner_id, scope)
    caller = await small_world.a_token(partner_id, *scopes)
    subject_id = await small_world.a_subject()
    for purpose in purposes:
        await small_world.a_consent(subject_id, partner_id, purpose=purpose, categories=["profile.city"])
    body = "{ subjects(first: 1) { edges { node { id city } } } }"

    assert (await refusal(small_world, caller, body)).code is Code.PURPOSE_REQUIRED
    assert (await refusal(small_world, caller, f"query @purpose(is: survey) {body}")).code is Code.PURPOSE_NOT_HELD
    for purpose in purposes:
        for document, variables in (
            (f"query @purpose(is: {purpose}) {body}", {}),
            (f"query ($p: Purpose!) @purpose(is: $p) {body}", {"p": purpose.value}),
        ):
            answer = await small_world.ask(caller, document, **variables)
            assert answer["extensions"]["disclosure"]["purpose"] == purpose
            node = answer["data"]["subjects"]["edges"][0]["node"]
            assert node == {"id": small_world.id_of(subject_id, partner_id, purpose), "city": "深圳市"}


async def test_a_named_purpose_is_heeded_even_where_the_token_has_only_one(small_world: World) -> None:
    _, caller = await small_world.a_reader([CITY])

    error = await refusal(
        small_world, caller, "query ($p: Purpose!) @purpose(is: $p) { subjects(first: 1) { edges { cursor } } }", p="survey"
    )

    assert error.code is Code.PURPOSE_NOT_HELD


@pytest.mark.parametrize("purpose", [Purpose.PRODUCT_IMPROVEMENT, Purpose.AD_MEASUREMENT])
async def test_analytics_refuse_identity_as_a_whole(small_world: World, purpose: Purpose) -> None:
    """policy 2.8: not even the fields that would have been allowed."""
    partner_id = await small_world.a_partner()
    analytics = await small_world.a_scope({CITY: REVEAL, NAME: WITHHOLD}, purpose=purpose)
    delivery = await small_world.a_scope([NAME, "Address.street"])
    for scope in (analytics, delivery):
        await small_world.a_grant(partner_id, scope)
    caller = await small_world.a_token(partner_id, analytics, delivery)
    await small_world.a_consent(await small_world.a_subject(), partner_id, purpose=purpose)

    document = f"query @purpose(is: {purpose}) {{ subjects(first: 1) {{ edges {{ node {{ city {{}} }} }} }} }}"

    error = await refusal(small_world, caller, document.replace("{}", "addresses { street }"))
    assert (error.code, error.extensions) == (Code.ANALYTICS_IDENTITY, {"path": "Address.street"})
    answer = await small_world.ask(caller, document.replace("{}", "realName"))  # its own scope says that it is withheld
    assert [edge["node"] for edge in answer["data"]["subjects"]["edges"]] == [{"city": "深圳市", "realName": None}]


async def test_a_bound_token_sees_its_own_subject_alone(small_world: World) -> None:
    """DESIGN, subject-bound tokens: by whichever root, in counts and cursors too."""
    partner_id, _ = await small_world.a_reader([CITY])
    scope = await small_world.a_scope([CITY])
    await small_world.a_grant(partner_id, scope)
    mine, other = await small_world.a_subject(), await small_world.a_subject(city="北京市")
    for subject_id in (mine, other):
        await small_world.a_consent(subject_id, partner_id)
    caller = await small_world.a_token(partner_id, scope, bound_to=mine)
    seen = {"id": small_world.id_of(mine, partner_id), "city": "深圳市"}

    answer = await small_world.ask(
        caller,
        """query ($mine: ID!, $other: ID!) {
            me { id city } mine: subject(id: $mine) { id city } other: subject(id: $other) { id city }
            subjects(first: 9) { edges { node { id city } } pageInfo { hasNextPage hasPreviousPage } } }""",
        mine=seen["id"],
        other=small_world.id_of(other, partner_id),
    )

    assert answer["data"] == {
        "me": seen,
        "mine": seen,
        "other": None,
        "subjects": {"edges": [{"node": seen}], "pageInfo": {"hasNextPage": False, "hasPreviousPage": False}},
    }
    assert answer["extensions"]["disclosure"]["subjects"] == 1
    assert await record(small_world, answer) == {mine: [0b1011]}


ENDS = {
    "revoked": ("update gateway.access_token set revoked_at = now() where client_id = $1", "TOKEN_REVOKED"),
    "expired": ("update gateway.access_token set expires_at = now() where client_id = $1", "TOKEN_EXPIRED"),
    "client suspended": ("update gateway.client set status = 'suspended' where client_id = $1", "TOKEN_REVOKED"),
    "partner suspended": (
        """update gateway.partner set status = 'suspended'
            where partner_id = (select partner_id from gateway.client where client_id = $1)""",
        "NO_LIVE_GRANT",
    ),
}


@pytest.mark.parametrize(("change", "code"), ENDS.values(), ids=ENDS.keys())
async def test_a_token_that_has_ended_gets_nothing_from_the_next_query_on_and_is_on_record(
    small_world: World, change: str, code: str
) -> None:
    """policy 9.4: a worker that has answered it before asks the database again, in the statement that would give the data."""
    partner_id, caller = await small_world.a_reader([CITY])
    await small_world.a_consent(await small_world.a_subject(), partner_id)
    before = await small_world.see(caller, "city")

    await small_world.owner.execute(change, caller.client_id)
    error = await refusal(small_world, caller, "{ subjects(first: 1) { edges { node { city } } } }")

    assert len(before) == 1
    assert error.code.value == code
    kept = await small_world.owner.fetch("select code from gateway.refusal where token_id = $1", caller.token_id)
    assert [row["code"] for row in kept] == [code]
    assert await small_world.owner.fetchval("select count(*) from gateway.disclosure") == 1


async def test_an_answer_that_shows_nobody_is_on_record(small_world: World) -> None:
    """policy 6: what was asked, and that nothing came of it."""
    _, caller = await small_world.a_reader([CITY])

    answer = await small_world.ask(caller, "{ subjects(first: 1) { edges { node { city } } } }")

    row = await small_world.owner.fetchrow("select disclosure_id, subject_count, token_id from gateway.disclosure")
    assert row is not None
    assert tuple(row) == (UUID(answer["extensions"]["disclosure"]["id"]), 0, caller.token_id)
    assert await record(small_world, answer) == {}


async def test_after_withdrawal_a_bound_token_answers_with_nobody(small_world: World) -> None:
    """policy 6.1: at once, under the same token."""
    partner_id = await small_world.a_partner()
    scope = await small_world.a_scope([CITY])
    await small_world.a_grant(partner_id, scope)
    subject_id = await small_world.a_subject()
    await small_world.a_consent(subject_id, partner_id)
    caller = await small_world.a_token(partner_id, scope, bound_to=subject_id)
    assert (await small_world.ask(caller, "{ me { city } }"))["data"] == {"me": {"city": "深圳市"}}

    await withdraw(small_world, subject_id, partner_id)

    assert (await small_world.ask(caller, "{ me { city } }"))["data"] == {"me": None}


async def test_a_token_of_a_client_alone_is_nobody(small_world: World) -> None:
    partner_id, caller = await small_world.a_reader([CITY])
    await small_world.a_consent(await small_world.a_subject(), partner_id)

    assert (await small_world.ask(caller, "{ me { city } }"))["data"] == {"me": None}


@pytest.mark.parametrize("contract_run", [True, False])
async def test_contract_runs_and_real_life_do_not_see_each_other(small_world: World, *, contract_run: bool) -> None:
    """Neither as data subjects nor as other persons in content."""
    partner_id = await small_world.a_partner()
    scope = await small_world.a_scope([CITY, POSTS])
    await small_world.a_grant(partner_id, scope)
    real, invented = await small_world.a_subject(), await small_world.a_subject(is_synthetic=True)
    for author, depicted in ((real, invented), (invented, real), (real, real), (invented, invented)):
        await a_post(small_world, author, depicted, text="ok" if author == depicted else "mixed")
    for subject_id in (real, invented):
        await small_world.a_consent(subject_id, partner_id)
    caller = await small_world.a_token(partner_id, scope, contract_run=contract_run)

    answer = await small_world.ask(caller, "{ subjects(first: 9) { edges { node { id posts { text } } } } }")

    seen = invented if contract_run else real
    assert [edge["node"] for edge in answer["data"]["subjects"]["edges"]] == [
        {"id": small_world.id_of(seen, partner_id), "posts": [{"text": "ok"}]}
    ]
    assert await record(small_world, answer) == {seen: [1]}


async def test_the_strictest_of_the_held_scopes_holds_and_access_says_so(small_world: World) -> None:
    """policy 1.1: one more scope never shows more; what `access` tells is what the plan does."""
    partner_id = await small_world.a_partner()
    scopes = [
        await small_world.a_scope({CITY: REVEAL, NAME: REVEAL, "Subject.email": PSEUDONYMISE}),
        await small_world.a_scope({CITY: WITHHOLD, NAME: Redaction(Rung.MASK, head=1)}),
    ]
    for scope in scopes:
        await small_world.a_grant(partner_id, scope)
    both = await small_world.a_token(partner_id, *scopes)
    await small_world.a_consent(await small_world.a_subject(), partner_id)

    told = (await small_world.ask(both, "{ access { fields { path redaction } } }"))["data"]["access"]["fields"]
    seen = await small_world.see(both, "city realName")

    assert {each["path"]: each["redaction"] for each in told} == {
        CITY: "withhold",
        NAME: "mask(1,0)",
        "Subject.email": "pseudonymise",
    }
    assert seen == [{"city": None, "realName": "欧**"}]


async def test_the_length_of_a_list_that_a_scope_withholds_is_not_told(small_world: World) -> None:
    """policy 1.1: a scope that withholds all of a list's fields gives no list."""
    partner_id = await small_world.a_partner()
    withholding = await small_world.a_scope({CITY: REVEAL, "PartnerLogin.partner": WITHHOLD, "Subject.photos": WITHHOLD})
    giving = await small_world.a_scope(["PartnerLogin.partner", "Subject.photos"], purpose=Purpose.SECURITY)
    for scope in (withholding, giving):
        await small_world.a_grant(partner_id, scope)
    caller = await small_world.a_token(partner_id, withholding)
    rows = {"partner_login": [{"partner_name": "x"}, {"partner_name": "y"}], "photo": [{"url": "https://x.example"}]}
    await small_world.a_consent(await small_world.a_subject(rows=rows), partner_id)

    seen = await small_world.see(caller, "partnerLogins { partner } a: partnerLogins { __typename } photos")

    assert seen == [{"partnerLogins": None, "a": None, "photos": None}]


async def test_a_data_subject_is_no_other_person_in_its_own_content(small_world: World) -> None:
    """policy 1.4: the record's rows for others name others, also where these are seen themselves."""
    partner_id, caller = await small_world.a_reader([POSTS, "Subject.mentions"])
    author, depicted = await small_world.a_subject(), await small_world.a_subject()
    await a_post(small_world, author, author, depicted)
    for subject_id in (author, depicted):
        await small_world.a_consent(subject_id, partner_id)
    document = "query ($id: ID!) { subject(id: $id) { mentions posts { text } } }"

    for subject_id, other in ((author, depicted), (depicted, author)):
        answer = await small_world.ask(caller, document, id=small_world.id_of(subject_id, partner_id))
        assert await record(small_world, answer) == {subject_id: [1], other: [0]}
    both = await small_world.ask(caller, "{ subjects(first: 9) { edges { node { mentions posts { text } } } } }")
    assert await record(small_world, both) == {author: [0, 1], depicted: [0, 1]}


async def test_a_page_of_people_whom_the_platform_has_forgotten_leads_on_to_the_next(small_world: World) -> None:
    """policy 5.1: an account may be gone before its consents are."""
    partner_id, caller = await small_world.a_reader([CITY])
    people = [await small_world.a_subject() for _ in range(5)]
    for subject_id in people:
        await small_world.a_consent(subject_id, partner_id)
    people.sort(key=lambda subject_id: UUID(small_world.id_of(subject_id, partner_id)).int)
    await small_world.owner.execute("delete from platform.account where subject_id = any($1)", people[1:4])

    found, after = [], None
    for _ in range(9):
        answer = await small_world.ask(
            caller,
            """query ($after: String) { subjects(first: 1, after: $after) {
                edges { node { id } } pageInfo { hasNextPage endCursor } } }""",
            after=after,
        )
        page = answer["data"]["subjects"]
        found += [edge["node"]["id"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break

    assert found == [small_world.id_of(people[0], partner_id), small_world.id_of(people[4], partner_id)]
