"""What the page makes of messages, here of made-up ones: the stream of events is canned."""

import json
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from bot.sandbox import rich
from tests.system.browser.sandbox import Sandbox
from tests.system.browser.screen import ANN, Screen, watched

BOT = {"id": 42, "is_bot": True, "first_name": "Bot", "username": "sandbox_bot"}
PERSON = {"id": ANN, "is_bot": False, "first_name": "Ann", "username": "ann"}
CHAT = {"id": ANN, "type": "private", "first_name": "Ann"}
STYLE = Path(rich.__file__).parent / "page" / "style.css"
LARGE = 3000
PLACE = """element => element.getBoundingClientRect().top
    - document.getElementById("log").getBoundingClientRect().top"""

Show = Callable[..., Awaitable[Screen]]


def _snapshot(messages: list[dict[str, Any]]) -> dict[str, Any]:
    common = {"chat": CHAT, "date": int(time.time())}
    return {
        "type": "snapshot",
        "bot": BOT,
        "people": [PERSON],
        "chats": [
            {
                "chat": CHAT,
                "members": [ANN],
                "topics": [],
                "messages": [
                    {"message_id": number, "from": BOT, **common, **message}
                    for number, message in enumerate(messages, 1)
                ],
                "drafts": [],
            }
        ],
        "commands": [],
        "model": {"builtin": True, "name": "built-in"},
        "bot_running": True,
        "switches": {"telegram": "off", "gemini": "off", "times": None, "privacy": True},
        "journal": [],
    }


def _stream(*events: dict[str, Any], retry: int = 60_000) -> str:
    lines = [f"data: {json.dumps(event)}\n\n" for event in events]
    return "".join([f"retry: {retry}\n", *lines])


@pytest_asyncio.fixture(loop_scope="session")
async def show(browser: Browser, sandbox: Sandbox) -> AsyncGenerator[Show]:
    """Give what opens a page on which the bot has sent these messages."""
    async with AsyncExitStack() as stack:

        async def show(*messages: dict[str, Any], **more: Any) -> Screen:
            events = _stream(_snapshot(list(messages)) | more)
            return await stack.enter_async_context(watched(browser, sandbox.url, events=events))

        yield show


def _entity(kind: str, offset: int, length: int, **more: Any) -> dict[str, Any]:
    return {"type": kind, "offset": offset, "length": length, **more}


async def _html(screen: Screen) -> str:
    """Return what is in the last message, without the time and attributes."""
    html: str = await screen.theirs.last.locator(".text, .rich").first.inner_html()
    html = re.sub(r'<span class="meta">.*', "", html)
    return re.sub(r"<(\w+)[^>]*>", r"<\1>", html)


async def test_entities_nest_and_overlap(show: Show) -> None:
    """Offsets count UTF-16 units; what overlaps is cut where it has to be."""
    text = "ab😀cdefgh"
    entities = [_entity("bold", 0, 6), _entity("italic", 4, 4), _entity("code", 8, 2)]

    screen = await show({"text": text, "entities": entities})

    assert await _html(screen) == "<b>ab😀<i>cd</i></b><i>ef</i><code>gh</code>"


async def test_blocks_in_texts(show: Show) -> None:
    """Code and quotations end their line by themselves."""
    text = "a\nprint(1)\nb\nquoted\nc"
    entities = [_entity("pre", 2, 8, language="python"), _entity("blockquote", 13, 6)]

    screen = await show({"text": text, "entities": entities})

    await expect(screen.theirs.locator("pre")).to_have_text("print(1)")
    await expect(screen.theirs.locator(".quote")).to_have_text("quoted")
    between = "text => [...text.childNodes].filter(node => node.data).map(node => node.data)"
    assert await screen.theirs.locator(".text").evaluate(between) == ["a\n", "b\n", "c"]


