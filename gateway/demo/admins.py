"""The invented staff, one person for each role and a second approver, and the rules that they lay down for all scopes."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final

from gateway.catalogue.definition import load as load_catalogue
from gateway.demo.document import Document
from gateway.demo.partners import GRANTED
from gateway.settings import Settings
from gateway.stewardship import changes, rules, staff
from gateway.stewardship.actor import Actor, ActRefused, Door, StaffCode
from gateway.stewardship.content import ChangeKind
from gateway.stewardship.effect import Ground
from gateway.stewardship.roles import StaffRole
from gateway.stewardship.staff import Credentials, Vault
from gateway.store.consents import PseudonymKeys
from gateway.store.pool import Connection
from scopes import CATEGORIES, CatalogueField, Purpose

TOKENS_LIVE_FOR: Final = timedelta(days=90)
DEMO: Final = staff.at_the_machine("demo")
STAFF: Final[Mapping[str, tuple[str, StaffRole]]] = {
    "steward": ("沈知行", StaffRole.STEWARD),
    "approver": ("顾明远", StaffRole.APPROVER),
    "approver-2": ("Helen Brandt", StaffRole.APPROVER),
    "auditor": ("陆审言", StaffRole.AUDITOR),
    "operator": ("周停云", StaffRole.OPERATOR),
    "support": ("许助之", StaffRole.SUPPORT),
}
"""Name and role by login."""

# What purposes without a scope in the demo have a use for; the others need what their scope reads
NEEDS: Final[Mapping[Purpose, Sequence[str]]] = {
    Purpose.PRODUCT_IMPROVEMENT: ("log.events", "profile.language", "profile.registered_at", "software.devices"),
    Purpose.SECURITY: ("identity.account_id", "log.events", "log.ip_address", "partner.logins", "software.devices"),
    Purpose.ADVERTISING: ("profile.birth_date", "profile.city", "profile.language"),
    Purpose.SOFTWARE_MANAGEMENT: ("log.events", "profile.language", "software.devices"),
    Purpose.SURVEY: ("contact.address", "identity.mobile_number", "identity.real_name", "profile.city", "survey.answers"),
    Purpose.AGGREGATE_INSIGHT: ("location.precise", "log.events", "profile.city"),
    Purpose.LEGAL_DISCLOSURE: tuple(CATEGORIES),
}
FLOORS: Final[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
    "identity.national_id": {"national_id": {"rung": "mask", "head": 1, "tail": 1}},
    "location.precise": {"location": {"rung": "generalise", "step": "district"}},
    "log.ip_address": {"ip": {"rung": "generalise", "step": "network"}},
    "profile.birth_date": {"birth_date": {"rung": "generalise", "step": "year"}},
}

# in:  token_sha256 bytea, login text
# row: boolean: whether the token opens a door, and will for another month
# staff_token_token_sha256_key
_STANDS: Final = """
select exists (select from gateway.staff_token t join gateway.staff s using (staff_id)
                where t.token_sha256 = $1 and s.login = $2 and t.revoked_at is null
                  and t.expires_at > now() + interval '30 days')"""


async def give_admins(conn: Connection, settings: Settings, earlier: Document) -> list[Mapping[str, Any]]:
    """The entries of demo.json's `admins`: who is there already keeps the password, second factor and token of the earlier file.

    Somebody whose account has been ended since is left out.
    """
    vault, known = Vault(settings), {entry.get("login"): entry for entry in earlier.get("admins", ())}
    people: dict[str, Actor] = {}
    found: list[Mapping[str, Any]] = []
    for login, (name, role) in STAFF.items():
        try:
            given = await _credentials(conn, vault, login, name, role, known.get(login, {}))
        except ActRefused as refused:
            if refused.code != StaffCode.STAFF_KNOWN:
                raise
            continue
        people[login] = await _actor(conn, login)
        found.append(
            {
                "login": login,
                "password": given.password,
                "totp_secret": given.totp_secret,
                "access_token": await _token(conn, people[login], known.get(login, {}).get("access_token")),
                "roles": sorted(people[login].roles),
            }
        )
    await _lay_down_rules(conn, settings, people)
    return found


async def _credentials(
    conn: Connection, vault: Vault, login: str, name: str, role: StaffRole, entry: Mapping[str, Any]
) -> Credentials:
    """What the person signs in with: as before if it still opens the door, else new. Raises ActRefused STAFF_KNOWN."""
    row = await conn.fetchrow(staff.OF_LOGIN, login)
    if row is None:
        return await staff.add(conn, DEMO, vault, login=login, name=name, roles={role})
    password, secret = entry.get("password"), entry.get("totp_secret")
    if isinstance(password, str) and isinstance(secret, str) and row["totp_sealed"] is not None:
        is_secret = vault.open(row["staff_id"], row["totp_sealed"]) == secret
        if is_secret and await staff.check_password(conn, login, password) is not None:
            return Credentials(password, secret)
    return await staff.renew_credentials(conn, DEMO, vault, login=login)


async def _actor(conn: Connection, login: str) -> Actor:
    """The person, under the duty of confidentiality."""
    row = await conn.fetchrow(staff.OF_LOGIN, login)
    assert row is not None  # noqa: S101 - it was there a moment ago, and the demo's database has no other master
    actor = staff.actor_of(row, Door.CLI)
    if not actor.has_accepted:
        await staff.accept_confidentiality(conn, actor)
    return Actor(actor.staff_id, actor.name, actor.roles, has_accepted=True, door=actor.door)


async def _token(conn: Connection, actor: Actor, earlier: object) -> str:
    if isinstance(earlier, str) and await conn.fetchval(_STANDS, sha256(earlier.encode()).digest(), actor.name):
        return earlier
    return (await staff.issue_token(conn, actor, label="demo", lifetime=TOKENS_LIVE_FOR)).text


async def _lay_down_rules(conn: Connection, settings: Settings, people: Mapping[str, Actor]) -> None:
    """As two of them would, unless some are laid down: until then no scope may be proposed."""
    version, _ = await rules.in_force(conn)
    if version or not {"steward", "approver"} <= people.keys():
        return
    fields = load_catalogue(settings.catalogue).fields
    ground, content = Ground(fields, PseudonymKeys(settings.key("pseudonym"))), {"needs": _needs(fields), "floors": FLOORS}
    change_id = await changes.propose(
        conn, people["steward"], ground, kind=ChangeKind.RULES, content=content, reason="policy 1.1, 2: what each purpose needs"
    )
    await changes.approve(conn, people["approver"], ground, change_id=change_id)


def _needs(fields: Mapping[str, CatalogueField]) -> Mapping[str, Sequence[str]]:
    read = {scope.purpose: {fields[field.path].category for field in scope.fields} for _, scope in GRANTED}
    return {purpose.value: sorted(categories) for purpose, categories in {**NEEDS, **read}.items()}
