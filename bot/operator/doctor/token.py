"""The bot's token: which bot it belongs to, and what that bot may see."""

from aiogram import Bot
from aiogram.exceptions import AiogramError, TelegramBadRequest

from bot.operator.doctor.findings import Finding, fault, fine, note
from bot.operator.problems import Problem, telegram_unreachable, token_refused
from bot.settings import Settings
from bot.telegram.client import TOKEN_REFUSED

CHECK = "token"


async def check_token(bot: Bot, settings: Settings) -> tuple[list[Finding], bool]:
    """Ask Telegram about the bot; return the findings and whether Telegram identified it."""
    try:
        me = await bot.me()
    except TOKEN_REFUSED:
        return [fault(CHECK, token_refused())], False
    except AiogramError:
        return [fault(CHECK, telegram_unreachable(settings))], False
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
    ], True


async def check_admins(bot: Bot, settings: Settings) -> list[Finding]:
    """Check whether the bot can reach the admins: a bot may not write to a person first."""
    findings = []
    for admin in sorted(settings.admin_user_ids):
        try:
            await bot.get_chat(admin)
        except TelegramBadRequest:
            what = f"Admin {admin} cannot be told when answers fail"
            mend = "write /start to the bot once, from that account"
            findings.append(note("settings", Problem(what, mend)))
        except AiogramError:
            break  # another check reports that Telegram cannot be reached
    return findings
