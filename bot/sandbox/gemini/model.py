"""The built-in model, which answers word by word like Gemini but knows only a few tricks."""

import asyncio
import base64
import json
import math
import re
from collections.abc import Iterable, Sequence
from typing import Protocol

from aiohttp import web

from bot.sandbox.gemini.answers import Answer, reply
from bot.sandbox.gemini.api import GeminiApi
from bot.sandbox.gemini.exchange import Exchange
from bot.sandbox.gemini.functions import Call
from bot.sandbox.gemini.question import Question
from bot.sandbox.gemini.rules import JSON, RefusalError, check_signed

NAME = "gemini-3.5-flash-lite"
FIRST = 0.5  # seconds before the first words
BETWEEN = 0.12  # seconds between two chunks
WORDS = 3  # in one chunk
CHUNKS = 80  # in one answer at most; the words of a long one come faster
SLOW, SLOW_CHUNKS = 2.0, 10  # seconds between the chunks of a slow answer, and their number
OVERLOADS = 3  # requests in a row that are refused when the user asks for that
FORGOTTEN = 60.0  # seconds until the count starts again
SIGNATURE = base64.b64encode(b"sandbox").decode()

_OVERLOADED = (503, "The model is overloaded. Please try again later.")
_REFUSALS = {
    "quota": (429, "You exceeded your current quota, please check your plan and billing details."),
    "overload": _OVERLOADED,
    "error": (500, "An internal error has occurred. Please retry."),
}
# https://ai.google.dev/gemini-api/docs/rate-limits: the daily quota, which is used up
_QUOTA_FAILURE: JSON = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
}


class Faults(Protocol):
    """A source of faults to simulate."""

    def take(self) -> str:
        """Return the fault for the next answer, and count it.

        It is "quota", "overload", "error", "slow", "cut" or "silent"; any other value is no fault.
        """


class Model(GeminiApi):
    """A model that answers to any name; `pace` multiplies all its pauses."""

    def __init__(self, faults: Faults | None = None, *, pace: float = 1.0) -> None:
        super().__init__()
        self._faults = faults
        self._pace = pace
        self._overloads = 0
        self._overloaded_at = -math.inf  # in the event loop's time

    def names(self) -> Iterable[str]:
        """Return the one name that the bot asks for by default."""
        return [NAME]

    def knows(self, model: str) -> bool:
        """Accept any name."""
        return bool(model)

    async def respond(self, exchange: Exchange) -> web.StreamResponse:
        """Stream the answer. Raises RefusalError if a fault or the user asks for it."""
        check_signed(exchange.request.body["contents"], lambda _: True)
        fault = self._faults.take() if self._faults else ""
        if fault in _REFUSALS:
            details = [_QUOTA_FAILURE] if fault == "quota" else []
            raise RefusalError(*_REFUSALS[fault], details=details)
        answer = Answer() if fault == "silent" else reply(Question.of(exchange.request.body))
        if answer.is_overloaded and self._is_overloaded():
            raise RefusalError(*_OVERLOADED)
        return await self._stream_answer(exchange, answer, fault)

    def _is_overloaded(self) -> bool:
        """Tell whether to be overloaded: long enough for one apology, but not for a second."""
        now = asyncio.get_running_loop().time()
        is_new = now - self._overloaded_at > FORGOTTEN
        self._overloaded_at = now
        self._overloads = 1 if is_new else (self._overloads + 1) % (OVERLOADS + 1)
        return self._overloads > 0

    async def _stream_answer(
        self, exchange: Exchange, answer: Answer, fault: str
    ) -> web.StreamResponse:
        chunks = _chunks(answer, SLOW_CHUNKS if fault == "slow" else CHUNKS)
        between = BETWEEN + answer.between + (SLOW if fault == "slow" else 0)
        await exchange.pause((FIRST + answer.ahead) * self._pace)
        for parts in chunks[: math.ceil(len(chunks) / 2)] if fault == "cut" else chunks:
            await exchange.send(exchange.chunk(parts))
            await exchange.pause(between * self._pace)
        if fault == "cut":
            return await exchange.cut()
        usage = _usage(exchange.request.body, chunks)
        await exchange.send(exchange.chunk([], finishReason=answer.finish_reason) | usage)
        return await exchange.end()


def _chunks(answer: Answer, most: int) -> Sequence[Sequence[JSON]]:
    """Return an answer's parts, chunk by chunk."""
    words = re.findall(r"\S+\s*", answer.text)[: answer.words]
    size = max(WORDS, math.ceil(len(words) / most))
    texts = ["".join(words[at : at + size]) for at in range(0, len(words), size)]
    chunks: list[list[JSON]] = [[{"text": text}] for text in texts]
    if answer.calls:
        chunks.append([_part(call, position) for position, call in enumerate(answer.calls)])
    return chunks


def _part(call: Call, position: int) -> JSON:
    """Return the part for a function call; the first one in a turn is signed."""
    function_call = {"id": f"call-{position + 1}", "name": call.name, "args": call.args}
    return {"functionCall": function_call} | ({} if position else {"thoughtSignature": SIGNATURE})


def _usage(body: JSON, chunks: Sequence[Sequence[JSON]]) -> JSON:
    asked, answered = (len(json.dumps(value)) // 4 for value in (body["contents"], chunks))
    counts = {"promptTokenCount": asked, "candidatesTokenCount": answered}
    return {"usageMetadata": counts | {"totalTokenCount": asked + answered}}
