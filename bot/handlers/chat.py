"""Chatting with the model: texts and photos, and a friendly reply to everything else."""

from aiogram import Bot, Router
from aiogram.types import Message

from bot import texts
from bot.answers.responder import Responder
from bot.answers.sending import Reply
from bot.chat.messages import Question
from bot.handlers.flags import QUESTION
from bot.incoming.attachments import AttachmentTooLarge
from bot.incoming.content_kinds import is_readable, is_refused
from bot.incoming.filters import addressed, replies_to
from bot.incoming.prompts import to_prompt

router = Router(name=__name__)
router.message.filter(addressed)


@router.message(is_readable, flags=QUESTION)
async def answer_question(
    message: Message, bot: Bot, text: str, reply: Reply, responder: Responder
) -> None:
    """Answer a text, or a photo whose caption is the question."""
    last = await responder.conversation.last_exchange() if replies_to(message, bot.id) else None
    try:
        prompt = to_prompt(message, text, bot.id, last.answer.message_ids if last else ())
    except AttachmentTooLarge:
        await reply.say(texts.PHOTO_TOO_LARGE)
        return
    if prompt:
        await responder.answer(Question(prompt, message.message_id))
    else:
        await reply.say(texts.NOTHING_ASKED)


@router.message(is_refused)
async def unsupported(_: Message, directly: bool, reply: Reply) -> None:
    """Say what the bot can answer instead, if the message was meant for it."""
    if directly:
        await reply.say(texts.UNSUPPORTED)
