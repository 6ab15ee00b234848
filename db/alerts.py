"""Alerts to the admins, shared by all instances; each function is one statement."""

from collections.abc import Collection
from typing import Any, cast

from sqlalchemy import CursorResult, and_, delete, not_, true, update
from sqlalchemy.ext.asyncio import AsyncSession

from db.dialects import epoch_now, insert_into
from db.models import Alert

TELLING_TIME = 30.0  # seconds after which an instance that was to send an alert counts as dead


async def raise_alert(session: AsyncSession, name: str) -> bool:
    """Note a problem; return whether the caller is to tell the admins."""
    row = Alert
    insert = insert_into(session, row).values(name=name, since=epoch_now())
    statement = insert.on_conflict_do_update(
        index_elements=["name"],
        set_={"since": insert.excluded.since},
        where=and_(not_(row.told), row.since < epoch_now() - TELLING_TIME),
    )
    return await session.scalar(statement.returning(row.name)) is not None


async def note_told(session: AsyncSession, name: str) -> None:
    """Note that the admins were told."""
    statement = update(Alert).where(Alert.name == name).values(told=true())
    await session.execute(statement.execution_options(synchronize_session=False))


async def take_back(session: AsyncSession, name: str) -> None:
    """Delete an alert that could not be sent."""
    statement = delete(Alert).where(Alert.name == name, not_(Alert.told))
    await session.execute(statement.execution_options(synchronize_session=False))


async def end_alerts(
    session: AsyncSession, names: Collection[str], settled: float
) -> dict[str, float]:
    """Delete alerts older than `settled` seconds; return their ages in seconds by name."""
    lasted = epoch_now() - Alert.since
    statement = (
        delete(Alert)
        .where(Alert.name.in_(names), Alert.told, lasted > settled)
        .returning(Alert.name, lasted.label("lasted"))
        .execution_options(synchronize_session=False)
    )
    rows = cast("CursorResult[Any]", await session.execute(statement))
    return {row.name: row.lasted for row in rows}
