"""Telegram's JSON: limited before aiogram parses it, and parsed without unreadable details."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from bot.rendering.rich import plain_text

# Telegram's own objects stay far below each of these limits
LONGEST_TEXT = 40_000  # characters
DEEPEST = 40  # levels of nesting
MOST_ENTRIES, MOST_RICH_ENTRIES = 1_500, 10_000  # in all dicts and lists together
MOST_ROUNDS = 20  # of repairs; each removes faults that the one before revealed
MOST_FAULTS = 500  # per round; if there are more, whole lists are left out
# Without these, a forwarded text would pass for its sender's own words and could run as an admin's
# command
SUBSTITUTES: dict[str | int, dict[str, Any]] = {
    "forward_origin": {"type": "hidden_user", "date": 0, "sender_user_name": ""},
    "via_bot": {"id": 0, "is_bot": True, "first_name": ""},
}
FLAGS = ("can_", "is_")  # prefixes of the names of boolean fields
SENDER_FLAG = "is_bot"  # without this one the author is unknown

Path = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)


class _Fault(NamedTuple):
    """The smallest object around a fault, and the missing flag if that is the fault."""

    path: Path
    flag: str | None


def simplify(value: Any) -> None:
    """Limit, in place, the parts that would take long to parse or to inspect.

    A rich message becomes one paragraph of its visible text: aiogram tries each of its texts as
    each of two dozen types, and does so again at every level of nesting.
    """
    _bound(value, MOST_ENTRIES, _shorten)


def parse(
    model: type[M], raw: dict[str, Any], is_vital: Callable[[Path], bool], **context: Any
) -> tuple[M, set[str]]:
    """Parse an object without its unreadable details; return it and the names of those details.

    The smallest object around each fault is removed from `raw`; a missing flag counts as false,
    because older servers do not send the newest rights. Raise ValidationError if something vital
    is unreadable.
    """
    left_out: set[str] = set()
    for _ in range(MOST_ROUNDS):
        try:
            return model.model_validate(raw, context=context), left_out
        except ValidationError as error:
            faults = set(_faults(raw, error))
            if not faults or any(is_vital(path) for path, flag in faults if flag is None):
                raise
            # A list's last items are repaired first, so that the others keep their indexes
            for fault in sorted(
                faults, key=lambda fault: [*map(_order, fault.path)], reverse=True
            ):
                _repair(raw, fault)
            left_out.update(name_of((*path, flag or "")) for path, flag in faults)
    return model.model_validate(raw, context=context), left_out


def name_of(path: Iterable[Any]) -> str:
    """Return the name of a place in an object for the log."""
    return ".".join(filter(None, map(str, path)))[:80]


def some(names: Iterable[str]) -> str:
    """Return the first few of many names, for one log line."""
    return ", ".join(sorted(names)[:5])


def _bound(value: Any, most: int, prepare: Callable[[Any], None]) -> None:
    """Empty, in place, containers nested too deeply, and the largest if there is too much.

    Each dict and list is prepared before its contents are counted.
    """
    level, room = [value], most
    for _ in range(DEEPEST):
        for holder in level:
            prepare(holder)
        level = _containers(level)
        room -= sum(map(len, level))
        for holder in sorted(level, key=len, reverse=True) if room < 0 else ():
            if room >= 0:
                break
            room += len(holder)
            holder.clear()
    for holder in level:
        holder.clear()


def _shorten(holder: Any) -> None:
    for key, inner in _entries(holder):
        if key == "rich_message":
            holder[key] = _flattened(inner)
        elif isinstance(inner, str):
            holder[key] = inner[:LONGEST_TEXT]


def _flattened(rich_message: Any) -> dict[str, Any]:
    _bound(rich_message, MOST_RICH_ENTRIES, lambda _: None)
    blocks = rich_message.get("blocks") if isinstance(rich_message, dict) else None
    text = plain_text(block for _, block in _entries(blocks) if isinstance(block, dict))
    return {"blocks": [{"type": "paragraph", "text": text[:LONGEST_TEXT]}]}


def _containers(holders: Iterable[Any]) -> list[Any]:
    """Return the dicts and lists directly inside the given ones."""
    return [
        inner
        for holder in holders
        for _, inner in _entries(holder)
        if isinstance(inner, dict | list)
    ]


def _entries(holder: Any) -> list[tuple[Any, Any]]:
    """Return a dict's or list's keys or indexes with their values, as a copy to loop over."""
    if isinstance(holder, dict):
        return list(holder.items())
    return list(enumerate(holder)) if isinstance(holder, list) else []


def _faults(raw: Any, error: ValidationError) -> Iterator[_Fault]:
    # Read from JSON, which is built in a tenth of the time that error.errors() takes
    details = json.loads(error.json(include_url=False, include_context=False, include_input=False))
    for detail in details:
        detail["loc"] = tuple(detail["loc"])
    is_flood = len(details) > MOST_FAULTS
    # Other types a part was tried as, such as another kind of member or an inaccessible message
    others = {detail["loc"][:-1] for detail in details if detail["type"] == "literal_error"}
    for detail in details[:MOST_FAULTS]:
        place = detail["loc"]
        if others and any(place[:end] in others for end in range(len(place))):
            continue
        field = str(place[-1])
        is_flag = detail["type"] == "missing" and field.startswith(FLAGS) and field != SENDER_FLAG
        path = _path(raw, place)
        if is_flood and (
            lists := [n for n, step in enumerate(path) if isinstance(step, int) and n]
        ):
            yield _Fault(path[: lists[-1]], None)
        else:
            yield _Fault(path, field if is_flag else None)


def _path(raw: Any, place: Path) -> Path:
    """Return the path to a fault, with only the steps that exist in the object.

    Pydantic's own path also names the types that a part was tried as, and the missing field.
    """
    path: list[str | int] = []
    for step in place:
        try:
            raw = raw[step]
        except (KeyError, IndexError, TypeError):
            continue
        path.append(step)
    return tuple(path)


def _order(step: str | int) -> tuple[int, str]:
    return (step, "") if isinstance(step, int) else (-1, step)


def _repair(raw: Any, fault: _Fault) -> None:
    *outer, last = fault.path
    with suppress(KeyError, IndexError, TypeError):  # already removed with an object around it
        for step in outer:
            raw = raw[step]
        if fault.flag:
            raw[last][fault.flag] = False
        elif last in SUBSTITUTES:
            raw[last] = dict(SUBSTITUTES[last])
        else:
            del raw[last]
