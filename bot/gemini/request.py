"""The body of a request, limited to the features that its model supports."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot.gemini.answer import JSON
from bot.gemini.models import Feature


@dataclass(frozen=True, slots=True)
class Request:
    """A request to the model: encoded contents, and functions as the REST API's JSON."""

    contents: bytes
    system_instruction: str
    functions: Sequence[Mapping[str, Any]]
    allow_calls: bool

    @property
    def features(self) -> Feature:
        """Return the features that a model must support for this request."""
        instruction = Feature.INSTRUCTION if self.system_instruction else Feature.NONE
        return instruction | (Feature.FUNCTIONS if self.functions else Feature.NONE)

    def body(self, lacking: Feature) -> bytes:
        """Return the body for a model that lacks some features."""
        # https://ai.google.dev/api/generate-content#request-body
        # store: paid projects would otherwise keep requests
        rest: JSON = {"store": False}
        contents = self.contents
        if self.system_instruction and Feature.INSTRUCTION in lacking:
            contents = _instructed(contents, self.system_instruction)
        elif self.system_instruction:
            rest["systemInstruction"] = {"parts": [{"text": self.system_instruction}]}
        if self.functions and Feature.FUNCTIONS not in lacking:
            rest["tools"] = [{"functionDeclarations": list(self.functions)}]
            if not self.allow_calls:
                rest["toolConfig"] = {"functionCallingConfig": {"mode": "NONE"}}
        return b'{"contents": [%b], %b' % (contents, json.dumps(rest).encode()[1:])

    def without_signatures(self) -> "Request":
        """Return the same request without thought signatures from another model or key."""
        contents = _decoded(self.contents)
        for content in contents:
            content["parts"] = [_without_signature(part) for part in content["parts"]]
        return replace(self, contents=encode(contents))


def encode(contents: Sequence[JSON]) -> bytes:
    """Return one or more contents (the REST API's Content) as the JSON of a request.

    Encoded contents take a third of the memory while the model thinks.
    """
    # Half of a surrogate pair cannot be encoded, so it becomes a question mark
    return json.dumps(contents, ensure_ascii=False).encode(errors="replace")[1:-1]


def _decoded(contents: bytes) -> list[JSON]:
    decoded: list[JSON] = json.loads(b"[%b]" % contents)
    return decoded


def _instructed(contents: bytes, instruction: str) -> bytes:
    """Put an instruction into the first turn: its own would make two user turns in a row."""
    first, *others = _decoded(contents)
    return encode([first | {"parts": [{"text": instruction}, *first["parts"]]}, *others])


def _without_signature(part: JSON) -> JSON:
    return {key: value for key, value in part.items() if key != "thoughtSignature"}
