"""The bot's profile in Telegram: its commands, its name and its descriptions."""

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from aiogram import Bot
from aiogram.exceptions import TelegramBadRequest, TelegramForbiddenError
from aiogram.types import BotCommand, BotCommandScopeChat, BotCommandScopeUnion

from bot import texts
from bot.telegram.client import reason

logger = logging.getLogger(__name__)


async def introduce(bot: Bot, admins: Collection[int], *, dry_run: bool = False) -> list[str]:
    """Update the commands, and fill in the name and the descriptions if they are empty.

    Admins see additional commands in their chats. Return the names of the things that change, or
    with `dry_run` would change.
    """
    changes = []
    if await _set_commands(bot, texts.COMMANDS, None, dry_run=dry_run):
        changes.append("commands")
    for admin in sorted(admins):
        try:
            scope = BotCommandScopeChat(chat_id=admin)
            commands = texts.COMMANDS | texts.ADMIN_COMMANDS
            if await _set_commands(bot, commands, scope, dry_run=dry_run):
                changes.append(f"commands for admin {admin}")
        except (TelegramBadRequest, TelegramForbiddenError) as error:
            # The bot has no chat with an admin until the admin writes to it
            logger.warning("Admin %s gets no menu of their own: %s", admin, reason(error))
    return changes + await _fill(bot, dry_run=dry_run)


async def _set_commands(
    bot: Bot, commands: Mapping[str, str], scope: BotCommandScopeUnion | None, *, dry_run: bool
) -> bool:
    wanted = [BotCommand(command=name, description=text) for name, text in commands.items()]
    shown = await bot.get_my_commands(scope=scope)
    if [(each.command, each.description) for each in shown] == list(commands.items()):
        return False
    if not dry_run:
        await bot.set_my_commands(wanted, scope=scope)
    return True


async def _fill(bot: Bot, *, dry_run: bool) -> list[str]:
    """Fill in the texts that are empty; keep the operator's own."""
    texts_: dict[str, tuple[Callable[[], Awaitable[Any]], Callable[[str], Awaitable[Any]], str]]
    texts_ = {
        "name": (bot.get_my_name, bot.set_my_name, texts.NAME),
        "description": (bot.get_my_description, bot.set_my_description, texts.DESCRIPTION),
        "short_description": (
            bot.get_my_short_description,
            bot.set_my_short_description,
            texts.SHORT_DESCRIPTION,
        ),
    }
    filled = []
    for field, (read, write, text) in texts_.items():
        if getattr(await read(), field):
            continue
        if not dry_run:
            await write(text)
        filled.append(field.replace("_", " "))
    return filled
