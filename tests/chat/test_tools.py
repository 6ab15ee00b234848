"""What the model is told of its tools, and what it gets back from them."""

import asyncio
import json
import logging
import re
import time
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import Field, SecretStr

from bot.tools import TOOLS, Tool, Toolbox, ToolContext, ToolError, open_toolbox
from tests.support.servers import serve
from tests.support.weather_server import Fault, WeatherServer

KEY = "made-up-weather-key-0123456789"
ROME = {"latitude": 41.9, "longitude": 12.5}
FIELDS = {
    "description": "light rain",
    "temperature": 21.5,
    "feels_like": 20.5,
    "humidity": 64,
    "wind_speed": 3.6,
    "pressure": 1014,
    "conditions": "Rain",
}


@dataclass
class WeatherSettings:
    """The settings that tools use."""

    owm_api_key: SecretStr | None = None
    owm_api_base_url: str = "https://api.openweathermap.org"


@pytest.fixture
def openweathermap() -> Iterator[tuple[WeatherServer, str]]:
    """Serve OpenWeatherMap and give its address."""
    server = WeatherServer(KEY)
    with serve(server.application()) as url:
        yield server, url


@pytest.fixture
def owm(openweathermap: tuple[WeatherServer, str]) -> WeatherServer:
    return openweathermap[0]


@pytest.fixture
async def toolbox(openweathermap: tuple[WeatherServer, str]) -> AsyncGenerator[Toolbox]:
    """Open the real toolbox with the key of the server."""
    settings = WeatherSettings(SecretStr(KEY), openweathermap[1])
    async with open_toolbox(settings) as toolbox:
        yield toolbox


def names(toolbox: Toolbox) -> list[str]:
    return [declaration["name"] for declaration in toolbox.declarations]


def keys_of(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return set().union(*map(keys_of, schema))
    if isinstance(schema, dict):
        return set(schema).union(*map(keys_of, schema.values()))
    return set()


async def error(toolbox: Toolbox, name: str, args: dict[str, Any] | None) -> str:
    """Call a tool that fails and return its text."""
    result = await toolbox.call(name, args)
    assert set(result) == {"success", "error"}
    assert result["success"] is False
    assert KEY not in result["error"]
    return str(result["error"])


# -- Declarations ---------------------------------------------------------------------------------


async def test_weather_is_offered_with_its_key_only() -> None:
    """Without OpenWeatherMap's key, or with an empty one, the model knows the clock alone."""
    for key in (None, SecretStr("")):
        async with open_toolbox(WeatherSettings(key)) as toolbox:
            assert names(toolbox) == ["get_date_time"]
            assert "no function" in await error(toolbox, "get_current_weather", {"city": "Rome"})


async def test_all_tools_are_declared(toolbox: Toolbox) -> None:
    """Names, parameters, defaults and required ones are those that the bot always had."""
    parameters = {
        declaration["name"]: declaration["parametersJsonSchema"]
        for declaration in toolbox.declarations
    }
    defaults = {
        name: {key: value.get("default") for key, value in schema["properties"].items()}
        for name, schema in parameters.items()
    }
    assert defaults == {
        "get_date_time": {"time_zone": "Europe/Rome"},
        "get_current_weather": {"city": None, "unit": "metric"},
        "get_forecast_weather": {
            "latitude": None,
            "longitude": None,
            "datetime": "now",
            "unit": "metric",
        },
    }
    assert parameters["get_current_weather"]["required"] == ["city"]
    assert parameters["get_forecast_weather"]["required"] == ["latitude", "longitude"]
    unit = parameters["get_current_weather"]["properties"]["unit"]
    assert unit["enum"] == ["standard", "metric", "imperial"]


async def test_declarations_are_clean_json(toolbox: Toolbox) -> None:
    """A declaration is plain JSON without titles; function and parameters are described."""
    assert json.loads(json.dumps(toolbox.declarations)) == toolbox.declarations
    assert toolbox.declarations is toolbox.declarations
    assert not keys_of(toolbox.declarations) & {"title", "context", "$ref", "$defs"}
    for declaration in toolbox.declarations:
        assert set(declaration) == {"name", "description", "parametersJsonSchema"}
        assert declaration["description"]
        for schema in declaration["parametersJsonSchema"]["properties"].values():
            assert schema["description"]
            assert schema["type"] in ("string", "number", "integer")


def test_table_names_each_tool_once() -> None:
    """Two tools of one name would hide each other."""
    assert len({tool.name for tool in TOOLS}) == len(TOOLS)


# -- Adding a tool --------------------------------------------------------------------------------


async def double(
    number: Annotated[float, Field(description="What to double")],
    title: Annotated[str, Field(description="What to call it")] = "twice",
) -> dict[str, Any]:
    """Double a number."""
    return {title: number * 2}


async def test_a_new_tool_is_one_function_and_one_line() -> None:
    """A function in the table is declared from its signature and can be called."""
    table = [Tool(double)]
    async with open_toolbox(WeatherSettings(), table) as toolbox:
        (declaration,) = toolbox.declarations
        assert declaration == {
            "name": "double",
            "description": "Double a number.",
            "parametersJsonSchema": {
                "type": "object",
                "properties": {
                    "number": {"type": "number", "description": "What to double"},
                    "title": {
                        "type": "string",
                        "description": "What to call it",
                        "default": "twice",
                    },
                },
                "required": ["number"],
                "additionalProperties": False,
            },
        }
        assert await toolbox.call("double", {"number": "5"}) == {"twice": 10}
        assert await toolbox.call("double", {"number": 1, "title": 7}) == {"7": 2}


async def address_of(context: ToolContext, place: str = "") -> dict[str, Any]:
    """Show what a context holds."""
    return {"url": context.owm_api_base_url, "place": place, "shown": repr(context)}


async def test_a_tool_may_ask_for_the_context() -> None:
    """The context is given to the function and hidden from the model; it shows no key."""
    settings = WeatherSettings(SecretStr(KEY), "http://a.io")
    async with open_toolbox(settings, [Tool(address_of)]) as toolbox:
        assert list(toolbox.declarations[0]["parametersJsonSchema"]["properties"]) == ["place"]
        result = await toolbox.call("address_of", None)
        assert result["url"] == "http://a.io"
        assert KEY not in result["shown"]
        assert "context" in await error(toolbox, "address_of", {"context": 1})


# -- Failures -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ({}, "number: Field required"),
        ({"number": "five"}, "number: "),
        ({"number": float("nan")}, "number: "),
        ({"number": 1, "colour": "red"}, "colour: no such argument"),
        ({"number": 1, "title": ["x"]}, "title: "),
    ],
)
async def test_wrong_arguments_are_named(args: dict[str, Any], expected: str) -> None:
    """The model learns which argument is wrong, in a short text."""
    text = await error(Toolbox([Tool(double)], ToolContext(None, "")), "double", args)
    assert expected in text
    assert len(text) < 200


