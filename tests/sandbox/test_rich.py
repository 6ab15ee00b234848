"""Rich messages of the sandbox: their schema, their limits, and the way they go over HTTP."""

from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any

import pytest
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import TelegramBadRequest
from aiogram.types import (
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputRichMessage,
    Message,
    ReplyParameters,
)

from bot.sandbox.parameters import ApiError
from bot.sandbox.rich import BLOCKS, NOT_SIMULATED, TEXTS, read_rich_message
from bot.sandbox.telegram import TelegramServer
from tests.support.servers import serve

TOKEN = "123456:TEST-token"
EMPTY = "RICH_MESSAGE_CONTENT_REQUIRED"
Json = dict[str, Any]


def paragraph(text: Any = "hi") -> Json:
    return {"type": "paragraph", "text": text}


def inline(kind: str, text: Any = "hi", **fields: Any) -> Json:
    return {"type": kind, "text": text, **fields}


def cell(text: Any = "hi", **fields: Any) -> Json:
    return {"align": "left", "valign": "top", "text": text, **fields}


def table(*rows: Any, **fields: Any) -> Json:
    return {"type": "table", "cells": list(rows), **fields}


def listed(*items: Json) -> Json:
    return {"type": "list", "items": list(items)}


def item(*blocks: Json, **fields: Any) -> Json:
    return {"blocks": list(blocks) or [paragraph()], **fields}


def button(**fields: Any) -> Json:
    return {"text": "Go", "callback_data": "go", **fields}


def buttons(*of_row: Any, **fields: Any) -> Json:
    return {"type": "buttons", "buttons": list(of_row), **fields}


USER = {"id": 1, "is_bot": False, "first_name": "Ann"}
SAMPLE_TEXTS: list[Json] = [
    *(
        inline(kind)
        for kind in (
            "bold", "italic", "underline", "strikethrough", "spoiler", "subscript", "superscript",
            "marked", "code",
        )
    ),
    inline("date_time", unix_time=0, date_time_format="wDT"),
    inline("text_mention", user=USER),
    {"type": "custom_emoji", "custom_emoji_id": "5", "alternative_text": "👍"},
    {"type": "mathematical_expression", "expression": "x^2"},
    inline("url", url="https://example.org/"),
    inline("email_address", email_address="ann@example.org"),
    inline("phone_number", phone_number="+1"),
    inline("bank_card_number", bank_card_number="1"),
    inline("mention", username="ann_b"),
    inline("hashtag", hashtag="#a"),
    inline("cashtag", cashtag="$A"),
    inline("bot_command", bot_command="/a"),
    {"type": "button", "button": button()},
    {"type": "anchor", "name": "top"},
    inline("anchor_link", anchor_name=""),
    inline("reference", name="1"),
    inline("reference_link", reference_name="1"),
]  # fmt: skip
SAMPLE_BLOCKS: list[Json] = [
    paragraph(["a ", inline("bold", ["b", inline("italic", "c")])]),
    {"type": "heading", "text": "hi", "size": 6},
    {"type": "pre", "text": "hi", "language": "python"},
    {"type": "footer", "text": "hi"},
    {"type": "divider"},
    {"type": "mathematical_expression", "expression": "x^2"},
    {"type": "anchor", "name": "top"},
    {"type": "blockquote", "blocks": [paragraph()], "credit": "Ann"},
    {"type": "expandable_blockquote", "text": "hi", "credit": "Ann"},
    {"type": "pullquote", "text": "hi"},
    table(
        [cell(is_header=True, colspan=2)],
        [cell(), {"align": "right", "valign": "middle"}],
        is_bordered=True,
        is_striped=False,
        is_compact=True,
        caption="Table",
    ),
    {"type": "details", "summary": "hi", "blocks": [paragraph()], "is_open": True},
    buttons(button(style="link"), {"text": "Web", "url": "https://example.org"}, align="center"),
]


def read(*blocks: Any, **fields: Any) -> Json:
    """Give the message that Telegram makes of blocks which a careful bot may send."""
    message, violations = read_rich_message({"blocks": list(blocks), **fields})
    assert violations == []
    return message


def refused(raw: Json, *, is_draft: bool = False) -> str:
    """Give why a rich message is a bad request."""
    with pytest.raises(ApiError) as error:
        read_rich_message(raw, is_draft=is_draft)
    assert error.value.code == 400
    return error.value.description.removeprefix("Bad Request: ")


