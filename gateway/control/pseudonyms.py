"""The keys of the pseudonyms, and whether they are this database's."""

from typing import Final

from gateway.control.answer import USAGE, fail
from gateway.settings import Settings
from gateway.store.consents import PseudonymKeys
from gateway.store.pool import Connection
from gateway.store.questions import question
from scopes import pseudonym

A_STATE: Final = question("consents", "a_state")


def pseudonym_keys() -> PseudonymKeys:
    """Those of the settings' master key."""
    return PseudonymKeys(Settings().key("pseudonym"))


async def proven_keys(conn: Connection) -> PseudonymKeys:
    """The keys, once they are seen to be those of this database: under others, data subjects would get pseudonyms that no
    partner can connect with what it has, and that stay."""
    keys = pseudonym_keys()
    row = await conn.fetchrow(A_STATE)
    if row is not None and row["pseudonym"] != pseudonym(keys.key, row["partner_id"], row["purpose"], row["subject_id"]):
        fail("this is not the master key that the database's pseudonyms were made with", USAGE)
    return keys
