"""Stopping an answer: the command, Telegram's button below a draft, and ours below a message."""

from aiogram import Router
from aiogram.types import CallbackQuery, Message, MessageGenerationStopped
from sqlalchemy.ext.asyncio import AsyncSession

from bot import texts
from bot.answers.sending import Reply
from bot.handlers.flags import CONCURRENT
from bot.incoming.filters import Command
from bot.telegram.keyboards import Stop, acknowledge, is_offered, is_theirs
from db.transactions import single_statement
from db.updates import request_stop

router = Router(name=__name__)


@router.message(Command("stop"), flags=CONCURRENT)
async def stop_by_command(message: Message, session: AsyncSession, reply: Reply) -> None:
    """Stop the chat's answer; the text written so far is sent."""
    if not await _stop(session, message.chat.id):
        await reply.say(texts.NOTHING_TO_STOP)


@router.stopped_message_generation(flags=CONCURRENT)
async def stop_by_button(event: MessageGenerationStopped, session: AsyncSession) -> None:
    """Stop the chat's answer, whichever instance is writing it."""
    await _stop(session, event.chat.id, event.draft_id)


@router.callback_query(Stop.filter(), is_offered, flags=CONCURRENT)
async def stop_by_our_button(
    query: CallbackQuery, callback_data: Stop, session: AsyncSession
) -> None:
    """Stop the chat's answer, but only for the user who asked."""
    if not is_theirs(query, callback_data):
        await acknowledge(query, texts.NOT_YOURS)
        return
    stopped = query.message is not None and await _stop(
        session, query.message.chat.id, callback_data.update_id
    )
    await acknowledge(query, None if stopped else texts.NOTHING_TO_STOP)


async def _stop(session: AsyncSession, chat_id: int, update_id: int | None = None) -> bool:
    async with single_statement(session):
        return await request_stop(session, chat_id, update_id)
