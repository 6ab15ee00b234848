"""Delivery of updates to the webhook: one queue per chat, with retries until they are accepted."""

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Coroutine, Hashable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import ClientError, ClientResponse, ClientSession

from bot.sandbox.journal import Journal
from bot.sandbox.parameters import Json
from bot.sandbox.telegram import TelegramServer

TIMEOUT: Final = 60.0  # seconds for a response
LONGEST_PAUSE: Final = 60.0  # seconds between two attempts
LIFETIME: Final = {"callback_query": 150.0}  # seconds until an update is dropped
BODY_LIMIT: Final = 4096  # bytes of a response that are shown
NOT_SIMULATED: Final = "a method in the webhook's answer is not simulated"
LIFETIME_DEFAULT: Final = 24 * 60 * 60.0
SECRET_HEADER: Final = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the header's name
# Each update of these kinds has a queue of its own
APART: Final = frozenset({"callback_query", "stopped_message_generation"})


@dataclass(frozen=True, slots=True)
class Attempt:
    """One delivery attempt; the status is None if there was no response."""

    status: int | None
    ms: int
    error: str | None = None
    retry_after: float | None = None
    body: Any = None

    @property
    def ok(self) -> bool:
        """Tell whether the update was accepted."""
        return self.status is not None and 200 <= self.status < 300

    def shown(self) -> Json:
        """Return the attempt as the journal shows it."""
        return {"status": self.status, "ms": self.ms, "error": self.error}


class Courier:
    """The delivery of queued updates; `copies` tells how many copies of each to send at once."""

    def __init__(
        self,
        telegram: TelegramServer,
        journal: Journal,
        session: ClientSession,
        copies: Callable[[], int],
    ) -> None:
        self._telegram = telegram
        self._journal = journal
        self._session = session
        self._copies = copies
        self._queues: dict[Hashable, deque[Json]] = {}
        self._hurry = asyncio.Event()
        self._slots = asyncio.Semaphore(1)
        self._running: set[asyncio.Task[None]] = set()

    def take(self, update: Json) -> None:
        """Queue an update behind the others in its chat."""
        kind, content = kind_of(update)
        chat_id = chat_of(content)
        entry = self._journal.enter("update", kind, chat_id, update)
        key = update["update_id"] if kind in APART or chat_id is None else (chat_id,)
        if key in self._queues:
            self._queues[key].append(entry)
        else:
            self._queues[key] = deque([entry])
            self._start(self._work(key))

    def again(self, entry: Json) -> None:
        """Send an update once more, whatever happened to it before."""
        self._start(self._repeat(entry))

    def hurry(self) -> None:
        """Retry all waiting updates now, because the webhook may have changed."""
        connections = self._telegram.webhook.get("max_connections", 1)
        self._slots = asyncio.Semaphore(connections)
        self._hurry.set()
        self._hurry = asyncio.Event()

    async def close(self) -> None:
        """End all deliveries; updates that were not accepted stay pending."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _work(self, key: Hashable) -> None:
        queue = self._queues[key]
        while queue:
            await self._deliver(queue[0])
            queue.popleft()
        del self._queues[key]

    async def _deliver(self, entry: Json) -> None:
        """Retry until the update is accepted, too old, or delivered in another way."""
        update_id = entry["request"]["update_id"]
        until = time.monotonic() + LIFETIME.get(entry["title"], LIFETIME_DEFAULT)
        for pause in _pauses():
            await self._webhook(update_id)
            if not self._telegram.is_pending(update_id):
                if not self._telegram.webhook:  # getUpdates has delivered it
                    self._journal.change(entry, ok=True)
                return
            attempt = await self._try(entry)
            if attempt.ok or time.monotonic() >= until:
                self._telegram.confirm(update_id)
                return
            await self._pause(attempt.retry_after or pause)

    async def _webhook(self, update_id: int) -> None:
        while not self._telegram.webhook and self._telegram.is_pending(update_id):
            await self._pause(LONGEST_PAUSE)

    async def _repeat(self, entry: Json) -> None:
        self._journal.change(entry, ok=None)
        await self._try(entry)

    async def _try(self, entry: Json) -> Attempt:
        """Post as many copies of an update at once as the switches demand; record the attempts."""
        posts = [self._post(entry) for _ in range(self._copies())]
        attempts = await asyncio.gather(*posts)
        best = next((attempt for attempt in attempts if attempt.ok), attempts[0])
        self._journal.change(
            entry,
            ok=best.ok,
            status=best.status,
            ms=best.ms,
            response=best.body,
            violations=[NOT_SIMULATED] if _holds_method(best.body) else [],
        )
        if not best.ok:
            self._telegram.fail_delivery(best.error or f"Wrong response: {best.status}")
        return best

    async def _post(self, entry: Json) -> Attempt:
        async with self._slots:
            attempt = await self._exchange(entry["request"])
        self._journal.change(entry, attempts=[*entry["attempts"], attempt.shown()])
        return attempt

    async def _exchange(self, update: Json) -> Attempt:
        webhook = self._telegram.webhook
        if not webhook:
            return Attempt(None, 0, "no webhook")
        start = time.monotonic()
        headers = {SECRET_HEADER: webhook["secret_token"]} if webhook["secret_token"] else {}
        try:
            async with self._session.post(
                webhook["url"], json=update, headers=headers, allow_redirects=False
            ) as answer:
                seconds = _seconds(answer.headers.get("Retry-After"))
                body = await _body(answer)
                return Attempt(answer.status, _ms_since(start), None, seconds, body)
        except TimeoutError:
            return Attempt(None, _ms_since(start), f"no answer within {TIMEOUT:.0f} s")
        except ClientError as error:
            return Attempt(None, _ms_since(start), type(error).__name__)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurry.wait()


def kind_of(update: Json) -> tuple[str, Json]:
    """Return an update's kind and its content."""
    return next((name, content) for name, content in update.items() if name != "update_id")


def chat_of(content: Json) -> int | None:
    """Return the identifier of the chat where something happened, or None if not in a chat."""
    message = content.get("message") if "data" in content else content
    chat = (message or {}).get("chat") or {}
    chat_id: int | None = chat.get("id")
    return chat_id


async def _body(answer: ClientResponse) -> Any:
    """Read the part of a response that is shown: JSON or text, or None if it is empty."""
    try:
        content = await answer.content.readexactly(BODY_LIMIT)
    except asyncio.IncompleteReadError as error:
        content = error.partial
    text = content.decode(errors="replace")
    try:
        return json.loads(text)
    except ValueError:
        return text or None


def _holds_method(body: Any) -> bool:
    return isinstance(body, dict) and "method" in body


def _pauses() -> Iterator[float]:
    yield 0.0
    seconds = 2.0
    while True:
        yield min(seconds, LONGEST_PAUSE)
        seconds *= 2


def _seconds(header: str | None) -> float | None:
    return float(header) if header and header.isdecimal() else None


def _ms_since(start: float) -> int:
    return int((time.monotonic() - start) * 1000)
