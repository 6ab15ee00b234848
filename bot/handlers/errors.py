"""Failed updates: retried later, given up, or answered with an apology."""

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
from bot.chat.attachments import AttachmentUnreachable
from bot.logs.errors import log_error
from bot.logs.update_log import Outcome, Trace
from bot.telegram.client import REFUSED, TOKEN_REFUSED, reason
from bot.updates.claims import Claim
from bot.updates.errors import RetryLater
from db.errors import DatabaseUnavailable

# TelegramAPIError stands for those of Telegram's errors that no more specific handler catches
UNAVAILABLE = (
    DatabaseUnavailable,
    AttachmentUnreachable,
    TimeoutError,
    ClientDecodeError,
    TelegramAPIError,
)
RETRY_AFTER = 5  # seconds
RETRY_AFTER_TOKEN = 60  # seconds; a refused token has to be fixed by the operator

logger = logging.getLogger(__name__)
router = Router(name=__name__)


@router.error(ExceptionTypeFilter(RetryLater))
async def come_again(event: ErrorEvent) -> None:
    """Retry the update after the wait that the raised error asks for."""
    raise event.exception


@router.error(ExceptionTypeFilter(TelegramRetryAfter))
async def flooded(event: ErrorEvent) -> None:
    """Retry the update when the wait that Telegram asks for is over."""
    error = event.exception
    wait = error.retry_after if isinstance(error, TelegramRetryAfter) else RETRY_AFTER
    raise RetryLater("Telegram asks to wait", wait) from error


@router.error(ExceptionTypeFilter(*TOKEN_REFUSED))
async def token_refused(event: ErrorEvent) -> None:
    """Keep the update until the operator has fixed the token."""
    logger.error("Telegram refuses TELEGRAM_BOT_TOKEN (%s)", type(event.exception).__name__)
    raise RetryLater("TELEGRAM_BOT_TOKEN is refused", RETRY_AFTER_TOKEN) from event.exception


@router.error(ExceptionTypeFilter(*REFUSED))
async def refused(event: ErrorEvent, trace: Trace) -> None:
    """Give up on an answer that Telegram will never accept: blocked, kicked, chat gone."""
    if isinstance(event.exception, TelegramAPIError):
        trace.end(Outcome.REFUSED, reason(event.exception))


@router.error(ExceptionTypeFilter(*UNAVAILABLE))
async def unreachable(event: ErrorEvent) -> None:
    """Retry the update later, when the database or Telegram may be back, or faster."""
    error = event.exception
    what = str(error) if isinstance(error, DatabaseUnavailable) else type(error).__name__
    raise RetryLater(what, RETRY_AFTER) from error


@router.error()
async def unexpected(event: ErrorEvent, bot: Bot, trace: Trace, claim: Claim) -> None:
    """Apologize for an internal error, and report it to the operator in full."""
    update = event.update
    trace.end(Outcome.FAILED, type(event.exception).__name__, event.exception)
    log_error(logger, "Update %s failed", update.update_id, error=event.exception)
    about = _message_of(update)
    if about:
        # After an edit or a button press, the message is the previous answer, which must stay
        place = claim.preview_id if update.message else None
        try:
            await Reply.to(about, bot).say(texts.UNEXPECTED, place)
        except AiogramError as error:
            logger.warning("Update %s: %s", update.update_id, type(error).__name__)
        except DatabaseUnavailable as error:
            raise RetryLater(str(error), RETRY_AFTER) from error


def _message_of(update: Update) -> Message | None:
    """Return the message an update is about: new, edited, or with the pressed button."""
    pressed = update.callback_query.message if update.callback_query else None
    about = update.message or update.edited_message or pressed
    return about if isinstance(about, Message) else None
