"""The table of all that an update meets, in order; built once, bound to nothing."""

from aiogram import Dispatcher
from aiogram.filters import or_f

from bot.filters import from_person
from bot.handlers import admin, again, chat, commands, errors, service, stop
from bot.middlewares.access import AccessMiddleware
from bot.middlewares.delivery import DeliveryMiddleware
from bot.middlewares.session import SessionMiddleware

dispatcher = Dispatcher(disable_fsm=True)

dispatcher.message.filter(or_f(from_person, service.MIGRATION))

for observer in (
    dispatcher.message,
    dispatcher.edited_message,
    dispatcher.callback_query,
    dispatcher.stopped_message_generation,
):
    observer.middleware(DeliveryMiddleware())
    observer.middleware(SessionMiddleware())
    observer.middleware(AccessMiddleware())

dispatcher.include_routers(
    errors.router,
    service.router,
    stop.router,
    again.router,
    admin.router,
    commands.router,
    chat.router,
)

ALLOWED_UPDATES = dispatcher.resolve_used_update_types()
