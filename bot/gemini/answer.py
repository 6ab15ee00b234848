"""One answer of the model, assembled from the chunks of its stream."""

from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from bot.gemini.errors import GeminiError, Kind, Remedy, Trait

JSON = dict[str, Any]

# Characters: 32 of Telegram's classic messages, more than most models write. Users who want more
# can continue the answer
LONGEST_ANSWER = 2**17
MAX_CALLS = 8  # of functions in one round; the model may ask for more in the next


class Ending(Enum):
    """How an answer ended; each is worth a sentence of its own to the user."""

    COMPLETE = auto()
    TOO_LONG = auto()
    UNSAFE = auto()
    RECITED = auto()
    UNKNOWN_LANGUAGE = auto()
    FORBIDDEN = auto()
    PERSONAL = auto()
    INTERRUPTED = auto()
    STOPPED = auto()  # by a user: set by the caller, never reported by Google


# Google's finish reasons, https://ai.google.dev/api/generate-content#FinishReason; all others
# mean that the answer broke off
_ENDINGS = {
    "STOP": Ending.COMPLETE,
    "MAX_TOKENS": Ending.TOO_LONG,
    "SAFETY": Ending.UNSAFE,
    "IMAGE_SAFETY": Ending.UNSAFE,
    "ESCALATION": Ending.UNSAFE,
    "PUP_LIMITED_DISABLED": Ending.UNSAFE,
    "MODEL_ARMOR": Ending.UNSAFE,
    "RECITATION": Ending.RECITED,
    "IMAGE_RECITATION": Ending.RECITED,
    "LANGUAGE": Ending.UNKNOWN_LANGUAGE,
    "PROHIBITED_CONTENT": Ending.FORBIDDEN,
    "IMAGE_PROHIBITED_CONTENT": Ending.FORBIDDEN,
    "BLOCKLIST": Ending.FORBIDDEN,
    "SPII": Ending.PERSONAL,
}
# Kinds of answers without any text; all other endings mean EMPTY
_NOTHING = {
    Ending.TOO_LONG: Kind.TOO_LONG,
    Ending.UNSAFE: Kind.UNSAFE,
    Ending.RECITED: Kind.RECITED,
    Ending.UNKNOWN_LANGUAGE: Kind.UNKNOWN_LANGUAGE,
    Ending.FORBIDDEN: Kind.FORBIDDEN,
    Ending.PERSONAL: Kind.PERSONAL,
}


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the answer's text, in Markdown as written by the model."""

    text: str


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A function call requested by the model; `id` is None if the model gave none."""

    id: str | None
    name: str
    args: JSON


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of one request as counted by Google; 0 if it gave no count."""

    prompt: int = 0
    answer: int = 0
    thoughts: int = 0
    cached: int = 0
    total: int = 0

    def by_kind(self) -> dict[str, int]:
        """Return the counts that make up the total, and the cached part of the prompt."""
        return {
            "prompt": self.prompt,
            "answer": self.answer,
            "thoughts": self.thoughts,
            "cached": self.cached,
        }


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer; `content` is the REST JSON that goes back to the model unchanged."""

    content: JSON
    calls: tuple[FunctionCall, ...]
    ending: Ending
    usage: Usage


class Answer:
    """An answer being assembled: chunks in, text out at once, the whole response at the end.

    After `longest` characters it is full, and any further text is left out.
    """

    def __init__(self, longest: int) -> None:
        self.is_full = False
        self._room = longest
        self._parts: list[JSON] = []
        self._held_back = ""
        self._half = ""  # of a surrogate pair that the next text completes
        self._finish: str | None = None
        self._prompt_blocked = False
        self._usage = Usage()
        self.started = False

    async def follow(self, chunks: AsyncIterable[JSON]) -> AsyncGenerator[str]:
        """Take chunks until the answer is full; yield the text that they add."""
        async for chunk in chunks:
            if text := self.add(chunk):
                yield text
            if self.is_full:
                return

    def add(self, chunk: JSON) -> str:
        """Take the next chunk, a GenerateContentResponse; return the text it adds, often none.

        Google leaves absent fields out, while some gateways set them to null.
        """
        if counts := chunk.get("usageMetadata"):
            self._usage = _usage(counts)
        if (chunk.get("promptFeedback") or {}).get("blockReason"):
            self._prompt_blocked = True
        for candidate in (chunk.get("candidates") or ())[:1]:
            self._finish = candidate.get("finishReason") or self._finish
            parts = (candidate.get("content") or {}).get("parts") or ()
            return self._release("".join(map(self._take, parts)))
        return ""

    def response(self) -> Response:
        """Return the finished response; raise GeminiError if it contains nothing usable."""
        response = self._ended(self._ending())
        if self.started or response.calls:
            return response
        raise self._nothing()

    def interrupted(self) -> Response:
        """Return the response as far as it had arrived when the connection broke."""
        return self._ended(Ending.INTERRUPTED)

    def _take(self, part: JSON) -> str:
        part = {key: value for key, value in part.items() if value is not None}
        if part.pop("thought", False) or self.is_full:
            return ""
        if part.get("text"):
            part["text"] = self._fitting(self._without_half(part["text"]))
        if not part or part == {"text": ""}:
            return ""
        if self._parts and self._parts[-1].keys() == part.keys() == {"text"}:
            self._parts[-1]["text"] += part["text"]
        else:
            self._parts.append(part)
        return str(part.get("text", ""))

    def _without_half(self, text: str) -> str:
        """Return a text of whole characters; keep half a surrogate pair for the next text."""
        text, self._half = _paired(self._half, text), ""
        if _is_first_half(text[-1]):
            text, self._half = text[:-1], text[-1]
        return text

    def _fitting(self, text: str) -> str:
        self.is_full = len(text) > self._room
        text = text[: self._room]
        self._room -= len(text)
        return text

    def _release(self, text: str) -> str:
        """Hold whitespace back until visible text follows: alone, it would be a blank message."""
        self._held_back += text
        if not self.started and not self._held_back.strip():
            return ""
        released, self._held_back = self._held_back, ""
        self.started = True
        return released

    def _ending(self) -> Ending:
        if self.is_full:
            return Ending.TOO_LONG
        return _ENDINGS.get(self._finish or "", Ending.INTERRUPTED)

    def _ended(self, ending: Ending) -> Response:
        # A call that is not carried out must not stay in the history: Google would refuse it there
        most = MAX_CALLS if ending is Ending.COMPLETE else 0
        asked = [part for part in self._parts if "functionCall" in part]
        left_out = {id(part) for part in asked[most:]}
        parts = [part for part in self._parts if id(part) not in left_out]
        calls = tuple(_call(part["functionCall"]) for part in asked[:most])
        return Response({"role": "model", "parts": parts}, calls, ending, self._usage)

    def _nothing(self) -> GeminiError:
        if self._prompt_blocked:
            return GeminiError(Kind.BLOCKED, reason="prompt")
        kind = _NOTHING.get(self._ending(), Kind.EMPTY)
        remedy = Remedy.AGAIN if Trait.CHANCE in kind.traits else Remedy.NONE
        return GeminiError(kind, remedy=remedy, reason=self._finish or "no finish reason")


def _is_first_half(character: str) -> bool:
    return "\ud800" <= character <= "\udbff"


def _paired(half: str, text: str) -> str:
    """Put half a surrogate pair before a text; join two halves into their character."""
    if not half or not "\udc00" <= text[0] <= "\udfff":
        return half + text
    pair = (half + text[0]).encode("utf-16-le", "surrogatepass")
    return pair.decode("utf-16-le") + text[1:]


def _call(call: JSON) -> FunctionCall:
    return FunctionCall(call.get("id"), str(call.get("name") or ""), call.get("args") or {})


def _usage(counts: JSON) -> Usage:
    # https://ai.google.dev/api/generate-content#UsageMetadata
    return Usage(
        prompt=counts.get("promptTokenCount") or 0,
        answer=counts.get("candidatesTokenCount") or 0,
        thoughts=counts.get("thoughtsTokenCount") or 0,
        cached=counts.get("cachedContentTokenCount") or 0,
        total=counts.get("totalTokenCount") or 0,
    )
