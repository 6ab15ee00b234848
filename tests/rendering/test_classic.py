"""Every rendered piece is a message that Telegram takes, and together they lose nothing."""

import logging
import re
import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.rendering.characters import between_graphemes
from bot.rendering.classic import Piece, append_text, render

MODEST = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))

FIELDS = {
    "bold": set(),
    "italic": set(),
    "underline": set(),
    "strikethrough": set(),
    "spoiler": set(),
    "blockquote": set(),
    "code": set(),
    "pre": {"language"},
    "text_link": {"url"},
}


def units(text: str) -> bytes:
    return text.encode("utf-16-le")


def covered(piece: Piece, entity: dict[str, Any]) -> str:
    """Return what an entity covers, failing where it splits a character."""
    start, end = entity["offset"] * 2, (entity["offset"] + entity["length"]) * 2
    return units(piece.text)[start:end].decode("utf-16-le")


def covers(piece: Piece, kind: str) -> list[str]:
    return [covered(piece, entity) for entity in piece.entities if entity["type"] == kind]


def check_entity(piece: Piece, entity: dict[str, Any]) -> None:
    assert set(entity) - {"type", "offset", "length"} <= FIELDS[entity["type"]]
    assert entity["offset"] >= 0
    assert entity["length"] > 0
    assert (entity["offset"] + entity["length"]) * 2 <= len(units(piece.text))
    assert covered(piece, entity).strip()
    if entity["type"] == "text_link":
        assert re.match(r"https?://\S", entity["url"])


def check_pair(outer: dict[str, Any], inner: dict[str, Any]) -> None:
    """Check two entities, of which the first begins no later, against Telegram's nesting rules."""
    if inner["offset"] >= outer["offset"] + outer["length"]:
        return
    assert inner["offset"] + inner["length"] <= outer["offset"] + outer["length"]
    kinds = (outer["type"], inner["type"])
    assert outer["type"] not in ("code", "pre")
    assert inner["type"] != "blockquote"
    assert kinds[0] != kinds[1]
    if inner["type"] in ("code", "pre"):
        assert outer["type"] == "blockquote"


def check(piece: Piece) -> None:
    assert len(units(piece.text)) <= 4096 * 2
    assert any(not char.isspace() and char.isprintable() for char in piece.text)
    assert piece.text == piece.text.rstrip()
    if not any(e["offset"] == 0 and e["type"] in ("code", "pre") for e in piece.entities):
        assert piece.text == piece.text.lstrip()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e]", piece.text)
    assert len(piece.entities) <= 100
    order = [(e["offset"], -e["length"]) for e in piece.entities]
    assert order == sorted(order)
    for index, entity in enumerate(piece.entities):
        check_entity(piece, entity)
        for other in piece.entities[index + 1 :]:
            check_pair(entity, other)


def rendered(markdown: str) -> list[Piece]:
    pieces = render(markdown)
    for piece in pieces:
        check(piece)
    return pieces


def only(markdown: str) -> Piece:
    (piece,) = rendered(markdown)
    return piece


def words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text)


# -- Any text -------------------------------------------------------------------------------------


@MODEST
@given(st.text(st.characters(codec=None), max_size=400))
def test_any_text_gives_valid_messages(text: str) -> None:
    """No string whatever raises or gives a message that Telegram would refuse."""
    pieces = rendered(text)
    if re.search(r"[a-zA-Z]", text):
        assert pieces


@MODEST
@given(st.text("*_~`|<>[]()!#-+>$\\&;:\n \t1.ab😀é\u200d", max_size=300), st.integers(1, 60))
def test_any_heap_of_markup_gives_valid_messages(text: str, times: int) -> None:
    """Markup in any disorder, repeated past a message's limits, stays valid."""
    rendered(text * times)


