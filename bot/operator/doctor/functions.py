"""The functions for the model: whether those that need their own API key work."""

from typing import Any

from bot.operator.doctor.findings import Finding, fine, note
from bot.operator.problems import Problem
from bot.settings import Settings
from bot.tools import open_toolbox
from bot.tools.weather import KEY_REFUSED

CHECK = "tools"
KEY = (
    "check OWM_API_KEY at https://home.openweathermap.org/api_keys (a new one takes hours; the"
    " forecast needs One Call 3.0)"
)
TRIALS: dict[str, dict[str, Any]] = {
    "get_current_weather": {"city": "Rome"},
    "get_forecast_weather": {"latitude": 41.9, "longitude": 12.5},
}


async def check_tools(settings: Settings) -> list[Finding]:
    """Call each function that asks an external service."""
    if settings.owm_api_key is None:
        return [fine(CHECK, "time; the weather is not offered, which takes OWM_API_KEY")]
    findings = []
    async with open_toolbox(settings) as toolbox:
        for name, arguments in TRIALS.items():
            result = await toolbox.call(name, arguments)
            if result["success"]:
                findings.append(fine(CHECK, f"{name} works"))
                continue
            what = f"{name} fails. {result['error']}"
            mend = KEY if result["error"] == KEY_REFUSED else "try again later"
            findings.append(note(CHECK, Problem(what.rstrip("."), mend)))
    return findings
