"""Say all that there is to say of aiogram's models, for tests/system/test_lazy_models.py.

JSON goes to the standard output: how many were built by the import, and of each update, method and
model, by its name, what came of it. With `--backwards` the last one is used first.
"""

import json
import re
import sys
from collections.abc import Callable
from datetime import datetime
from functools import partial
from inspect import isabstract
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from aiogram import methods, types
from pydantic import BaseModel, ValidationError

Json = dict[str, Any]

DEPTH = 2  # of objects in objects; below, only what is required
SIMPLE: Json = {"int": 42, "str": "x", "bool": True, "float": 1.5, "datetime": 1_790_000_000}
ANN: Json = {"id": 42, "is_bot": False, "first_name": "Ann"}
BOT: Json = {"id": 1, "is_bot": True, "first_name": "Bot", "username": "test_bot"}
CHAT: Json = {"id": 42, "type": "private", "first_name": "Ann"}
GROUP: Json = {"id": -1001, "type": "supergroup", "title": "Group", "is_forum": True}
MESSAGE: Json = {"message_id": 7, "date": 1_790_000_000, "chat": CHAT, "from": ANN}
ENTITIES = (
    *("mention", "hashtag", "cashtag", "bot_command", "url", "email", "phone_number", "bold"),
    *("italic", "underline", "strikethrough", "spoiler", "blockquote", "expandable_blockquote"),
    *("code", "pre", "text_link", "text_mention", "custom_emoji", "of_tomorrow"),
)
DETAILS: Json = {
    "pre": {"language": "py"},
    "text_link": {"url": "https://x.example/"},
    "text_mention": {"user": ANN},
    "custom_emoji": {"custom_emoji_id": "1"},
}
BLOCKS: list[Json] = [
    {"type": "heading", "size": 1, "text": "x"},
    {"type": "paragraph", "text": ["x", {"type": "bold", "text": {"type": "code", "text": "y"}}]},
    {"type": "pre", "text": "x", "language": "py"},
    {"type": "list", "items": [{"label": "1.", "blocks": [{"type": "paragraph", "text": "x"}]}]},
    {"type": "table", "cells": [[{"text": "x", "align": "left", "valign": "top"}]]},
    {"type": "mathematical_expression", "expression": "x"},
    {"type": "divider"},
    {"type": "of_tomorrow"},
]
UPDATES: list[Json] = [
    {"message": MESSAGE | {"text": "/start"}},
    {
        "message": MESSAGE
        | {
            "chat": GROUP,
            "text": "x" * 99,
            "entities": [
                {"type": kind, "offset": place, "length": 1} | DETAILS.get(kind, {})
                for place, kind in enumerate(ENTITIES)
            ],
            "reply_to_message": MESSAGE | {"text": "x", "from": BOT},
            "message_thread_id": 3,
            "field_of_tomorrow": {"x": [1]},
        }
    },
    {
        "message": MESSAGE
        | {
            "photo": [{"file_id": "x", "file_unique_id": "y", "width": 1, "height": 1}],
            "caption": "x",
            "reply_markup": {"inline_keyboard": [[{"text": "x", "callback_data": "y"}]]},
        }
    },
    *({"message": MESSAGE | {"rich_message": {"blocks": [block]}}} for block in BLOCKS),
    {"message": MESSAGE | {"rich_message": {"blocks": BLOCKS[:-1], "is_rtl": False}}},
    {"message": MESSAGE | {"text": 1}},
    {"edited_message": MESSAGE | {"text": "x", "edit_date": 1_790_000_001}},
    {
        "callback_query": {
            "id": "1",
            "from": ANN,
            "chat_instance": "1",
            "data": "x",
            "message": MESSAGE | {"from": BOT, "text": "x"},
        }
    },
    {
        "callback_query": {
            "id": "1",
            "from": ANN,
            "chat_instance": "1",
            "message": {"chat": CHAT, "message_id": 7, "date": 0},
        }
    },
    {
        "my_chat_member": {
            "chat": GROUP,
            "from": ANN,
            "date": 1_790_000_000,
            "old_chat_member": {"status": "left", "user": BOT},
            "new_chat_member": {"status": "member", "user": BOT},
        }
    },
    {"stopped_message_generation": {"user": ANN, "chat": CHAT, "draft_id": 5}},
    {"kind_of_tomorrow": {}},
]