WORD = st.text("abcdefgh", min_size=1, max_size=9)
INLINE = st.recursive(
    st.lists(WORD, min_size=1, max_size=6).map(" ".join),
    lambda inner: st.one_of(
        inner.map("**{}**".format),
        inner.map("*{}*".format),
        inner.map("~~{}~~".format),
        inner.map("||{}||".format),
        inner.map("[{}](https://1.1/)".format),
        inner.map("![{}](https://1.1/)".format),
        inner.map("[{}](1)".format),
        inner.map("<1>{}</1>".format),
        inner.map("1 < {} > 1".format),
        WORD.map("`{}`".format),
        WORD.map("${}^1$".format),
        st.lists(inner, min_size=2, max_size=3).map(" ".join),
    ),
    max_leaves=6,
)
BLOCK = st.one_of(
    INLINE,
    INLINE.map("# {}".format),
    INLINE.map("> {}".format),
    INLINE.map("> > {}".format),
    st.lists(INLINE, min_size=1, max_size=9).map(lambda items: "- " + "\n- ".join(items)),
    st.lists(INLINE, min_size=1, max_size=4).map(lambda items: "1. " + "\n   - ".join(items)),
    st.lists(WORD, min_size=1, max_size=900).map(lambda ls: "```\n" + "\n ".join(ls) + "\n```"),
    st.lists(WORD, min_size=1, max_size=900).map(" ".join),
    st.tuples(WORD, WORD).map(lambda cells: "| {} | {} |\n|-|-|\n| 1 | 1 |".format(*cells)),
    INLINE.map("- [ ] {}".format),
)


@MODEST
@given(st.lists(BLOCK, min_size=1, max_size=8).map("\n\n".join), st.integers(1, 5))
@pytest.mark.slow("a long search")
def test_no_word_of_a_document_is_lost(markdown: str, times: int) -> None:
    """Every word stands in the messages once and in its order, however they are cut."""
    document = "\n\n".join([markdown] * times)
    plain = re.sub(r"\(https://1\.1/\)", "", document)
    found = " ".join(piece.text for piece in rendered(document)).replace("https://1.1/", "")
    assert words(found) == words(plain)


# -- What answers look like -----------------------------------------------------------------------

CORPUS = {
    "table": "| Name | Age |\n|:---|---:|\n| **Ada** | 36 |\n| [Bob](https://b.io) | $x$ |",
    "nested lists": "1. one\n   - two\n     - three\n       1. four\n2. five",
    "rtl": "# שלום\n\nهذا **نص** عربي مع `code` و [رابط](https://a.io).",  # noqa: RUF001 - Arabic letters
    "emoji": "👨‍👩‍👧‍👦 **🇮🇹🇫🇷** ~~👍🏽~~ `😀`",
    "quote": "> one\n> > two **bold**\n> ```py\n> x = 1\n> ```\n\nafter",
    "code in bold": "**run `ls -l` now** and *`x`*",
    "link around code": "[`os.path`](https://docs.python.org)",
    "quoted code with a blank line first": "> ```\n>\n> x\n> ```",
    "overlap": "||one **two|| three**",
    "wide table": "| 名前 | 🇮🇹 |\n|-|-|\n| $\\ce{H2O}$ | é\u0301 |\n| عربي | 👩‍👩‍👧‍👦 |",
    "equations": "\\begin{align*}\na &= \\frac{1}{2} \\\\\n- b\n\\end{align*}\n\\ce{H2O}",
    "matrix": "$$A = \\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}$$\n\\SI{5}{\\metre}",
    "formulas": r"\(a^2\) and \[\frac{1}{2}\] and $$\sum_i x_i$$",
    "html": "Use <b>bold</b>, <br> and <div>\n<p>\n\n</p></div>",
    "thinking": "<thinking>\nhidden\n</thinking>\n\nshown",
    "definitions": "See [1].\n\n[1]: https://a.io\n[2]: https://b.io",
    "headings": "# a\n## b\n### c\n#### d\n##### e\n###### f\n\ng\n===\n",
}


