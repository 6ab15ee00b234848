"""Chatting with the model: texts and photos, and a friendly reply to everything else."""

from aiogram import Bot, F, Router
from aiogram.enums import ContentType
from aiogram.types import Message

from bot import texts
from bot.answers.responder import Responder
from bot.answers.sending import Reply
from bot.chat.messages import Question
from bot.handlers.flags import QUESTION
from bot.incoming.filters import addressed, replies_to
from bot.incoming.prompts import PhotoTooLarge, to_prompt

# Content that people send; all other types are service messages. Future types are UNKNOWN, and
# an unnecessary reply is better than a silent bot.
UNSUPPORTED = frozenset(
    {
        ContentType.ANIMATION,
        ContentType.AUDIO,
        ContentType.CHECKLIST,
        ContentType.CONTACT,
        ContentType.DICE,
        ContentType.DOCUMENT,
        ContentType.GAME,
        ContentType.INVOICE,
        ContentType.LIVE_PHOTO,
        ContentType.LOCATION,
        ContentType.PAID_MEDIA,
        ContentType.POLL,
        ContentType.STICKER,
        ContentType.STORY,
        ContentType.UNKNOWN,
        ContentType.VENUE,
        ContentType.VIDEO,
        ContentType.VIDEO_NOTE,
        ContentType.VOICE,
    }
)

router = Router(name=__name__)
router.message.filter(addressed)


@router.message(F.text | F.photo | F.rich_message, flags=QUESTION)
async def answer_question(
    message: Message, bot: Bot, text: str, reply: Reply, responder: Responder
) -> None:
    """Answer a text, or a photo whose caption is the question."""
    last = await responder.conversation.last_exchange() if replies_to(message, bot.id) else None
    try:
        prompt = to_prompt(message, text, bot.id, last.answer.message_ids if last else ())
    except PhotoTooLarge:
        await reply.say(texts.PHOTO_TOO_LARGE)
        return
    if prompt:
        await responder.answer(Question(prompt, message.message_id))
    else:
        await reply.say(texts.NOTHING_ASKED)


@router.message(F.content_type.in_(UNSUPPORTED))
async def unsupported(_: Message, directly: bool, reply: Reply) -> None:
    """Say what the bot can answer instead, if the message was meant for it."""
    if directly:
        await reply.say(texts.UNSUPPORTED)
