"""Telegram's cloud: an ordered queue for each chat, and what it sends again."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from bot.sandbox.telegram import TelegramServer
from tests.system.faults.deck import Deck
from tests.system.faults.journal import Journal, Kind, Update
from tests.system.faults.processes import BotProcess
from tests.system.faults.wire import Manner, Reply, post

REDELIVERED = 0.2  # of the updates
IDLE_TIMEOUT = 2.0  # leases; Telegram hangs up after 60 s
LONGEST_PAUSE = 2.0  # seconds between two tries
OK, UNAVAILABLE = 200, 503
KINDS = (Kind.SHORT,) * 7 + (Kind.LONG, Kind.LONG, Kind.HELP)
ODD_MANNERS = (Manner.TRICKLING, Manner.CUT, Manner.HUNG_UP, Manner.CHUNKED)


class Cloud:
    """Deliver each chat's updates one after the other, each until it is answered with 2xx.

    `odd` of the posts arrive in another manner than whole. Which process gets a post is chance:
    the balancer in front does not know who is dead.
    """

    def __init__(
        self,
        telegram: TelegramServer,
        processes: Sequence[BotProcess],
        journal: Journal,
        random: Random,
        *,
        secret: str,
        lease: float,
        odd: float,
    ) -> None:
        self._telegram = telegram
        self._processes = processes
        self._journal = journal
        self._random = random
        self._secret = secret
        self._odd = odd
        self._patience = IDLE_TIMEOUT * lease
        self._scale = min(1.0, lease / 30)
        self._kinds = Deck(random, KINDS)
        self._manners = Deck(random, ODD_MANNERS)
        self._chats: dict[int, dict[str, Any]] = {}
        self._again: set[asyncio.Task[None]] = set()

    def add_chats(self, count: int) -> list[int]:
        """Open chats, private ones and groups in turn, and return their ids."""
        for number in range(count):
            person = self._telegram.person(1000 + number, f"Person {number}")
            if number % 2:
                chat = self._telegram.group(-1001000000000 - number, f"Group {number}")
            else:
                chat = self._telegram.private_chat(person)
            self._chats[chat["id"]] = {"chat": chat, "person": person, "count": 0}
        return list(self._chats)

    async def tell(self, chat_id: int, *, smoothly: bool = False) -> None:
        """Let somebody write in a chat, and deliver that until it is confirmed."""
        update = self._write(chat_id)
        twice = not smoothly and self._random.random() < REDELIVERED
        during = twice and self._random.random() < 0.5
        if during:
            self._deliver_again(update, self._random.uniform(0, 0.5))
        await self._deliver(update, smoothly=smoothly)
        update.confirmed = True
        if twice and not during:
            self._deliver_again(update, 0)

    async def finish(self) -> None:
        """Wait for the second deliveries that are still under way."""
        while self._again:
            await asyncio.wait(self._again)

    def _write(self, chat_id: int) -> Update:
        state = self._chats[chat_id]
        number, kind = len(self._journal.updates), self._kinds.draw()
        text = kind.value if kind is Kind.HELP else f"{kind.value} M{number:05}"
        if chat_id < 0:
            text += "@test_bot" if kind is Kind.HELP else " @test_bot"
        body = self._telegram.message(state["chat"], state["person"], text)
        message_id = body["message"]["message_id"]
        update = Update(number, chat_id, state["count"], kind, message_id, body)
        state["count"] += 1
        self._journal.begin(update)
        return update

    async def _deliver(self, update: Update, *, smoothly: bool) -> None:
        for pause in _pauses():
            manner = Manner.WHOLE
            if not smoothly and self._random.random() < self._odd:
                manner = self._manners.draw()
                self._journal.faults[f"webhook: {manner.value}"] += 1
            reply = await self._post(update, manner)
            if reply and reply.status == OK:
                return
            wait = self._scale * reply.retry_after if reply else 0
            await asyncio.sleep(max(pause, wait))

    def _deliver_again(self, update: Update, delay: float) -> None:
        async def deliver() -> None:
            await asyncio.sleep(delay)
            await self._post(update, Manner.WHOLE)

        self._journal.redeliveries += 1
        task = asyncio.create_task(deliver())
        self._again.add(task)
        task.add_done_callback(self._again.discard)

    async def _post(self, update: Update, manner: Manner) -> Reply | None:
        """Post an update once; return None where no answer came."""
        process = self._random.choice(self._processes)
        body = json.dumps(update.body).encode()
        try:
            reply = await post(process.port, body, self._secret, manner, self._patience)
        except (OSError, TimeoutError):
            return None
        self._journal.note_status(reply.status)
        if reply.status not in {OK, UNAVAILABLE}:
            self._journal.complain(f"update {update.id}: status {reply.status}")
        if reply.status == OK and not self._journal.answers(update):
            self._journal.complain(f"update {update.id}: confirmed before it was answered")
        return reply


def _pauses() -> Iterator[float]:
    pause = 0.0
    while True:
        yield pause
        pause = min(pause + 0.1, LONGEST_PAUSE)
