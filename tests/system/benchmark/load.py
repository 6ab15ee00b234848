"""People who write: `python -m tests.system.benchmark.load`; plan by stdin, JSON out."""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import cycle, islice
from zlib import crc32

from tests.system.benchmark.wire import Connections

SECRET = "made-up-secret-of-the-benchmark"
HEADERS = f"X-Telegram-Bot-Api-Secret-Token: {SECRET}\r\n"
QUESTION = "And what would you advise me to do about it tomorrow morning?"
TIMEOUT = 120  # seconds for one update
PUT_OFF = 503
PAUSE = 1  # seconds before it comes again
HURRY = 0.4  # seconds until an impatient chat writes again


@dataclass(frozen=True, slots=True)
class Plan:
    """Which updates go where: `chats` is how many, the first is number 1.

    Each chat's updates go from port to port. One whose number `twice` divides goes to two of them
    at once; with `impatient`, a chat writes again before the answer is there. All begin so many
    seconds `apart`: else they stay in step, and each finds all the others before it.
    """

    ports: list[int]
    updates: int
    in_flight: int
    chats: int
    first_id: int
    text: str = QUESTION
    twice: int = 0
    impatient: bool = False
    apart: float = 0.0


@dataclass(slots=True)
class Outcome:
    """What came of them: of each its chat, its status and its seconds."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    again: int = 0  # how often one was put off, and posted again as Telegram does
    chats: list[int] = field(default_factory=list)


def update(update_id: int, chat_id: int, text: str) -> bytes:
    """Return the JSON of a person's message in a private chat."""
    person = {"id": chat_id, "is_bot": False, "first_name": "Ann", "language_code": "en"}
    chat = {"id": chat_id, "type": "private", "first_name": "Ann"}
    entities = [{"type": "bot_command", "offset": 0, "length": len(text)}]
    message = {
        "message_id": update_id,
        "date": 1_700_000_000,
        "chat": chat,
        "from": person,
        "text": text,
        **({"entities": entities} if text.startswith("/") else {}),
    }
    return json.dumps({"update_id": update_id, "message": message}).encode()


async def send(plan: Plan) -> Outcome:
    """Post all updates, each chat's one after the other."""
    outcome = Outcome()
    numbers = iter(range(plan.first_id, plan.first_id + plan.updates))
    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for place in range(plan.in_flight):
            group.create_task(_write(plan, place, numbers, outcome))
    outcome.seconds = time.perf_counter() - begun
    return outcome


async def _write(plan: Plan, place: int, numbers: Iterator[int], outcome: Outcome) -> None:
    """Post one update after the other; these chats are nobody else's."""
    writer = _Writer(plan, outcome)
    await asyncio.sleep(place * plan.apart)
    own = range(1 + place, 1 + plan.chats, plan.in_flight)
    # Another one than the last time begins: nobody is to write twice a second
    chats = islice(cycle(own), plan.first_id // plan.in_flight % len(own), None)
    for number, chat_id in zip(numbers, chats, strict=False):
        async with asyncio.TaskGroup() as group:
            group.create_task(writer.ask(number, chat_id, writer.door(number)))
            if plan.impatient and (following := next(numbers, None)):
                await asyncio.sleep(HURRY)
                group.create_task(writer.ask(following, chat_id, writer.door(number) + 1))
    writer.close()


class _Writer:
    """Post by connections of one's own."""

    def __init__(self, plan: Plan, outcome: Outcome) -> None:
        self._plan = plan
        self._outcome = outcome
        self._doors = [Connections(port) for port in plan.ports]

    def door(self, number: int) -> int:
        """Return where an update goes, as if by chance."""
        return crc32(str(number).encode()) % len(self._doors)

    async def ask(self, number: int, chat_id: int, door: int) -> None:
        """Post an update until it is taken, and note what came of it."""
        plan, outcome = self._plan, self._outcome
        body = update(number, chat_id, plan.text)
        is_twice = plan.twice and number % plan.twice == 0
        begun = time.perf_counter()
        async with asyncio.timeout(TIMEOUT):
            doors = [door, door + 1] if is_twice else [door]
            outcome.statuses += await asyncio.gather(*(self._post(body, at) for at in doors))
        outcome.latencies.append(time.perf_counter() - begun)
        outcome.chats.append(chat_id)

    def close(self) -> None:
        """Hang up."""
        for door in self._doors:
            door.close()

    async def _post(self, body: bytes, door: int) -> int:
        way = self._doors[door % len(self._doors)]
        while (status := (await way.post("/webhook", body, HEADERS))[0]) == PUT_OFF:
            self._outcome.again += 1
            await asyncio.sleep(PAUSE)
        return status


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(asyncio.run(send(Plan(**json.load(sys.stdin)))))))