# The schema


@pytest.mark.parametrize("block", SAMPLE_BLOCKS, ids=lambda block: block["type"])
def test_blocks_come_back_as_sent(block: Json) -> None:
    """Each kind of block with its fields is accepted and comes back unchanged."""
    assert read(paragraph(), block) == {"blocks": [paragraph(), block]}


@pytest.mark.parametrize("text", SAMPLE_TEXTS, ids=lambda text: text["type"])
def test_texts_come_back_as_sent(text: Json) -> None:
    """Each kind of text is accepted and comes back unchanged."""
    blocks = [paragraph(["a", text])]
    assert read(*blocks) == {"blocks": blocks}


def test_every_kind_has_a_sample() -> None:
    """The samples leave out lists, which come back with labels, and what only drafts hold."""
    assert {text["type"] for text in SAMPLE_TEXTS} == TEXTS.keys()
    assert {block["type"] for block in SAMPLE_BLOCKS} == BLOCKS.keys() - {"list", "thinking"}


NEEDED = [
    (owner, sample, key)
    for owner, samples, types in (
        ("InputRichBlock", SAMPLE_BLOCKS, BLOCKS),
        ("RichText", SAMPLE_TEXTS, TEXTS),
    )
    for sample in samples
    for key in types[sample["type"]]
]