async def test_nothing_is_taken_for_html(show: Show) -> None:
    """Tags are shown, and links lead only where links may lead."""
    tag = "<img src=x onerror=alert(1)>"
    link = {"type": "url", "text": "press", "url": "javascript:alert(1)"}

    screen = await show(
        {"text": tag + "x", "entities": [_entity("text_link", 0, 4, url="javascript:alert(1)")]},
        {"rich_message": {"blocks": [{"type": "paragraph", "text": [tag, link]}]}},
    )

    await expect(screen.theirs.first).to_contain_text(tag)
    await expect(screen.theirs.last).to_contain_text(tag)
    await expect(screen.theirs.locator("img, a")).to_have_count(0)


async def test_spoilers_open(show: Show) -> None:
    """A spoiler hides what it holds until it is pressed."""
    screen = await show({"text": "It is a piano.", "entities": [_entity("spoiler", 6, 7)]})

    await screen.press("Hidden text: press to show it")

    await expect(screen.theirs.locator(".spoiler.open")).to_have_text("a piano")
    await expect(screen.page.get_by_role("button", name="Hidden text")).to_have_count(0)


FIELDS: dict[str, Any] = {
    "text": "words",
    "size": 2,
    "expression": "x^2",
    "name": "place",
    "items": [{"label": "1.", "value": 1, "blocks": [{"type": "paragraph", "text": "words"}]}],
    "blocks": [{"type": "paragraph", "text": "words"}],
    "cells": [[{"align": "left", "valign": "top", "text": "words", "is_header": True}]],
    "summary": "words",
    "buttons": [{"text": "words", "url": "https://example.org"}],
    "unix_time": 1_700_000_000,
    "date_time_format": "d",
    "user": PERSON,
    "custom_emoji_id": "1",
    "alternative_text": "words",
    "url": "https://example.org",
    "email_address": "ann@example.org",
    "phone_number": "+15550100",
    "bank_card_number": "4242",
    "username": "ann",
    "hashtag": "words",
    "cashtag": "words",
    "bot_command": "help",
    "button": {"text": "words", "callback_data": "x"},
    "anchor_name": "place",
    "reference_name": "place",
}


def _example(kind: str, schema: rich.Schema) -> dict[str, Any]:
    names = [name for name in schema if not name.endswith("?")]
    return {"type": kind, **{name: FIELDS[name] for name in names}}


async def test_every_block_and_text(show: Show) -> None:
    """Whatever the bot can send is shown, each in its own message."""
    blocks = [_example(kind, schema) for kind, schema in rich.BLOCKS.items()]
    texts = [
        {"type": "paragraph", "text": _example(kind, schema)}
        for kind, schema in rich.TEXTS.items()
    ]

    screen = await show(*({"rich_message": {"blocks": [block]}} for block in blocks + texts))

    await expect(screen.theirs).to_have_count(len(blocks + texts))
    await expect(screen.page.locator(".formula math, .formula-inline math")).to_have_count(2)
    silent = {"divider", "anchor"}
    for at, block in enumerate(blocks + texts):
        content = screen.theirs.nth(at).locator(".rich").first
        kind = block["text"]["type"] if at >= len(blocks) else block["type"]
        assert kind in silent or (await content.inner_text()).strip(), kind
        await expect(content).not_to_contain_text("This page does not show")


async def test_a_long_conversation(show: Show) -> None:
    """Only the end of it is built; the rest comes when it is scrolled to."""
    screen = await show(*({"text": f"message {number}"} for number in range(LARGE)))
    await expect(screen.theirs.last).to_contain_text(f"message {LARGE - 1}")
    shown = await screen.theirs.count()
    assert shown <= 100

    await screen.page.locator("#log").evaluate("log => log.scrollTo(0, 0)")

    await expect(screen.theirs.nth(shown)).to_be_attached()
    await screen.press("To the latest message")
    await expect(screen.theirs.last).to_be_in_viewport()


async def test_who_reads_is_not_disturbed(sandbox: Sandbox, browser: Browser) -> None:
    """When the stream of events comes back, the same messages are in sight."""
    snapshot = _snapshot([{"text": f"message {number}"} for number in range(LARGE)])
    events = _stream(snapshot, retry=1000)
    async with watched(browser, sandbox.url, events=events) as screen:
        await screen.page.locator("#log").evaluate("log => log.scrollTo(0, 0)")
        read = screen.theirs.filter(has_text=f"message {LARGE - 90}")
        await read.scroll_into_view_if_needed()
        place = await read.evaluate(PLACE)
        await screen.page.evaluate("document.querySelector('.lines').firstChild.title = 'old'")

        async with screen.page.expect_request("**/events"):
            pass

        await expect(screen.page.get_by_title("old")).to_have_count(0)
        assert abs(await read.evaluate(PLACE) - place) < 2


