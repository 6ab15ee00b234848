"""Google Gemini: one streamed answer at a time; nothing else in this project imports Google."""

from bot.gemini.answer import LONGEST_ANSWER, Ending, FunctionCall, Response, TextDelta, Usage
from bot.gemini.client import Gemini, open_gemini
from bot.gemini.errors import GeminiError, Kind, Trait
from bot.gemini.models import Feature
from bot.gemini.request import encode

__all__ = [
    "LONGEST_ANSWER",
    "Ending",
    "Feature",
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