@pytest.mark.parametrize(("owner", "sample", "key"), NEEDED)
def test_fields_are_needed_or_not(owner: str, sample: Json, key: str) -> None:
    """A sample without one of its fields is refused by the field's name where it is needed."""
    name = key.removesuffix("?")
    rest = {field: value for field, value in sample.items() if field != name}
    blocks = [paragraph(), rest if owner == "InputRichBlock" else paragraph(["a", rest])]
    if key == name:
        reason = f"can't parse {owner}: Can't find field \"{name}\""
        assert refused({"blocks": blocks}) == reason
    else:
        assert read(*blocks)


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        ("hi", "can't parse InputRichBlock: expected an Object"),
        ({"text": "hi"}, "can't parse InputRichBlock: Can't find field \"type\""),
        ({"type": 5}, 'can\'t parse InputRichBlock: Field "type" must be of type String'),
        ({"type": "bold", "text": "a"}, 'can\'t parse InputRichBlock: type "bold" is unsupported'),
        (
            paragraph(inline("paragraph")),
            'can\'t parse RichText: type "paragraph" is unsupported',
        ),
        (paragraph(5), "can't parse RichText: expected an Object"),
        (paragraph(["a", True]), "can't parse RichText: expected an Object"),
        (
            {"type": "heading", "text": "a", "size": "1"},
            'can\'t parse InputRichBlock: Field "size" must be of type Number',
        ),
        (
            {"type": "heading", "text": "a", "size": True},
            'can\'t parse InputRichBlock: Field "size" must be of type Number',
        ),
        *(
            (
                {"type": "heading", "text": "a", "size": size},
                'can\'t parse InputRichBlock: Field "size" must be 1-6',
            )
            for size in (0, 7)
        ),
        (
            {"type": "details", "summary": "a", "blocks": [paragraph()], "is_open": "yes"},
            'can\'t parse InputRichBlock: Field "is_open" must be of type Boolean',
        ),
        (
            {"type": "blockquote", "blocks": paragraph()},
            'can\'t parse InputRichBlock: Field "blocks" must be of type Array',
        ),
        (
            listed(item(type="b")),
            (
                "can't parse InputRichBlockListItem: "
                'Field "type" must be one of a, A, i, I, 1'
            ),
        ),
        (listed(item(value="1")), (
            'can\'t parse InputRichBlockListItem: Field "value" must be of type Number'
        )),
        (
            {"type": "list", "items": [{"has_checkbox": True}]},
            "can't parse InputRichBlockListItem: Can't find field \"blocks\"",
        ),
        ({"type": "list", "items": ["a"]}, (
            "can't parse InputRichBlockListItem: expected an Object"
        )),
        (
            table([cell(align="justify")]),
            (
                "can't parse RichBlockTableCell: "
                'Field "align" must be one of left, center, right'
            ),
        ),
        (
            table([cell(valign="center")]),
            (
                "can't parse RichBlockTableCell: "
                'Field "valign" must be one of top, middle, bottom'
            ),
        ),
        (
            table([{"text": "a", "valign": "top"}]),
            "can't parse RichBlockTableCell: Can't find field \"align\"",
        ),
        (
            table([cell(colspan=0)]),
            'can\'t parse RichBlockTableCell: Field "colspan" must be 1-20',
        ),
        (table(cell()), 'can\'t parse InputRichBlock: Field "cells" must be of type Array'),
        (
            paragraph(inline("url", url="ftp://example.org")),
            "entity URL 'ftp://example.org' is invalid: Unsupported URL protocol",
        ),
        (
            paragraph(inline("text_mention", user={"first_name": "Ann"})),
            "can't parse RichText: Can't find field \"id\"",
        ),
        (
            paragraph({"type": "custom_emoji", "custom_emoji_id": "x", "alternative_text": "a"}),
            "invalid custom emoji identifier specified",
        ),
        ({"type": "thinking", "text": "a"}, "thinking blocks can be sent only in drafts"),
        (
            buttons({"text": "Go"}),
            "can't parse RichMessageButton: exactly one action must be specified",
        ),
        (
            buttons(button(url="https://example.org")),
            "can't parse RichMessageButton: exactly one action must be specified",
        ),
        (
            buttons({"text": "Go", "url": "https://example.org", "style": "link"}),
            (
                "can't parse RichMessageButton: "
                'style "link" is allowed only for callback buttons'
            ),
        ),
        (
            buttons(button(text=["a", inline("bold")])),
            "can't parse RichMessageButton: bold is not allowed in a button",
        ),
        (buttons(button(callback_data="é" * 33)), "BUTTON_DATA_INVALID"),
        (
            buttons(*[button()] * 9),
            "can't parse InputRichBlock: more than 8 buttons in a row",
        ),
        *((
            {"type": kind, kind: {}}, f"{kind} blocks are not simulated")
            for kind in sorted(NOT_SIMULATED)
        ),
    ],
)  # fmt: skip
def test_refused_blocks(block: Any, reason: str) -> None:
    """What does not follow the schema is refused in Telegram's manner."""
    assert refused({"blocks": [paragraph(), block]}) == reason


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ({}, "exactly one of html, markdown and blocks must be specified"),
        (
            {"blocks": [paragraph()], "html": "hi"},
            "exactly one of html, markdown and blocks must be specified",
        ),
        ({"html": "hi"}, "html is not simulated: send blocks"),
        ({"markdown": "hi"}, "markdown is not simulated: send blocks"),
        (
            {"blocks": [paragraph()], "media": []},
            "media is not simulated: send blocks without any",
        ),
        (
            {"blocks": paragraph()},
            'can\'t parse InputRichMessage: Field "blocks" must be of type Array',
        ),
        (
            {"blocks": [paragraph()], "is_rtl": 1},
            'can\'t parse InputRichMessage: Field "is_rtl" must be of type Boolean',
        ),
        ({"blocks": [paragraph("\ud83d")]}, "strings must be encoded in UTF-8"),
        (
            {"blocks": [paragraph(), {"type": "anchor", "name": "\ude00"}]},
            "strings must be encoded in UTF-8",
        ),
    ],
)
def test_refused_messages(raw: Json, reason: str) -> None:
    """A message is refused as a whole for its form, its own fields and its encoding."""
    assert refused(raw) == reason


@pytest.mark.parametrize(
    "block",
    [
        paragraph(""),
        paragraph([]),
        paragraph(" \n\u200b"),
        paragraph(["a", inline("bold", "")]),
        paragraph({"type": "anchor", "name": "top"}),
        paragraph({"type": "mathematical_expression", "expression": " "}),
        {"type": "heading", "text": "", "size": 1},
        {"type": "pre", "text": "\n"},
        {"type": "mathematical_expression", "expression": ""},
        listed(),
        {"type": "list", "items": [{"blocks": []}]},
        {"type": "blockquote", "blocks": []},
        {"type": "blockquote", "blocks": [paragraph()], "credit": ""},
        {"type": "details", "summary": "a", "blocks": []},
        {"type": "details", "summary": "", "blocks": [paragraph()]},
        table(),
        table([]),
        table([cell("")]),
        table([{"align": "left", "valign": "top"}]),
        table([cell(" ")]),
        buttons(),
        buttons(button(text="")),
    ],
)
def test_empty_content(block: Json) -> None:
    """A block in which nothing can be seen is refused, also beside others."""
    assert refused({"blocks": [paragraph(), block]}) == EMPTY


