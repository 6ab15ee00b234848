"""What the admins have been told is wrong, over all instances; each is one statement."""

from collections.abc import Collection

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from db.dialects import epoch_now, insert_into
from db.models import Alert


async def raise_alert(session: AsyncSession, name: str) -> bool:
    """Note that something is wrong; return False where that was known."""
    insert = insert_into(session, Alert).values(name=name, since=epoch_now())
    statement = insert.on_conflict_do_nothing(index_elements=["name"]).returning(Alert.name)
    return await session.scalar(statement) is not None


async def end_alerts(session: AsyncSession, names: Collection[str]) -> dict[str, float]:
    """Note that it is over; return the seconds that each of them lasted, none for others."""
    statement = (
        delete(Alert)
        .where(Alert.name.in_(names))
        .returning(Alert.name, (epoch_now() - Alert.since).label("lasted"))
        .execution_options(synchronize_session=False)
    )
    rows = await session.execute(statement)
    return {row.name: row.lasted for row in rows}
