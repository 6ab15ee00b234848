"""Whatever people, models and Telegram may write, for the property tests to draw from."""

import copy
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import cache
from itertools import pairwise
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from aiogram.types import Chat, Message, Update, User
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic import BaseModel
from pydantic.fields import FieldInfo

Json = dict[str, Any]

# -- What people write ----------------------------------------------------------------------------

SURROGATES = st.characters(categories=["Cs"])
ANYTHING = st.characters(codec="utf-8")
PECULIAR = st.sampled_from(
    [
        *"\x00\x01\x0b\x1b\x85\u200b\u200d\u2028\u2029\u202e\ufeff\ufffd\ufffe",
        *"/*_`[]()<>&~|#$\\ \r\n\t",
        *("שלום", "عربي", "👩‍👩‍👧‍👦", "🇮🇹", "e\u0301", "😀", "/start", "/new_chat", "@test_bot"),
    ]
)
SYMBOLS = st.one_of(ANYTHING, PECULIAR, st.sampled_from("abc 1"))
SHORT = st.lists(SYMBOLS, max_size=40).map("".join)
# Telegram lets people write 4096 characters
LONG = st.builds(lambda text, times: (text * times)[:4096], SHORT, st.integers(100, 4096))
TEXTS = st.one_of(SHORT, LONG)
# Long enough for several messages
ANSWERS = st.one_of(TEXTS, st.builds(lambda text: (text * 9000)[:9000], SHORT))
BROKEN_TEXTS = st.lists(st.one_of(SYMBOLS, SURROGATES), max_size=40).map("".join)

# -- What the model writes ------------------------------------------------------------------------

WORDS = st.text(
    st.one_of(st.sampled_from("abcdefgh"), st.characters(categories=["Lu", "Ll"]), st.just("א")),
    min_size=1,
    max_size=9,
)
PLAIN_WORDS = st.text("abcdefgh", min_size=1, max_size=9)
PHRASES = st.lists(WORDS, min_size=1, max_size=6).map(" ".join)
MARKS = ("**{}**", "*{}*", "__{}__", "_{}_", "~~{}~~", "||{}||", "`{}`", "{} & {}", "1 < {} > 1")
LINKS = ("[{}](https://1.1/)", '[{}](https://1.1/ "1")', "![{}](https://1.1/)", "[{}](1)")
HTML = ("<1>{}</1>", "<!-- {} -->", "{}<br>{}", "1 &lt; {} &#49;")
INLINE = st.recursive(
    PHRASES,
    lambda inner: st.one_of(
        st.builds(lambda mark, text: mark.format(text, text), st.sampled_from(MARKS), inner),
        st.builds(lambda link, text: link.format(text), st.sampled_from(LINKS), inner),
        st.builds(lambda tag, text: tag.format(text, text), st.sampled_from(HTML), PLAIN_WORDS),
        st.lists(inner, min_size=2, max_size=3).map(" ".join),
    ),
    max_leaves=6,
)
LINES = st.lists(INLINE, min_size=1, max_size=5)


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|-" * len(rows[0]) + "|", *lines[1:]])


def _times(text: str, times: int) -> str:
    return "\n\n".join([text] * times)


CODE_LINES = st.lists(WORDS, min_size=1, max_size=9)
BLOCKS = st.one_of(
    INLINE,
    st.builds("{} {}".format, st.sampled_from(["#", "##", "######", ">", "> >"]), INLINE),
    LINES.map(lambda items: "- " + "\n- ".join(items)),
    LINES.map(lambda items: "1. " + "\n   - ".join(items)),
    LINES.map(lambda items: "- [ ] " + "\n- [ ] ".join(items)),
    LINES.map(lambda items: "> " + "\n> ".join(items)),
    CODE_LINES.map(lambda lines: "```\n" + "\n    ".join(lines) + "\n```"),
    CODE_LINES.map(lambda lines: "> ```\n> " + "\n>   ".join(lines) + "\n> ```"),
    CODE_LINES.map(lambda lines: "1. 1\n\n   ```\n   " + "\n   ".join(lines) + "\n   ```"),
    st.lists(st.tuples(PHRASES, PHRASES), min_size=2, max_size=4).map(_table),
)
DOCUMENTS = st.lists(BLOCKS, min_size=1, max_size=6).map("\n\n".join)
LONG_DOCUMENTS = st.builds(_times, DOCUMENTS, st.integers(1, 60))
OPEN_FENCES = st.builds("{}\n\n```\n{}".format, DOCUMENTS, CODE_LINES.map("\n".join))