@pytest.mark.parametrize("blocks", [[], [{"type": "divider"}], [{"type": "anchor", "name": "a"}]])
def test_empty_messages(blocks: list[Json]) -> None:
    """A message needs a text, in drafts as well."""
    assert refused({"blocks": blocks}) == EMPTY
    assert refused({"blocks": blocks}, is_draft=True) == EMPTY


@pytest.mark.parametrize("text", ["👍", "\U000e0fff", "٣", "-", "a\u200b"])
def test_visible_content(text: str) -> None:
    """Symbols that are no letters can be seen, those that Python does not know yet included."""
    assert read(paragraph(text))


def test_thinking_in_drafts() -> None:
    """A draft may say that the bot thinks."""
    thinking = {"type": "thinking", "text": "Hm"}
    assert read_rich_message({"blocks": [thinking]}, is_draft=True) == ({"blocks": [thinking]}, [])


def test_unknown_fields_are_violations() -> None:
    """Telegram ignores a field that it does not know, and so does a careful bot's test."""
    message, violations = read_rich_message(
        {
            "blocks": [
                {**paragraph(inline("bold", colour="red")), "align": "left", "style": None},
                table([cell(type="td")]),
                listed(item(label="1.")),
                buttons(button(icon="x")),
            ],
            "rtl": True,
        }
    )
    assert violations == [
        "RichText: unknown field colour",
        "InputRichBlock: unknown field align",
        "RichBlockTableCell: unknown field type",
        "InputRichBlockListItem: unknown field label",
        "RichMessageButton: unknown field icon",
        "InputRichMessage: unknown field rtl",
    ]
    bold, cells, items, row = message["blocks"]
    assert bold == paragraph(inline("bold"))
    assert cells == table([cell()])
    assert items["items"][0]["label"] == "•"
    assert row == buttons(button())


def test_direction() -> None:
    """A message from right to left says so, and the switch for detection stays with the bot."""
    assert read(paragraph(), is_rtl=True)["is_rtl"] is True
    assert read(paragraph(), is_rtl=False, skip_entity_detection=True) == {"blocks": [paragraph()]}


# Labels


@pytest.mark.parametrize(
    ("items", "labels"),
    [
        ([{}, {}], ["•", "•"]),
        ([{"has_checkbox": True}, {"has_checkbox": True, "is_checked": True}], ["☐", "☑"]),
        ([{"value": 3}, {"type": "1"}, {"value": 9}], ["3.", "4.", "9."]),
        ([{"type": "a"}, {"type": "A"}, {"type": "a", "value": 26}], ["a.", "B.", "z."]),
        ([{"type": "a", "value": 27}, {"type": "A", "value": 703}], ["aa.", "AAA."]),
        ([{"type": "i", "value": 4}, {"type": "I", "value": 1994}], ["iv.", "MCMXCIV."]),
        ([{"type": "i", "value": 0}, {"type": "a", "value": -1}], ["0.", "-1."]),
    ],
)
def test_labels(items: list[Json], labels: list[str]) -> None:
    """Items come back with their label and otherwise as they were sent."""
    sent = [item(**fields) for fields in items]
    (block,) = read(listed(*sent))["blocks"]
    assert block["items"] == [
        {"label": label, **fields} for label, fields in zip(labels, sent, strict=True)
    ]


# Limits: the largest that passes, and one more


def nested_lists(levels: int) -> Json:
    """Nest a paragraph in lists, so many levels deep in all."""
    return paragraph() if levels == 1 else listed(item(nested_lists(levels - 1)))


def nested_formats(levels: int) -> Any:
    """Nest a text in so many formats."""
    return [inline("bold", nested_formats(levels - 1))] if levels else "hi"


def formula(size: int) -> Json:
    return {"type": "mathematical_expression", "expression": "x" * size}


def emoji(size: int) -> Json:
    return {"type": "custom_emoji", "custom_emoji_id": "5", "alternative_text": "👍" * size}


