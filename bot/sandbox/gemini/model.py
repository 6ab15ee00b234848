"""The built-in model: it answers word by word as Gemini does, though it knows few tricks only."""

import re
from collections.abc import Iterable

from aiohttp import web

from bot.sandbox.gemini.api import GeminiApi
from bot.sandbox.gemini.exchange import Exchange
from bot.sandbox.gemini.faults import Faults

NAME = "gemini-3.5-flash-lite"
FIRST = 0.5  # seconds before the first words
BETWEEN = 0.12  # seconds between two chunks
WORDS = 3  # of one chunk


class Model(GeminiApi):
    """Answers every model's name. All its pauses are multiplied by `pace`."""

    def __init__(self, faults: Faults, *, pace: float = 1.0) -> None:
        super().__init__()
        self._faults = faults
        self._pace = pace

    def names(self) -> Iterable[str]:
        """Return the one name that the bot asks for where it is told none."""
        return [NAME]

    def knows(self, model: str) -> bool:
        """Answer by whatever name."""
        return bool(model)

    async def respond(self, exchange: Exchange) -> web.StreamResponse:
        """Stream the answer."""
        self._faults.take()
        await exchange.pause(FIRST * self._pace)
        words = re.findall(r"\S+\s*", "Hello! I am the sandbox's built-in model, not Gemini.")
        for start in range(0, len(words), WORDS):
            await exchange.send(exchange.chunk([{"text": "".join(words[start : start + WORDS])}]))
            await exchange.pause(BETWEEN * self._pace)
        await exchange.send(exchange.chunk([], finishReason="STOP"))
        return await exchange.end()