@pytest.mark.parametrize("markdown", CORPUS.values(), ids=CORPUS.keys())
def test_every_prefix_of_an_answer_is_valid(markdown: str) -> None:
    """An answer that is still being written can be shown at any moment."""
    for end in range(len(markdown) + 1):
        assert bool(rendered(markdown[:end])) == bool(markdown[:end].strip())


@pytest.mark.parametrize("blank", ["", " \n\t ", "\u200b\u2060\ufeff", "\x00\x01", "\u3164"])
def test_blank_text_gives_no_message(blank: str) -> None:
    """What a reader cannot see is not sent."""
    assert render(blank) == []


def test_headings_carry_no_decoration() -> None:
    """A heading is its own words in bold."""
    piece = only("# Title\n\n## Part")
    assert piece.text == "Title\n\nPart"
    assert covers(piece, "bold") == ["Title", "Part"]


def test_task_list_shows_what_is_done() -> None:
    """Open and finished tasks look different."""
    assert only("- [ ] open\n- [x] done").text == "⬜ open\n✅ done"


@pytest.mark.parametrize(
    "text",
    [
        "List<int> and Map<String, T>",
        "the <div> element and the <b> tag, or </p>",
        "Write <code> and <label>, <your name> at <address>.",
        "2*3*4 and x**2 + y**2 and f(x)*g(x)*h(x)",
        "snake_case_names and __dunder_ish",
        "5 * 3 * 2 = 30",
        "$5 and $6",
        "from ~5 to ~6",
        "if a || b:\n\nwhile c || d:",
        "a||b\n\nc||d",
        "<div2>\n" * 20 + "end",
    ],
)
def test_text_that_only_looks_like_markup_stays(text: str) -> None:
    """Generics, tags, products, names and prices are shown as they were written."""
    piece = only(text)
    assert piece.text == text
    assert piece.entities == ()


def test_line_break_tag_breaks_the_line() -> None:
    """`<br>` is a line break, and a space in a table's cell."""
    assert only("one<br>two").text == "one\ntwo"
    assert "one two" in only("| a |\n|-|\n| one<br>two |").text


def test_html_is_left_alone_in_code() -> None:
    """Code shows each of its characters and nothing else."""
    assert only("`<b>` and\n\n```\n<div>\\(x^2\\)</div>\n```").text == (
        "<b> and\n\n<div>\\(x^2\\)</div>"
    )


def test_image_becomes_a_link() -> None:
    """A picture is named and linked, not embedded."""
    piece = only("![a cat](https://a.io/cat.png)")
    assert piece.text == "🖼 a cat"
    assert covers(piece, "text_link") == ["a cat"]
    assert piece.entities[0]["url"] == "https://a.io/cat.png"


def test_image_inside_a_link_keeps_the_link() -> None:
    """A badge leads where its link leads."""
    piece = only("[![badge](https://a.io/b.svg)](https://b.io)")
    assert piece.text == "🖼 badge"
    assert [entity["url"] for entity in piece.entities] == ["https://b.io"]


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("[guide](docs/a_b.md)", "guide (docs/a_b.md)"),
        ("[run](javascript:x)", "run (javascript:x)"),
        ("[me](mailto:me@a.io)", "me (me@a.io)"),
        ("[ipv6](http://[::1)", "ipv6 (http://[::1)"),
        ("[](https://a.io)", "https://a.io"),
        ("![](https://a.io)", "🖼 https://a.io"),
        ("[😀](tg://emoji?id=5368324170671202286)", "😀"),
        ("[here](http://localhost:1)", "here (http://localhost:1)"),
        ("<me@a.io>", "me@a.io"),
        ("[one]: https://a.io", "[one]: https://a.io"),
    ],
)
def test_target_that_cannot_be_linked_is_written_out(markdown: str, text: str) -> None:
    """An address that Telegram would drop is still there to read."""
    piece = only(markdown)
    assert piece.text == text
    assert piece.entities == ()


