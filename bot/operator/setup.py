"""`python -m bot setup`: prepare the database, webhook and profile so that the bot can answer."""

import asyncio

from aiogram import Bot
from aiogram.exceptions import (
    AiogramError,
    TelegramAPIError,
    TelegramBadRequest,
    TelegramRetryAfter,
)
from aiogram.types import User

from bot.dispatcher import ALLOWED_UPDATES
from bot.gemini import GeminiError, open_gemini
from bot.gemini.models import RETIRED_MODELS
from bot.logs.errors import origin
from bot.logs.redaction import redact
from bot.operator.problems import (
    Problem,
    database_unreachable,
    gemini_fails,
    lasts,
    telegram_unreachable,
    token_refused,
)
from bot.settings import WHERE_TO_GET_IT, Settings
from bot.settings.urls import shown_url
from bot.telegram.client import TOKEN_REFUSED, UNREACHABLE, open_bot, reason
from bot.telegram.profile import introduce
from db.engine import open_engine
from db.errors import DatabaseUnavailable
from db.migrate import migrate
from db.schema import HEAD, is_newer, read_revision

MAX_CONNECTIONS = 100  # the most that Telegram's cloud opens to one webhook
CHECK_TIMEOUT = 20  # seconds for Google to confirm that it knows the model


async def set_up(settings: Settings, *, dry_run: bool = False) -> None:
    """Check token, key and model; then migrate, register the webhook and introduce the bot.

    Report what was changed, or with `dry_run` what would be; running it again does no harm. Raise
    SettingsError for a problem that a changed setting solves; exit with one sentence and status 1
    if a later attempt may succeed.
    """
    address = settings.webhook_address
    if address is None:
        raise Problem("WEBHOOK_URL is missing", WHERE_TO_GET_IT["WEBHOOK_URL"]).error()
    try:
        async with open_bot(settings) as bot:
            me = await _whose(bot)
            print(f"@{me.username}{': nothing is changed, only looked at' if dry_run else ''}")
            await _check_model(settings)
            await _migrate(settings, dry_run=dry_run)
            await _register(bot, settings, address, dry_run=dry_run)
            await _introduce(bot, settings, dry_run=dry_run)
    except TelegramRetryAfter as error:
        raise SystemExit(f"Telegram asks to try again in {error.retry_after} seconds.") from None
    except UNREACHABLE:
        raise SystemExit(str(telegram_unreachable(settings))) from None
    except TelegramAPIError as error:
        raise SystemExit(f"Telegram refuses: {reason(error)}") from None
    if not dry_run:
        print(f"Write to the bot: https://t.me/{me.username}")


async def _whose(bot: Bot) -> User:
    try:
        return await bot.me()
    except TOKEN_REFUSED:
        raise token_refused().error() from None


async def _introduce(bot: Bot, settings: Settings, *, dry_run: bool) -> None:
    """Set the profile; the bot also answers without one."""
    try:
        changes = await introduce(bot, settings.admin_user_ids, dry_run=dry_run)
    except AiogramError as error:
        why = reason(error) if isinstance(error, TelegramAPIError) else type(error).__name__
        print(f"Profile: not all of it is set ({why}); to run this again later does no harm")
        return
    print(f"Profile: {_done(dry_run)} {', '.join(changes)}" if changes else "Profile: as before")


def _done(dry_run: bool) -> str:
    return "would set" if dry_run else "set"


async def _check_model(settings: Settings) -> None:
    async with open_gemini(settings) as gemini:
        try:
            await gemini.check(asyncio.get_running_loop().time() + CHECK_TIMEOUT)
        except GeminiError as error:
            problem = gemini_fails(error, settings)
            # Google may no longer list a retired model, yet still route the calls for it
            if lasts(error, settings) and gemini.model not in RETIRED_MODELS:
                raise problem.error() from None
            print(f"Gemini: not sure that it answers. {problem}")
        else:
            print(f"Gemini: {gemini.model} is there for this key")


async def _migrate(settings: Settings, *, dry_run: bool) -> None:
    try:
        revision = await _read_revision(settings)
        is_ours = revision == HEAD or is_newer(revision)
        if not (is_ours or dry_run):
            await migrate(settings.database_url)
    except DatabaseUnavailable as error:
        raise database_unreachable(error, settings).error() from None
    except Exception as error:  # noqa: BLE001 - Alembic passes on whatever a revision raises
        mend = "`alembic upgrade head` says more"
        what = f"{settings.database_variable} leads to a database that cannot be migrated"
        raise Problem(f"{what} ({origin(error).splitlines()[0]})", mend).error() from None
    if is_newer(revision):
        state = f"newer than this bot (revision {revision}), left as it is"
    elif is_ours:
        state = "up to date"
    else:
        verb = "would migrate" if dry_run else "migrated"
        state = f"{verb} from {revision or 'nothing'} to {HEAD}"
    print(f"Database: {settings.database_name}, {state}")


async def _read_revision(settings: Settings) -> str | None:
    file = settings.database_file
    if file and not file.exists():  # connecting to it would create it
        return None
    async with open_engine(settings.database_url) as engine:
        return await read_revision(engine)


async def _register(bot: Bot, settings: Settings, address: str, *, dry_run: bool) -> None:
    before = await bot.get_webhook_info()
    if not dry_run:
        try:
            # Always set it: Telegram does not say which secret it has
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