async def explode(word: str) -> dict[str, Any]:
    """Fail as a library would."""
    known: dict[str, Any] = {}
    try:
        return {"value": known[f"inner {KEY}"]}
    except KeyError as error:
        raise RuntimeError(f"{word} {KEY}") from error


async def refuse() -> dict[str, Any]:
    """Fail with a text for the model."""
    raise ToolError("Try another one.")


async def stall() -> dict[str, Any]:
    """Never come back."""
    await asyncio.Event().wait()
    return {}


async def test_a_broken_tool_tells_nothing_of_why(caplog: pytest.LogCaptureFixture) -> None:
    """The log says where it broke, neither log nor model sees arguments or exception texts."""
    toolbox = Toolbox([Tool(explode)], ToolContext(None, ""))
    assert await error(toolbox, "explode", {"word": "private"}) == "The function failed."
    assert "in explode" in caplog.text
    assert "RuntimeError" in caplog.text
    assert "KeyError" in caplog.text
    assert KEY not in caplog.text
    assert "private" not in caplog.text


async def test_a_tool_says_itself_why_it_failed(caplog: pytest.LogCaptureFixture) -> None:
    """A failure meant for the model reaches it word for word, and is no error of the bot's."""
    toolbox = Toolbox([Tool(refuse)], ToolContext(None, ""))
    assert await error(toolbox, "refuse", {}) == "Try another one."
    assert not caplog.records


async def test_a_slow_tool_is_stopped() -> None:
    """The answer does not wait for a tool for ever."""
    toolbox = Toolbox([Tool(stall)], ToolContext(None, ""), timeout=0.01)
    assert await error(toolbox, "stall", {}) == "The function took too long."


async def test_cancelling_reaches_the_caller() -> None:
    """Who cancels a call gets the cancellation, not a result."""
    toolbox = Toolbox([Tool(stall)], ToolContext(None, ""))
    task = asyncio.create_task(toolbox.call("stall", {}))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_unknown_function_is_named(toolbox: Toolbox) -> None:
    """A made-up name comes back to the model as such."""
    assert await error(toolbox, "fly", {}) == "There is no function fly."


