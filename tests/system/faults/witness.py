"""Telegram's server with a door of its own for each process: it sees who sends what."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler

from bot.sandbox.telegram import TelegramServer
from tests.system.faults.journal import Journal, Life
from tests.system.faults.processes import BotProcess

OK = 200


@dataclass(frozen=True, slots=True)
class Trap:
    """What to do, and at which call; it is done in the server's thread."""

    method: str
    strike: Callable[[], None]


class Witness:
    """Tell the journal which life of a process each message came from.

    A trap is sprung once, at a process's next call of a method: between Telegram's doing what it
    asks for and the answer to it.
    """

    def __init__(self, telegram: TelegramServer, journal: Journal) -> None:
        self.process: BotProcess | None = None
        self.trap: Trap | None = None
        self._telegram = telegram
        self._journal = journal
        self._open: Counter[Life] = Counter()

    def application(self) -> web.Application:
        """Make the application that answers the process."""
        application = self._telegram.application()
        application.middlewares.append(self._watch)
        return application

    def is_idle(self, life: Life) -> bool:
        """Tell whether Telegram is done with all that a life has asked for."""
        return not self._open[life]

    @web.middleware
    async def _watch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        assert self.process
        method = request.match_info.get("method", "")
        life = Life(self.process.name, self.process.life)
        self._open[life] += 1
        try:
            response = await handler(request)
            if response.status == OK and response.content_type == "application/json":
                if method in {"sendMessage", "sendRichMessage"}:
                    self._note(request, response, life)
                self._spring(method)
        finally:
            self._open[life] -= 1
        return response

    def _spring(self, method: str) -> None:
        if self.trap and self.trap.method == method:
            trap, self.trap = self.trap, None
            trap.strike()

    def _note(self, request: web.Request, response: web.StreamResponse, life: Life) -> None:
        assert isinstance(response, web.Response)
        assert isinstance(response.body, bytes)
        # Both are gone where the connection was dropped
        acknowledged = request.transport is not None and not request.transport.is_closing()
        message = json.loads(response.body)["result"]
        self._journal.take(message, life, acknowledged=acknowledged)
