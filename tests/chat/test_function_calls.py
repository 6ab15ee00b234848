"""The model calls functions before it answers."""

from typing import Any

import pytest

from bot.chat.conversation import MAX_ROUNDS
from bot.sandbox.telegram import TelegramServer
from tests.support.door import Door, open_door
from tests.support.gemini_server import Call, GeminiServer
from tests.support.weather_server import WeatherServer


def results(gemini: GeminiServer) -> list[dict[str, Any]]:
    """Return the function responses in the last turn of the latest request."""
    parts = gemini.requests[-1].body["contents"][-1]["parts"]
    return [part["functionResponse"] for part in parts]


def offered(gemini: GeminiServer) -> set[str]:
    """Return the names of the functions that the latest request offers."""
    tools = gemini.requests[-1].body["tools"]
    return {function["name"] for tool in tools for function in tool["functionDeclarations"]}


async def test_a_call_is_answered(door: Door, gemini: GeminiServer) -> None:
    """The result goes back under the call's id and name, and the answer follows."""
    gemini.call("get_date_time", {"time_zone": "Asia/Tokyo"}, id="call-7")
    gemini.answer("It is late in Tokyo")

    message = await door.say("What time is it in Tokyo?")

    assert message["text"] == "It is late in Tokyo"
    [result] = results(gemini)
    assert (result["id"], result["name"]) == ("call-7", "get_date_time")


async def test_calls_of_one_turn_run_together(
    telegram: TelegramServer, gemini: GeminiServer, weather: WeatherServer
) -> None:
    """Two calls of one turn are both answered, in their order."""
    del weather
    gemini.calls(
        Call("get_current_weather", {"city": "Rome"}),
        Call("get_current_weather", {"city": "Oslo"}),
    )
    gemini.answer("Warm here, cold there")
    async with open_door(telegram) as door:
        message = await door.say("Rome or Oslo?")

    assert message["text"] == "Warm here, cold there"
    assert [result["response"]["success"] for result in results(gemini)] == [True, True]


async def test_weather_is_offered_only_with_its_key(door: Door, gemini: GeminiServer) -> None:
    """Without OWM_API_KEY the model does not hear of the weather."""
    await door.say("Hello")

    assert offered(gemini) == {"get_date_time"}


async def test_weather_is_offered_with_its_key(
    telegram: TelegramServer, gemini: GeminiServer, weather: WeatherServer
) -> None:
    """With OWM_API_KEY it does."""
    del weather
    async with open_door(telegram) as door:
        await door.say("Hello")

    assert offered(gemini) == {"get_date_time", "get_current_weather", "get_forecast_weather"}


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("make_coffee", {}),
        ("get_date_time", {"time_zone": "Mars/Olympus"}),
        ("get_date_time", {"zone": "Asia/Tokyo"}),
        ("get_date_time", {"time_zone": ["Asia/Tokyo"]}),
    ],
)
async def test_bad_calls_are_told_to_the_model(
    door: Door, gemini: GeminiServer, name: str, args: dict[str, Any]
) -> None:
    """Unknown names and bad arguments go back as results, and the conversation goes on."""
    gemini.call(name, args)
    gemini.answer("Sorry, I was wrong")

    message = await door.say("Do it")

    assert message["text"] == "Sorry, I was wrong"
    assert results(gemini)[0]["response"]["success"] is False


async def test_the_rounds_are_limited(door: Door, gemini: GeminiServer) -> None:
    """After five rounds the model must answer without calling."""
    for _ in range(MAX_ROUNDS):
        gemini.call("get_date_time", {})
    gemini.answer("Enough")

    message = await door.say("What time is it?")

    assert message["text"] == "Enough"
    assert len(gemini.requests) == MAX_ROUNDS + 1
    modes = [request.body.get("toolConfig") for request in gemini.requests]
    assert modes == [None] * MAX_ROUNDS + [{"functionCallingConfig": {"mode": "NONE"}}]


async def test_calls_are_remembered_verbatim(door: Door, gemini: GeminiServer) -> None:
    """The next question travels with the calls, their signatures and their results."""
    gemini.call("get_date_time", {})
    gemini.answer("It is late")
    await door.say("What time is it?")
    exchanged = gemini.requests[-1].body["contents"]

    await door.say("And now?")

    contents = gemini.requests[-1].body["contents"]
    assert contents[:3] == exchanged
    assert "thoughtSignature" in contents[1]["parts"][0]
    assert contents[3] == {"role": "model", "parts": [{"text": "It is late"}]}
    assert await door.messages() == [
        ("user", "What time is it?"),
        ("model", "It is late"),
        ("user", "And now?"),
        ("model", "You said: And now?"),
    ]


async def test_text_before_a_call_is_kept(door: Door, gemini: GeminiServer) -> None:
    """What the model says before a call is part of its answer."""
    gemini.calls(Call("get_date_time", {}), text="Let me look.")
    gemini.answer("It is late.")

    assert (await door.say("What time is it?"))["text"] == "Let me look.\n\nIt is late."


async def test_a_failure_after_some_text_delivers_the_text(
    door: Door, gemini: GeminiServer
) -> None:
    """When Gemini fails in the second round, what came in the first one is shown with a note."""
    gemini.calls(Call("get_date_time", {}), text="Let me look.")
    gemini.refuse(400, status="INVALID_ARGUMENT")

    message = await door.say("What time is it?")

    assert message["text"].startswith("Let me look.\n\n(The answer broke off here.")
    assert await door.messages() == [("user", "What time is it?"), ("model", "Let me look.")]
    await door.say("And now?")
    assert len(gemini.requests[-1].body["contents"]) == 3
