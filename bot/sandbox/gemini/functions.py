"""The choice of an offered function that fits a question, and the calls of it."""

import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple
from zoneinfo import available_timezones

from bot.sandbox.gemini.markdown import code, plain
from bot.sandbox.gemini.question import Question, Result
from bot.sandbox.gemini.rules import JSON

# Places follow one of these words; in "weather in Rome", that is not the first of them
_PLACES = [
    re.compile(rf"\b(?:{word})\s+(.+)", re.IGNORECASE) for word in ("in|for|at|of", "weather")
]
_SEPARATOR = re.compile(r"\s*(?:,|;|\band\b|\bor\b)\s*", re.IGNORECASE)
_FILLING = re.compile(r"\b(?:right now|now|today|at the moment|please)\b", re.IGNORECASE)
_AROUND = " \t?!.,;:'\""
_MOST = 5  # calls in one turn


class Call(NamedTuple):
    """A function to call."""

    name: str
    args: JSON


def clock_calls(question: Question) -> Sequence[Call]:
    """Return the calls that get the time in the zones named in the question, or else in UTC."""
    function = _named(question.functions, "time", "clock")
    if function is None:
        return ()
    zone = next((name for name in _properties(function) if "zone" in name), None)
    if zone is None:
        return [Call(function["name"], {})]
    named = [_zone(place) for place in _places(question.text)]
    zones = [name for name in named if name] or ["UTC"]
    return [Call(function["name"], {zone: name}) for name in zones[:_MOST]]


def weather_calls(question: Question) -> Sequence[Call]:
    """Return the calls that get the weather in the cities named, or else in Rome."""
    function = _named(question.functions, "weather")
    if function is None:
        return ()
    cities = _places(question.text) or ["Rome"]
    return [
        Call(function["name"], dict.fromkeys(_required(function), city)) for city in cities[:_MOST]
    ]


def told(results: Sequence[Result]) -> str:
    """Return the results of functions as the model's answer."""
    return "\n\n".join(map(_told, results))


def _told(result: Result) -> str:
    args = ", ".join(f"{name}={value}" for name, value in result.args.items())
    called = f"I have called {code(f'{result.name}({args})')}"
    if "error" in result.response:
        return f"{called}, which failed: {plain(str(result.response['error']))}"
    values = {
        name.replace("_", " "): plain(str(value))
        for name, value in result.response.items()
        if name != "success"
    }
    if len(values) == 1:
        return f"{called}, which says **{next(iter(values.values()))}**."
    lines = [f"- {name}: **{value}**" for name, value in values.items()]
    return "\n".join([f"{called}, which says:\n", *lines])


def _named(functions: Sequence[JSON], *words: str) -> JSON | None:
    """Return the first function with one of `words` in its name and at most one required field."""
    fitting = (f for f in functions if any(word in f["name"].lower() for word in words))
    return next((f for f in fitting if len(_required(f)) <= 1), None)


def _schema(function: JSON) -> JSON:
    schema: JSON = function.get("parametersJsonSchema") or function.get("parameters") or {}
    return schema


def _properties(function: JSON) -> JSON:
    properties: JSON = _schema(function).get("properties", {})
    return properties


def _required(function: JSON) -> Sequence[str]:
    required: Sequence[str] = _schema(function).get("required", ())
    return required


def _places(text: str) -> list[str]:
    line = _FILLING.sub("", " ".join(text.split()))
    named = next((match[1] for pattern in _PLACES if (match := pattern.search(line))), "")
    places = [place.strip(_AROUND)[:60] for place in _SEPARATOR.split(named)]
    return [place for place in places if place]


def _zone(place: str) -> str | None:
    """Return the time zone with this name or of this city, or None if there is none."""
    return _zones().get(place.lower().replace(" ", "_"))


@cache
def _zones() -> dict[str, str]:
    names = sorted(available_timezones(), key=lambda name: (name.count("/"), name))
    cities = {name.rpartition("/")[2].lower(): name for name in names if "/" in name}
    return {name.lower(): name for name in names} | cities
