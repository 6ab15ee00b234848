"""The functions that the model may call."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Protocol

from pydantic import SecretStr

from bot.tools.clock import get_date_time
from bot.tools.context import ToolContext, ToolError
from bot.tools.toolbox import Tool, Toolbox
from bot.tools.weather import get_current_weather, get_forecast_weather

__all__ = ["TOOLS", "Tool", "ToolContext", "ToolError", "Toolbox", "open_toolbox"]

TOOLS = (
    Tool(get_date_time),
    Tool(get_current_weather, requires="owm_api_key"),
    Tool(get_forecast_weather, requires="owm_api_key"),
)


class ToolSettings(Protocol):
    """The settings that the tools use."""

    @property
    def owm_api_key(self) -> SecretStr | None:
        """Return the key for OpenWeatherMap."""

    @property
    def owm_api_base_url(self) -> str:
        """Return the base URL of OpenWeatherMap."""


@asynccontextmanager
async def open_toolbox(
    settings: ToolSettings, tools: Iterable[Tool] = TOOLS
) -> AsyncGenerator[Toolbox]:
    """Offer the tools whose required settings are set; close their HTTP session at the end."""
    context = ToolContext(settings.owm_api_key, settings.owm_api_base_url)
    offered = [tool for tool in tools if not tool.requires or getattr(settings, tool.requires)]
    try:
        yield Toolbox(offered, context)
    finally:
        await context.close()
