"""Data subjects as the gateway knows them: an id, where their data was collected, and whether they are synthetic."""

from uuid import UUID

from gateway.store.pool import AnyConnection
from gateway.store.questions import question

REGISTER = question("subjects", "register")


async def register(
    conn: AnyConnection, *, subject_id: UUID, is_synthetic: bool = False, collected_in_mainland: bool = True
) -> None:
    """Make a data subject known; one that is known stays as it is. is_synthetic: visible to contract runs only."""
    await conn.execute(REGISTER, subject_id, is_synthetic, collected_in_mainland)
