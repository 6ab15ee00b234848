"""One request for an answer and its response, a stream of events like Google's front end's."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from bot.sandbox.gemini.rules import JSON


@dataclass(frozen=True)
class Request:
    """One request as it arrived; header names are in lower case, and body is {} for a GET."""

    method: str
    path: str
    api_version: str
    model: str
    headers: Mapping[str, str]
    body: JSON


class HungUpError(Exception):
    """The client closed the connection."""


class Exchange:
    """A request being answered, with chunks written the way Google's front end writes them."""

    def __init__(self, http: web.Request, request: Request) -> None:
        self.http = http
        self.request = request
        self.response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})

    async def send(self, payload: JSON) -> None:
        """Write a chunk. Raises HungUpError."""
        await self.write(event(payload))

    async def write(self, data: bytes) -> None:
        """Write bytes unchanged. Raises HungUpError."""
        if not self.response.prepared:
            await self.response.prepare(self.http)
        try:
            await self.response.write(data)
        except ConnectionError as error:
            raise HungUpError from error

    async def end(self) -> web.StreamResponse:
        """End the response properly."""
        if not self.response.prepared:
            await self.response.prepare(self.http)
        await self.response.write_eof()
        return self.response

    async def pause(self, seconds: float) -> None:
        """Wait, but notice promptly if the client hangs up. Raises HungUpError."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while (left := end - loop.time()) > 0:
            if self.http.transport is None or self.http.transport.is_closing():
                raise HungUpError
            await asyncio.sleep(min(left, 0.01))

    async def cut(self) -> web.StreamResponse:
        """Break off the response in the middle of a chunk."""
        await self.write(b'data: {"candi')
        await self.pause(0.05)  # otherwise, the abort would overtake the chunks
        return self.drop()

    def drop(self) -> web.StreamResponse:
        """Close the connection without ending the response."""
        if self.http.transport is not None:
            self.http.transport.abort()
        return self.response

    def chunk(self, parts: Sequence[JSON], **candidate: Any) -> JSON:
        """Return a GenerateContentResponse with any parts and the candidate's other fields."""
        content = {"parts": list(parts), "role": "model"} if parts else None
        first = {"content": content} | candidate if content else candidate
        return {
            "candidates": [first | {"index": 0}],
            "modelVersion": self.request.model,
            "responseId": "loopback",
        }


def event(payload: JSON) -> bytes:
    """Return a chunk as a server-sent event."""
    return (
        b"data: " + json.dumps(payload, ensure_ascii=False).encode(errors="replace") + b"\r\n\r\n"
    )
