"""The rules in force for all scopes; until some are laid down, no purpose needs anything."""

import json

from gateway.store.pool import AnyConnection
from gateway.store.questions import question
from scopes import Rules

IN_FORCE = question("stewardship", "rules_in_force")

NOTHING = Rules(needs={}, floors={})


async def in_force(conn: AnyConnection) -> tuple[int, Rules]:
    """The rules and their version; version 0: nobody has laid down any."""
    row = await conn.fetchrow(IN_FORCE)
    return (0, NOTHING) if row is None else (row["version"], Rules.from_wire(json.loads(row["content"])))