def test_link_in_a_table_shows_its_target() -> None:
    """A table is plain text in a fixed width: its links are written out."""
    piece = only("| a | b |\n|-|-|\n| [x](https://a.io/b_c) | $y$ |")
    assert piece.text.splitlines()[-1] == "x (https://a.io/b_c) | y"
    assert covers(piece, "pre") == [piece.text]


TABLES = {
    "Chinese": (
        "|名称|值|\n|-|-|\n|东京|1|\n|a|漢字|",
        "名称 | 值\n-----+-----\n东京 | 1\na    | 漢字",
    ),
    "Japanese": (
        "|a|b|\n|-|-|\n|カタカナ|x|\n|ｶﾀｶﾅ|y|",
        "a        | b\n---------+--\nカタカナ | x\nｶﾀｶﾅ     | y",
    ),
    "Korean": (
        "|한국어|b|\n|-|-|\n|\u1112\u1161\u11ab|x|",
        "한국어 | b\n-------+--\n\u1112\u1161\u11ab     | x",
    ),
    "full-width": ("|ＡＢ|b|\n|-|-|\n|abcd|x|", "ＡＢ | b\n-----+--\nabcd | x"),  # noqa: RUF001 - what stands in cells
    "emoji": (
        "|👩‍👩‍👧‍👦|b|\n|-|-|\n|👍🏽👍|x|\n|🇮🇹🇫🇷|y|\n|ab|z|",
        "👩‍👩‍👧‍👦   | b\n-----+--\n👍🏽👍 | x\n🇮🇹🇫🇷 | y\nab   | z",
    ),
    "sequences": (
        "|❤️|b|\n|-|-|\n|1️⃣|x|\n|🏴\U000e0067\U000e0062\U000e007f|y|\n|ab|z|",
        "❤️ | b\n---+--\n1️⃣ | x\n🏴\U000e0067\U000e0062\U000e007f | y\nab | z",
    ),
    "marks": (
        "|e\u0301|b|\n|-|-|\n|n\u0303a\u0308|x|",
        "e\u0301  | b\n---+--\nn\u0303a\u0308 | x",
    ),
    "Thai": ("|ที่|b|\n|-|-|\n|กก|x|", "ที่  | b\n---+--\nกก | x"),
    "Arabic": (
        "|اسم|b|\n|-|-|\n|abcd|عمر|",
        "\u200eاسم\u200e  | b\n-----+----\nabcd | \u200eعمر\u200e",  # noqa: RUF001 - what stands in cells
    ),
    "Hebrew": ("|b|שם|\n|-|-|\n|12|x|", "b  | \u200eשם\u200e\n---+---\n12 | x"),
    "Latin": ("|name|b|\n|-|-|\n|**x**|`y`|", "name | b\n-----+--\nx    | y"),
}


@pytest.mark.parametrize(("markdown", "text"), TABLES.values(), ids=TABLES.keys())
def test_columns_line_up_for_the_eye(markdown: str, text: str) -> None:
    """Wide characters take two places, marks none, and what is read leftward keeps its column."""
    piece = only(markdown)
    assert [line.rstrip() for line in piece.text.split("\n")] == text.split("\n")
    assert [entity["type"] for entity in piece.entities] == ["pre"]


def test_a_long_cell_does_not_blow_up_the_others() -> None:
    """They are padded as far as a screen is wide."""
    piece = only(f"|{'x' * 300}|b|\n|-|-|\n|a|b|")
    assert piece.text.split("\n")[1:] == ["-" * 80 + "-+--", "a" + " " * 79 + " | b"]
    rows = rendered(f"|a|b|\n|-|-|\n|{'x' * 40_000}|b|\n" + "|漢|b|\n" * 5000)
    assert sum(len(row.text) for row in rows) < 500_000


def test_reference_link_works() -> None:
    """A link defined elsewhere leads there, and its definition is not shown."""
    piece = only("See [this][1].\n\n[1]: https://a.io")
    assert piece.text == "See this."
    assert piece.entities[0]["url"] == "https://a.io"


