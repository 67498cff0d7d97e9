"""Every operation of the admin API under every role: least privilege, and each act on record, done or refused (policy 9.3)."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.stewardship import staff
from gateway.stewardship.actor import Door
from gateway.stewardship.roles import MACHINE, PERMITTED, Act, StaffRole
from tests.support.admin import AdminDoor
from tests.support.admin_roots import Root, every_root
from tests.support.served import Reply

DOCUMENT = Path(__file__).parents[3] / "docs" / "stewardship.md"
ROOTS = [*every_root()]
NOT_BY_ANY_ROLE = {"ROLE_MISSING", "CONFIDENTIALITY_REQUIRED"}


async def acts_of(door: AdminDoor, login: str) -> list[tuple[str, str | None]]:
    """Act and refusal of each row, oldest first."""
    rows = await door.office.world.owner.fetch(
        "select act, refused from gateway.act where actor = $1 and door = $2 order by acted_at, act_id", login, Door.GRAPHQL.value
    )
    return [(row["act"], row["refused"]) for row in rows]


async def put_to(door: AdminDoor, login: str, token: str, root: Root) -> tuple[Reply, list[tuple[str, str | None]]]:
    """The answer, and what the record holds more than before."""
    before = len(await acts_of(door, login))
    reply = await door.ask(token, root.document)
    return reply, (await acts_of(door, login))[before:]


def require_recorded(root: Root, reply: Reply, added: list[tuple[str, str | None]]) -> None:
    """A mutation leaves its row, whatever becomes of it; a query leaves none."""
    assert added == ([(str(root.act), reply.code)] if root.is_mutation else []), root.name


def test_every_act_with_a_role_has_an_operation() -> None:
    """What the other doors offer, this one does: but for passkeys, which a browser makes."""
    offered = {root.act for root in ROOTS}

    assert {act for act, roles in PERMITTED.items() if roles} - offered == {Act.PASSKEY_ADD, Act.PASSKEY_REMOVE}


def test_the_documentation_says_who_may_do_what() -> None:
    text = DOCUMENT.read_text().partition("## Roles")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `([a-z_.]+)` \| ([a-z, ]+) \|", text, re.MULTILINE))

    assert rows == {
        act.value: ", ".join([*(role for role in StaffRole if role in PERMITTED[act]), *(["machine"] if act in MACHINE else [])])
        for act in Act
    }


@pytest.mark.parametrize("role", StaffRole)
async def test_each_role_may_do_what_the_table_says_and_nothing_else(door: AdminDoor, role: StaffRole) -> None:
    for root in ROOTS:
        reply, added = await put_to(door, role.value, door.tokens[role.value], root)

        if root.act is None or role in PERMITTED[root.act]:
            assert reply.status == 200, root.name
            assert reply.code not in NOT_BY_ANY_ROLE, root.name
        else:
            assert (reply.status, reply.code) == (403, "ROLE_MISSING"), root.name
            assert "data" not in reply.body
        require_recorded(root, reply, added)


async def test_nobody_without_a_role_does_anything(door: AdminDoor) -> None:
    token = await door.somebody("nobody", {StaffRole.SUPPORT})
    await door.office.world.owner.execute("update gateway.staff set roles = '{}' where login = 'nobody'")

    for root in ROOTS:
        reply, added = await put_to(door, "nobody", token, root)

        assert (reply.status, reply.code) == ((200, None) if root.act is None else (403, "ROLE_MISSING")), root.name
        require_recorded(root, reply, added)


async def test_nobody_does_anything_before_confidentiality_is_accepted(door: AdminDoor) -> None:
    """Policy 9.3: with all roles that there are, nothing but accepting it; then each of them counts."""
    token = await door.somebody("fresh", {StaffRole.SUPPORT}, accepts=False)
    await door.office.world.owner.execute("update gateway.staff set roles = $1 where login = 'fresh'", sorted(StaffRole))

    for root in sorted(ROOTS, key=lambda root: root.act is Act.CONFIDENTIALITY_ACCEPT):
        reply, added = await put_to(door, "fresh", token, root)

        free = root.act in {None, Act.CONFIDENTIALITY_ACCEPT}
        assert (reply.status, reply.code) == ((200, None) if free else (403, "CONFIDENTIALITY_REQUIRED")), root.name
        require_recorded(root, reply, added)
    assert await door.ask(token, "{ me { hasAccepted } }") == Reply(200, {"data": {"me": {"hasAccepted": True}}})


async def test_no_other_token_opens_anything(door: AdminDoor) -> None:
    """Whoever has ended, what has expired or was revoked, a partner's, none: no operation runs, and none tells why."""
    world, office = door.office.world, door.office
    gone = await door.somebody("gone", {StaffRole.AUDITOR})
    await staff.end(world.owner, staff.at_the_machine("root"), login="gone")
    expired = await door.a_token(office.people[StaffRole.AUDITOR], timedelta(seconds=-1))
    revoked = (await door.done("auditor", 'mutation { issueToken(label: "x", days: 1) { token } }'))["token"]
    issued = await door.ask(revoked, "{ myTokens { tokenId lastUsedAt } }")
    newest = issued.body["data"]["myTokens"][-1]["tokenId"]
    await door.done("auditor", f'mutation {{ revokeToken(tokenId: "{newest}") }}')
    others = {"ended": gone, "expired": expired, "revoked": revoked, "nobody's": "gwstaff_" + 43 * "A", "a jwt": "e30.e30.e30"}
    acts = await world.owner.fetchval("select count(*) from gateway.act")

    for root in ROOTS:
        for kind, token in others.items():
            assert await door.ask(token, root.document) == Reply(
                401, {"errors": [{"message": "The access token is not valid here.", "extensions": {"code": "TOKEN_INVALID"}}]}
            ), (kind, root.name)
    assert await world.owner.fetchval("select count(*) from gateway.act") == acts


async def test_a_loss_of_roles_counts_from_the_next_request_on(door: AdminDoor) -> None:
    token = await door.somebody("demoted", {StaffRole.OPERATOR})
    assert (await door.ask(token, 'mutation { halt(reason: "to see") }')).code is None

    await staff.change_roles(door.office.world.owner, staff.at_the_machine("root"), login="demoted", roles={StaffRole.SUPPORT})

    assert (await door.ask(token, 'mutation { lift(reason: "to see") }')).code == "ROLE_MISSING"
