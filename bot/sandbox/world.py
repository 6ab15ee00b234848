"""The sandbox's world for the page: Telegram, its people, and the courier to the bot."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from aiohttp import ClientSession, ClientTimeout

from bot.sandbox.courier import TIMEOUT, Courier
from bot.sandbox.events import Events
from bot.sandbox.journal import KEPT, Journal
from bot.sandbox.parameters import Json, bad_request
from bot.sandbox.stage import Stage
from bot.sandbox.store import Store
from bot.sandbox.switches import Switches
from bot.sandbox.telegram import TelegramServer
from bot.sandbox.wire import Outcome

USERNAME: Final = "sandbox_bot"
FIRST_NAME: Final = "Sandbox Bot"
DRAFT_LIFETIME: Final = 30.0  # seconds
# The events after which the state must be saved.
LASTING: Final = frozenset({"commands", "deleted", "fetched", "message", "profile", "queue"})


class World:
    """Everything that the page shows and can do; `restart` restarts the bot's process."""

    def __init__(self, token: str, model: Json, folder: Path, session: ClientSession) -> None:
        self.is_open = False  # to other machines
        self.restart: Callable[[], None] = lambda: None
        self.events = Events()
        self.journal = Journal(self.events.publish)
        self.telegram = TelegramServer(
            token,
            username=USERNAME,
            first_name=FIRST_NAME,
            first_update_id=int(time.time()),
            folder=folder / "files",
            observe=self._observe,
            watch=self._watch,
            kept=KEPT,
        )
        self.switches = Switches(
            self.telegram.faults, self.events.publish, builtin=model["builtin"]
        )
        self.stage = Stage(
            self.telegram,
            self._deliver,
            sees_all=lambda: not self.switches.privacy,
            show=self.events.publish,
        )
        self.courier = Courier(self.telegram, self.journal, session, self.switches.copies)
        self.store = Store(folder, self.telegram.kept)
        self._model = model
        self._running = False
        self._drafts: dict[int, asyncio.TimerHandle] = {}

    @asynccontextmanager
    async def living(self) -> AsyncGenerator[None]:
        """Continue from the stored state for as long as the block runs.

        Raise StoreError if that state cannot be read.
        """
        self.store.read(self.telegram.restore)
        self.stage.set_up()
        async with self.store.writing():
            for update in self.telegram.pending:
                self.courier.take(update)
            try:
                yield
            finally:
                await self.courier.close()

    def snapshot(self) -> Json:
        """Return everything that the page shows now."""
        return {
            "type": "snapshot",
            "bot": self._bot(),
            "people": list(self.stage.people.values()),
            "chats": self.stage.chats(),
            **self.telegram.profile.menus(),
            "model": self._model,
            "bot_running": self._running,
            "open": self.is_open,
            "switches": self.switches.shown(),
            "journal": self.journal.entries(),
        }

    async def close(self, _: object) -> None:
        """End the streams of events."""
        self.events.close()

    def runs(self, running: bool) -> None:
        """Record and publish whether the bot's process answers."""
        self._running = running
        self.events.publish({"type": "bot", "running": running})
        if running:
            self.courier.hurry()

    @property
    def deeds(self) -> dict[str, Callable[[Json], Json]]:
        """The actions of the page, by name."""
        return {
            "message": self.stage.message,
            "edit": self.stage.edit,
            "press": self.stage.press,
            "stop": self.stage.stop,
            "topic": self.stage.topic,
            "forget": self._forget,
            "again": self._again,
            "switches": self._switch,
            "restart": self._start_again,
        }

    def _bot(self) -> Json:
        names = ("id", "first_name", "username")
        return {name: self.telegram.bot[name] for name in names} | self.telegram.profile.texts()

    def _deliver(self, update: Json) -> bool:
        wanted = self.telegram.deliver(update)
        if wanted:
            self.courier.take(update)
        return wanted

    def _again(self, wanted: Json) -> Json:
        number = wanted.get("entry")
        entry = self.journal.find(number) if isinstance(number, int) else None
        if entry is None or entry["kind"] != "update":
            raise bad_request("there is no such update any more")
        self.courier.again(entry)
        return {}

    def _forget(self, wanted: Json) -> Json:
        self.store.change()
        return self.stage.forget(wanted)

    def _switch(self, wanted: Json) -> Json:
        self.switches.set(wanted)
        self.telegram.bot["can_read_all_group_messages"] = not self.switches.privacy
        return self.switches.shown()

    def _start_again(self, _: Json) -> Json:
        self.restart()
        return {}

    def _watch(self, method: str, parameters: Json) -> Callable[[Outcome], None]:
        end = self.journal.watch(method, parameters)

        def ended(outcome: Outcome) -> None:
            end(outcome)
            self.switches.called()

        return ended

    def _observe(self, event: Json) -> None:
        """Publish an event from Telegram, after doing what follows from it."""
        if event["type"] in LASTING:
            self.store.change()
        match event:
            case {"type": "queue"}:
                return
            case {"type": "webhook" | "fetched"}:
                self.courier.hurry()
                return
            case {"type": "profile"}:
                event = {"type": "bot", "running": self._running, "bot": self._bot()}
            case {"type": "answered", "callback_query_id": query_id}:
                event = {**event, **(self.stage.pressed(query_id) or {})}
            case {"type": "draft", "chat_id": chat_id, "draft": draft}:
                self._time(chat_id, draft)
        self.events.publish(event)

    def _time(self, chat_id: int, draft: Any) -> None:
        """Restart the time limit that removes a draft unless a new one arrives in time."""
        if timer := self._drafts.pop(chat_id, None):
            timer.cancel()
        if draft is not None:
            loop = asyncio.get_running_loop()
            self._drafts[chat_id] = loop.call_later(
                DRAFT_LIFETIME, self.telegram.end_draft, chat_id
            )


@asynccontextmanager
async def open_world(token: str, model: Json, folder: Path) -> AsyncGenerator[World]:
    """Open a world that is stored in a folder and lives until the end of the block."""
    async with ClientSession(timeout=ClientTimeout(total=TIMEOUT)) as session:
        world = World(token, model, folder, session)
        async with world.living():
            yield world
