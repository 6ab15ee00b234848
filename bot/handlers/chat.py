"""Talking with the model: texts and photos, and a kind sentence for all else."""

import asyncio
import logging

from aiogram import F, Router
from aiogram.enums import ContentType
from aiogram.types import Message, PhotoSize

from bot import texts
from bot.conversation import Conversation, Prompt
from bot.filters import addressed
from bot.gemini import GeminiError
from bot.logs import origin
from bot.media import MediaGone, largest
from bot.replies import Reply

# What people send; all other kinds are service messages. Kinds of tomorrow are UNKNOWN, and
# an answer too many is better than a silent bot.
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
        ContentType.RICH_MESSAGE,
        ContentType.STICKER,
        ContentType.STORY,
        ContentType.UNKNOWN,
        ContentType.VENUE,
        ContentType.VIDEO,
        ContentType.VIDEO_NOTE,
        ContentType.VOICE,
    }
)

# Of an update's time are kept, in seconds. What is stored late must not reach the update's own
# deadline: the answer was shown by then, and the update would come again
SENDING_TIME = 8
STORING_TIME = 2

logger = logging.getLogger(__name__)
router = Router(name=__name__)
router.message.filter(addressed)


@router.message(F.photo.as_("sizes"))
async def answer_photo(
    _: Message,
    sizes: list[PhotoSize],
    text: str,
    conversation: Conversation,
    reply: Reply,
    deadline: float,
) -> None:
    """Answer a photo; its caption is the question."""
    size = largest(sizes)
    if size is None:
        await reply.say(texts.PHOTO_TOO_LARGE)
        return
    prompt = Prompt(text or texts.DESCRIBE_PHOTO, size.file_id)
    await _answer(prompt, conversation, reply, deadline)


@router.message(F.text)
async def answer_text(
    _: Message, text: str, conversation: Conversation, reply: Reply, deadline: float
) -> None:
    """Answer a text."""
    if text.strip():
        await _answer(Prompt(text), conversation, reply, deadline)
    else:
        await reply.say(texts.NOTHING_ASKED)


@router.message(F.content_type.in_(UNSUPPORTED))
async def unsupported(_: Message, reply: Reply) -> None:
    """Say what works instead."""
    await reply.say(texts.UNSUPPORTED)


async def _answer(
    prompt: Prompt, conversation: Conversation, reply: Reply, deadline: float
) -> None:
    """Ask, show the answer, and store both turns once the answer was shown."""
    shown_by = deadline - 2 * STORING_TIME
    try:
        async with reply.typing():
            events = conversation.ask(prompt, shown_by - SENDING_TIME)
            answer = await reply.follow(events)
    except GeminiError as error:
        await reply.say(texts.failure(error))
        return
    except MediaGone:
        await reply.say(texts.PHOTO_GONE)
        return
    await reply.finish(answer, shown_by)
    try:
        async with asyncio.timeout(STORING_TIME):
            await conversation.store(prompt, answer)
    except Exception as error:  # noqa: BLE001 - to ask for the update again would show two answers
        chat_id = conversation.chat_id
        logger.error("Chat %s was answered, but not stored: %s", chat_id, origin(error))  # noqa: TRY400 - without the error's text