@st.composite
def chunked(draw: st.DrawFn, texts: SearchStrategy[str]) -> list[str]:
    """Draw a text, split anywhere into chunks, some of which may be empty."""
    text = draw(texts)
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=6)))
    bounds = [0, *cuts, len(text)]
    return [text[start:end] for start, end in pairwise(bounds)]


# -- JSON of any kind -----------------------------------------------------------------------------

PRIVATE_WORD = "zwetschge"  # stands in all that people write in updates: no log may hold it
NUMBERS = st.one_of(st.integers(-(2**70), 2**70), st.floats(), st.integers(-3, 3))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    NUMBERS,
    st.builds("{}{}".format, BROKEN_TEXTS, st.just(PRIVATE_WORD)),
)
NAMES = st.sampled_from(["id", "type", "text", "chat", "from", "date", "x", ""])
ANY_JSON: SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)
    ),
    max_leaves=6,
)
# The numbers that JSON has
FINITE_JSON: SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(allow_nan=False, allow_infinity=False),
        SHORT,
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(SHORT, inner, max_size=3)
    ),
    max_leaves=6,
)

# -- Updates --------------------------------------------------------------------------------------

PERSON: Json = {"id": 42, "is_bot": False, "first_name": "Ann"}
PRIVATE_CHAT: Json = {"id": 42, "type": "private", "first_name": "Ann"}
GROUP: Json = {"id": -1001234567890, "type": "supergroup", "title": "Group"}
CHATS: list[Json] = [
    PRIVATE_CHAT,
    GROUP,
    {"id": -1009876543210, "type": "channel", "title": "Channel"},
]
IMPOSSIBLE_CHAT: Json = {"id": 2**70, "type": "private"}
PEOPLE = [PERSON, {"id": 77, "is_bot": True, "first_name": "Robot"}]
STRINGS = st.sampled_from(["{}", "/start {}", "/foo {}", "{} @test_bot", "**{}", ""]).map(
    lambda form: form.format(PRIVATE_WORD)
)
DEPTH = 3  # of objects in objects; below, only what is required

_SIMPLE: dict[Any, SearchStrategy[Any]] = {
    int: st.sampled_from([0, 1, 42, 2**52, 2**70, -1]),
    str: STRINGS,
    bool: st.booleans(),
    float: st.sampled_from([0.0, 1.5]),
    datetime: st.sampled_from([0, 1_790_000_000]),
    type(None): st.none(),
    Chat: st.sampled_from([PRIVATE_CHAT, PRIVATE_CHAT, *CHATS]),
    User: st.sampled_from([PERSON, PERSON, *PEOPLE]),
}


@cache
def _values(annotation: Any, depth: int) -> SearchStrategy[Any]:
    """Return what JSON a field of this annotation may hold."""
    if annotation in _SIMPLE:
        return _SIMPLE[annotation]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return st.deferred(lambda: _objects(annotation, depth))
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is list:
        return st.lists(_values(arguments[0], depth), max_size=2)
    if origin is Annotated:
        return _values(arguments[0], depth)
    if origin in {Union, UnionType}:
        return st.one_of([_values(argument, depth) for argument in arguments])
    return STRINGS


@cache
def _objects(model: type[BaseModel], depth: int) -> SearchStrategy[Json]:
    """Return a model's JSON: what is required, and a few of the other fields."""
    model.model_rebuild()  # or its annotations are strings, see bot.startup.lazy_models
    fields: dict[str, Any] = {
        field.alias or name: field for name, field in model.model_fields.items()
    }
    needed = {name: field for name, field in fields.items() if _is_needed(field)}
    optional = sorted(fields.keys() - needed.keys()) if depth < DEPTH else []

    def with_names(names: list[str]) -> SearchStrategy[Json]:
        chosen = needed | {name: fields[name] for name in names}
        return st.fixed_dictionaries(
            {name: _values(field.annotation, depth + 1) for name, field in chosen.items()}
        )

    if not optional:
        return with_names([])
    return st.lists(st.sampled_from(optional), max_size=3, unique=True).flatmap(with_names)


def _is_needed(field: FieldInfo) -> bool:
    return field.is_required() or get_origin(field.annotation) is Literal


def _updates(kind: str) -> SearchStrategy[Json]:
    Update.model_rebuild()
    model = next(a for a in get_args(Update.model_fields[kind].annotation) if a is not type(None))
    event = _values(model, 0)
    if model is Message:
        event = st.builds(dict.__or__, event, OPENINGS)
    return st.fixed_dictionaries({"update_id": st.integers(0, 2**31), kind: event})


