"""The stream of events for observers: one JSON object each, in the page's protocol."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import Final

from bot.sandbox.parameters import Json

Observe = Callable[[Json], None]

BACKLOG: Final = 2000  # events by which a slow reader may be behind
KEEP_ALIVE: Final = 15.0  # seconds


def unobserved(_: Json) -> None:
    """Ignore an event that no one observes."""


class Events:
    """The current subscribers, each of which receives every event."""

    def __init__(self) -> None:
        self._subscribers: set[asyncio.Queue[str | None]] = set()

    def publish(self, event: Json) -> None:
        """Send an event in its present state; later changes to its contents have no effect."""
        if not self._subscribers:
            return
        line = _line(event)
        for queue in list(self._subscribers):
            try:
                queue.put_nowait(line)
            except asyncio.QueueFull:  # the reader reconnects, and gets a snapshot
                self._end(queue)

    async def subscribe(self, snapshot: Callable[[], Json]) -> AsyncGenerator[str]:
        """Yield the snapshot, then events as they happen, as lines of an event stream."""
        queue: asyncio.Queue[str | None] = asyncio.Queue(BACKLOG)
        self._subscribers.add(queue)
        try:
            yield _line(snapshot())
            while (line := await _next(queue)) is not None:
                yield line
        finally:
            self._subscribers.discard(queue)

    def close(self) -> None:
        """End all subscriptions."""
        for queue in list(self._subscribers):
            self._end(queue)

    def _end(self, queue: asyncio.Queue[str | None]) -> None:
        self._subscribers.discard(queue)
        while queue.full():
            queue.get_nowait()
        queue.put_nowait(None)


async def _next(queue: asyncio.Queue[str | None]) -> str | None:
    with suppress(TimeoutError):
        async with asyncio.timeout(KEEP_ALIVE):
            return await queue.get()
    return ": still here\n\n"


def _line(event: Json) -> str:
    return f"data: {json.dumps(event)}\n\n"
