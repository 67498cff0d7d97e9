"""The invented data subjects who can sign in: local accounts with passwords that stand in demo.json."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from gateway.demo import document
from gateway.demo.document import Document
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

# Some more subjects, as they come
# in:  not these uuid[], count integer
# row: subject_id uuid, login text
_OTHERS: Final = "select subject_id, login from platform.account where subject_id <> all ($1) order by subject_id limit $2"

# in:  subject_ids uuid[]
# row: subject_id uuid, login text, password_hash text
# account_subject_id_key
_ACCOUNTS: Final = "select subject_id, login, password_hash from gateway.account where subject_id = any($1)"

# in:  login text, subject_id uuid, password_hash text
# account_subject_id_key
_SET: Final = """
insert into gateway.account (login, subject_id, password_hash) values ($1, $2, $3)
on conflict (subject_id) do update set login = excluded.login, password_hash = excluded.password_hash, changed_at = now()"""


async def give_sign_ins(
    conn: Connection, canaries: Sequence[UUID], adlens: UUID, earlier: Document
) -> Sequence[tuple[UUID, Mapping[str, Any]]]:
    """Let some subjects sign in, the first of them the one that the demo shows, with the passwords of an earlier demo.json or new
    ones. Returns each one's id, `login` and `password`. An account that has this sign-in already stays as it is.

    Runs in the caller's transaction.
    """
    shown = await conn.fetch(_SHOWN, canaries, adlens)
    chosen = [row["subject_id"] for row in shown]
    rows = [*shown, *await conn.fetch(_OTHERS, [*canaries, *chosen], SIGN_INS - len(chosen))]
    kept = {row["subject_id"]: row for row in await conn.fetch(_ACCOUNTS, [row["subject_id"] for row in rows])}
    found: list[tuple[UUID, Mapping[str, Any]]] = []
    for row in rows:
        subject_id, login = row["subject_id"], row["login"].lower()
        password = document.password(earlier, str(subject_id))
        account = kept.get(subject_id)
        if account is None or account["login"] != login or not await asyncio.to_thread(_is, password, account["password_hash"]):
            await conn.execute(_SET, login, subject_id, await asyncio.to_thread(PasswordHasher().hash, password))
        found.append((subject_id, {"login": login, "password": password}))
    return found


def _is(password: str, password_hash: str) -> bool:
    try:
        return PasswordHasher().verify(password_hash, password)
    except VerifyMismatchError:
        return False