def test_bold_stops_where_code_begins() -> None:
    """Code stands in nothing but a quote, so the bold around it is cut."""
    piece = only("**run `ls` now**")
    assert covers(piece, "bold") == ["run", "now"]
    assert covers(piece, "code") == ["ls"]


def test_spoiler_is_hidden() -> None:
    """A spoiler hides its words with the code and pipes in them, and no more."""
    piece = only("It was ||the **butler** `a||b`|| and a || b. $||x||$")
    assert covers(piece, "spoiler") == ["the butler"]
    assert piece.text == "It was the butler a||b and a || b. | |x| |"


def test_empty_cells_are_no_spoiler() -> None:
    """A table with empty cells stays a table."""
    piece = only("| a | b | c |\n|-|-|-|\n| 1 || 2 |\n| 3 || 4 |")
    assert piece.text.splitlines()[2:] == ["1 |   | 2", "3 |   | 4"]


def test_nested_quotes_become_one() -> None:
    """Telegram has no quote within a quote."""
    piece = only("> one\n> > two\n\nthree")
    assert covers(piece, "blockquote") == ["one\ntwo"]


def test_quoted_code_keeps_its_indentation() -> None:
    """Code in a quote is code from its first space on."""
    piece = only("one\n\n> ```\n>   x\n> ```")
    assert covers(piece, "blockquote") == covers(piece, "pre") == ["  x"]


def test_long_quote_is_not_collapsed() -> None:
    """A reader sees the whole quote without a tap."""
    assert covers(only("> " + "word " * 100), "blockquote")


def test_formulas_of_both_notations_are_shown() -> None:
    """Backslash and dollar formulas look the same, converted to Unicode."""
    for markdown in (r"so \(\frac{1}{2}\) x", r"so $\frac{1}{2}$ x"):
        piece = only(markdown)
        assert piece.text == "so ½ x"
        assert covers(piece, "code") == ["½"]


def test_code_block_keeps_indentation_and_language() -> None:
    """Code that opens a message keeps its first line's indentation."""
    piece = only("```python\n    x = 1\n  y\n```")
    assert piece.text == "    x = 1\n  y"
    assert piece.entities == ({"type": "pre", "offset": 0, "length": 13, "language": "python"},)


def test_text_beside_a_fence_is_not_lost() -> None:
    """Code on the fence's own line is code, a language with attributes is a language."""
    assert only("> ```js alert(1)\n> x\n> ```").text == "js alert(1)\nx"
    assert only('```py title="a.py"\nx\n```').text == "x"


def test_what_telegram_refuses_is_removed() -> None:
    """Control characters vanish, line ends become one kind, lone surrogates are marked."""
    assert only("a\x00b\x1b\r\nc\u2028d\ud800&#11;e").text == "ab\nc\nd\ufffd\ne"


# -- Cutting --------------------------------------------------------------------------------------


def test_cut_prefers_the_paragraph() -> None:
    """A long answer is cut between paragraphs."""
    paragraphs = [("word " * 200).strip() for _ in range(12)]
    pieces = rendered("\n\n".join(paragraphs))
    assert len(pieces) == 3
    assert all(p in paragraphs for piece in pieces for p in piece.text.split("\n\n"))


def test_cut_prefers_the_line_to_the_sentence() -> None:
    """Without paragraphs it is cut between lines, without lines after a sentence, then a word."""
    assert rendered("One line. More.\n" * 600)[0].text.endswith("More.")
    assert rendered("First half, of one. " * 600)[0].text.endswith("of one.")
    assert rendered("word " * 2000)[0].text.endswith("word")


def test_one_endless_line_is_cut_at_the_limit() -> None:
    """10,000 characters without a space make full messages."""
    assert [len(piece.text) for piece in rendered("x" * 10_000)] == [4096, 4096, 1808]


