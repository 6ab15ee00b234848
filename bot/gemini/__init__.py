"""Google Gemini: one streamed answer at a time; nothing else in this project imports Google."""

from bot.gemini.answer import Ending, FunctionCall, Response, TextDelta, Usage
from bot.gemini.client import Gemini, encode, open_gemini
from bot.gemini.errors import GeminiError, Kind, Trait

__all__ = [
    "Ending",
    "FunctionCall",
    "Gemini",
    "GeminiError",
    "Kind",
    "Response",
    "TextDelta",
    "Trait",
    "Usage",
    "encode",
    "open_gemini",
]
