"""Stopping an answer: the command, and the button that Telegram shows below a draft."""

from aiogram import F, Router
from aiogram.filters import Command
from aiogram.types import Message, MessageGenerationStopped
from sqlalchemy.ext.asyncio import AsyncSession

from bot import texts
from bot.replies import Reply
from db.engine import single_statement
from db.updates import request_stop

router = Router(name=__name__)
BESIDE = {"beside": True}  # it must not wait for the answer that it is to stop


@router.message(F.text, Command("stop", ignore_case=True), flags=BESIDE)
async def stop_by_command(message: Message, session: AsyncSession, reply: Reply) -> None:
    """Stop the chat's answer; what was written so far is sent."""
    if not await _stop(session, message.chat.id):
        await reply.say(texts.NOTHING_TO_STOP)


@router.stopped_message_generation(flags=BESIDE)
async def stop_by_button(event: MessageGenerationStopped, session: AsyncSession) -> None:
    """Stop the chat's answer, whichever instance writes it."""
    await _stop(session, event.chat.id)


async def _stop(session: AsyncSession, chat_id: int) -> bool:
    async with single_statement(session):
        return await request_stop(session, chat_id)
