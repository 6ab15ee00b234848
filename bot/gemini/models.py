"""Model names: the retired ones, and the API version that knows a name."""

from enum import Flag, auto
from urllib.parse import quote

from bot.settings import DEFAULT_MODEL

# https://ai.google.dev/gemini-api/docs/deprecations: shut down on 2026-12-01, then routed on
RETIRED_MODELS = {
    "gemini-2.5-flash": "gemini-3.5-flash-lite",
    "gemini-2.5-pro": "gemini-3.8-flash",
}


class Feature(Flag):
    """What a request may hold that not every model takes."""

    NONE = 0
    INSTRUCTION = auto()  # of the system
    FUNCTIONS = auto()


def normalise(name: str) -> str:
    """Return a configured model name without its `models/` prefix; the default if it is blank."""
    return name.strip().removeprefix("models/") or DEFAULT_MODEL


def api_version(name: str) -> str | None:
    """Return the API version a model needs, None where the client's own default will do."""
    return "v1beta" if name.endswith("-latest") or "preview" in name else None


def resource(name: str) -> str:
    """Return a model's path in the API; one that cannot be is one that is not known there."""
    path = quote(name)
    return path if name.startswith("tunedModels/") else f"models/{path}"