async def test_the_edited_are_marked(show: Show) -> None:
    """Who edits words is seen to; who edits only the buttons is not."""
    edited = {"text": "words", "edit_date": int(time.time())}

    screen = await show(edited, edited | {"edit_hidden": True}, {"text": "words"})

    await expect(screen.theirs.first.locator(".meta")).to_contain_text("edited")
    await expect(screen.theirs.locator(".meta").get_by_text("edited")).to_have_count(1)


async def test_names_and_landmarks(show: Show) -> None:
    """A screen reader finds the parts of the page, and a name for each button."""
    screen = await show({"text": "words"})
    page = screen.page

    await expect(page.get_by_role("main")).to_be_visible()
    await expect(page.get_by_role("log", name="Messages")).to_have_attribute("aria-live", "polite")
    await expect(page.get_by_role("complementary")).to_have_count(2)
    await expect(page.get_by_role("group", name="You write as")).to_be_visible()
    nameless = await page.evaluate(
        """[...document.querySelectorAll("button, input, textarea, dialog")].filter(element =>
            !(element.ariaLabel || element.innerText.trim() || element.labels?.length
              || element.getAttribute("aria-labelledby"))).map(element => element.outerHTML)"""
    )
    assert nameless == []


@pytest.mark.parametrize(
    ("model", "reach"),
    [
        ({"builtin": True, "name": "built-in"}, "All of this stays on your machine."),
        ({"builtin": False, "name": "gemini"}, "Questions go to Google's Gemini, on your key."),
        ({"builtin": False, "name": "your bot"}, ""),
    ],
)
async def test_who_reads_along(show: Show, model: dict[str, Any], reach: str) -> None:
    """The page says where the words go, and when others can read them."""
    near, far = await show(model=model), await show(model=model, open=True)

    await expect(near.page.locator("#reach")).to_have_text(f"{reach} Not for production.".strip())
    await expect(far.page.locator("#reach")).to_contain_text("Others on the network")
    await expect(far.page.locator("#reach")).not_to_contain_text("your machine")


async def test_a_broken_rule(show: Show) -> None:
    """The journal says in red which rule was broken, and in words who called whom."""
    entry = {
        "id": 1,
        "kind": "call",
        "at": 0,
        "ms": 1,
        "title": "sendMessage",
        "chat_id": ANN,
        "ok": False,
        "status": 400,
        "request": {"text": ""},
        "response": {"ok": False},
        "violations": ["message text is empty"],
    }

    screen = await show(journal=[entry])
    await screen.page.get_by_role("button", name="From the bot: sendMessage").click()

    broken = screen.page.locator(".violations").filter(has_text="message text is empty")
    for red in (broken, screen.page.get_by_text("rule broken")):
        danger = _rgb(_colours("light")["danger"])
        await expect(red).to_have_css("color", danger)


async def test_the_theme_is_that_of_the_system(sandbox: Sandbox, browser: Browser) -> None:
    """Until somebody chooses, the page is as dark as all else, and changes with it."""
    async with watched(browser, sandbox.url, color_scheme="dark") as screen:
        body = screen.page.locator("body")
        await expect(body).to_have_css("color", _rgb(_colours("dark")["text"]))

        await screen.page.emulate_media(color_scheme="light")

        await expect(body).to_have_css("color", _rgb(_colours("light")["text"]))


async def test_headings_go_down_by_one(show: Show) -> None:
    """A message's headings stand below the one of the conversation."""
    block = {"type": "heading", "size": 1, "text": "Planets"}

    screen = await show({"rich_message": {"blocks": [block]}})

    await expect(screen.page.get_by_role("heading", name="Planets", level=2)).to_be_visible()