async def test_broken_unicode_does_no_harm(toolbox: Toolbox) -> None:
    """A lone surrogate in a call comes back in no error text: JSON in UTF-8 cannot carry it."""
    for name, args in (
        ("fl\ud800y", {}),
        ("get_date_time", {"\ud800": 1}),
        ("get_date_time", {"time_zone": "\ud800"}),
        ("get_current_weather", {"city": "\ud800"}),
    ):
        assert (await error(toolbox, name, args)).encode()


# -- The clock ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "zone"),
    [({}, "Europe/Rome"), ({"time_zone": "Asia/Tokyo"}, "Asia/Tokyo")],
)
async def test_clock_tells_the_time_of_a_zone(
    toolbox: Toolbox, args: dict[str, Any], zone: str
) -> None:
    """The time is that of the zone, Rome's unless another is named, without an offset."""
    result = await toolbox.call("get_date_time", args)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", result["date_time"])
    told = datetime.fromisoformat(result["date_time"]).replace(tzinfo=ZoneInfo(zone))
    assert abs(datetime.now(ZoneInfo(zone)) - told) < timedelta(minutes=1)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../passwd", "Europe", "a\x00b", "x" * 5000])
async def test_clock_refuses_unknown_zones(toolbox: Toolbox, zone: str) -> None:
    """Whatever is no time zone is an answer to the model, not a failure of the bot."""
    text = await error(toolbox, "get_date_time", {"time_zone": zone})
    assert text.startswith("There is no such time zone.")


# -- The weather ----------------------------------------------------------------------------------


async def test_current_weather(toolbox: Toolbox, owm: WeatherServer) -> None:
    """The result has the fields that it always had, in metric units by default."""
    result = await toolbox.call("get_current_weather", {"city": "Rome,IT"})
    assert result == {"success": True, **FIELDS}
    assert owm.requests == [
        {"path": "/data/2.5/weather", "q": "Rome,IT", "units": "metric", "appid": KEY}
    ]


@pytest.mark.parametrize(
    ("unit", "temperature"), [("standard", 294.65), ("metric", 21.5), ("imperial", 70.7)]
)
async def test_weather_in_each_unit(toolbox: Toolbox, unit: str, temperature: float) -> None:
    """The unit that is asked for is the unit of the result, of both tools."""
    current = await toolbox.call("get_current_weather", {"city": "Oslo", "unit": unit})
    forecast = await toolbox.call("get_forecast_weather", {**ROME, "unit": unit})
    assert current["temperature"] == forecast["forecast"][0]["temperature"] == temperature


async def test_unknown_unit_is_refused(toolbox: Toolbox, owm: WeatherServer) -> None:
    """A unit that does not exist is not sent to the service."""
    assert "unit" in await error(toolbox, "get_current_weather", {"city": "Rome", "unit": "si"})
    assert owm.requests == []


@pytest.fixture
def far_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the machine's own time zone be another than UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("far_from_greenwich")
@pytest.mark.parametrize(
    ("moment", "timestamp"),
    [
        ("2026-03-01T12:00:00Z", 1772366400),
        ("2026-03-01T12:00:00", 1772366400),
        ("2026-03-01T13:00:00+01:00", 1772366400),
        ("2026-03-01", 1772323200),
    ],
)
async def test_forecast_at_a_moment(
    toolbox: Toolbox, owm: WeatherServer, moment: str, timestamp: int
) -> None:
    """A moment is ISO 8601, in UTC unless it says otherwise; numbers may come as text."""
    result = await toolbox.call(
        "get_forecast_weather", {"latitude": "41.9", "longitude": 12.5, "datetime": moment}
    )
    when = datetime.fromtimestamp(timestamp, ZoneInfo("UTC")).isoformat()
    assert result == {"success": True, "forecast": [{"datetime": when, **FIELDS}]}
    assert owm.requests == [
        {
            "path": "/data/3.0/onecall/timemachine",
            "lat": "41.9",
            "lon": "12.5",
            "dt": str(timestamp),
            "units": "metric",
            "appid": KEY,
        }
    ]


async def test_forecast_is_of_now_by_default(toolbox: Toolbox, owm: WeatherServer) -> None:
    """Without a moment the weather is that of now."""
    assert (await toolbox.call("get_forecast_weather", ROME))["success"]
    asked = datetime.fromtimestamp(int(owm.requests[0]["dt"]), ZoneInfo("UTC"))
    assert abs(datetime.now(ZoneInfo("UTC")) - asked) < timedelta(minutes=1)


