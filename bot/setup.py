"""`python -m bot setup`: tell Telegram where the webhook is, and which commands there are."""

from aiogram import Bot
from aiogram.exceptions import (
    TelegramBadRequest,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramUnauthorizedError,
)

from bot.dispatcher import ALLOWED_UPDATES
from bot.logs import redact
from bot.menu import set_menu
from bot.settings import (
    TELEGRAM_API,
    WHERE_TO_GET_IT,
    Settings,
    SettingsError,
    shown_url,
    token_refused,
)
from bot.telegram import UNREACHABLE, open_bot, reason

MAX_CONNECTIONS = 100  # the most that Telegram's cloud opens to one webhook


async def set_up(settings: Settings) -> None:
    """Register the webhook and the menu, and say so.

    Raise SettingsError for what Telegram refuses; end the command with one sentence, and status
    1, where Telegram cannot say.
    """
    url = settings.webhook_url
    if url is None:
        raise SettingsError([f"WEBHOOK_URL is missing: {WHERE_TO_GET_IT['WEBHOOK_URL']}."])
    try:
        async with open_bot(settings) as bot:
            me = await bot.me()
            await _set_webhook(bot, url, settings.webhook_secret)
            await set_menu(bot, settings.admin_user_ids)
    except (TelegramUnauthorizedError, TelegramNotFound):
        raise token_refused() from None
    except TelegramRetryAfter as error:
        raise SystemExit(f"Telegram asks to try again in {error.retry_after} seconds.") from None
    except UNREACHABLE:
        where = _where(settings.telegram_api_base_url)
        raise SystemExit(f"Telegram cannot be reached{where}. Please try again later.") from None
    check = "on" if settings.webhook_secret else "OFF (ENABLE_SECURE_WEBHOOK_TOKEN)"
    print(f"@{me.username}: webhook {redact(shown_url(url))}, secret check {check}")


def _where(server: str) -> str:
    return "" if server == TELEGRAM_API else f" at TELEGRAM_API_BASE_URL, {shown_url(server)}"


async def _set_webhook(bot: Bot, url: str, secret: str | None) -> None:
    try:
        await bot.set_webhook(
            url,
            secret_token=secret,
            allowed_updates=ALLOWED_UPDATES,
            max_connections=MAX_CONNECTIONS,
        )
    except TelegramBadRequest as error:
        raise SettingsError([f"WEBHOOK_URL is refused by Telegram: {reason(error)}"]) from None