def models() -> dict[str, type[BaseModel]]:
    """Return all models, and the answers to all methods."""
    named = {
        f"{module.__name__}.{name}": getattr(module, name)
        for module in (types, methods)
        for name in module.__all__
    }
    found = {
        name: thing
        for name, thing in named.items()
        if isinstance(thing, type) and issubclass(thing, BaseModel) and not isabstract(thing)
    }
    answers: list[Any] = [
        methods.Response.__class_getitem__(model.__returning__)
        for model in found.values()
        if issubclass(model, methods.TelegramMethod)
    ]
    return found | {answer.__name__: answer for answer in answers}


def sample(annotation: Any, depth: int = 0, turn: int = 0) -> Any:
    """Return some JSON that a field of this annotation may hold; of a union, each in turn."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return sample_of(annotation, depth + 1, turn)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return arguments[0]
    if origin is list:
        return [sample(arguments[0], depth, turn)]
    if origin is Annotated:
        return sample(arguments[0], depth, turn)
    if origin in {Union, UnionType}:
        some = [argument for argument in arguments if argument is not type(None)]
        return sample(some[turn % len(some)], depth, turn)
    name = "datetime" if annotation is datetime else getattr(annotation, "__name__", "str")
    return SIMPLE.get(name, "x")


def sample_of(model: type[BaseModel], depth: int = 0, turn: int = 0) -> Json:
    """Return a model's JSON: all fields, or those that are required."""
    model.model_rebuild()
    return {
        field.alias or name: sample(field.annotation, depth, turn + number)
        for number, (name, field) in enumerate(model.model_fields.items())
        if field.is_required() or get_origin(field.annotation) is Literal or depth < DEPTH
    }


def validate(model: type[BaseModel], value: Any) -> list[str]:
    """Return what comes of a value: the object, and its JSON."""
    try:
        made = model.model_validate(value)
    except ValidationError as error:
        return [str(error)]
    return [repr(made), dump(made)]


def dump(made: BaseModel) -> str:
    """Return an object as it is sent."""
    try:
        return made.model_dump_json(warnings=False)
    except Exception as error:  # noqa: BLE001 - the same one both ways
        return f"{error!r} {made.model_dump(warnings=False)!r}"


def examine(model: type[BaseModel]) -> list[str]:
    """Use a model, and return what came of it and what it is made of."""
    used = validate(model, {})  # not built before
    fields = [f"{name}: {field!r}" for name, field in model.model_fields.items()]
    return [*used, *fields, *(line for turn in range(3) for line in tried(model, turn))]


def tried(model: type[BaseModel], turn: int) -> list[str]:
    """Return what comes of a sample, and of one with a field that is wrong."""
    value = sample_of(model, turn=turn)
    wrong = value | {name: {"x": []} for name in list(value)[turn : turn + 1]}
    return [*validate(model, value), *validate(model, wrong)]


def main() -> None:
    """Print the findings, those of a use by their number."""
    uses: dict[str, Callable[[], list[str]]] = {
        f"update {number}": partial(validate, types.Update, {"update_id": number} | update)
        for number, update in enumerate(UPDATES)
    }
    uses |= {name: partial(examine, model) for name, model in models().items()}
    built = sum(model.__pydantic_complete__ for model in models().values())
    order = list(reversed(uses)) if "--backwards" in sys.argv else list(uses)
    found = {name: [re.sub(r" at 0x\w+", "", line) for line in uses[name]()] for name in order}
    json.dump({"built": built, "found": found}, sys.stdout)


if __name__ == "__main__":
    main()
