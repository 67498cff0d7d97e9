"""The invented data subjects who can sign in: local accounts with passwords that stand in demo.json."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from gateway.demo import document
from gateway.demo.document import Document
from gateway.demo.wills import POLICY
from gateway.store.accounts import SET
from gateway.store.pool import Connection

SIGN_INS: Final = 10

# The subject that the demo shows: seen by as many partners as there are, known in full, and with something that it withholds from
# adlens; a canary only where there is nobody else.
# in:  canaries uuid[], adlens partner_id uuid
# row: subject_id uuid, login text
# consent_state_by_subject
_SHOWN: Final = """
select a.subject_id, a.login
  from platform.account a
  join (select s.subject_id, count(*) as partners, sum(bit_count(s.covered::bit(64))) as covered,
               coalesce(bool_or(s.partner_id = $2 and s.covered >> k.ordinal & 1 = 0), false) as withholds
          from gateway.consent_state s cross join gateway.category k
         where s.visible_until > now() and k.category = 'location.precise' group by s.subject_id) s using (subject_id)
 order by a.subject_id = any($1), s.partners desc,
          num_nulls(a.real_name, a.mobile_number, a.national_id, a.email, a.birth_date, a.city, a.location),
          s.withholds desc, s.covered desc, a.subject_id
 limit 1"""

# The subject who is told to click: shopmate has never asked it, nothing stands in the way of sharing, and there is much to share
# in:  not these uuid[], shopmate partner_id uuid, policy_version text
# row: subject_id uuid, login text
# consent_event_by_subject, policy_acceptance_by_subject, setting_event_by_subject
_UNASKED: Final = """
select a.subject_id, a.login
  from platform.account a
 where a.subject_id <> all ($1)
   and not exists (select from gateway.consent_event e where e.subject_id = a.subject_id and e.partner_id = $2)
   and not exists (select from gateway.setting_event s where s.subject_id = a.subject_id)
   and exists (select from gateway.policy_acceptance p where p.subject_id = a.subject_id and p.policy_version = $3)
 order by num_nulls(a.real_name, a.mobile_number, a.national_id, a.email, a.birth_date, a.city, a.location), a.subject_id
 limit 1"""

# Some more subjects, as they come
# in:  not these uuid[], count integer
# row: subject_id uuid, login text
_OTHERS: Final = "select subject_id, login from platform.account where subject_id <> all ($1) order by subject_id limit $2"

# Those of an earlier demo.json, in its order
# in:  subject_ids uuid[]
# row: subject_id uuid, login text
_EARLIER: Final = """
select a.subject_id, a.login
  from unnest($1::uuid[]) with ordinality as e (subject_id, place) join platform.account a using (subject_id)
 order by e.place"""

# in:  subject_ids uuid[]
# row: subject_id uuid, login text, password_hash text
# account_subject_id_key
_ACCOUNTS: Final = "select subject_id, login, password_hash from gateway.account where subject_id = any($1)"


async def give_sign_ins(
    conn: Connection, canaries: Sequence[UUID], partner_ids: Mapping[str, UUID], earlier: Document
) -> Sequence[tuple[UUID, Mapping[str, Any]]]:
    """Let some subjects sign in: those of an earlier demo.json with their passwords, else some with new ones. Returns each one's
    id, `login` and `password`: first of the subject that the demo shows, second of one whom shopmate has never asked.

    An account that has this sign-in already stays as it is. Runs in the caller's transaction.
    """
    rows = await conn.fetch(_EARLIER, document.subject_ids(earlier)) or await _choose(conn, canaries, partner_ids)
    kept = {row["subject_id"]: row for row in await conn.fetch(_ACCOUNTS, [row["subject_id"] for row in rows])}
    found: list[tuple[UUID, Mapping[str, Any]]] = []
    for row in rows:
        subject_id, login = row["subject_id"], row["login"].lower()
        password = document.password(earlier, str(subject_id))
        account = kept.get(subject_id)
        if account is None or account["login"] != login or not await asyncio.to_thread(_is, password, account["password_hash"]):
            await conn.execute(SET, login, subject_id, await asyncio.to_thread(PasswordHasher().hash, password))
        found.append((subject_id, {"login": login, "password": password}))
    return found


async def _choose(conn: Connection, canaries: Sequence[UUID], partner_ids: Mapping[str, UUID]) -> list[asyncpg.Record]:
    rows = await conn.fetch(_SHOWN, canaries, partner_ids["adlens"])
    not_these = [*canaries, *(row["subject_id"] for row in rows)]
    rows += await conn.fetch(_UNASKED, not_these, partner_ids["shopmate"], POLICY)
    not_these = [*canaries, *(row["subject_id"] for row in rows)]
    return [*rows, *await conn.fetch(_OTHERS, not_these, SIGN_INS - len(rows))]


def _is(password: str, password_hash: str) -> bool:
    try:
        return PasswordHasher().verify(password_hash, password)
    except VerifyMismatchError:
        return False