@pytest.mark.parametrize("moment", ["tomorrow", "2026-13-01", "12:00", "1772366400.5x"])
async def test_bad_timestamp_is_named(toolbox: Toolbox, owm: WeatherServer, moment: str) -> None:
    """What is no moment is answered with an example of one, without asking the service."""
    text = await error(toolbox, "get_forecast_weather", {**ROME, "datetime": moment})
    assert "ISO 8601" in text
    assert owm.requests == []


async def test_place_off_the_earth_is_refused(toolbox: Toolbox, owm: WeatherServer) -> None:
    """Coordinates are checked before the service is asked."""
    args = {"latitude": 91, "longitude": 12}
    assert "latitude" in await error(toolbox, "get_forecast_weather", args)
    assert owm.requests == []


async def test_unknown_city(toolbox: Toolbox) -> None:
    """A city that the service does not know is a matter of spelling."""
    assert "spelling" in await error(toolbox, "get_current_weather", {"city": "Atlantis"})


async def test_moment_that_the_service_refuses(toolbox: Toolbox) -> None:
    """A moment before the service's first day is out of range."""
    args = {**ROME, "datetime": "1950-01-01"}
    assert "out of range" in await error(toolbox, "get_forecast_weather", args)


async def test_refused_key(
    openweathermap: tuple[WeatherServer, str], caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong key is the operator's matter: the model hears that, the log does not show it."""
    settings = WeatherSettings(SecretStr("another-made-up-key"), openweathermap[1])
    async with open_toolbox(settings) as toolbox:
        text = await error(toolbox, "get_current_weather", {"city": "Rome"})
    assert "operator" in text
    assert "401" in caplog.text
    assert "another-made-up-key" not in caplog.text + text


FAULTS = {
    "bad request": (Fault(400), "out of range"),
    "refused": (Fault(401), "operator"),
    "not found": (Fault(404), "does not know"),
    "too many": (Fault(429), "limit"),
    "broken": (Fault(500), "out of order"),
    "bad gateway": (Fault(502, b"<html>"), "out of order"),
    "teapot": (Fault(418), "no usable answer"),
    "redirect": (Fault(302, headers={"Location": "/elsewhere"}), "no usable answer"),
    "html": (Fault(200, b"<html>"), "no usable answer"),
    "empty": (Fault(200, b""), "no usable answer"),
    "not utf-8": (Fault(200, b"\xff\xfe"), "no usable answer"),
    "other json": (Fault(200, b'{"weather": [], "data": []}'), "no usable answer"),
    "list": (Fault(200, b"[]"), "no usable answer"),
    "hung up": (Fault(0), "cannot be reached"),
}


@pytest.mark.parametrize(("fault", "expected"), FAULTS.values(), ids=FAULTS.keys())
async def test_each_fault_has_its_text(
    toolbox: Toolbox,
    owm: WeatherServer,
    caplog: pytest.LogCaptureFixture,
    fault: Fault,
    expected: str,
) -> None:
    """Both tools tell the model what is wrong with the service, and the key is nowhere."""
    caplog.set_level(logging.DEBUG)
    owm.fault = fault
    assert expected in await error(toolbox, "get_current_weather", {"city": "Rome"})
    assert expected in await error(toolbox, "get_forecast_weather", ROME)
    served = "aiohttp.access"  # the server's own log of what it was asked
    records = [record for record in caplog.records if record.name != served]
    assert records
    assert all(KEY not in record.getMessage() for record in records)
    assert all(record.exc_text is None for record in records)


async def test_slow_service(
    toolbox: Toolbox, owm: WeatherServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that does not answer is given up before the call as a whole is."""
    monkeypatch.setattr("bot.tools.context.HTTP_TIMEOUT", 0.2)
    owm.fault = Fault(delay=3)
    assert "in time" in await error(toolbox, "get_current_weather", {"city": "Rome"})


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "http://", "ftp://a.io", "nonsense"])
async def test_unreachable_service(address: str, caplog: pytest.LogCaptureFixture) -> None:
    """An address where nothing answers gives a text, not a traceback."""
    async with open_toolbox(WeatherSettings(SecretStr(KEY), address)) as toolbox:
        text = await error(toolbox, "get_current_weather", {"city": "Rome"})
    assert "cannot be reached" in text
    assert KEY not in caplog.text


async def test_session_is_opened_late_once_and_closed() -> None:
    """Opening a toolbox opens no session; the first use does, and the end closes it."""
    seen = []

    async def look(context: ToolContext) -> dict[str, Any]:
        """Use the session."""
        seen.append(context.session)
        return {}

    async with open_toolbox(WeatherSettings(), [Tool(look)]) as toolbox:
        assert not seen
        await toolbox.call("look", {})
        await toolbox.call("look", {})
    assert seen[0] is seen[1]
    assert seen[0].closed
