"""What must be known of who writes, in one statement."""

from functools import cache
from typing import NamedTuple

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql import Executable

from db.models import Access, Preference, TelegramId, table_of
from db.updates import Limits, longest, waits


class Known(NamedTuple):
    """What is known of a person in a chat.

    `statuses` are those of both, see `db.access`; `wait` is the seconds until the chat may ask
    again; `rich_messages` says when the person wants them, if they have said so.
    """

    statuses: set[str]
    wait: float
    rich_messages: str | None


async def read_visitor(
    session: AsyncSession, chat_id: int, person_id: int | None, limits: Limits = ()
) -> Known:
    """Return what is known of a person in a chat, and how long those limits let them wait."""
    values = {"chat_id": chat_id, "person_id": person_id}
    person, chat, rich_messages, *waiting = (await session.execute(_visitor(limits), values)).one()
    return Known({status for status in (person, chat) if status}, longest(waiting), rich_messages)


@cache
def _visitor(limits: Limits) -> Executable:
    chat_id = bindparam("chat_id", type_=TelegramId)
    person_id = bindparam("person_id", type_=TelegramId)
    access, preference = table_of(Access).c, table_of(Preference).c
    return select(
        select(access.status).where(access.id == person_id).scalar_subquery(),
        select(access.status).where(access.id == chat_id).scalar_subquery(),
        select(preference.rich_messages)
        .where(preference.person_id == person_id)
        .scalar_subquery(),
        *waits(limits),
    )
