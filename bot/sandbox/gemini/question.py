"""The question in a request: its text, picture, earlier contents and callable functions."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Self

from bot.sandbox.gemini.rules import JSON, current_turn, decoded, parts_of

# A group's message arrives as "Ann: hello"
_SPEAKER = re.compile(r"([A-Z][\w'-]*(?: [A-Z][\w'-]*){0,2}): (?=\S)")


@dataclass(frozen=True)
class Result:
    """A function call's arguments and response."""

    name: str
    args: JSON
    response: JSON


@dataclass(frozen=True)
class Question:
    """The user's last question; `before` are the contents that preceded it."""

    text: str
    speaker: str | None
    picture: bytes | None
    before: Sequence[JSON]
    functions: Sequence[JSON]
    results: Sequence[Result]

    @classmethod
    def of(cls, body: JSON) -> Self:
        """Read the question from a valid request."""
        contents = body["contents"]
        turn = current_turn(contents)
        text, speaker = _words(turn[0])
        text = text or _text(turn[0])  # the whole text may be in brackets
        pictures = parts_of(turn[0], "inlineData")
        return cls(
            text,
            speaker,
            decoded(pictures[-1]["data"]) if pictures else None,
            contents[: len(contents) - len(turn)],
            _functions(body),
            _results(turn),
        )

    def previous(self) -> Self | None:
        """Return the question before this one, or None if there is none."""
        asked = [number for number, c in enumerate(self.before, 1) if c["role"] == "user"]
        return type(self).of({"contents": self.before[: asked[-1]]}) if asked else None

    def said(self, role: str) -> list[str]:
        """Return the earlier texts of one side, oldest first."""
        own = [c for c in self.before if c["role"] == role]
        return [text for content in own if (text := _words(content)[0])]

    def pictures(self) -> int:
        """Count the earlier pictures that were sent again."""
        return sum(len(parts_of(content, "inlineData")) for content in self.before)


def _words(content: JSON) -> tuple[str, str | None]:
    """Return the text without bracketed lines around it, and, in a group, its speaker."""
    lines = _text(content).strip().split("\n")
    context = len(list(takewhile(_is_context, lines)))
    while len(lines) > context and (_is_context(lines[-1]) or not lines[-1].strip()):
        lines.pop()
    said = "\n".join(lines[context:])
    match = _SPEAKER.match(said)
    return (said[match.end() :], match[1]) if match else (said, None)


def _text(content: JSON) -> str:
    """Return the last text of a content, which holds the question or answer."""
    texts: list[str] = [part["text"] for part in content["parts"] if "text" in part]
    return texts[-1] if texts else ""


def _is_context(line: str) -> bool:
    return line.startswith("[") and line.endswith("]")


def _functions(body: JSON) -> Sequence[JSON]:
    """Return the declarations of the functions that may be called now."""
    mode = body.get("toolConfig", {}).get("functionCallingConfig", {}).get("mode")
    tools = () if mode == "NONE" else body.get("tools", ())
    return [function for tool in tools for function in tool.get("functionDeclarations", ())]


def _results(turn: Sequence[JSON]) -> Sequence[Result]:
    """Return the results of the last function calls, each of which has its response."""
    if len(turn) < 3:
        return ()
    given = {(r["name"], r.get("id")): r for r in parts_of(turn[-1], "functionResponse")}
    calls = parts_of(turn[-2], "functionCall")
    return [
        Result(call["name"], call.get("args", {}), given[call["name"], call.get("id")]["response"])
        for call in calls
    ]
