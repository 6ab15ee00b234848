"""`python -m bot setup`: bring database, webhook and profile to where the bot answers."""

import asyncio

from aiogram import Bot
from aiogram.exceptions import (
    TelegramBadRequest,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramUnauthorizedError,
)

from bot.dispatcher import ALLOWED_UPDATES
from bot.gemini import GeminiError, open_gemini
from bot.gemini.models import RETIRED_MODELS
from bot.logs import origin
from bot.problems import (
    LASTING,
    Problem,
    database_unreachable,
    gemini_fails,
    telegram_unreachable,
    token_refused,
)
from bot.profile import introduce
from bot.redaction import redact
from bot.settings import WHERE_TO_GET_IT, Settings
from bot.telegram import UNREACHABLE, open_bot, reason
from bot.urls import shown_url
from db.engine import DatabaseUnavailable, open_engine
from db.migrate import migrate
from db.schema import HEAD, KNOWN_REVISIONS, read_revision

MAX_CONNECTIONS = 100  # the most that Telegram's cloud opens to one webhook
CHECK_TIMEOUT = 20  # seconds for Google to know the model


async def set_up(settings: Settings, *, dry_run: bool = False) -> None:
    """Check token, key and model; then migrate, register the webhook and introduce the bot.

    It says what it changed, or with `dry_run` would change; to repeat it does no harm. Raise
    SettingsError for what a setting must mend; end the command with one sentence, and status 1,
    where a later try may succeed.
    """
    address = settings.webhook_address
    if address is None:
        raise Problem("WEBHOOK_URL is missing", WHERE_TO_GET_IT["WEBHOOK_URL"]).error()
    try:
        async with open_bot(settings) as bot:
            me = await bot.me()
            print(f"@{me.username}{': nothing is changed, only looked at' if dry_run else ''}")
            await _check_model(settings)
            await _migrate(settings, dry_run=dry_run)
            await _register(bot, settings, address, dry_run=dry_run)
            changes = await introduce(bot, settings.admin_user_ids, dry_run=dry_run)
    except (TelegramUnauthorizedError, TelegramNotFound):
        raise token_refused().error() from None
    except TelegramRetryAfter as error:
        raise SystemExit(f"Telegram asks to try again in {error.retry_after} seconds.") from None
    except UNREACHABLE:
        raise SystemExit(str(telegram_unreachable(settings))) from None
    print(f"Profile: {_done(dry_run)} {', '.join(changes)}" if changes else "Profile: as before")
    if not dry_run:
        print(f"Write to the bot: https://t.me/{me.username}")


def _done(dry_run: bool) -> str:
    return "would set" if dry_run else "set"


async def _check_model(settings: Settings) -> None:
    async with open_gemini(settings) as gemini:
        try:
            await gemini.check(asyncio.get_running_loop().time() + CHECK_TIMEOUT)
        except GeminiError as error:
            problem = gemini_fails(error, settings)
            # Of a retired model Google may know nothing, and route the calls for it all the same
            if error.kind in LASTING and gemini.model not in RETIRED_MODELS:
                raise problem.error() from None
            print(f"Gemini: not sure that it answers. {problem}")
        else:
            print(f"Gemini: {gemini.model} is there for this key")


async def _migrate(settings: Settings, *, dry_run: bool) -> None:
    url = settings.database_url
    try:
        async with open_engine(url) as engine:
            revision = await read_revision(engine)
        is_ours = revision == HEAD or (revision is not None and revision not in KNOWN_REVISIONS)
        if not (is_ours or dry_run):
            await migrate(url)
    except DatabaseUnavailable as error:
        raise database_unreachable(error, settings).error() from None
    except Exception as error:  # noqa: BLE001 - Alembic raises what a revision raises
        mend = "`alembic upgrade head` says more"
        what = f"{settings.database_variable} leads to a database that cannot be migrated"
        raise Problem(f"{what} ({origin(error).splitlines()[0]})", mend).error() from None
    step = f"from {revision or 'nothing'} to {HEAD}"
    state = "up to date" if is_ours else f"{'would migrate' if dry_run else 'migrated'} {step}"
    print(f"Database: {settings.database_name}, {state}")


async def _register(bot: Bot, settings: Settings, address: str, *, dry_run: bool) -> None:
    before = await bot.get_webhook_info()
    if not dry_run:
        try:
            # Always: Telegram does not say which secret it has
            await bot.set_webhook(
                address,
                secret_token=settings.webhook_secret,
                allowed_updates=ALLOWED_UPDATES,
                max_connections=MAX_CONNECTIONS,
            )
        except TelegramBadRequest as error:
            what = f"WEBHOOK_URL is refused by Telegram ({reason(error)})"
            raise Problem(what, WHERE_TO_GET_IT["WEBHOOK_URL"]).error() from None
    check = "on" if settings.webhook_secret else "OFF (ENABLE_SECURE_WEBHOOK_TOKEN)"
    if before.url == address:
        change = "as before"
    else:
        change = f"{_done(dry_run)}, before: {redact(shown_url(before.url or 'none'))}"
    print(f"Webhook: {redact(shown_url(address))}, {change}; secret check {check}")
