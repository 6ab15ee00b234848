"""Every rich message is one that Telegram takes, and together they lose nothing."""

import json
import logging
import re
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from aiogram.types import InputRichMessage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.rendering.classic import render
from bot.rendering.rich import (
    MAX_BLOCKS,
    MAX_UNITS,
    RichPiece,
    append_rich,
    calls_for_rich,
    measure,
    plain_text,
    render_rich,
)
from tests.support import strategies

MODEST = settings(
    max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
Json = dict[str, Any]


def paragraph(text: Any) -> Json:
    return {"type": "paragraph", "text": text}


def formula(expression: str) -> Json:
    return {"type": "mathematical_expression", "expression": expression}


def styled(kind: str, text: Any, **fields: str) -> Json:
    return {"type": kind, "text": text, **fields}


def bullets(*items: Json) -> Json:
    return {"type": "list", "items": list(items)}


def item(*blocks: Json, **fields: Any) -> Json:
    return {"blocks": list(blocks), **fields}


def details(summary: Any, *blocks: Json, **fields: bool) -> Json:
    return {"type": "details", "summary": summary, "blocks": list(blocks), **fields}


def cell(align: str, text: Any = None, *, is_header: bool = False) -> Json:
    fields: Json = {"text": text} if text else {}
    header = {"is_header": True} if is_header else {}
    return {"align": align, "valign": "middle", **fields, **header}


# -- What Telegram takes --------------------------------------------------------------------------

CONTAINERS = {"paragraph", "heading", "pre", "blockquote", "list", "table", "details"}
ATOMS = {"divider", "mathematical_expression"}


def values(value: Any) -> Iterator[Any]:
    """Yield everything that stands in JSON, at any depth."""
    yield value
    if isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from values(inner)


def check_value(value: Any) -> None:
    assert value is not None
    assert value is not False
    assert value not in ("", [], {})
    if isinstance(value, list):
        assert not any(isinstance(a, str) and isinstance(b, str) for a, b in pairwise(value))
        assert len(value) > 1 or not isinstance(value[0], str)


def check_block(block: Json) -> None:
    for value in values(block):
        check_value(value)
    assert block["type"] in CONTAINERS | ATOMS
    message = InputRichMessage.model_validate({"blocks": [block]})
    assert message.model_dump(mode="json", exclude_none=True) == {"blocks": [block]}


CHECKED: set[int] = set()  # the hashes of blocks: most stand in many messages


def check(piece: RichPiece) -> None:
    blocks = list(piece.blocks)
    assert blocks
    for block in blocks:
        if (known := hash(repr(block))) not in CHECKED:
            check_block(block)
            CHECKED.add(known)
    size = measure(blocks)
    assert size.units <= MAX_UNITS == 32_768
    assert size.blocks <= MAX_BLOCKS == 500
    assert size.levels <= 16
    assert size.columns <= 20


def rendered(markdown: str) -> list[RichPiece] | None:
    pieces = render_rich(markdown)
    assert pieces != []
    for piece in pieces or ():
        check(piece)
    return pieces


def shown(markdown: str) -> list[RichPiece]:
    pieces = rendered(markdown)
    assert pieces is not None
    return pieces


def only(markdown: str) -> list[Json]:
    """Return the blocks of the one message."""
    (piece,) = shown(markdown)
    return list(piece.blocks)


def texts(pieces: list[RichPiece]) -> list[str]:
    return [plain_text(piece.blocks) for piece in pieces]


# -- Constructs -----------------------------------------------------------------------------------

BLOCKS: dict[str, tuple[str, list[Json]]] = {
    "paragraphs": ("one\n\ntwo", [paragraph("one"), paragraph("two")]),
    "line breaks": ("a\nb  \nc\\\nd<br>e <br/>\nf", [paragraph("a\nb\nc\nd\ne\nf")]),
    "headings": (
        "# One\n\n###### *Six*\n\nTwo\n---",
        [
            {"type": "heading", "text": "One", "size": 1},
            {"type": "heading", "text": styled("italic", "Six"), "size": 6},
            {"type": "heading", "text": "Two", "size": 2},
        ],
    ),
    "code": (
        "```python\n    x = 1\n\n<b>\n```\n\n    y",
        [styled("pre", "    x = 1\n\n<b>", language="python"), styled("pre", "y")],
    ),
    "code on the fence's line": ("```js alert(1)\nx\n```", [styled("pre", "js alert(1)\nx")]),
    "divider": ("a\n\n---\n\nb", [paragraph("a"), {"type": "divider"}, paragraph("b")]),
    "quote": (
        "> a\n> > b\n>\n> - c",
        [
            {
                "type": "blockquote",
                "blocks": [
                    paragraph("a"),
                    {"type": "blockquote", "blocks": [paragraph("b")]},
                    bullets(item(paragraph("c"))),
                ],
            }
        ],
    ),
    "bullets": (
        "- a\n  - b\n- c\n\n  d",
        [
            bullets(
                item(paragraph("a"), bullets(item(paragraph("b")))),
                item(paragraph("c"), paragraph("d")),
            )
        ],
    ),
    "numbers": (
        "3. a\n1. b",
        [
            bullets(
                item(paragraph("a"), value=3, type="1"), item(paragraph("b"), value=4, type="1")
            )
        ],
    ),
    "tasks": (
        "- [ ] a\n- [x] b\n- c",
        [
            bullets(
                item(paragraph("a"), has_checkbox=True),
                item(paragraph("b"), has_checkbox=True, is_checked=True),
                item(paragraph("c")),
            )
        ],
    ),
    "numbered tasks": (
        "1. [x] a",
        [
            bullets(
                item(paragraph("a"), value=1, type="1", has_checkbox=True, is_checked=True),
            )
        ],
    ),
    "table under a paragraph": (
        "So:\n| a | **b** | c |\n|:-:|--:|---|\n| $x$ | [l](https://a.io) | d<br>`e\\|f` |\n| 1 |",
        [
            paragraph("So:"),
            {
                "type": "table",
                "is_bordered": True,
                "cells": [
                    [
                        cell("center", "a", is_header=True),
                        cell("right", styled("bold", "b"), is_header=True),
                        cell("left", "c", is_header=True),
                    ],
                    [
                        cell("center", formula("x")),
                        cell("right", styled("url", "l", url="https://a.io")),
                        cell("left", ["d\n", styled("code", "e|f")]),
                    ],
                    [cell("center", "1"), cell("right"), cell("left")],
                ],
            },
        ],
    ),
    "display formulas": (
        "so\n$$\nx\n$$\nand \\[y_1\\]\n\n\\[\n\\frac{1}{2}\n\\]\n\n```math\nz\n```",
        [
            paragraph("so"),
            formula("x"),
            paragraph(["and ", formula("y_1")]),
            formula(r"\frac{1}{2}"),
            formula("z"),
        ],
    ),
    "formula in a quote": (
        "> \\[\n> x^2\n> \\]",
        [{"type": "blockquote", "blocks": [formula("x^2")]}],
    ),
    "formula in a list": ("- a\n  $$x$$", [bullets(item(paragraph("a"), formula("x")))]),
    "details": (
        "<details>\n<summary>1. **S**</summary>\n\n- a\n\n</details>\n\nb",
        [
            details(["1. ", styled("bold", "S")], bullets(item(paragraph("a")))),
            paragraph("b"),
        ],
    ),
    "details without blank lines": (
        "a\n<details open><summary>S</summary>*b*\n```html\n<details>\n```\nc</details>\nd",
        [
            paragraph("a"),
            details(
                "S",
                paragraph(styled("italic", "b")),
                styled("pre", "<details>", language="html"),
                paragraph("c"),
                is_open=True,
            ),
            paragraph("d"),
        ],
    ),
    "details one after the other": (
        "<details><summary>A</summary>a</details>\n<details>\n<summary>\nB\n</summary>\nb\n</details>",
        [details("A", paragraph("a")), details("B", paragraph("b"))],
    ),
    "details within a line": (
        "**a** <details><summary>S</summary>b</details> c",
        [paragraph(styled("bold", "a")), details("S", paragraph("b")), paragraph("c")],
    ),
    "details within an item": (
        "- a <details><summary>S</summary>b</details>\n- c",
        [bullets(item(paragraph("a"), details("S", paragraph("b"))), item(paragraph("c")))],
    ),
    "details in a heading": (
        "# T <details><summary>S</summary>b</details>",
        [{"type": "heading", "text": "T   S b", "size": 1}],
    ),
    "details in details": (
        "<details><summary>A</summary>\n<details><summary>B</summary>\nb\n</details>\nc\n</details>",
        [details("A", details("B", paragraph("b")), paragraph("c"))],
    ),
    "details in a list and a quote": (
        "- <details>\n  <summary>S</summary>\n  a</details>\n\n> <details>\n> b</details>\n> c",
        [
            bullets(item(details("S", paragraph("a")))),
            {"type": "blockquote", "blocks": [details("…", paragraph("b")), paragraph("c")]},
        ],
    ),
    "details that end in a list": (
        "<details><summary>S</summary>\n\n- a\n  </details>\n\nb",
        [details("S", bullets(item(paragraph("a")))), paragraph("b")],
    ),
    "indented details": (
        "<details>\n    <summary>S</summary>\n    a\n</details>\nb",
        [details("S", paragraph("a")), paragraph("b")],
    ),
    "end tag after text": (
        "<details><summary>S</summary>\n\n**a**</details>\n    b\n\n> <details>\n>\n> c</details>",
        [
            details("S", paragraph(styled("bold", "a"))),
            paragraph("b"),
            {"type": "blockquote", "blocks": [details("…", paragraph("c"))]},
        ],
    ),
    "open details": ("<details><summary>S</summary>\n\na", [details("S", paragraph("a"))]),
    "open summary": ("<details>\n<summary>Half a sum", [paragraph("Half a sum")]),
    "quoted details": (
        "> <details>\n> <summary>S</summary>\n> a\n\n> <details><summary>T</summary>\nb",
        [
            {"type": "blockquote", "blocks": [details("S", paragraph("a"))]},
            {"type": "blockquote", "blocks": [paragraph("T")]},
            paragraph("b"),
        ],
    ),
    "details after many tags": (
        "<div>\n<p>\n<h1>\n<h2>\n<h3>\n\n<details><summary>S</summary>a</details>",
        [details("S", paragraph("a"))],
    ),
    "end tags too many": (
        "- <details>\na\n</details>\n\n</details>",
        [paragraph("a"), paragraph("</details>")],
    ),
    "summary elsewhere": (
        "<details>\na <tg-summary>b</tg-summary>\n\n<summary>c</summary>",
        [details("…", paragraph("a <summary>b</summary>"), paragraph("<summary>c</summary>"))],
    ),
    "formula in bold": (
        "**a\n$$x$$\nb**",
        [paragraph(styled("bold", ["a\n", formula("x"), "\nb"]))],
    ),
    "details in a list that goes on": (
        "- <details>\na\n</details>\n\nb",
        [paragraph("a"), paragraph("b")],
    ),
}


@pytest.mark.parametrize(("markdown", "blocks"), BLOCKS.values(), ids=BLOCKS.keys())
def test_markdown_becomes_blocks(markdown: str, blocks: list[Json]) -> None:
    """Each construct is the block that Telegram has for it."""
    assert only(markdown) == blocks


INLINE: dict[str, tuple[str, Any]] = {
    "plain": ("a & b &amp; c", "a & b & c"),
    "break tag": ("a <br> b", "a\nb"),
    "end tag": ("a </details> b", "a </details> b"),
    "bold": ("**a**", styled("bold", "a")),
    "nested": (
        "**a *b* c** ~~d~~",
        [
            styled("bold", ["a ", styled("italic", "b"), " c"]),
            " ",
            styled("strikethrough", "d"),
        ],
    ),
    "bold in bold": ("**a **b** c**", styled("bold", "a b c")),
    "code in bold": ("**a `b`**", styled("bold", ["a ", styled("code", "b")])),
    "spoiler": ("a ||b|| || c", ["a ", styled("spoiler", "b"), " || c"]),
    "spoiler over bold": (
        "||a **b|| c**",
        [styled("spoiler", ["a ", styled("bold", "b")]), styled("bold", " c")],
    ),
    "tags": (
        "<u>a</u><INS>b</ins> <sub>2</sub> <sup>2</sup> <mark>c</mark> <tg-spoiler>d</tg-spoiler>",
        [
            styled("underline", "ab"),
            " ",
            styled("subscript", "2"),
            " ",
            styled("superscript", "2"),
            " ",
            styled("marked", "c"),
            " ",
            styled("spoiler", "d"),
        ],
    ),
    "tag around bold": ("<u>**a**</u>", styled("underline", styled("bold", "a"))),
    "tags without counterpart": ("a <u>b </sub> c</mark>", "a b </sub> c"),
    "unknown tags": (
        "<x>a</x> List<int> <details>",
        "<x>a</x> List<int> <details>",
    ),
    "formulas": (
        r"$a$, \(b^2\) and **$c$**",
        [formula("a"), ", ", formula("b^2"), " and ", styled("bold", formula("c"))],
    ),
    "formula within a line": ("so $$x$$ and", ["so ", formula("x"), " and"]),
    "formula with pipes": ("$||x||$", formula("||x||")),
    "prices": (
        "costs $5 and $10, US$20-$30, $1,000 or 5$ of 10$",
        "costs $5 and $10, US$20-$30, $1,000 or 5$ of 10$",
    ),
    "amounts and names": ("$5 and 10$, $A:$B", "$5 and 10$, $A:$B"),
    "prices beside a formula": ("$5, US$6-$7 and $x$", ["$5, US$6-$7 and ", formula("x")]),
    "numbers": ("$2, 3, 5$ and $2 + 3$", [formula("2, 3, 5"), " and ", formula("2 + 3")]),
    "ordinal": ("the $n$th", ["the ", formula("n"), "th"]),
    "products": ("2*3*4 and x**2 + y**2", "2*3*4 and x**2 + y**2"),
    "link": (
        "[a *b*](https://a.io)",
        styled("url", ["a ", styled("italic", "b")], url="https://a.io"),
    ),
    "automatic link": ("<https://a.io>", styled("url", "https://a.io", url="https://a.io")),
    "mail": (
        "<a@b.io> [c](mailto:a@b.io?subject=x)",
        [
            styled("email_address", "a@b.io", email_address="a@b.io"),
            " ",
            styled("email_address", "c", email_address="a@b.io"),
        ],
    ),
    "unusable links": (
        "[a](b.md) [c](mailto:d) [e](javascript:f) <http://localhost>",
        "a (b.md) c (d) e (javascript:f) http://localhost",
    ),
    "link without words": ("[](https://a.io)", "https://a.io"),
    "picture": ("![a](https://a.io)", ["🖼 ", styled("url", "a", url="https://a.io")]),
    "emoji": ("![😀](tg://emoji?id=1)", "😀"),
    "definition": ("[one]: https://a.io", "[one]: https://a.io"),
    "what Telegram refuses": ("a\x00b&#11;c\ud800", "ab\nc\ufffd"),
    "blank bold": ("a**\u200b**b **`\u200b`**", "a\u200bb"),
}


@pytest.mark.parametrize(("markdown", "text"), INLINE.values(), ids=INLINE.keys())
def test_text_is_formatted(markdown: str, text: Any) -> None:
    """Each formatting is the one that Telegram has for it, and all else is text."""
    assert only(markdown) == [paragraph(text)]


def test_tag_alone_on_a_line_stays() -> None:
    """A tag that no rich message knows is text, and what follows it is Markdown."""
    assert only("<thinking>\n**a**\n</thinking>") == [
        paragraph(["<thinking>\n", styled("bold", "a"), "\n</thinking>"])
    ]


@pytest.mark.parametrize(
    "markdown", ["", " \n\u200b", "```python", "- ", "| |\n|-|", "<details>", "\u3164"]
)
def test_what_shows_nothing_makes_no_message(markdown: str) -> None:
    """Where there is nothing to see, the classic renderer decides."""
    assert rendered(markdown) is None or markdown == "```python"


# -- Limits ---------------------------------------------------------------------------------------


def test_counting_is_strict() -> None:
    """Rows, items and what is in them count, and each style is a level."""
    table = {"type": "table", "cells": [[cell("left", "a")] * 3, [cell("left", "😀")] * 3]}
    quote = {"type": "blockquote", "blocks": [bullets(item(paragraph(styled("bold", "b"))))]}
    assert measure([table]) == (9, 3, 1, 3)
    assert measure([quote, formula("x^2")]) == (4, 5, 5, 0)
    assert measure([details("s", paragraph([styled("bold", formula("x")), "a"]))]) == (3, 2, 4, 0)


def test_long_answer_is_cut_between_blocks() -> None:
    """What follows does not break a paragraph that a message has room for."""
    markdown = "\n\n".join(f"{n} " + "word " * 600 for n in range(30))
    pieces = shown(markdown)
    assert "\n\n".join(texts(pieces)).split() == markdown.split()
    assert [len(piece.blocks) for piece in pieces] == [10, 10, 10]


@pytest.mark.parametrize("marker", ["- x", "1. x"])
def test_many_items_go_on_in_the_next_message(marker: str) -> None:
    """501 items make three messages, for each is a block with a block in it; numbers go on."""
    pieces = shown("\n".join([marker] * 501))
    items = [item for piece in pieces for item in piece.blocks[0]["items"]]
    assert [len(piece.blocks[0]["items"]) for piece in pieces] == [249, 249, 3]
    values = [item.get("value") for item in items]
    assert values == (list(range(1, 502)) if marker == "1. x" else [None] * 501)


def test_long_table_repeats_its_header() -> None:
    """600 rows make two messages; both tell what the columns are."""
    rows = [f"| {n} | x |" for n in range(600)]
    pieces = shown("\n".join(["| a | b |", "|-|-|", *rows]))
    tables = [piece.blocks[0]["cells"] for piece in pieces]
    assert [table[0] for table in tables] == [tables[0][0]] * 2
    assert [row[0]["text"] for table in tables for row in table[1:]] == [
        str(n) for n in range(600)
    ]


def test_long_code_goes_on_as_code() -> None:
    """40,000 characters of code are cut between lines and keep their language."""
    code = "\n".join(f"    line({n:04})" for n in range(2600))
    pieces = shown(f"```py\n{code}\n```")
    assert len(pieces) == 2
    assert {piece.blocks[0]["language"] for piece in pieces} == {"py"}
    assert "\n".join(piece.blocks[0]["text"] for piece in pieces) == code


@pytest.mark.parametrize(
    ("sentence", "end"),
    [
        ("One two. ", "two."),
        ("word ", "word"),
        ("x", "x"),
        ("👩‍👩‍👧‍👦", "👦"),
        ("🇮🇹", "🇮🇹"),
        ("स्त्री", "स्त्री"),
        ("\u1112\u1161\u11ab", "\u1112\u1161\u11ab"),
    ],
)
def test_long_paragraph_is_cut_where_it_hurts_least(sentence: str, end: str) -> None:
    """After a sentence, else a word, else between characters; bold goes on."""
    text = (sentence * 40_000)[: 40_000 // len(sentence) * len(sentence)].strip()
    pieces = shown(f"**{text}**")
    parts = [piece.blocks[0]["text"] for piece in pieces]
    assert [part["type"] for part in parts] == ["bold"] * len(pieces)
    assert all(part["text"].endswith(end) for part in parts)
    assert len(pieces) >= 2
    between = " " if " " in sentence else ""
    assert between.join(part["text"] for part in parts) == text


def test_long_quote_and_details_go_on() -> None:
    """They are cut between their blocks, and `<details>` keep their summary."""
    words = "\n\n".join(f"{n} " + "word " * 600 for n in range(15))
    quoted = "\n".join(f"> {line}" for line in words.splitlines())
    for markdown in (quoted, f"<details><summary>S</summary>\n\n{words}"):
        pieces = shown(markdown)
        assert [block["type"] for piece in pieces for block in piece.blocks] in (
            ["blockquote"] * 2,
            ["details"] * 2,
        )
        assert [len(piece.blocks[0]["blocks"]) for piece in pieces] == [10, 5]
        assert "\n".join(texts(pieces)).replace("S", "").split() == words.split()


def test_cut_within_a_quote_spares_headings() -> None:
    """A heading in a quote goes with what it heads."""
    pieces = shown(f"> {'x' * 20_000}\n>\n> # a\n>\n> {'y' * 20_000}")
    kinds = [[block["type"] for block in piece.blocks[0]["blocks"]] for piece in pieces]
    assert kinds == [["paragraph"], ["heading", "paragraph"]]


def test_formula_is_not_cut() -> None:
    """A formula at a message's end stands whole in the next one."""
    pieces = shown(f"{'x' * 32_700} ${'y + ' * 30}y$ z")
    assert pieces[1].blocks == (paragraph([formula("y + " * 30 + "y"), " z"]),)


def test_message_is_filled_unless_it_is_half_full() -> None:
    """What no message has room for begins where there is much room left."""
    long = "word " * 8000
    assert [len(piece.blocks) for piece in shown(f"a\n\n{long}")] == [2, 1]
    assert [len(piece.blocks) for piece in shown(f"{'x' * 20_000}\n\n{long}")] == [1, 1, 1]


def test_long_item_is_cut_within() -> None:
    """An item that no message has room for goes on as the same item."""
    pieces = shown("1. a\n2. " + "word " * 8000 + "\n3. b")
    assert [[item["value"] for item in piece.blocks[0]["items"]] for piece in pieces] == [
        [1],
        [2],
        [2, 3],
    ]
    assert plain_text([b for piece in pieces for b in piece.blocks]).count("word") == 8000


@pytest.mark.parametrize("after", ["x" * 20_000, "word " * 8000, "- x\n" * 600])
def test_heading_stays_with_what_it_heads(after: str) -> None:
    """No message ends with a heading."""
    for before in ("x" * 20_000, "- x\n" * 249, "x"):
        pieces = shown(f"{before}\n\n# One\n\n## Two\n\n{after}")
        assert [piece.blocks[-1]["type"] for piece in pieces].count("heading") == 0
        assert sum(block["type"] == "heading" for p in pieces for block in p.blocks) == 2


@pytest.mark.parametrize("heads", ["# a\n" * 501, "# " + "word " * 8000])
def test_headings_alone_fill_messages(heads: str) -> None:
    """What is all headings is cut as well."""
    pieces = shown(heads)
    assert len(pieces) == 2
    assert "\n".join(texts(pieces)).split() == heads.replace("#", "").split()


NESTED = "\n".join(" " * n * 2 + "- x" for n in range(20))
TOO_MUCH = {
    "columns": "|a" * 25 + "|\n" + "|-" * 25 + "|\n" + "|b" * 25 + "|",
    "list": NESTED,
    "styles in a list": "\n".join(" " * n * 2 + "- x" for n in range(6))
    + "\n"
    + " " * 12
    + "- ***~~x~~***",
    "quotes": "> " * 20 + "x",
    "details": "<details>\n" * 20 + "x",
    "formula": "$$" + "x" * 40_000 + "$$",
    "row": f"| a |\n|-|\n| {'x' * 40_000} |",
}


@pytest.mark.parametrize("markdown", TOO_MUCH.values(), ids=TOO_MUCH.keys())
def test_what_no_rich_message_shows_is_left_to_classic_ones(markdown: str) -> None:
    """Too deep, too wide, or too large in one piece."""
    assert rendered(markdown) is None


def test_limits_are_reached() -> None:
    """20 columns, 16 levels, 500 blocks and 32,768 characters are not too much."""
    assert only("|a" * 20 + "|\n" + "|-" * 20 + "|")
    levels = "\n".join(" " * n * 2 + "- x" for n in range(7)).replace("x", "**x**")
    assert measure(only(levels)).levels == 16
    assert measure(only("x\n\n" * 500)).blocks == 500
    assert measure(only("x" * 32_767 + "\n\ny")).units == 32_768
    assert len(shown("x" * 32_768 + "\n\ny")) == 2
    assert len(shown("x\n\n" * 501)) == 2


def test_note_follows_the_answer() -> None:
    """A note stands under the last message, or alone where that has no room."""
    note = paragraph("It broke off.")
    assert append_rich([], "It broke off.") == [RichPiece((note,))]
    assert append_rich(shown("# a"), "It broke off.")[0].blocks[1:] == (note,)
    for full in ("x" * 32_760, "x\n\n" * 500):
        pieces = append_rich(shown(full), "It broke off.")
        assert pieces[1:] == [RichPiece((note,))]
        for piece in pieces:
            check(piece)


# -- Any text -------------------------------------------------------------------------------------

WRAPPED = st.sampled_from(
    [
        "<details><summary>{}</summary>\n{}\n</details>",
        "<details>\n<summary>{}</summary>\n\n{}\n\n</details>\n",
        "<details>\n\n<summary>{}</summary>\n\n{}</details>",
        "> <details>\n> {}",
        "<u>{}</u> <sub>{}</sub>",
        "$${}^1$$\n{}",
        "\\[\n{}_1\n\\]\n{}",
        "| {} |\n|-|\n| {} |",
        "## {}\n```math\n{}\n```",
        "- [x] {}\n- {}",
        "1. {}\n\n   {}",
        "<mark>{}<br>{}",
        "costs $5 {} $6-$7 {}",
    ]
)
RICH = st.builds(
    lambda form, first, second: form.format(first, second),
    WRAPPED,
    strategies.PHRASES,
    strategies.PHRASES,
)
DOCUMENTS = st.lists(st.one_of(RICH, strategies.BLOCKS), min_size=1, max_size=6).map("\n\n".join)


def words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text)


def seen(text: str) -> list[str]:
    """Return the words that a reader should see: not those of the markup itself."""
    markup = r"https://1\.1/|</?(details|summary|u|sub|br|mark)>|&lt;|```math|\[x\]"
    return words(re.sub(markup, " ", text))


@MODEST
@given(st.one_of(strategies.BROKEN_TEXTS, strategies.ANSWERS, st.text(max_size=300)))
def test_any_text_gives_valid_messages(text: str) -> None:
    """No string whatever raises or gives a message that Telegram would refuse."""
    rendered(text)
    calls_for_rich(text)


MARKUP = st.lists(
    st.sampled_from(
        [
            *("*", "**", "_", "~~", "||", "`", "```", "$", "$$", "\\(", "\\)", "\\[", "\\]", "|"),
            *(
                "- ",
                "1. ",
                "> ",
                "# ",
                "- [x] ",
                "|-|",
                "\n",
                "\n\n",
                "  ",
                "    ",
                "[",
                "](",
                ")",
            ),
            *("<details>", "</details>", "<summary>", "</summary>", "<u>", "</u>", "<br>", "<tg-"),
            *(
                "<tg-summary>",
                "</tg-summary>",
                "<div>",
                "a",
                "b",
                "1",
                "😀",
                "\u200b",
                "https://a.b",
            ),
        ]
    ),
    max_size=60,
).map("".join)


@settings(MODEST, max_examples=400)
@given(MARKUP, st.sampled_from([1, 1, 2, 50]))
def test_any_heap_of_markup_gives_valid_messages(markup: str, times: int) -> None:
    """Markup in any disorder, repeated past a message's limits, stays valid."""
    rendered(markup * times)


@settings(MODEST, max_examples=300)
@given(DOCUMENTS)
@pytest.mark.slow("a long search")
def test_no_word_of_a_document_is_lost(markdown: str) -> None:
    """Every word stands in the messages once and in its order, as in classic ones."""
    pieces = shown(markdown)
    assert seen(" ".join(texts(pieces))) == seen(markdown)


@MODEST
@given(st.lists(strategies.BLOCKS, min_size=1, max_size=5).map("\n\n".join))
def test_rich_and_classic_messages_say_the_same(markdown: str) -> None:
    """Whichever way an answer is shown, its words are the same."""
    rich, classic = texts(shown(markdown)), [piece.text for piece in render(markdown)]
    assert seen(" ".join(rich)) == seen(" ".join(classic))


@MODEST
@given(DOCUMENTS, st.integers(20, 200))
@pytest.mark.slow("a long search")
def test_long_documents_lose_nothing(markdown: str, times: int) -> None:
    """However many messages it takes, and wherever they are cut."""
    document = "\n\n".join([re.sub("</?details>", "", markdown)] * times)
    pieces = rendered(document)
    if pieces is not None:
        assert seen(" ".join(texts(pieces))) == seen(document)


@settings(MODEST, max_examples=25)
@given(DOCUMENTS)
@pytest.mark.slow("a long search")
def test_every_prefix_of_a_document_is_valid(markdown: str) -> None:
    """An answer that is still being written can be shown at any moment."""
    for end in range(len(markdown) + 1):
        rendered(markdown[:end])


@pytest.mark.parametrize("markdown", [markdown for markdown, _ in BLOCKS.values()])
def test_every_prefix_of_a_construct_is_valid(markdown: str) -> None:
    """So can every construct."""
    for end in range(len(markdown) + 1):
        rendered(markdown[:end])


HEAPS = [
    *("> ", "* ", "[", "|", "$", "<details>", "<details>\n", "<details>\n\n", "</details>", "<u>"),
    *("<details><summary>", "<details><summary>a</summary>b</details>\n", "<summary>\n", "<br>"),
    *(
        "**a",
        "**a**<u>",
        "**<u>a**</u>",
        "||",
        "$$x$$ ",
        "$1-",
        "\\[x^2\\]\n",
        "- a\n",
        "`",
        "~~~\n",
    ),
    *("\\(", "<div>\n", "![a](", "<details>\n```\n", "> a\n", "|a", "a\u200d", "\n"),
]


@pytest.mark.parametrize(
    "text",
    [*((heap * 30_000)[:30_000] for heap in HEAPS), f"${'1 ' * 15_000}1$"],
    ids=[*HEAPS, "amount"],
)
def test_no_heap_takes_long(text: str) -> None:
    """30,000 characters of the worst take a moment, not seconds."""
    start = time.process_time()
    rendered_pieces = render_rich(text)
    calls_for_rich(text)
    assert time.process_time() - start < 2
    for piece in rendered_pieces or ():
        check(piece)


def test_failure_of_the_parser_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What makes the parser panic goes the classic way; the log does not quote it."""

    class Panic(BaseException):
        pass

    def panic(_: str) -> list[Json]:
        raise Panic("secret")

    monkeypatch.setattr("bot.rendering.rich.build", panic)
    with caplog.at_level(logging.WARNING):
        assert render_rich("# secret") is None
    assert "made no rich message" in caplog.text
    assert "secret" not in caplog.text


# -- When to write richly -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "markdown",
    [
        "| a |\n|-|",
        "Text\n| a | b |\n|-|-|\n| 1 | 2 |",
        "so $x^2$",
        "so $$x$$",
        r"so \(x^2\)",
        "\\[\n\\frac{1}{2}\n\\]",
        "```math\nx\n```",
        "# One",
        "> ### Three",
        "One\n===",
        "- One\n  ---",
        "- [ ] a",
        "1. [x] a",
        "<details><summary>a</summary>b</details>",
        "> <DETAILS open>\n> a",
    ],
)
def test_what_classic_messages_cannot_show_calls_for_rich_ones(markdown: str) -> None:
    """Tables, formulas, headings, tasks and details."""
    assert calls_for_rich(markdown)


@pytest.mark.parametrize(
    "markdown",
    [
        "",
        "Just **text** and `code`, [a link](https://a.io) and\n- a list\n\n> and a quote\n\n---",
        "costs $5 and $10, US$20-$30",
        "#hashtag and a | b",
        "```\n# a\n| a |\n|-|\n$x$\n- [ ] a\n<details>\n```",
        r"`$x$` and `\(x^2\)` and `<details>` and the <details> tag",
        r"(see \(a\) and \[1\])",
        "\\# a",
        "- []",
        "    # a",
    ],
)
def test_plain_answers_do_not(markdown: str) -> None:
    """Neither code, prices nor hashtags are mistaken."""
    assert not calls_for_rich(markdown)


# -- Reading --------------------------------------------------------------------------------------


def test_blocks_are_read_as_people_read_them() -> None:
    """Lists have their labels, cells stand side by side, formulas are LaTeX."""
    markdown = (
        "# A\n\n**b** $x^2$\n\n1. c\n   - d\n2. e\n\n- [ ] f\n- [x] g\n\n"
        "| h | i |\n|-|-|\n| j | |\n\n```\n k\n```\n\n> l\n\n$$\ny\n$$\n\n---\n\n"
        "<details><summary>m</summary>n</details>"
    )
    assert plain_text(only(markdown)) == (
        "A\n\nb x^2\n\n1. c\n  • d\n2. e\n\n⬜ f\n✅ g\n\nh | i\nj | \n\n k\n\nl\n\ny\n\nm\nn"
    )


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ({"type": "footer", "text": ["a", {"type": "mention", "text": "@b"}]}, "a@b"),
        ({"type": "photo", "photo": [], "caption": {"text": "a", "credit": "b"}}, "a"),
        ({"type": "list", "items": [{"label": "iv.", "blocks": [paragraph("a")]}]}, "iv. a"),
        ({"type": "collage", "blocks": [{"type": "photo"}, paragraph("a")]}, "a"),
        ({"type": "pullquote", "text": "a", "credit": "b"}, "a\nb"),
        (
            {"type": "table", "caption": "a", "cells": [[{"align": "left"}, cell("left", "b")]]},
            " | b\na",
        ),
        (
            paragraph({"type": "custom_emoji", "custom_emoji_id": "1", "alternative_text": "😀"}),
            "😀",
        ),
        (paragraph({"type": "button", "button": {"text": "a"}}), "a"),
        (paragraph({"type": "anchor", "name": "a"}), ""),
        ({"type": "map"}, ""),
        ({"type": "new", "text": None, "blocks": None, "items": [], "cells": [None]}, ""),
    ],
)
def test_blocks_of_any_kind_are_read(block: Json, text: str) -> None:
    """What people send, and what Telegram invents tomorrow."""
    assert plain_text([block]) == text


@MODEST
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["text", "blocks", "items", "cells", "summary"]), strategies.ANY_JSON
        )
    )
)
def test_reading_never_fails(blocks: list[Json]) -> None:
    """Whatever stands where text or blocks should."""
    assert isinstance(plain_text(blocks), str)


def test_blocks_are_json() -> None:
    """What was built can be sent as it is."""
    for markdown, blocks in BLOCKS.values():
        assert json.loads(json.dumps(only(markdown))) == blocks
