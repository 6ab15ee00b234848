"""A model on loopback that speaks Gemini's protocol, for a bot without an API key."""

from aiohttp import web

from bot.sandbox.gemini.model import Faults, Model

__all__ = ["Faults", "create_application"]


def create_application(faults: Faults | None = None, *, pace: float = 1.0) -> web.Application:
    """Return the model's application for one event loop; `pace` multiplies all its pauses."""
    return Model(faults, pace=pace).application()
