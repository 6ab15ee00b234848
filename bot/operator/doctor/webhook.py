"""The webhook: as registered with Telegram, as Telegram reached it, and as it answers us."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from aiogram import Bot
from aiogram.exceptions import AiogramError
from aiogram.types import WebhookInfo

from bot.dispatcher import ALLOWED_UPDATES
from bot.operator.doctor.diagnosis import (
    OTHER_SECRET,
    PROTECTED,
    SET_UP,
    STALE_SECRET,
    explain,
)
from bot.operator.doctor.findings import Finding, fault, fine, note
from bot.operator.doctor.probe import Answer, probe
from bot.operator.problems import Problem, telegram_unreachable
from bot.settings import Settings
from bot.settings.urls import shown_url

CHECK = "webhook"
MANY = 20  # pending updates
RECENT = timedelta(minutes=15)  # within this time Telegram will have retried


async def check_webhook(bot: Bot, settings: Settings) -> list[Finding]:
    """Compare the registered webhook with the settings, and send its address a test request."""
    try:
        info = await bot.get_webhook_info()
    except AiogramError:
        return [fault(CHECK, telegram_unreachable(settings))]
    if not info.url:
        return [_missing(settings)]
    # Our secret must not be sent to any other address
    secret = settings.webhook_secret if info.url == settings.webhook_address else None
    answer = await probe(info.url, secret)
    reached = _judge(answer, _last_error(info), knows_secret=secret is not None)
    return [*_compare(info, settings), reached, _pending(info)]


def _missing(settings: Settings) -> Finding:
    if settings.webhook_address:
        return fault(CHECK, Problem("Telegram knows no webhook of this bot", SET_UP))
    what = "There is none: the bot answers while `python -m bot --polling` runs"
    mend = "for a webhook set WEBHOOK_URL to the bot's public address, then " + SET_UP
    return note(CHECK, Problem(what, mend))


def _compare(info: WebhookInfo, settings: Settings) -> Iterator[Finding]:
    address = settings.webhook_address
    shown = shown_url(info.url)
    if address and info.url != address:
        what = f"Telegram delivers to {shown} instead of {shown_url(address)}"
        yield fault(CHECK, Problem(what, SET_UP))
    else:
        yield fine(CHECK, shown)
    if missing := sorted(set(ALLOWED_UPDATES) - set(info.allowed_updates or [])):
        what = f"Telegram does not deliver {', '.join(missing)}"
        yield fault(CHECK, Problem(what, SET_UP))


def _last_error(info: WebhookInfo) -> str:
    """Return the error of the last failed delivery, or "" if it is no longer recent."""
    date, message = info.last_error_date, info.last_error_message
    if date is None or not message or datetime.now(UTC) - date > RECENT:
        return ""
    return message


def _judge(answer: Answer, last_error: str, *, knows_secret: bool) -> Finding:
    """Say what keeps updates from the bot, by our own request or else by Telegram's report."""
    if answer.is_bot:
        if answer.status == HTTPStatus.UNAUTHORIZED and knows_secret:
            return fault(CHECK, OTHER_SECRET)
        return _judge_deliveries(last_error, knows_secret=knows_secret)
    match answer.status:
        case None if last_error:
            return fault(CHECK, explain(last_error))
        case None if "timed out" in answer.error:
            what = f"The address cannot be reached from here ({answer}), Telegram reports nothing"
            mend = "ask from another machine: some routers let nobody inside reach them"
            return note(CHECK, Problem(what, mend))
        case HTTPStatus.UNAUTHORIZED:
            return fault(CHECK, PROTECTED)
    return fault(CHECK, explain(str(answer)))


def _judge_deliveries(last_error: str, *, knows_secret: bool) -> Finding:
    """Judge Telegram's last delivery to a bot that answers us."""
    if "401" in last_error:
        return fault(CHECK, STALE_SECRET)
    if last_error:
        seen = explain(last_error)
        what = f"The bot answers, but did not a few minutes ago: {seen.what}"
        return note(CHECK, Problem(what, f"if it comes again: {seen.mend}"))
    return fine(CHECK, "the bot answers there" + ", and to our secret" * knows_secret)


def _pending(info: WebhookInfo) -> Finding:
    count = info.pending_update_count
    if count <= MANY:
        return fine(CHECK, f"{count} updates wait")
    mend = "mend the faults above; else the model answers more slowly than people write"
    return note(CHECK, Problem(f"{count} updates wait to be delivered", mend))
