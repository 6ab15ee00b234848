"""The weather, from OpenWeatherMap."""

import logging
from datetime import UTC
from datetime import datetime as DateTime  # noqa: N812 - `datetime` is a tool's parameter
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError

from bot.bodies import read_at_most
from bot.tools.context import ToolContext, ToolError

logger = logging.getLogger(__name__)

KEY_REFUSED = "OpenWeatherMap refuses the bot's key for this. Only the bot's operator can help."
NOT_FOUND = "OpenWeatherMap does not know this place. Check its spelling, or add the country."
REJECTED = "OpenWeatherMap rejects the request: a place, coordinate or time is out of range."
TOO_MANY_REQUESTS = "OpenWeatherMap's limit of requests is reached. Try again later."
OUT_OF_ORDER = "OpenWeatherMap is out of order right now. Try again later."
BAD_TIMESTAMP = "The datetime is not ISO 8601. Write it like 2026-03-01T12:00:00Z."
TOO_SLOW = "OpenWeatherMap did not answer in time. Try again later."
UNREACHABLE = "OpenWeatherMap cannot be reached. Try again later."
OTHER = "OpenWeatherMap gave no usable answer."

_STATUS_ERRORS = {
    400: REJECTED,
    401: KEY_REFUSED,
    404: NOT_FOUND,
    429: TOO_MANY_REQUESTS,
}
LARGEST_BODY = 2**18  # bytes; the service's own have fewer than 3,000
_LAST_SECOND = 253_402_300_799  # of the year 9999, the last one a datetime can represent

Unit = Annotated[
    Literal["standard", "metric", "imperial"],
    Field(description="standard: kelvin and m/s; metric: Celsius and m/s; imperial: °F and mph"),
]


class _Sky(BaseModel):
    main: str
    description: str


class _Air(BaseModel):
    temp: float
    feels_like: float
    humidity: float
    pressure: float


class _Wind(BaseModel):
    speed: float


class _Current(BaseModel):
    """The fields used from https://openweathermap.org/current."""

    weather: Annotated[list[_Sky], Field(min_length=1)]
    main: _Air
    wind: _Wind


class _Moment(_Air):
    dt: Annotated[int, Field(ge=0, le=_LAST_SECOND)]
    wind_speed: float
    weather: Annotated[list[_Sky], Field(min_length=1)]


class _TimeMachine(BaseModel):
    """The fields used from https://openweathermap.org/api/one-call-3, timemachine."""

    data: Annotated[list[_Moment], Field(min_length=1)]


Body = TypeVar("Body", bound=BaseModel)


async def get_current_weather(
    context: ToolContext,
    city: Annotated[
        str, Field(min_length=1, description="Name of the city, best with its country: Rome,IT")
    ],
    unit: Unit = "metric",
) -> dict[str, Any]:
    """Get the weather of a city at this moment."""
    params = {"q": city, "units": unit}
    current = await _fetch(context, "/data/2.5/weather", params, _Current)
    return {"success": True, **_report(current.weather[0], current.main, current.wind.speed)}


async def get_forecast_weather(
    context: ToolContext,
    latitude: Annotated[
        float, Field(ge=-90, le=90, description="Degrees north of the equator, negative south")
    ],
    longitude: Annotated[
        float, Field(ge=-180, le=180, description="Degrees east of Greenwich, negative west")
    ],
    datetime: Annotated[
        str, Field(description="The moment in ISO 8601, UTC unless it names an offset, or now")
    ] = "now",
    unit: Unit = "metric",
) -> dict[str, Any]:
    """Get the weather of a place at a moment: past, present, or up to four days ahead."""
    params = {
        "lat": str(latitude),
        "lon": str(longitude),
        "dt": str(_timestamp(datetime)),
        "units": unit,
    }
    body = await _fetch(context, "/data/3.0/onecall/timemachine", params, _TimeMachine)
    return {"success": True, "forecast": [_report_of_moment(moment) for moment in body.data]}


def _timestamp(text: str) -> int:
    if text.strip().lower() in ("", "now"):
        return int(DateTime.now(UTC).timestamp())
    try:
        moment = DateTime.fromisoformat(text.strip())
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return int(aware.timestamp())
    except (ValueError, OverflowError):
        raise ToolError(BAD_TIMESTAMP) from None


def _report(sky: _Sky, air: _Air, wind_speed: float) -> dict[str, Any]:
    return {
        "description": sky.description,
        "temperature": air.temp,
        "feels_like": air.feels_like,
        "humidity": air.humidity,
        "wind_speed": wind_speed,
        "pressure": air.pressure,
        "conditions": sky.main,
    }


def _report_of_moment(moment: _Moment) -> dict[str, Any]:
    when = DateTime.fromtimestamp(moment.dt, UTC).isoformat()
    return {"datetime": when, **_report(moment.weather[0], moment, moment.wind_speed)}


async def _fetch(
    context: ToolContext, path: str, params: dict[str, str], body: type[Body]
) -> Body:
    """Get and check a body; raise only ToolError, because aiohttp's errors show the key."""
    status, text = await _get(context, path, params)
    if status != 200:
        logger.warning("OpenWeatherMap answered %s with %d", path, status)
        raise ToolError(_STATUS_ERRORS.get(status, OUT_OF_ORDER if status >= 500 else OTHER))
    try:
        return body.model_validate_json(text)
    except ValidationError:
        logger.warning("OpenWeatherMap answered %s with a body that cannot be read", path)
        raise ToolError(OTHER) from None


async def _get(context: ToolContext, path: str, params: dict[str, str]) -> tuple[int, bytes]:
    from aiohttp import ClientError

    key = context.owm_api_key.get_secret_value() if context.owm_api_key else ""
    request = context.session.get(
        context.owm_api_base_url.rstrip("/") + path,
        params={**params, "appid": key},
        allow_redirects=False,
    )
    try:
        async with request as response:
            return response.status, await read_at_most(response.content, LARGEST_BODY)
    except TimeoutError:
        problem = TOO_SLOW
    except (ClientError, OSError, ValueError):
        problem = UNREACHABLE
    logger.warning("OpenWeatherMap did not answer %s: %s", path, problem)
    raise ToolError(problem)
