"""Model names: the retired ones, and the API version that supports a name."""

from enum import Flag, auto
from urllib.parse import quote

from bot.settings import DEFAULT_MODEL

# https://ai.google.dev/gemini-api/docs/deprecations: shut down on 2026-12-01, then redirected
RETIRED_MODELS = {
    "gemini-2.5-flash": "gemini-3.5-flash-lite",
    "gemini-2.5-pro": "gemini-3.8-flash",
}


class Feature(Flag):
    """A feature of requests that not every model supports."""

    NONE = 0
    INSTRUCTION = auto()  # the system instruction
    FUNCTIONS = auto()


def normalise(name: str) -> str:
    """Return a configured model name without its `models/` prefix, or the default if blank."""
    return name.strip().removeprefix("models/") or DEFAULT_MODEL


def api_version(name: str) -> str | None:
    """Return the API version a model needs; None if the client's default will do."""
    return "v1beta" if name.endswith("-latest") or "preview" in name else None


def resource(name: str) -> str:
    """Return a model's path in the API; an impossible name becomes one the API does not know."""
    path = quote(name)
    return path if name.startswith("tunedModels/") else f"models/{path}"
