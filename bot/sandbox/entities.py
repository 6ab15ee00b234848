"""Texts and their entities: offsets in UTF-16 units and Telegram's rules for them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, Final
from urllib.parse import urlsplit

from bot.sandbox.parameters import Json, bad_request

TEXT_LIMIT: Final = 4096
ENTITY_LIMIT: Final = 100

STYLES: Final = frozenset({"bold", "italic", "underline", "strikethrough", "spoiler"})
QUOTES: Final = frozenset({"blockquote", "expandable_blockquote"})
CODES: Final = frozenset({"code", "pre"})
# Telegram finds these by itself and ignores them when a bot sends them.
DETECTED: Final = frozenset(
    {"mention", "hashtag", "cashtag", "bot_command", "url", "email", "phone_number"}
)
# The fields an entity needs besides its position: name, type, the type's name in errors.
NEEDED: Final[Mapping[str, tuple[str, type, str]]] = {
    "text_link": ("url", str, "String"),
    "text_mention": ("user", dict, "Object"),
    "custom_emoji": ("custom_emoji_id", str, "String"),
    "date_time": ("unix_time", int, "Number"),
}
TYPES: Final = STYLES | QUOTES | CODES | DETECTED | NEEDED.keys()

_OFFSET_LIMIT: Final = 1_000_000
_PATTERNS: Final = (
    ("url", re.compile(r"\bhttps?://[^\s<>\"]*[^\s<>\".,:;!?)\]']")),
    ("email", re.compile(r"\b[\w.+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+\b")),
    (
        "bot_command",
        re.compile(r"(?<![\w/@<>])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?![\w/])"),
    ),
    ("mention", re.compile(r"(?<!\w)@[A-Za-z][A-Za-z0-9_]{2,31}(?!\w)")),
    ("hashtag", re.compile(r"(?<!\w)#\w*[^\W\d]\w*")),
)


def utf16_length(text: str) -> int:
    """Return the length of a text in UTF-16 units, Telegram's measure for offsets and limits."""
    return len(text.encode("utf-16-le")) // 2


def detect_entities(text: str) -> list[Json]:
    """Find what Telegram marks in a person's text: commands, mentions, addresses, hashtags."""
    found: list[tuple[int, int, str]] = []
    for kind, pattern in _PATTERNS:
        for match in pattern.finditer(text):
            start, end = match.span()
            if all(end <= other[0] or start >= other[1] for other in found):
                found.append((start, end, kind))
    return [
        {
            "type": kind,
            "offset": utf16_length(text[:start]),
            "length": utf16_length(text[start:end]),
        }
        for start, end, kind in sorted(found)
    ]


def format_text(text: str, raw: Sequence[Any]) -> tuple[str, list[Json], list[str]]:
    """Check a bot's text and entities and trim them as Telegram does.

    Return the text, its entities in order, and violations of the rules that Telegram corrects
    silently but a careful bot follows. Raise ApiError for anything Telegram refuses. An empty text
    is left to the caller.
    """
    if not text.isprintable() and any("\ud800" <= symbol <= "\udfff" for symbol in text):
        raise bad_request("strings must be encoded in UTF-8")
    violations = [] if len(raw) <= ENTITY_LIMIT else [f"{len(raw)} entities: 100 are kept"]
    entities = [entity for item in raw[:ENTITY_LIMIT] if (entity := _read(item)) is not None]
    for entity in entities:
        _check_bounds(text, entity)
    violations += [f"empty {e['type']} entity" for e in entities if e["length"] == 0]
    entities = sorted((e for e in entities if e["length"]), key=_place)
    violations += _nesting(entities)
    text, entities = _trim(text, entities)
    if utf16_length(text) > TEXT_LIMIT:
        raise bad_request("message is too long")
    return text, entities, violations


def _end(entity: Json) -> int:
    return int(entity["offset"] + entity["length"])


def _place(entity: Json) -> tuple[int, int]:
    return entity["offset"], -entity["length"]


def _read(item: Any) -> Json | None:
    """Return a valid entity, or None for one that Telegram ignores."""
    if not isinstance(item, dict):
        raise bad_request("can't parse MessageEntity: expected an Object")
    kind = _field(item, "type", str, "String")
    if kind not in TYPES:
        raise bad_request("can't parse MessageEntity: Unsupported type specified")
    for name in ("offset", "length"):
        value = _field(item, name, int, "Number")
        if not 0 <= value <= _OFFSET_LIMIT:
            raise bad_request(f"receive an entity with incorrect {name} {value}")
    if kind in DETECTED:
        return None
    _check_fields(kind, item)
    return item


