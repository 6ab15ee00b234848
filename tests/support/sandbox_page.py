"""The sandbox's page as a browser sees it: the stream of events, and what people do there."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.support.processes import PATIENCE

Json = dict[str, Any]


class Visitor:
    """Follows the events of a page from a snapshot on, and lets people do things."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url
        self.snapshot: Json = {}
        self.events: list[Json] = []
        self.text = ""  # all that was received
        self._came = asyncio.Event()

    async def do(self, what: str, **fields: Any) -> Json:
        """Do something that must be accepted; give its answer."""
        async with self.session.post(f"{self.url}/do/{what}", json=fields) as response:
            answer: Json = await response.json()
            assert response.status == 200, answer
            return answer

    async def refused(self, what: str, **fields: Any) -> str:
        """Do something that must be refused; give the sentence that people read."""
        async with self.session.post(f"{self.url}/do/{what}", json=fields) as response:
            answer: Json = await response.json()
            assert 400 <= response.status < 500, answer
            error: str = answer["error"]
            return error

    async def say(
        self, text: str, chat_id: int = 1001, person_id: int = 1001, **more: Any
    ) -> Json:
        """Write a message."""
        return await self.do("message", chat_id=chat_id, person_id=person_id, text=text, **more)

    async def event(self, fits: Callable[[Json], object], after: int = 0) -> Json:
        """Wait for an event that fits."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for event in self.events[after:]:
                    if fits(event):
                        return event
                self._came.clear()
                await self._came.wait()

    async def answer(self, chat_id: int = 1001, after: int = 0) -> Json:
        """Wait for a message of the bot."""
        event = await self.event(lambda e: _is_by_bot(e, chat_id), after)
        message: Json = event["message"]
        return message

    async def entry(self, title: str, fits: Callable[[Json], object] = bool) -> Json:
        """Wait for a finished entry of the journal."""
        event = await self.event(
            lambda e: (
                e["type"] == "entry"
                and e["entry"]["title"] == title
                and e["entry"]["ok"] is not None
                and fits(e["entry"])
            )
        )
        entry: Json = event["entry"]
        return entry

    def of(self, kind: str) -> list[Json]:
        """List the events of one type so far."""
        return [event for event in self.events if event["type"] == kind]

    async def follow(self, response: aiohttp.ClientResponse) -> None:
        """Read events until the stream ends."""
        async for line in response.content:
            self.text += line.decode()
            if line.startswith(b"data: "):
                self.events.append(json.loads(line[6:]))
                self._came.set()


def _is_by_bot(event: Json, chat_id: int) -> bool:
    if event["type"] != "message" or event["message"]["chat"]["id"] != chat_id:
        return False
    return bool(event["message"]["from"]["is_bot"])


@asynccontextmanager
async def visit(url: str) -> AsyncGenerator[Visitor]:
    """Open a page; the visitor has its snapshot."""
    timeout = aiohttp.ClientTimeout(total=None)
    async with (
        aiohttp.ClientSession(timeout=timeout, read_bufsize=2**24) as session,
        session.get(f"{url}/events") as response,
    ):
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        visitor = Visitor(session, url)
        reader = asyncio.create_task(visitor.follow(response))
        try:
            visitor.snapshot = await visitor.event(lambda event: event["type"] == "snapshot")
            yield visitor
        finally:
            reader.cancel()
