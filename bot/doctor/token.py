"""The bot's token: whose it is, and what the bot may see."""

from aiogram import Bot
from aiogram.exceptions import AiogramError, TelegramNotFound, TelegramUnauthorizedError
from aiogram.types import User

from bot.doctor.findings import Finding, fault, fine
from bot.problems import telegram_unreachable, token_refused
from bot.settings import Settings

CHECK = "token"


async def check_token(bot: Bot, settings: Settings) -> tuple[list[Finding], User | None]:
    """Ask Telegram who the bot is; return nobody where it does not say."""
    try:
        me = await bot.me()
    except (TelegramUnauthorizedError, TelegramNotFound):
        return [fault(CHECK, token_refused())], None
    except AiogramError:
        return [fault(CHECK, telegram_unreachable(settings))], None
    groups = (
        "sees every message (privacy mode is off)"
        if me.can_read_all_group_messages
        else "sees commands, mentions and replies (privacy mode is on)"
    )
    if me.can_join_groups is False:
        groups = "cannot be added (@BotFather: Allow Groups)"
    topics = "on" if me.has_topics_enabled else "off"
    return [
        fine(CHECK, f"@{me.username} ({me.full_name})"),
        fine(CHECK, f"in groups the bot {groups}; topics in private chats are {topics}"),
    ], me
