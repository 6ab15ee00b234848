"""Claims of other processes, written into the database."""

from tests.support.door import Door

NEVER = "9e15"  # as SQL


async def steal(door: Door) -> None:
    """Let another process take over what is in work."""
    await door.change(f"UPDATE processed_update SET owner = 'another', lease_until = {NEVER}")