async def test_what_changes_in_place_is_told(sandbox: Sandbox, browser: Browser) -> None:
    """A screen reader hears of an answer that is written anew."""
    message = {"message_id": 1, "from": BOT, "chat": CHAT, "date": 1, "text": "new words"}
    events = _stream(_snapshot([{"text": "words"}]), {"type": "message", "message": message})

    async with watched(browser, sandbox.url, events=events) as screen:
        told = screen.page.get_by_role("status").filter(has_text="Bot changed a message")
        await expect(told).to_have_text("Bot changed a message: new words")
        await expect(screen.theirs).to_have_attribute("aria-live", "off")


async def test_the_menu_of_a_changed_message(sandbox: Sandbox, browser: Browser) -> None:
    """A quote of a message that was written anew has its new words."""
    message = {"message_id": 1, "from": BOT, "chat": CHAT, "date": 1, "text": "new words"}
    events = _stream(_snapshot([{"text": "words"}]), {"type": "message", "message": message})

    async with watched(browser, sandbox.url, events=events) as screen:
        await expect(screen.theirs).to_contain_text("new words")
        await screen.theirs.hover()
        await screen.press("What to do with this message")
        await screen.page.get_by_role("menuitem", name="Quote").click()
        await expect(screen.page.locator("#context-text")).to_have_text("new words")


async def test_a_reply_leads_to_its_message(show: Show) -> None:
    """A press on what was replied to moves there."""
    first = {"message_id": 1, "from": BOT, "chat": CHAT, "date": 1, "text": "elephants"}
    screen = await show({"text": "elephants"}, {"text": "large", "reply_to_message": first})

    await screen.theirs.last.locator(".replied").click()

    await expect(screen.theirs.first).to_have_class(re.compile("flash"))


async def test_nothing_lies_over_the_words(show: Show) -> None:
    """The button for a message's menu stands beside its bubble."""
    screen = await show({"text": "words " * 100})
    await screen.theirs.hover()

    bubble = await screen.theirs.locator(".bubble").bounding_box()
    more = await screen.theirs.locator(".more").bounding_box()

    assert bubble
    assert more
    assert more["x"] >= bubble["x"] + bubble["width"]


async def test_the_policy(sandbox: Sandbox, browser: Browser) -> None:
    """The browser is told to load and run nothing from elsewhere."""
    async with watched(browser, sandbox.url) as screen:
        response = await screen.page.request.get(sandbox.url)
        assert "default-src 'self'" in response.headers["content-security-policy"]


def _colours(theme: str) -> dict[str, str]:
    """Read the colours of a theme: the dark one changes some of the light one."""
    light, dark = re.findall(r":root[^{]*\{(.*?)\n\}", STYLE.read_text(), re.DOTALL)[:2]
    found = re.findall(r"--([\w-]+): (#\w+);", light + (dark if theme == "dark" else ""))
    return dict(found)


def _rgb(colour: str) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgb({red}, {green}, {blue})"


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_texts_can_be_read() -> None:
    """Each text has the contrast that WCAG's level AA asks for, in both themes."""
    pairs = [
        *(("text", ground) for ground in ("surface", "surface-2", "theirs", "code", "hover")),
        *(("muted", ground) for ground in ("surface", "surface-2", "theirs", "code", "hover")),
        *(("accent", ground) for ground in ("surface", "theirs", "accent-soft", "surface-2")),
        *((token, "code") for token in _colours("light") if token.startswith("token-")),
        *((kind, f"{kind}-soft") for kind in ("danger", "good", "warn")),
        ("on-accent", "accent"),
        ("danger", "surface"),
        ("good", "surface"),
        ("mine-text", "mine"),
        ("mine-muted", "mine"),
        ("text", "mark"),
        ("accent-strong", "accent-soft"),
    ]
    poor = [
        (theme, *pair, round(_contrast(colours[pair[0]], colours[pair[1]]), 2))
        for theme in ("light", "dark")
        for colours in [_colours(theme)]
        for pair in pairs
        if _contrast(colours[pair[0]], colours[pair[1]]) < 4.5
    ]
    assert poor == []
