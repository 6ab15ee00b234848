"""The table of all that an update meets, in order; built once, bound to nothing."""

from aiogram import Dispatcher

from bot.filters import from_person
from bot.handlers import chat, commands, errors
from bot.middlewares.session import SessionMiddleware

dispatcher = Dispatcher(disable_fsm=True)

dispatcher.message.filter(from_person)
dispatcher.message.middleware(SessionMiddleware())

dispatcher.include_routers(
    errors.router,
    commands.router,
    chat.router,
)

ALLOWED_UPDATES = dispatcher.resolve_used_update_types()