KINDS = sorted(Update.model_fields.keys() - {"update_id"})
OPENINGS = st.one_of(
    st.builds(lambda text: {"chat": PRIVATE_CHAT, "from": PERSON, "text": text}, STRINGS),
    st.builds(
        lambda chat, text: {"chat": chat, "from": PERSON, "text": text},
        st.sampled_from([*CHATS, IMPOSSIBLE_CHAT]),
        STRINGS,
    ),
    st.builds(lambda chat: {"chat": chat}, st.sampled_from(CHATS)),
)
SOUND_UPDATES = st.sampled_from(["message"] * len(KINDS) + KINDS).flatmap(_updates)
STRANGE_UPDATES = st.builds(
    dict.__or__,
    st.dictionaries(st.sampled_from([*KINDS, "telepathy"]), ANY_JSON, max_size=3),
    st.builds(lambda number: {"update_id": number}, st.integers(-(2**70), 2**70)),
)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each holder and key within a value, at any depth."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in list(items):
        if key != "update_id":
            yield value, key
        if isinstance(item, dict | list):
            yield from _places(item)


def _nested(value: Any, depth: int) -> Any:
    for level in range(depth):
        value = [value] if level % 2 else {"x": value}
    return value


def _put(holder: Any, key: Any, value: Any) -> None:
    holder[key] = value


def _add(holder: Any, _: Any, value: Any) -> None:
    if isinstance(holder, dict):
        holder["reply_to_message"] = value
    else:
        holder.append(value)


def _drop(holder: Any, key: Any, _: Any) -> None:
    del holder[key]


def _nest(holder: Any, key: Any, _: Any) -> None:
    holder[key] = _nested(holder[key], 200)


def _wrap(holder: Any, key: Any, _: Any) -> None:
    holder[key] = [holder[key]]


CHANGES: list[Callable[[Any, Any, Any], None]] = [_put, _add, _drop, _nest, _wrap]


@st.composite
def _mutated(draw: st.DrawFn, updates: SearchStrategy[Json]) -> Json:
    """Draw an update with up to four places changed."""
    update = copy.deepcopy(draw(updates))
    for _ in range(draw(st.integers(0, 4))):
        places = list(_places(update))
        if places:
            holder, key = places[draw(st.integers(0, len(places) - 1))]
            draw(st.sampled_from(CHANGES))(holder, key, draw(ANY_JSON))
    return update


UPDATES = st.one_of(_mutated(SOUND_UPDATES), SOUND_UPDATES, STRANGE_UPDATES)


# -- What the database may hold -------------------------------------------------------------------

STORABLE_TEXTS = st.one_of(st.sampled_from(["", " ", "\n\t"]), SHORT).map(
    lambda text: text.replace("\x00", "")
)


@st.composite
def exchanges(draw: st.DrawFn, signature: str) -> list[Json]:
    """Draw the contents of a turn in which the model called functions."""
    contents: list[Json] = []
    for number in range(draw(st.integers(1, 3))):
        letters = draw(st.sampled_from(["a", "ab", "abc", ""]))
        ids: list[str | None] = [f"{letter}{number}" for letter in letters]
        calls = [_call(call_id, draw(FINITE_JSON)) for call_id in ids or [None]]
        if draw(st.booleans()):
            calls[0]["thoughtSignature"] = signature
        said = [{"text": draw(PHRASES)}] if draw(st.booleans()) else []
        results = [{"functionResponse": _result(call["functionCall"])} for call in calls]
        contents += [{"role": "model", "parts": said + calls}, {"role": "user", "parts": results}]
    return [*contents, {"role": "model", "parts": [{"text": draw(PHRASES)}]}]


def _call(call_id: str | None, value: Any) -> Json:
    call = {"name": "f", "args": {"x": value}}
    return {"functionCall": call | ({"id": call_id} if call_id else {})}


def _result(call: Json) -> Json:
    result = {"name": call["name"], "response": {"success": True}}
    return result | ({"id": call["id"]} if "id" in call else {})


def histories(signature: str, file_ids: Sequence[str]) -> SearchStrategy[list[Json]]:
    """Return rows of chat_message, as this bot or an earlier one may have left them."""
    row = st.fixed_dictionaries(
        {
            "role": st.sampled_from(["user", "model", None, "assistant", ""]),
            "text": st.none() | STORABLE_TEXTS,
            "file_id": st.none() | st.sampled_from(file_ids),
            "content": st.one_of(st.none(), st.just([]), exchanges(signature)),
        }
    )
    return st.lists(row, max_size=8)