def _field(item: Json, name: str, shape: type, shape_name: str) -> Any:
    value = item.get(name)
    if value is None:
        raise bad_request(f"can't parse MessageEntity: Can't find field \"{name}\"")
    if isinstance(value, bool) or not isinstance(value, shape):
        reason = f'Field "{name}" must be of type {shape_name}'
        raise bad_request(f"can't parse MessageEntity: {reason}")
    return value


def _check_fields(kind: str, item: Json) -> None:
    if kind in NEEDED:
        value = _field(item, *NEEDED[kind])
        if kind == "text_link":
            check_url(value)
        elif kind == "text_mention" and not isinstance(value.get("id"), int):
            raise bad_request("can't parse MessageEntity: Can't find field \"id\"")
        elif kind == "custom_emoji" and not value.isdecimal():
            raise bad_request("invalid custom emoji identifier specified")
    if kind == "pre" and item.get("language") is not None:
        _field(item, "language", str, "String")


def check_url(url: str) -> None:
    """Raise ApiError for a link that Telegram does not accept."""
    if reason := _url_fault(url):
        raise bad_request(f"entity URL '{url}' is invalid: {reason}")


def _url_fault(url: str) -> str | None:
    try:
        parts = urlsplit(url if ":" in url else f"http://{url}")
        host = parts.hostname
    except ValueError:
        return "Wrong HTTP URL"
    if parts.scheme in {"tg", "ton", "tonsite"}:
        return None
    if parts.scheme not in {"http", "https"}:
        return "Unsupported URL protocol"
    if not host:
        return "URL host is empty"
    return None if "." in host or ":" in host else "Wrong HTTP URL"


def _check_bounds(text: str, entity: Json) -> None:
    length = utf16_length(text)
    start, end = entity["offset"], _end(entity)
    if start > length:
        raise bad_request(f"entity begins after the end of the text at UTF-16 offset {start}")
    if end > length:
        raise bad_request(
            f"entity beginning at UTF-16 offset {start} "
            f"ends after the end of the text at UTF-16 offset {end}"
        )
    if (byte := _cut_symbol(text, start)) is not None:
        raise bad_request(f"entity begins in a middle of a UTF-16 symbol at byte offset {byte}")
    if (byte := _cut_symbol(text, end)) is not None:
        raise bad_request(
            f"entity beginning at UTF-16 offset {start} "
            f"ends in a middle of a UTF-16 symbol at byte offset {byte}"
        )


def _cut_symbol(text: str, offset: int) -> int | None:
    """Return the UTF-8 offset after the character that a UTF-16 offset splits, or None."""
    before = text.encode("utf-16-le")[: offset * 2]
    if not before or not 0xD8 <= before[-1] <= 0xDB:
        return None
    whole = before[:-2].decode("utf-16-le")
    return len(text[: len(whole) + 1].encode())


def _nesting(entities: Sequence[Json]) -> Iterator[str]:
    """Yield the violations of the Bot API's nesting rules, for entities in order."""
    for outer, inner in combinations(entities, 2):
        if inner["offset"] >= _end(outer):
            continue
        if _end(inner) > _end(outer):
            yield f"{outer['type']} and {inner['type']} overlap partially"
        elif not _may_contain(outer["type"], inner["type"]) and not (
            _place(outer) == _place(inner) and _may_contain(inner["type"], outer["type"])
        ):
            yield f"{outer['type']} contains {inner['type']}"


def _may_contain(outer: str, inner: str) -> bool:
    if outer in QUOTES:
        return inner not in QUOTES
    if outer in CODES or inner in CODES:
        return False
    return outer in STYLES or inner in STYLES


def _trim(text: str, entities: Sequence[Json]) -> tuple[str, list[Json]]:
    """Remove white space at both ends, but at the start only as far as the first entity."""
    text = text.rstrip()
    end = utf16_length(text)
    leading = len(text) - len(text.lstrip())
    shift = min([leading, *(entity["offset"] for entity in entities)])
    kept = [
        {
            **entity,
            "offset": entity["offset"] - shift,
            "length": min(_end(entity), end) - entity["offset"],
        }
        for entity in entities
        if entity["offset"] < end
    ]
    return text[shift:], kept
