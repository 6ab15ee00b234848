"""Updates as Telegram sends them, parsed leniently: only what is vital must be valid."""

import logging
import re
from collections.abc import Iterator
from typing import Any

from aiogram import Bot
from aiogram.types import CallbackQuery, Chat, Update
from pydantic import ValidationError

from bot.logs.update_log import Outcome, Trace
from bot.telegram.lenient_json import Path, name_of, parse, simplify, some

ID_BITS = 64
KIND = re.compile("[a-z_]{1,40}")  # of update, if it looks like a name of Telegram's
# The place, sender and content of a message or a pressed button
VITAL = {
    "chat", "message_id", "message_thread_id", "is_topic_message", "date",
    "from", "sender_chat", "id", "data", "text", "caption", "photo",
}  # fmt: skip
IDS = ("message_id", "message_thread_id", "draft_id", "migrate_to_chat_id", "migrate_from_chat_id")
SOURCES = ("chat", "from_user", "sender_chat", "user")

logger = logging.getLogger(__name__)


def kind_of(raw: dict[str, Any]) -> str:
    """Return the name of an update's event; Telegram puts one into each."""
    kinds = [name for name, event in raw.items() if name != "update_id" and event is not None]
    known = [name for name in kinds if name in Update.model_fields]
    return next(iter(known + kinds), "nothing")


def parse_update(raw: dict[str, Any], trace: Trace, bot: Bot) -> Update | None:
    """Parse an update; return None if it is malformed or of an unknown kind."""
    if trace.kind not in Update.model_fields:
        trace.kind = trace.kind if KIND.fullmatch(trace.kind) else "an unknown kind"
        return None
    simplify(raw)
    try:
        update, left_out = parse(Update, raw, _is_vital, bot=bot)
    except ValidationError as error:
        # Only the places of the faults: pydantic's text quotes users' messages
        places = {name_of(fault["loc"]) for fault in error.errors(include_url=False)}
        trace.end(Outcome.MALFORMED, some(places))
        return None
    if left_out:
        logger.warning("Update %s was parsed without %s", update.update_id, some(left_out))
    chat = _chat(update, trace.kind)
    if any(map(_is_wide, _ids(getattr(update, trace.kind)))):
        trace.end(Outcome.MALFORMED, "an id is too large")
        return None
    trace.chat_id = chat.id if chat else None
    return update


def _chat(update: Update, kind: str) -> Chat | None:
    """Return the chat of an update; for a pressed button, that of its message.

    A poll's answer has only a user, and an inline query no chat at all.
    """
    event = getattr(update, kind)
    place = event.message if isinstance(event, CallbackQuery) else event
    chat: Chat | None = getattr(place, "chat", None)
    return chat


def _is_vital(path: Path) -> bool:
    """Tell whether an update cannot be answered without the value at a path in it.

    These are its chat, its sender, its content and, for a pressed button, its message.
    """
    kind, *place = path or [None]
    if place[:1] == ["message"] and kind == "callback_query":
        place = place[1:]
    return not place or (len(place) == 1 and place[0] in VITAL)


def _ids(event: Any) -> Iterator[int]:
    """Yield the ids of an event that are stored, searched for or sent."""
    for name in IDS:
        if (value := getattr(event, name, None)) is not None:
            yield value
    for name in SOURCES:
        if source := getattr(event, name, None):
            yield source.id
    for name in ("message", "reply_to_message"):
        if message := getattr(event, name, None):
            yield from _ids(message)


def _is_wide(number: int) -> bool:
    """Tell whether an id is too large for the database; Telegram's have 52 bits."""
    return number.bit_length() >= ID_BITS
