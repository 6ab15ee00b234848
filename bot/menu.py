"""The bot's menu of commands, as Telegram shows it beside the text field."""

from aiogram import Bot
from aiogram.types import BotCommand

from bot import texts


async def set_menu(bot: Bot) -> None:
    """Tell Telegram the commands and what they do."""
    await bot.set_my_commands(
        [BotCommand(command=name, description=text) for name, text in texts.COMMANDS.items()]
    )
