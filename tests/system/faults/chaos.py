"""Who breaks things: processes, the database, the pooler, Telegram."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from bot.sandbox.faults import Drop, Fault, Flood, HtmlError, ServerError, Slow
from bot.sandbox.telegram import TelegramServer
from tests.system.faults.databases import Database, Outage
from tests.system.faults.deck import Deck
from tests.system.faults.journal import Journal, Life, Update
from tests.system.faults.processes import BotProcess
from tests.system.faults.witness import Trap, Witness

SETTLE = 0.1  # seconds in which a commit that was written out reaches the database
TRAP_TIMEOUT = 10.0  # seconds
FROZEN = (2.2, 2.8)  # leases: Telegram's cloud has come again by then, and others took over

Event = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Violence:
    """How often what happens. Times are in seconds."""

    kills: int
    freezes: int
    outages: int  # of each kind
    pause: float  # between two of these
    drizzle: float  # between two faults of Telegram
    lease: float


class Chaos:
    """Break one thing after the other, in an order that only the seed knows."""

    def __init__(
        self,
        violence: Violence,
        processes: Sequence[BotProcess],
        witnesses: Sequence[Witness],
        database: Database,
        telegram: TelegramServer,
        journal: Journal,
        random: Random,
    ) -> None:
        self._violence = violence
        self._processes = processes
        self._witnesses = dict(zip(processes, witnesses, strict=True))
        self._victims = Deck(random, processes)
        self._database = database
        self._telegram = telegram
        self._journal = journal
        self._random = random
        self._faults = Deck[Fault](
            random,
            [
                Flood(1),
                ServerError(),
                HtmlError(),
                Drop(before=True),
                Drop(before=False),
                Slow(min(violence.lease / 5, 3.0)),
            ],
        )

    async def run(self) -> None:
        """Do all of it once."""
        for name, event in self._events():
            await asyncio.sleep(self._random.uniform(0.5, 1.5) * self._violence.pause)
            for process in self._processes:
                process.look_after()
            self._journal.faults[name] += 1
            await event()

    def count_faults(self) -> None:
        """Tell the journal which calls of the Bot API did fail."""
        for fault in self._telegram.faults.happened:
            self._journal.faults[f"Telegram: {_name(fault)}"] += 1

    async def drizzle(self) -> None:
        """Let single calls of the Bot API fail, until cancelled."""
        while True:
            method = self._random.choice(["sendMessage", "sendRichMessage", None])
            self._telegram.faults.add(self._faults.draw(), method)
            await asyncio.sleep(self._random.uniform(0, 2 * self._violence.drizzle))

    def _events(self) -> list[tuple[str, Event]]:
        violence = self._violence
        # Killed right after a message, or in the middle of things; frozen while Gemini works, or
        # right after a message
        kills = [self._kill_sending, self._kill] * violence.kills
        freezes = [self._freeze_asking, self._freeze_sending] * violence.freezes
        events: list[tuple[str, Event]] = [("kill -9", event) for event in kills[: violence.kills]]
        events += [("SIGSTOP past the lease", event) for event in freezes[: violence.freezes]]
        for name, outage in self._database.outages.items():
            events += [(name, partial(self._break, outage))] * violence.outages
        self._random.shuffle(events)
        return events

    async def _kill(self) -> None:
        process = self._victims.draw()
        await process.wait_until_ready()
        process.kill()
        await self._replace(process)

    async def _kill_sending(self) -> None:
        process = self._victims.draw()
        await process.wait_until_ready()
        await self._trap(process, "sendMessage", process.kill)
        await self._replace(process)

    async def _freeze_asking(self) -> None:
        await self._freeze("sendMessageDraft")

    async def _freeze_sending(self) -> None:
        await self._freeze("sendMessage")

    async def _replace(self, process: BotProcess) -> None:
        process.bury()
        await self._note_window(process)
        process.start()

    async def _freeze(self, method: str) -> None:
        """Stop a process until others have taken over, and let it go on."""
        process = self._victims.draw()
        await process.wait_until_ready()
        try:
            await self._trap(process, method, process.freeze)
            await self._note_window(process)
            await asyncio.sleep(self._random.uniform(*FROZEN) * self._violence.lease)
        finally:
            process.wake()

    async def _trap(self, process: BotProcess, method: str, strike: Callable[[], None]) -> None:
        """Strike at the process's next call of a method, or in the end without one."""
        loop, struck = asyncio.get_running_loop(), asyncio.Event()

        def spring() -> None:
            strike()
            loop.call_soon_threadsafe(struck.set)

        witness = self._witnesses[process]
        witness.trap = Trap(method, spring)
        try:
            async with asyncio.timeout(TRAP_TIMEOUT):
                await struck.wait()
        except TimeoutError:
            strike()
        finally:
            witness.trap = None

    async def _note_window(self, process: BotProcess) -> None:
        """Note whose answer Telegram has although the process, now dead or frozen, did not commit.

        Each such answer may come a second time: the database cannot know that it was sent.
        """
        life = Life(process.name, process.life)
        await asyncio.sleep(SETTLE)
        # A slow Telegram may still be about to take a message
        await self._telegram.wait_for(lambda: self._witnesses[process].is_idle(life))
        answered: list[Update] = [
            update
            for update in self._journal.unconfirmed()
            if any(sent.life == life for sent in self._journal.answers(update))
        ]
        done = await asyncio.to_thread(self._done, answered)
        self._journal.window |= {(update, life) for update in answered if update.id not in done}

    def _done(self, updates: Sequence[Update]) -> set[int]:
        ids = ", ".join(str(update.id) for update in updates) or "NULL"
        statement = (
            "SELECT update_id FROM processed_update"
            f" WHERE status = 'done' AND update_id IN ({ids})"
        )
        return {update_id for (update_id,) in self._database.rows(statement)}

    async def _break(self, outage: Outage) -> None:
        # Shorter than a lease: nobody can take over meanwhile
        longest = min(self._violence.lease / 3, 4.0)
        await asyncio.to_thread(outage, self._random.uniform(0.1, longest))


def _name(fault: Fault) -> str:
    match fault:
        case Flood():
            return "429"
        case ServerError(code):
            return str(code)
        case HtmlError(code):
            return f"{code} as HTML"
        case Drop(before=True):
            return "dropped before"
        case Drop():
            return "dropped after"
        case _:
            return "slow"
