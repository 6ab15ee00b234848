"""People who write: `python -m tests.benchmark.load`; a plan by standard input, JSON out."""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import cycle, islice

from tests.benchmark.wire import Connection

SECRET = "made-up-secret-of-the-benchmark"
HEADERS = f"X-Telegram-Bot-Api-Secret-Token: {SECRET}\r\n"
QUESTION = "And what would you advise me to do about it tomorrow morning?"
TIMEOUT = 120  # seconds for one update
PUT_OFF = 503
PAUSE = 1  # seconds before it comes again


@dataclass(frozen=True, slots=True)
class Plan:
    """Which updates go where: `chats` is how many, the first is number 1."""

    ports: list[int]
    updates: int
    in_flight: int
    chats: int
    first_id: int
    text: str = QUESTION


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
    """Post by one connection; its chats are nobody else's."""
    connection = await Connection.open(plan.ports[place % len(plan.ports)])
    own = range(1 + place, 1 + plan.chats, plan.in_flight)
    # Another one than the last time begins: nobody is to write twice a second
    chats = islice(cycle(own), plan.first_id // plan.in_flight % len(own), None)
    for number, chat_id in zip(numbers, chats, strict=False):
        begun = time.perf_counter()
        async with asyncio.timeout(TIMEOUT):
            body = update(number, chat_id, plan.text)
            while (status := (await connection.post("/webhook", body, HEADERS))[0]) == PUT_OFF:
                outcome.again += 1
                await asyncio.sleep(PAUSE)
        outcome.latencies.append(time.perf_counter() - begun)
        outcome.statuses.append(status)
        outcome.chats.append(chat_id)
    connection.close()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(asyncio.run(send(Plan(**json.load(sys.stdin)))))))