def test_emoji_count_two_units_and_stay_whole() -> None:
    """5,000 emoji outside the basic plane are cut by UTF-16 units, none in its middle."""
    pieces = rendered("😀" * 5000)
    assert [len(piece.text) for piece in pieces] == [2048, 2048, 904]


# Each is one character for people: https://www.unicode.org/reports/tr29/
CLUSTERS = {
    "family": "👩‍👩‍👧‍👦",
    "flag": "🇮🇹",
    "skin tone": "👍🏽",
    "profession": "👩🏽‍🚀",
    "tags": "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",  # England
    "keycap": "1\ufe0f\u20e3",
    "variation selector": "❤\ufe0f",
    "marks": "e\u0301\u0302",
    "jamo": "\u1112\u1161\u11ab",
    "old jamo": "\u1107\u1109\u1100\u1166\u11ba",
    "syllable and jamo": "가\u11a8",
    "conjunct": "क्ष",
    "conjunct of three": "स्त्री",
    "Bengali": "ন্দ্র",
    "vowel sign": "நி",
    "Thai": "กำ",
    "number sign": "\u0600٣",
    "ideographic variation": "葛\U000e0100",
}


@pytest.mark.parametrize("before", ["", "x", "xyz"])
@pytest.mark.parametrize("cluster", CLUSTERS.values(), ids=CLUSTERS)
def test_hard_cut_spares_graphemes(cluster: str, before: str) -> None:
    """What looks like one character is not torn apart, wherever a message ends."""
    pieces = rendered(before + cluster * 6000)
    assert len(pieces) > 1
    assert all(piece.text.removeprefix(before).replace(cluster, "") == "" for piece in pieces)


def test_a_full_stop_keeps_its_variation() -> None:
    """The end of a sentence is no place to cut where it tears a character."""
    pieces = rendered("一二三四五六七八九。\ufe01" * 1000)
    assert len(pieces) > 1
    assert not any(piece.text.startswith("\ufe01") for piece in pieces)


@pytest.mark.parametrize("run", ["\u0301", "🇮", "\u094d", "\u200d", "\u1161", "👩‍", "क्", "\u0600"])
def test_endless_character_is_cut_at_once(run: str) -> None:
    """A million marks on one letter cost what ten do."""
    text = f"a{run * 900_000}क"
    began = time.process_time()

    at = between_graphemes(text, 0, len(text) - 1)

    assert len(text) - 80 < at < len(text)
    assert time.process_time() - began < 0.2


def test_line_ends_of_two_characters_stay_whole() -> None:
    """A quoted text may have them."""
    assert between_graphemes("ab\r\ncd", 0, 3) == 2
    assert between_graphemes("ab\ncd", 0, 2) == 2


def test_more_than_a_hundred_entities_make_another_message() -> None:
    """Every bold word of a long list is bold: nothing is beyond the hundredth."""
    pieces = rendered("\n".join(f"- **item{n}** text" for n in range(500)))
    bold = [word for piece in pieces for word in covers(piece, "bold")]
    assert bold == [f"item{n}" for n in range(500)]
    assert all(piece.text.startswith("• ") for piece in pieces)
    assert len(pieces) == 5


def test_code_that_fits_is_not_broken() -> None:
    """A block goes whole into the next message when this one has no room for it."""
    code = "\n\n".join(f"line {n}" for n in range(300))
    pieces = rendered("intro " * 400 + f"\n\n```js\n{code}\n```\n\nend")
    assert [covers(piece, "pre") for piece in pieces] == [[], [code]]
    assert pieces[1].text.endswith("end")


def test_code_before_a_long_text_is_not_broken() -> None:
    """A blank line within code is no paragraph's end, though it be the last one that fits."""
    code = "\n\n".join(f"line {n}" for n in range(300))
    pieces = rendered(f"```js\n{code}\n```\n" + "x" * 3000)
    assert [piece.text for piece in pieces] == [code, "x" * 3000]


