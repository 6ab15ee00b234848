"""What becomes of an update whose handler failed: again later, given up, or excused."""

import logging

from aiogram import Bot, Router
from aiogram.exceptions import (
    AiogramError,
    ClientDecodeError,
    TelegramAPIError,
    TelegramRetryAfter,
)
from aiogram.filters import ExceptionTypeFilter
from aiogram.types import ErrorEvent, Message, Update

from bot import texts
from bot.answers.sending import Reply
from bot.incoming.attachments import MediaUnreachable
from bot.logs.configure import origin
from bot.logs.update_log import Outcome, Trace
from bot.telegram.client import REFUSED, TOKEN_REFUSED, reason
from bot.updates.claims import Claim
from bot.updates.errors import RetryLater
from db.engine import DatabaseUnavailable

# What is left of Telegram's answers after those that mean something more precise
AGAIN = (DatabaseUnavailable, MediaUnreachable, TimeoutError, ClientDecodeError, TelegramAPIError)
RETRY_AFTER = 5  # seconds
RETRY_AFTER_TOKEN = 60  # seconds; a refused token waits for its operator

logger = logging.getLogger(__name__)
router = Router(name=__name__)


@router.error(ExceptionTypeFilter(RetryLater))
async def come_again(event: ErrorEvent) -> None:
    """Let the update come again, as whoever raised it wants."""
    raise event.exception


@router.error(ExceptionTypeFilter(TelegramRetryAfter))
async def flooded(event: ErrorEvent) -> None:
    """Let the update come again when Telegram's wait is over."""
    error = event.exception
    wait = error.retry_after if isinstance(error, TelegramRetryAfter) else RETRY_AFTER
    raise RetryLater("Telegram asks to wait", wait) from error


@router.error(ExceptionTypeFilter(*TOKEN_REFUSED))
async def token_refused(event: ErrorEvent) -> None:
    """Keep the update until the operator has mended the token."""
    logger.error("Telegram refuses TELEGRAM_BOT_TOKEN (%s)", type(event.exception).__name__)
    raise RetryLater("TELEGRAM_BOT_TOKEN is refused", RETRY_AFTER_TOKEN) from event.exception


@router.error(ExceptionTypeFilter(*REFUSED))
async def refused(event: ErrorEvent, trace: Trace) -> None:
    """Give up on an answer that Telegram will never take: blocked, kicked, chat gone."""
    if isinstance(event.exception, TelegramAPIError):
        trace.end(Outcome.REFUSED, reason(event.exception))


@router.error(ExceptionTypeFilter(*AGAIN))
async def unreachable(event: ErrorEvent) -> None:
    """Let the update come again when the database or Telegram is back, or faster."""
    error = event.exception
    what = str(error) if isinstance(error, DatabaseUnavailable) else type(error).__name__
    raise RetryLater(what, RETRY_AFTER) from error


@router.error()
async def unexpected(event: ErrorEvent, bot: Bot, trace: Trace, claim: Claim) -> None:
    """Excuse ourselves for a fault of our own, and tell the operator all of it."""
    update = event.update
    trace.end(Outcome.FAILED, type(event.exception).__name__, event.exception)
    logger.error("Update %s failed: %s", update.update_id, origin(event.exception))
    about = _message_of(update)
    if about:
        # What stands in the place of an answer that was to give way is that answer
        place = claim.preview_id if update.message else None
        try:
            await Reply.to(about, bot).say(texts.UNEXPECTED, place)
        except AiogramError as error:
            logger.warning("Update %s: %s", update.update_id, type(error).__name__)
        except DatabaseUnavailable as error:
            raise RetryLater(str(error), RETRY_AFTER) from error


def _message_of(update: Update) -> Message | None:
    """Return the message that an update is about: new, edited, or with the pressed button."""
    pressed = update.callback_query.message if update.callback_query else None
    about = update.message or update.edited_message or pressed
    return about if isinstance(about, Message) else None
