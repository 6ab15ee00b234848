"""Service messages from Telegram: a group has become a supergroup, with a new id."""

import logging

from aiogram import F, Router
from aiogram.types import Message
from sqlalchemy.ext.asyncio import AsyncSession

from bot.handlers.flags import SERVICE
from bot.settings import Settings
from db.conversations import move_chat
from db.transactions import transaction

MIGRATION = F.migrate_to_chat_id | F.migrate_from_chat_id

logger = logging.getLogger(__name__)
router = Router(name=__name__)


@router.message(F.migrate_to_chat_id.as_("new_id"), flags=SERVICE)
async def leave_group(
    message: Message, new_id: int, session: AsyncSession, settings: Settings
) -> None:
    """Follow the group to its new id, as announced in the old chat."""
    await _move(session, settings, message.chat.id, new_id)


@router.message(F.migrate_from_chat_id.as_("old_id"), flags=SERVICE)
async def join_supergroup(
    message: Message, old_id: int, session: AsyncSession, settings: Settings
) -> None:
    """Follow the group to its new id, as announced in the new chat."""
    await _move(session, settings, old_id, message.chat.id)


async def _move(session: AsyncSession, settings: Settings, old_id: int, new_id: int) -> None:
    async with transaction(session):
        await move_chat(session, old_id, new_id)
    logger.info("Chat %s is %s now", old_id, new_id)
    if old_id in settings.allowed_chat_ids:
        logger.warning("ALLOWED_CHAT_IDS names chat %s, which is %s now", old_id, new_id)