def test_code_longer_than_a_message_goes_on_as_code() -> None:
    """A long block is cut at line ends and keeps its language in every message."""
    lines = [f"    line({n})" for n in range(900)]
    pieces = rendered("before\n\n```py\n" + "\n".join(lines) + "\n```\n\nafter")
    assert len(pieces) == 4
    assert "\n".join(text for piece in pieces for text in covers(piece, "pre")) == "\n".join(lines)
    languages = {e["language"] for piece in pieces for e in piece.entities}
    assert languages == {"py"}
    assert pieces[0].text.startswith("before")
    assert pieces[-1].text.endswith("after")


def test_entity_across_a_cut_goes_on() -> None:
    """Bold that is longer than a message is bold in both."""
    pieces = rendered("**" + "word " * 1500 + "end**")
    assert all(covers(piece, "bold") == [piece.text] for piece in pieces)


def test_cut_messages_follow_each_other() -> None:
    """The messages together are the text, with white space alone between them."""
    text = "\n\n".join(f"Sentence {n}, which ends here. " * 7 + "End." for n in range(100))
    at = 0
    for before, after in pairwise(rendered(text)):
        at = text.index(before.text, at) + len(before.text)
        assert text[at : text.index(after.text, at)].strip() == ""


def test_note_follows_the_answer() -> None:
    """A note stands under the last message, after its code and not in it."""
    pieces = append_text(rendered("```\ncode"), "It broke off.")
    assert [piece.text for piece in pieces] == ["code\n\nIt broke off."]
    assert covers(pieces[0], "pre") == ["code"]


@pytest.mark.parametrize("markdown", ["", "x" * 4090], ids=["no message", "a full message"])
def test_note_without_room_is_a_message(markdown: str) -> None:
    """A note is never lost, and never makes a message too long."""
    pieces = append_text(rendered(markdown), "It broke off.")
    assert pieces[-1] == Piece("It broke off.")
    assert len(pieces) == (2 if markdown else 1)


# -- What cannot be converted ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "markdown",
    ["- " * 5000 + "x", "|a" * 2000 + "\n" + "|-" * 2000 + "\n" + "|a\n" * 500],
    ids=["list", "table"],
)
def test_markup_without_bounds_is_sent_plain(
    markdown: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What would grow a thousandfold is sent as written; the log tells that, not the text."""
    with caplog.at_level(logging.WARNING):
        pieces = rendered(markdown)
    plain = "".join("".join(piece.text.split()) for piece in pieces)
    assert plain == "".join(markdown.split())
    assert not any(piece.entities for piece in pieces)
    assert "was not converted" in caplog.text
    assert "|a" not in caplog.text
    assert "- -" not in caplog.text


def test_markup_that_shows_nothing_is_sent_as_written() -> None:
    """An answer of nothing but markup is better read raw than not at all."""
    assert [piece.text for piece in rendered("```python")] == ["```python"]


ADVERSARIAL = {
    "asterisks": "*" * 10_000,
    "quotes": "> " * 20_000 + "x",
    "links": "[a](http://x.y) " * 6_000,
    "brackets": "[" * 100_000,
    "openers": r"\(" * 50_000,
    "latex": r"\( \frac{" * 10_000,
    "tags": "<div>\n" * 16_000,
    "bold and code": "**b `c` d** " * 8_000,
    "definitions": "[a]: b\n\n" * 12_000,
    "deep list": "\n".join(" " * n * 2 + "- x" for n in range(300)),
    "blank lines": "\n" * 100_000,
    "joiners": "a\u200d" * 50_000,
    "backticks": "".join("`" * n + " " for n in range(400)),
}


@pytest.mark.parametrize("markdown", ADVERSARIAL.values(), ids=ADVERSARIAL.keys())
def test_no_text_of_its_size_is_too_much(markdown: str) -> None:
    """100 kB of the worst come out as valid messages, and only blank text as none."""
    assert bool(rendered(markdown)) is bool(markdown.strip())