TOO_LONG, TOO_MANY = "RICH_MESSAGE_TEXT_TOO_LONG", "RICH_MESSAGE_BLOCKS_TOO_MANY"
TOO_DEEP, TOO_WIDE = "RICH_MESSAGE_DEPTH_INVALID", "RICH_MESSAGE_TABLE_COLS_TOO_MANY"
LIMITS: dict[str, tuple[Callable[[int], list[Json]], int, str]] = {
    "characters": (lambda n: [paragraph("👍" * n)], 32_768, TOO_LONG),
    "formulas": (lambda n: [formula(n - 5), paragraph(["a", emoji(4)])], 32_768, TOO_LONG),
    "cells": (lambda n: [table([cell("x" * (n - 1))], caption="a")], 32_768, TOO_LONG),
    "blocks": (lambda n: [paragraph()] * n, 500, TOO_MANY),
    "rows": (lambda n: [table(*[[cell(), cell()]] * (n - 1))], 500, TOO_MANY),
    "items": (
        lambda n: [listed(*[item()] * ((n - 1) // 2)), *[paragraph()] * ((n - 1) % 2)],
        500,
        TOO_MANY,
    ),
    "details and quotations": (
        lambda n: [
            {"type": "details", "summary": "a", "blocks": [paragraph()] * (n - 3)},
            {"type": "blockquote", "blocks": [paragraph()]},
        ],
        500,
        TOO_MANY,
    ),
    "nested blocks": (lambda n: [nested_lists(n)], 16, TOO_DEEP),
    "nested formats": (lambda n: [paragraph(nested_formats(n - 1))], 16, TOO_DEEP),
    "formats in blocks": (
        lambda n: [listed(item(table([cell(nested_formats(n - 2))])))],
        16,
        TOO_DEEP,
    ),
    "columns": (lambda n: [table([cell(inline("bold"))] * n)], 20, TOO_WIDE),
    "wide cells": (
        lambda n: [table([cell()], [cell(colspan=n - 1), cell()])],
        20,
        TOO_WIDE,
    ),
    "tall cells": (
        lambda n: [
            table([cell(rowspan=2)], [cell(colspan=n - 2), cell()], [cell(colspan=20)]),
        ],
        20,
        TOO_WIDE,
    ),
}


@pytest.mark.parametrize(("make", "limit", "reason"), LIMITS.values(), ids=LIMITS)
def test_limits(make: Callable[[int], list[Json]], limit: int, reason: str) -> None:
    """A message of the limit's size passes, a larger one does not."""
    assert read(*make(limit))
    assert refused({"blocks": make(limit + 1)}) == reason


# Over HTTP, with aiogram


@pytest.fixture
def telegram() -> TelegramServer:
    """Make a Telegram that knows Ann (1) and a forum (-300) with a topic (5)."""
    telegram = TelegramServer(TOKEN)
    ann = telegram.person(1)
    telegram.message(telegram.private_chat(ann), ann, "hi")
    forum = telegram.group(-300, is_forum=True)
    telegram.message(forum, ann, "hi", message_thread_id=5, is_topic_message=True)
    return telegram


@pytest.fixture
def url(telegram: TelegramServer) -> Iterator[str]:
    """Serve it."""
    with serve(telegram.application()) as url:
        yield url


@pytest.fixture
async def bot(url: str) -> AsyncGenerator[Bot]:
    """Open an aiogram bot."""
    api = TelegramAPIServer.from_base(url)
    async with Bot(TOKEN, session=AiohttpSession(api=api)) as bot:
        yield bot


def rich(*blocks: Json, **fields: Any) -> InputRichMessage:
    return InputRichMessage.model_validate({"blocks": blocks or [paragraph()], **fields})


def keyboard(data: str = "go") -> InlineKeyboardMarkup:
    button = InlineKeyboardButton(text="Go", callback_data=data)
    return InlineKeyboardMarkup(inline_keyboard=[[button]])


def pressable(message: Message) -> list[str | None]:
    """Give the data of the buttons under a message."""
    rows = message.reply_markup.inline_keyboard if message.reply_markup else []
    return [button.callback_data for row in rows for button in row]


async def test_round_trip(telegram: TelegramServer, bot: Bot) -> None:
    """All that can be sent comes back to aiogram as a Message, and stands as sent."""
    blocks = [*SAMPLE_BLOCKS, paragraph(SAMPLE_TEXTS), listed(item(has_checkbox=True))]
    sent = await bot.send_rich_message(
        -300,
        rich(*blocks, is_rtl=True, skip_entity_detection=True),
        message_thread_id=5,
        reply_parameters=ReplyParameters(message_id=1),
        reply_markup=keyboard(),
    )
    assert sent.rich_message is not None
    assert (sent.text, sent.message_thread_id, sent.rich_message.is_rtl) == (None, 5, True)
    assert sent.reply_to_message is not None
    assert pressable(sent) == ["go"]
    (standing,) = telegram.sent(-300)
    *others, items = blocks
    assert standing["rich_message"]["blocks"] == [
        *others,
        listed({"label": "☐", **items["items"][0]}),
    ]
    assert sent.rich_message.model_dump(exclude_none=True) == standing["rich_message"]
    assert telegram.violations == []


async def test_rich_drafts(telegram: TelegramServer, bot: Bot) -> None:
    """A private chat has one draft of either kind, which ends with a message of either."""
    thinking = {"type": "thinking", "text": "Hm"}
    assert await bot.send_rich_message_draft(1, 7, rich(thinking), can_stop=True)
    assert telegram.draft(1) == {
        "draft_id": 7,
        "rich_message": {"blocks": [thinking]},
        "can_stop": True,
        "keep_on_stop": False,
    }
    assert await bot.send_message_draft(1, 7, text="Hm")
    draft = telegram.draft(1) or {}
    assert (draft["text"], "rich_message" in draft) == ("Hm", False)
    await bot.send_rich_message(1, rich())
    assert telegram.draft(1) is None
    with pytest.raises(TelegramBadRequest, match="TEXTDRAFT_PEER_INVALID"):
        await bot.send_rich_message_draft(-300, 7, rich())
    with pytest.raises(TelegramBadRequest, match="invalid draft identifier"):
        await bot.send_rich_message_draft(1, 0, rich())
    with pytest.raises(TelegramBadRequest, match="only in drafts"):
        await bot.send_rich_message(1, rich(thinking))


async def test_a_message_becomes_rich_and_back(telegram: TelegramServer, bot: Bot) -> None:
    """An edit takes away what the other kind of content left."""
    sent = await bot.send_message(1, "hi @test_bot", reply_markup=keyboard())
    place: Json = {"chat_id": 1, "message_id": sent.message_id}
    edited = await bot.edit_message_text(**place, rich_message=rich(), reply_markup=keyboard("b"))
    assert isinstance(edited, Message)
    assert (edited.text, pressable(edited)) == (None, ["b"])
    assert edited.rich_message is not None
    with pytest.raises(TelegramBadRequest, match="message is not modified"):
        await bot.edit_message_text(**place, rich_message=rich(), reply_markup=keyboard("b"))
    await bot.edit_message_text(**place, rich_message=rich(paragraph("new")))
    assert telegram.sent(1)[0]["rich_message"] == {"blocks": [paragraph("new")]}
    edited = await bot.edit_message_text("bye", **place)
    assert isinstance(edited, Message)
    assert (edited.text, edited.rich_message) == ("bye", None)
    assert telegram.violations == []


async def test_refused_calls(telegram: TelegramServer, bot: Bot) -> None:
    """An edit has one content and a message of the bot; a refused message does not stand."""
    sent = await bot.send_message(1, "hi")
    place: Json = {"chat_id": 1, "message_id": sent.message_id}
    both: Json = {"text": "a", "rich_message": rich()}
    with pytest.raises(TelegramBadRequest, match="exactly one of text and rich_message"):
        await bot.edit_message_text(**place, **both)
    with pytest.raises(TelegramBadRequest, match="message can't be edited"):
        await bot.edit_message_text(chat_id=1, message_id=1, rich_message=rich())
    with pytest.raises(TelegramBadRequest, match=EMPTY):
        await bot.send_rich_message(1, rich({"type": "divider"}))
    with pytest.raises(TelegramBadRequest, match="chat not found"):
        await bot.send_rich_message(2, rich())
    assert [message["text"] for message in telegram.sent()] == ["hi"]
    assert telegram.violations == []


async def test_careless_calls(telegram: TelegramServer, bot: Bot) -> None:
    """What Telegram ignores in and beside a rich message is reported."""
    sent = await bot.send_rich_message(1, rich(paragraph("old")))
    await bot.edit_message_text(
        chat_id=1, message_id=sent.message_id, rich_message=rich(colour="red"), parse_mode="HTML"
    )
    assert telegram.violations == [
        "parse_mode beside a rich_message",
        "InputRichMessage: unknown field colour",
    ]
