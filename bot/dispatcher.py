"""The filters, middlewares and routers an update passes, in order; built once, for any bot."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiogram import Dispatcher
from aiogram.dispatcher.event.handler import FilterObject
from aiogram.filters import or_f

from bot.handlers import admin, chat, commands, errors, group_migration, regenerate, stop
from bot.incoming.filters import from_people
from bot.middlewares.access import AccessMiddleware
from bot.middlewares.claim import ClaimMiddleware
from bot.middlewares.responder import ResponderMiddleware
from bot.middlewares.session import SessionMiddleware

dispatcher = Dispatcher(disable_fsm=True)

dispatcher.message.filter(or_f(from_people, group_migration.MIGRATION))

for observer in (
    dispatcher.message,
    dispatcher.edited_message,
    dispatcher.callback_query,
    dispatcher.stopped_message_generation,
):
    observer.middleware(SessionMiddleware())
    observer.middleware(ClaimMiddleware())
    observer.middleware(AccessMiddleware())
    observer.middleware(ResponderMiddleware())

dispatcher.include_routers(
    errors.router,
    group_migration.router,
    stop.router,
    regenerate.router,
    admin.router,
    commands.router,
    chat.router,
)

ALLOWED_UPDATES = dispatcher.resolve_used_update_types()


def _stay_in_the_loop(filters: Iterable[FilterObject]) -> None:
    """Call synchronous filters directly in the event loop.

    aiogram would hand each of them to a thread, nine times per question, and wait for it.
    """
    for one in filters:
        _stay_in_the_loop(getattr(one.callback, "targets", ()))
        if not one.awaitable:
            one.callback, one.awaitable = _awaited(one.callback), True


def _awaited(look: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    async def awaited(*arguments: Any, **named: Any) -> Any:
        return look(*arguments, **named)

    return awaited


for router in dispatcher.chain_tail:
    for observer in router.observers.values():
        for handler in (observer._handler, *observer.handlers):  # noqa: SLF001 - the router's own filters
            _stay_in_the_loop(handler.filters or ())
