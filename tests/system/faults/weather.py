"""Gemini in all weathers: answers that carry the question's marker, late, cut off or refused."""

import asyncio
from random import Random
from typing import Any

from aiohttp import web

from bot.sandbox.gemini.exchange import Exchange
from tests.support.gemini_server import GeminiServer
from tests.system.faults.deck import Deck
from tests.system.faults.journal import MARKER, Journal, Kind

LINES = 100  # of a long answer: three messages
FILLER = "the quick brown fox jumps over the lazy dog, and the dog does not even wake up"
SLOW = 1.3  # leases: without a heartbeat somebody else may take over
FAULTS = ("dropped", "slow", "503", "429", "cut", "HTML", "silent")


class Weather(GeminiServer):
    """Answers each question by its marker; `fault_rate` of the requests go wrong."""

    def __init__(
        self, journal: Journal, random: Random, *, key: str, delay: float, lease: float
    ) -> None:
        super().__init__(key=key)
        self.fault_rate = 0.0
        self._journal = journal
        self._random = random
        self._delay = delay
        self._lease = lease
        self._deck = Deck(random, FAULTS)

    async def _streamed(self, exchange: Exchange) -> web.StreamResponse:
        self.requests.clear()  # each of them holds a whole history
        await asyncio.sleep(self._random.uniform(0, 2 * self._delay))
        chunks = answer_to(exchange.request.body)
        if self._random.random() < self.fault_rate:
            await self._fail(self._deck.draw(), chunks)
        else:
            self.answer(*chunks)
        # What was queued is for this very exchange: nothing is awaited before it is taken
        return await super()._streamed(exchange)

    async def _fail(self, fault: str, chunks: list[str]) -> None:
        self._journal.faults[f"Gemini: {fault}"] += 1
        match fault:
            case "dropped":
                self.drop()
            case "slow":
                await asyncio.sleep(SLOW * self._lease)
                self.answer(*chunks, delay=self._delay)
            case "503":
                self.refuse(503, message="The model is overloaded.")
            case "429":
                self.refuse(429, message="Too many requests.")
            case "cut":
                self.cut(*chunks[:1])
            case "HTML":
                self.html(502)
            case _:
                self.hang(self._delay)


def answer_to(body: dict[str, Any]) -> list[str]:
    """Return the answer's chunks: its lines, numbered where there are many."""
    question = body["contents"][-1]["parts"][-1]["text"]
    match = MARKER.search(question)
    marker = match[0] if match else ""
    if Kind.LONG.value not in question:
        return [f"You said: {marker}"]
    lines = [f"{marker}x{number:03} {FILLER}" for number in range(LINES)]
    return ["\n\n".join(lines[:40]), "\n\n" + "\n\n".join(lines[40:])]
