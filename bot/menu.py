"""The bot's menu of commands, as Telegram shows it beside the text field."""

import logging
from collections.abc import Collection, Mapping

from aiogram import Bot
from aiogram.exceptions import TelegramBadRequest, TelegramForbiddenError
from aiogram.types import BotCommand, BotCommandScopeChat

from bot import texts
from bot.telegram import reason

logger = logging.getLogger(__name__)


async def set_menu(bot: Bot, admins: Collection[int]) -> None:
    """Tell Telegram the commands and what they do; those of admins in their chats alone."""
    await bot.set_my_commands(_menu(texts.COMMANDS))
    for admin in sorted(admins):
        try:
            await bot.set_my_commands(
                _menu(texts.COMMANDS | texts.ADMIN_COMMANDS),
                scope=BotCommandScopeChat(chat_id=admin),
            )
        except (TelegramBadRequest, TelegramForbiddenError) as error:
            # Until they write to the bot it knows no chat of theirs
            logger.warning("Admin %s gets no menu of their own: %s", admin, reason(error))


def _menu(commands: Mapping[str, str]) -> list[BotCommand]:
    return [BotCommand(command=name, description=text) for name, text in commands.items()]
