"""Talking with the model: texts and photos, and a kind sentence for all else."""

import logging

from aiogram import Bot, F, Router
from aiogram.enums import ContentType
from aiogram.types import Message, PhotoSize
from sqlalchemy.exc import SQLAlchemyError

from bot import texts
from bot.conversation import Answer, Conversation, Prompt
from bot.delivery import Delivery
from bot.filters import addressed
from bot.gemini import Ending, GeminiError
from bot.logs import origin
from bot.media import MediaGone, largest
from bot.previews import Preview
from bot.prompts import prompt_text
from bot.rendering import has_visible
from bot.replies import Reply
from bot.trace import Outcome, Trace
from db.engine import DatabaseUnavailable

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

OUTCOMES = {Ending.STOPPED: Outcome.STOPPED, Ending.INTERRUPTED: Outcome.INTERRUPTED}
# Seconds of an update's time that are kept for sending the answer; at most this share of it
SENDING_TIME, SENDING_SHARE = 10, 1 / 4

logger = logging.getLogger(__name__)
router = Router(name=__name__)
router.message.filter(addressed)


@router.message(F.photo.as_("sizes"), flags={"question": True})
async def answer_photo(
    message: Message,
    bot: Bot,
    sizes: list[PhotoSize],
    text: str,
    conversation: Conversation,
    reply: Reply,
    delivery: Delivery,
    trace: Trace,
) -> None:
    """Answer a photo; its caption is the question."""
    size = largest(sizes)
    if size is None:
        await reply.say(texts.PHOTO_TOO_LARGE)
        return
    question = prompt_text(message, text or texts.DESCRIBE_PHOTO, bot.id)
    prompt = Prompt(question, size.file_id)
    await _answer(prompt, conversation, reply, delivery, trace)


@router.message(F.text, flags={"question": True})
async def answer_text(
    message: Message,
    bot: Bot,
    text: str,
    conversation: Conversation,
    reply: Reply,
    delivery: Delivery,
    trace: Trace,
) -> None:
    """Answer a text."""
    if text.strip():
        prompt = Prompt(prompt_text(message, text, bot.id))
        await _answer(prompt, conversation, reply, delivery, trace)
    else:
        await reply.say(texts.NOTHING_ASKED)


@router.message(F.content_type.in_(UNSUPPORTED))
async def unsupported(_: Message, directly: bool, reply: Reply) -> None:
    """Say what works instead, to whoever meant the bot."""
    if directly:
        await reply.say(texts.UNSUPPORTED)


async def _answer(
    prompt: Prompt, conversation: Conversation, reply: Reply, delivery: Delivery, trace: Trace
) -> None:
    """Ask, show the answer as it grows, and store both turns once all of it was shown."""
    kept = delivery.progress or {}
    preview_id: int | None = kept.get("preview")
    try:
        if "answer" in kept:  # an earlier try has left it half sent
            answer = Answer.from_json(kept["answer"])
        else:
            async with reply.preview(delivery) as preview:
                try:
                    answer = await _ask(prompt, conversation, reply, preview, delivery)
                finally:
                    preview_id = preview.message_id
    except GeminiError as error:
        trace.end(Outcome.EXCUSED, str(error), error)
        await reply.say(texts.failure(error), preview_id)
        return
    except MediaGone:
        trace.end(Outcome.EXCUSED, "the photo is gone")
        await reply.say(texts.PHOTO_GONE, preview_id)
        return
    if answer.ending in OUTCOMES:
        trace.end(OUTCOMES[answer.ending])
    if not has_visible(answer.text):
        await reply.say(texts.STOPPED, preview_id)
        return
    await reply.finish(answer, delivery, preview_id)
    try:
        await conversation.store(prompt, answer)
    except (
        DatabaseUnavailable,
        SQLAlchemyError,
    ) as error:  # to ask for the update again would show two answers
        logger.error("The answer is not stored: %s", origin(error))  # noqa: TRY400 - without the error's text
        trace.end(Outcome.NOT_STORED, error=error)


async def _ask(
    prompt: Prompt,
    conversation: Conversation,
    reply: Reply,
    preview: Preview,
    delivery: Delivery,
) -> Answer:
    sending_time = min(SENDING_TIME, SENDING_SHARE * delivery.time_left())
    events = conversation.ask(prompt, delivery.deadline - sending_time)
    return await reply.follow(events, preview, delivery.stopped)
