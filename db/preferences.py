"""Users' own settings, which override the operator's; each function is one statement."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from db.dialects import insert_into
from db.models import Preference


async def rich_messages(session: AsyncSession, user_id: int) -> str | None:
    """Return a user's choice of rich messages; None if they made none."""
    choice: str | None = await session.scalar(
        select(Preference.rich_messages).where(Preference.person_id == user_id)
    )
    return choice


async def set_rich_messages(session: AsyncSession, user_id: int, choice: str) -> None:
    """Store a user's choice of rich messages."""
    insert = insert_into(session, Preference).values(person_id=user_id, rich_messages=choice)
    changed = {"rich_messages": insert.excluded.rich_messages}
    await session.execute(insert.on_conflict_do_update(index_elements=["person_id"], set_=changed))
