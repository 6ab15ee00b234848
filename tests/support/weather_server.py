"""A strict OpenWeatherMap on loopback: current weather and One Call 3.0's timemachine."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

UNITS = ("standard", "metric", "imperial")
TEMPERATURES = {"standard": 294.65, "metric": 21.5, "imperial": 70.7}
MESSAGES = {
    400: "Nothing to geocode",
    401: "Invalid API key. Please see https://openweathermap.org/faq#error401 for more info.",
    404: "city not found",
    429: "Your account is temporary blocked due to exceeding of requests limitation.",
    500: "Internal server error",
}
CURRENT_PARAMS = {"q", "appid", "units"}
TIME_MACHINE_PARAMS = {"lat", "lon", "dt", "appid", "units"}
EARLIEST = 283_996_800  # 1 January 1979, the first day that the service knows


@dataclass
class Fault:
    """A response to give instead after a delay: status (0 hangs up), body, headers."""

    status: int = 200
    body: bytes | None = None
    delay: float = 0
    headers: Mapping[str, str] = field(default_factory=dict)


class WeatherServer:
    """A server that knows some cities, checks and records each request, and fails on demand."""

    def __init__(self, key: str) -> None:
        self._key = key
        self.cities = {"Rome", "Oslo"}
        self.requests: list[dict[str, str]] = []
        self.fault: Fault | None = None

    def application(self) -> web.Application:
        """Build the web application to serve."""
        application = web.Application(middlewares=[self._check])
        application.router.add_get("/data/2.5/weather", self._current)
        application.router.add_get("/data/3.0/onecall/timemachine", self._time_machine)
        return application

    @web.middleware
    async def _check(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append({"path": request.path, **request.query})
        if self.fault:
            return await self._fail(request, self.fault)
        if request.query.get("appid") != self._key:
            return refusal(401)
        response: web.StreamResponse = await handler(request)
        return response

    async def _fail(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        await asyncio.sleep(fault.delay)
        if fault.status == 0:
            assert request.transport
            request.transport.abort()
        if fault.body is None and fault.status != 200:
            return refusal(fault.status, fault.headers)
        return web.Response(status=fault.status or 500, body=fault.body, headers=fault.headers)

    async def _current(self, request: web.Request) -> web.Response:
        query = request.query
        if not well_formed(query, CURRENT_PARAMS) or not query["q"]:
            return refusal(400)
        city = query["q"].partition(",")[0]
        if city not in self.cities:
            return refusal(404)
        return web.json_response(
            {
                "coord": {"lon": 12.48, "lat": 41.89},
                "weather": [SKY],
                "base": "stations",
                "main": {**air(query["units"]), "temp_min": 1, "temp_max": 99},
                "visibility": 10000,
                "wind": {"speed": 3.6, "deg": 240},
                "dt": 1_700_000_000,
                "name": city,
                "cod": 200,
            }
        )

    async def _time_machine(self, request: web.Request) -> web.Response:
        query = request.query
        if not well_formed(query, TIME_MACHINE_PARAMS) or not plausible(query):
            return refusal(400)
        moment = {
            "dt": int(query["dt"]),
            **air(query["units"]),
            "wind_speed": 3.6,
            "wind_deg": 240,
            "weather": [SKY],
        }
        return web.json_response(
            {
                "lat": float(query["lat"]),
                "lon": float(query["lon"]),
                "timezone": "Europe/Rome",
                "timezone_offset": 3600,
                "data": [moment],
            }
        )


SKY = {"id": 500, "main": "Rain", "description": "light rain", "icon": "10d"}


def air(units: str) -> dict[str, float]:
    """Return the values common to both endpoints, with temperatures in the requested units."""
    degrees = TEMPERATURES[units]
    return {"temp": degrees, "feels_like": degrees - 1, "pressure": 1014, "humidity": 64}


def well_formed(query: Mapping[str, str], names: set[str]) -> bool:
    """Tell whether each parameter is present once, there are no others, and units are known."""
    return sorted(query) == sorted(names) and query["units"] in UNITS


def plausible(query: Mapping[str, str]) -> bool:
    """Tell whether the place is on Earth and the time is one that the service covers."""
    try:
        latitude, longitude = float(query["lat"]), float(query["lon"])
        moment = int(query["dt"])
    except ValueError:
        return False
    return abs(latitude) <= 90 and abs(longitude) <= 180 and moment >= EARLIEST


def refusal(status: int, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return an error response as OpenWeatherMap words it."""
    message = MESSAGES.get(status, "unknown")
    return web.json_response({"cod": status, "message": message}, status=status, headers=headers)
