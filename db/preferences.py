"""What people want otherwise than the operator has set; each is one statement."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from db.dialects import insert_into
from db.models import Preference


async def rich_messages(session: AsyncSession, user_id: int) -> str | None:
    """Return when a person wants rich messages; None where they have not said so."""
    choice: str | None = await session.scalar(
        select(Preference.rich_messages).where(Preference.person_id == user_id)
    )
    return choice


async def set_rich_messages(session: AsyncSession, user_id: int, choice: str) -> None:
    """Note when a person wants rich messages."""
    insert = insert_into(session, Preference).values(person_id=user_id, rich_messages=choice)
    changed = {"rich_messages": insert.excluded.rich_messages}
    await session.execute(insert.on_conflict_do_update(index_elements=["person_id"], set_=changed))
