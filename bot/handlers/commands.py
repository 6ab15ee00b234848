"""The commands: /start, /help, /new_chat and its other names."""

from aiogram import F, Router
from aiogram.filters import Command

from bot import texts
from bot.conversation import Conversation
from bot.filters import other_command
from bot.replies import Reply

router = Router(name=__name__)
router.message.filter(F.text)


@router.message(Command("start", ignore_case=True))
async def start(_: object, reply: Reply) -> None:
    """Greet."""
    await reply.say(texts.START)


@router.message(Command("help", ignore_case=True))
async def help_(_: object, reply: Reply) -> None:
    """Say what works."""
    await reply.say(texts.HELP)


@router.message(Command("new_chat", "new", "reset", "clear", ignore_case=True))
async def new_chat(_: object, conversation: Conversation, reply: Reply) -> None:
    """Forget the chat's messages."""
    await reply.say(texts.new_chat(await conversation.clear()))


@router.message(other_command)
async def unknown_command(_: object, reply: Reply, meant_for_us: bool) -> None:
    """Answer a command that we do not know, and leave another bot's alone."""
    if meant_for_us:
        await reply.say(texts.UNKNOWN_COMMAND)
