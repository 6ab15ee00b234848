"""Emphasis, names, prices, tags and links are shown as people mean them, in both kinds."""

import re
import time
from typing import Any

import pytest

from bot.rendering.classic import Piece, render
from bot.rendering.pages import to_pages
from bot.rendering.rich import RichPiece, plain_text, render_rich
from bot.rendering.richtext import Run, runs_of
from tests.support.messages import accepted

Styled = list[tuple[str, str]]


def classic(markdown: str) -> tuple[str, Styled]:
    """Return the text of a classic message, and what its entities cover."""
    [page] = to_pages(markdown, "off")
    assert isinstance(page, Piece)
    accepted(page)
    text = page.text.encode("utf-16-le")
    spans = ((e, e["offset"] * 2, (e["offset"] + e["length"]) * 2) for e in page.entities)
    return page.text, [(e["type"], text[start:end].decode("utf-16-le")) for e, start, end in spans]


def texts(value: Any) -> list[Any]:
    """Return the texts of blocks at any depth."""
    if isinstance(value, (list, tuple)):
        return [text for one in value for text in texts(one)]
    if not isinstance(value, dict):
        return []
    inner = [
        text for name in ("summary", "blocks", "items", "cells") for text in texts(value.get(name))
    ]
    return [*inner, *([value["text"]] if "text" in value else [])]


def rich(markdown: str) -> tuple[str, Styled]:
    """Return the text of a rich message, and its styled words, in one piece each."""
    [page] = to_pages(markdown, "on")
    assert isinstance(page, RichPiece)
    accepted(page)
    runs: list[Run] = [run for text in texts(page.blocks) for run in runs_of(text)]
    return plain_text(page.blocks), [(s.kind, run.text) for run in runs for s in run.styles]


READ = [classic, rich]
KINDS = {"*": "italic", "**": "bold", "~~": "strikethrough", "__": "bold"}

# -- Scripts without spaces -----------------------------------------------------------------------

# Markdown, and what stands in its first emphasis
SAMPLES = {
    "含**「重点」**内容。": "「重点」",
    "**注意：**请先备份。": "注意：",
    "**第一步。**打开设置": "第一步。",
    "请看**《红楼梦》**第三回": "《红楼梦》",
    "他说**“你好”**然后走了": "“你好”",
    "价格**（含税）**为准": "（含税）",
    "使用**`print()`**函数": "print()",
    "查看**[文档](https://a.test)**了解": "文档",
    "共**100%**的人": "100%",
    "涨了**+5%**左右": "+5%",
    "**好的👍**谢谢": "好的👍",
    "完成**✅通过**了": "✅通过",
    "**优点（3个）：**速度快": "优点（3个）：",
    "*提示：*可选": "提示：",
    "原价~~「99」~~现价": "「99」",
    "**重要！**必须": "重要！",
    "删除~~旧版（v1）~~后": "旧版（v1）",
    "这是__「重点」__内容": "「重点」",
    "用__粗体__表示": "粗体",
    "**API（接口）**是什么": "API（接口）",
    "これは**「東京」**です": "「東京」",
    "**注意：**まず保存する": "注意：",
    "彼は*『雪国』*を読んだ": "『雪国』",
    "**手順①：**開く": "手順①：",
    "料金は**￥500**です": "￥500",
    "**ﾒﾓ。**確認": "ﾒﾓ。",
    "答えは~~（A）~~です": "（A）",
    "문서를 **마크다운(Markdown)**을": "마크다운(Markdown)",
    "이것은 **“중요”**입니다": "“중요”",
    "**참고:**다음 단계": "참고:",
    "파일 **`a.txt`**를 열기": "a.txt",
    "~~취소(2024)~~는": "취소(2024)",
    "**좋아요!**라고": "좋아요!",
    "*‘서울’*에서": "‘서울’",
    "คำว่า**\"สำคัญ\"**มาก": '"สำคัญ"',
    "**หมายเหตุ:**โปรดอ่าน": "หมายเหตุ:",
    "ຄຳ**(ໃໝ່)**ນີ້": "(ໃໝ່)",
    "ပါ**(က)**သည်": "(က)",
    "كتاب**(أ)**و": "(أ)",
    "**ملاحظة:**اقرأ": "ملاحظة:",
    "ה**\"דבר\"**הזה": '"דבר"',
    "यह**(नया)**है": "(नया)",
    "**Done✅**Next": "Done✅",
    "Go**🚀fast**now": "🚀fast",
    "**Deal 🤝🏽**today": "Deal 🤝🏽",
    "**Love ❤️**you": "Love ❤️",
}  # fmt: skip
FORMS = {
    "paragraph": "{}",
    "heading": "## {}",
    "item": "1. {}",
    "nested item": "- a\n  - {}",
    "quote": "> {}",
    "cell": "| a | b |\n|---|---|\n| {} | c |",
}


def plain(markdown: str) -> str:
    """Return a sample without its signs."""
    return re.sub(r"\]\(.*?\)|[*~_`\[]", "", markdown)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("read", READ)
def test_emphasis_needs_no_spaces(form: str, read: Any) -> None:
    """No sign stays, and what stands between them is emphasized, wherever it stands."""
    for sample, inner in SAMPLES.items():
        text, styled = read(FORMS[form].format(sample))

        assert plain(sample) in re.sub(" \\(https://a.test\\)", "", text), sample
        sign = re.search(r"\*+|~~|__", sample)
        assert sign
        kind = "code" if "`" in sample else KINDS[sign.group()]
        # A heading is bold as a whole, and a table in fixed width has no formatting
        if read is rich or not (form == "cell" or (form == "heading" and kind == "bold")):
            assert (kind, inner) in styled, sample


@pytest.mark.parametrize("read", READ)
@pytest.mark.parametrize(
    ("markdown", "text", "styled"),
    [
        ("**「甲」**和**「乙」**、**“丙”**", "「甲」和「乙」、“丙”", ["「甲」", "「乙」", "“丙”"]),
        ("字***「甲」***字", "字「甲」字", ["「甲」", "「甲」"]),
        ("字**~~「甲」~~**字", "字「甲」字", ["「甲」", "「甲」"]),
        ("**甲*「乙」*丙**丁", "甲「乙」丙丁", None),
        ("**甲：**乙，**丙！**丁", "甲：乙，丙！丁", ["甲：", "丙！"]),
        ("（**重点**）。**注意**：好", "（重点）。注意：好", ["重点", "注意"]),
        ("2**3，a * b，字 ** 字 **", "2**3，a * b，字 ** 字 **", []),
        ("`含**「重点」**内容`", "含**「重点」**内容", ["含**「重点」**内容"]),
        ("~~~\n字**「甲」**字\n~~~", "字**「甲」**字", None),
        ("https://a.test/字_「甲」_字", "https://a.test/字_「甲」_字", []),
        ("变量__init__方法", "变量__init__方法", []),
    ],
)
def test_emphasis_without_spaces_is_told_from_text(
    read: Any, markdown: str, text: str, styled: list[str] | None
) -> None:
    """Several in a sentence, within each other; code, addresses and escaped signs stay."""
    seen, found = read(markdown)
    assert seen == text
    if styled is not None:
        assert [inner for _, inner in found] == styled


@pytest.mark.parametrize("choice", ["off", "on"])
def test_beginnings_show_all_their_letters(choice: Any) -> None:
    """While it is written, no beginning is refused, nor has less than plain text would show."""
    for sample in SAMPLES:
        if "](" not in sample:
            for end in range(1, len(sample) + 1):
                shown = "".join(map(accepted, to_pages(sample[:end], choice)))
                signs = r"[*~_`•\s]"  # an asterisk alone is an item
                assert re.sub(signs, "", shown) == re.sub(signs, "", sample[:end])


def test_no_joint_is_ever_shown() -> None:
    """What helps the parser is taken out everywhere, and what people write of it too."""
    markdown = (
        "字**「甲」** `字**「甲」**字` $字**「x」**字^2$ [字**「甲」**](https://a.test/字**「甲」**字)"
        " [r]\n\n    字**「甲」**字\n\n```字**「甲」**字\n字**「甲」**字\n```\n\ufdd0x\n"
        "\n[r]: https://a.test/字**「甲」**字"
    )
    assert "\ufdd0" not in repr(render(markdown))
    assert "\\ufdd0" not in repr(render(markdown))
    assert "\\ufdd0" not in repr(render_rich(markdown))


# -- Names ----------------------------------------------------------------------------------------

NAMES = [
    "__init__.py",
    'if __name__ == "__main__":',
    "pkg/__init__.py and src/__main__.py",
    "__all__ and __init__() and __version__ = 1",
    "self.__dict__ or type(x).__name__",
    "_private, _other and snake_case_name",
    "__my_own__ and _a_b_",
    "Use @__call__ or '__x__'",
    "a/_private_/b",
    "__enter__, __exit__, __aenter__ and __custom__",
    "__FILE__, __LINE__, __dirname, __proto__ and __attribute__((packed))",
    "__init__ __str__ __repr__ __eq__ __hash__",
    "__pycache__/ is ignored",
    "__tablename__",
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("read", READ)
def test_names_keep_their_underscores(read: Any, form: str) -> None:
    """An identifier is shown as it is, wherever it stands."""
    for name in NAMES:
        text, styled = read(FORMS[form].format(name))
        assert name in text
        assert not {"italic", *({"bold"} if form != "heading" else set())} & {k for k, _ in styled}


@pytest.mark.parametrize("read", READ)
def test_beginnings_of_names_lose_nothing(read: Any) -> None:
    """`__init_`, which is still being written, is no italic."""
    for end in range(1, len("__init__.py") + 1):
        assert read("See __init__.py"[: 4 + end])[0] == "See __init__.py"[: 4 + end]


@pytest.mark.parametrize("read", READ)
@pytest.mark.parametrize(
    ("markdown", "text", "kind"),
    [
        ("a __bold text__ b", "bold text", "bold"),
        ("a __bold__ b", "bold", "bold"),
        ("__Note:__ b", "Note:", "bold"),
        ("__Warning__: b", "Warning", "bold"),
        ("a _italic_ b", "italic", "italic"),
        ("an _italic text_.", "italic text", "italic"),
        ('the "_Titanic_"', "Titanic", "italic"),
        ("__важно__", "важно", "bold"),
    ],
)
def test_underscores_of_words_are_emphasis(read: Any, markdown: str, text: str, kind: str) -> None:
    """What is no name is emphasized as before."""
    assert read(markdown)[1] == [(kind, text)]


# -- Prices ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("read", READ)
@pytest.mark.parametrize(
    "text",
    [
        "~$120B (~$55-65B)",
        "~$5/~$6",
        "about ~5 or ~10 km",
        "~a~ and ~b c~",
        "from ~$1,000 to ~$2,000, (~$3k)",
        "~$5-$6 or $7~$8",
        "$120B, ~$",
        "~10%~20%",
        "~/a and ~/b",
        "约~5元~10元",
    ],
)
def test_a_single_tilde_is_one(read: Any, text: str) -> None:
    """It says "about": nothing is struck through, and amounts are no formulas."""
    assert read(text) == (text, [])


@pytest.mark.parametrize("read", READ)
def test_two_tildes_strike_through(read: Any) -> None:
    """Only they do."""
    assert read("~5 ~~old~~ ~6") == ("~5 old ~6", [("strikethrough", "old")])


# -- Tags -----------------------------------------------------------------------------------------

TAGS: dict[str, tuple[str, str, Styled]] = {
    "bold": ("<b>x</b> <strong>y</strong>", "x y", [("bold", "x"), ("bold", "y")]),
    "italic": ("<i>x</i> <EM>y</EM>", "x y", [("italic", "x"), ("italic", "y")]),
    "underline": ("<u>x</u> <ins>y</ins>", "x y", [("underline", "x"), ("underline", "y")]),
    "struck": ("<s>x</s> <del>y</del>", "x y", [("strikethrough", "x"), ("strikethrough", "y")]),
    "spoiler": ('<span class="tg-spoiler">x</span> y', "x y", [("spoiler", "x")]),
    "code": (
        "<code>a &lt; b</code> <kbd>Esc</kbd>",
        "a < b Esc",
        [("code", "a < b"), ("code", "Esc")],
    ),
    "code with tags": (
        "<code>List<String> <div></code>",
        "List<String> <div>",
        [("code", "List<String> <div>")],
    ),
    "plain": ('<span style="color:red">x</span> <font size=2>y</font>', "x y", []),
    "blocks": ("<p>x</p><div>y</div>", "x\n\ny", []),
    "indented": ('<div align="center">\n    <p>x</p>\n    y\n</div>', "x\n\ny", []),
    "centre": ("<center>x</center>", "x", []),
    "link": ('<a href="https://a.test/?a=1&amp;b">x</a>', "x", [("LINK", "x")]),
    "useless link": ('<a href="tg://settings">x</a> <a name="n">y</a>', "x (tg://settings) y", []),
    "picture": ('<img src="https://a.test/x.png" alt="x">', "🖼 x", [("LINK", "x")]),
    "break": ("x<br>y<BR/>\nz", "x\ny\nz", []),
    "breaks alone": ("x\n<br>\ny", "x\n\ny", []),
    "comment": ("x <!-- y --> z --> w", "x y z --> w", []),
    "within emphasis": ("**x <u>y</u>**", "x y", [("bold", "x y"), ("underline", "y")]),
    "ruby": ("<ruby>漢<rp>(</rp><rt>かん</rt><rp>)</rp></ruby>", "漢(かん)", []),
    "entities": ("&lt;b&gt; &amp;", "<b> &", []),
    "code stays": ("`<b>x</b>`", "<b>x</b>", [("code", "<b>x</b>")]),
    "quotation": ("<q>x</q>", "“x”", []),
    "mentions": ("The <p> tag, <b> and </div> of HTML", "The <p> tag, <b> and </div> of HTML", []),
    "placeholders": (
        "<your name> <T> <email> List<String>",
        "<your name> <T> <email> List<String>",
        [],
    ),
    "an end to come": ("This is <b>important, and (<i>so", "This is important, and (so", []),
    "a lost beginning": ("Important</b>, and so</i>) on", "Important, and so) on", []),
    "generics": (
        "fn f<A, B>(x: Vec<A>) Map<b, i> a<b>c",
        "fn f<A, B>(x: Vec<A>) Map<b, i> a<b>c",
        [],
    ),
    "comparisons": ("a < b, 1 < 2 and 3 > 2, x <= y", "a < b, 1 < 2 and 3 > 2, x <= y", []),
    "unclosed": ("<p>x\n<p>y", "x\n\ny", []),
    "a document": (
        "<html>\n<body><p>x</p></body>\n</html>",
        "<html>\n<body><p>x</p></body>\n</html>",
        [],
    ),
    "quote": ("<blockquote>x</blockquote>", "x", [("blockquote", "x")]),
    "over paragraphs": ("<b>x\n\ny</b> z", "x\n\ny z", [("bold", "x\n\ny")]),
}


@pytest.mark.parametrize("name", TAGS)
def test_tags_are_what_they_mean_in_classic_messages(name: str) -> None:
    """Formatting, blocks, links; tags in code, words and placeholders stay."""
    markdown, text, styled = TAGS[name]
    wanted = [("text_link" if kind == "LINK" else kind, inner) for kind, inner in styled]
    assert classic(markdown) == (text, wanted)


@pytest.mark.parametrize(
    "name", [name for name in TAGS if name not in {"quote", "within emphasis", "over paragraphs"}]
)
def test_tags_are_what_they_mean_in_rich_messages(name: str) -> None:
    """The same."""
    markdown, text, styled = TAGS[name]
    wanted = [("url" if kind == "LINK" else kind, inner) for kind, inner in styled]
    assert rich(markdown) == (text, wanted)


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("H<sub>2</sub>O, x<sup>2</sup>, CO<SUB>2</SUB>", "H₂O, x², CO₂"),
        ("x<sup>n+1</sup> a<sub>ij</sub> 10<sup>-3</sup>", "xⁿ⁺¹ aᵢⱼ 10⁻³"),
        ("x<sup>(Q+1)</sup> x<sup>Q+1</sup> T<sub>c</sub>", "x^(Q+1) x^(Q+1) T_c"),
        ("V<sub>最大</sub> x<sub>C</sub>", "V_(最大) x_C"),
        ("note<sup>[1]</sup> and<sup>*</sup> 1<sup>st</sup>", "note[¹] and* 1ˢᵗ"),
        ("<sub>This is a note in small letters.</sub>", "This is a note in small letters."),
        ("x<sup><b>2</b></sup> <sup>**3**</sup>", "x² ³"),
        ("| a |\n|---|\n| H<sub>2</sub>O |", "a  \n---\nH₂O"),
        ("- x<sup>2</sup>\n\n## y<sub>1</sub>", "• x²\n\ny₁"),
    ],
)
def test_scripts_are_unicode_in_classic_messages(markdown: str, text: str) -> None:
    """Where Unicode lacks a character, a sign says the same."""
    assert classic(markdown)[0] == text


def test_scripts_are_marks_in_rich_messages() -> None:
    """Telegram has them."""
    assert rich("H<sub>2</sub>O x<sup>n<sub>1</sub></sup>")[1] == [
        ("subscript", "2"),
        ("superscript", "n"),
        ("superscript", "1"),
        ("subscript", "1"),
    ]


STRUCTURES = {
    "list": (
        "<ul>\n  <li>a\n    <ol>\n      <li>b</li>\n      <li>c</li>\n    </ol>\n </li>\n</ul>\nd",
        "- a\n  1. b\n  2. c\n\nd",
    ),
    "table": (
        "<table>\n<tr>\n<th>a</th><th>b</th>\n</tr>\n<tr><td>c|d</td><td>e</td></tr></table>\n\nf",
        "|a|b|\n|-|-|\n|c\\|d|e|\n\nf",
    ),
    "headings": ("<h1>a</h1>b<h3><i>c</i></h3>", "# a\n\nb\n\n### *c*"),
    "code": (
        '<pre><code class="language-py">if a &lt; b:\n    c</code></pre>\nd',
        "```py\nif a < b:\n    c\n```\n\nd",
    ),
    "rule": ("a\n<hr>\nb", "a\n\n---\n\nb"),
    "quoted": ("> <p>a</p>\n> <p>b</p>", "> a\n>\n> b"),
    "in items": ("- <p>a</p>\n- <b>b</b>", "- a\n- **b**"),
    "blocks": ("a\n<div><b>b</b></div>\n\n- <i>c</i>", "a\n\n**b**\n\n- *c*"),
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_blocks_of_html_are_those_of_markdown(name: str) -> None:
    """Lists, tables, headings and code look as if they were written in Markdown."""
    markup, markdown = STRUCTURES[name]
    assert classic(markup) == classic(markdown)
    assert [piece.blocks for piece in render_rich(markup) or ()] == [
        piece.blocks for piece in render_rich(markdown) or []
    ]


def test_details_are_open_in_classic_messages() -> None:
    """The summary is bold, and what it hides stands below."""
    markdown = "<details>\n<summary>S <i>x</i></summary>\n\n- a\n\n</details>\nend"
    assert classic(markdown) == ("S x\n\n• a\n\nend", [("bold", "S x"), ("italic", "x")])


def test_tags_in_cells_keep_the_row() -> None:
    """A block in a cell ends no table."""
    markdown = "| a | b |\n|---|---|\n| <p>x</p> | <ul><li>y</li><li>z</li></ul> |"
    assert classic(markdown)[0].splitlines()[2].split() == ["x", "|", "•", "y", "•", "z"]
    [page] = render_rich(markdown) or []
    assert [block["type"] for block in page.blocks] == ["table"]


# -- Links ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("read", READ)
@pytest.mark.parametrize(
    "url",
    [
        *("tg://settings", "tg://user?id=1", "tg://resolve?domain=a", "tg:settings", "ton://a"),
        *("TG://openmessage?user_id=1", "javascript:x", "JavaScript:x", "file:///etc/passwd"),
        *("data:text/html,x", "https://user@a.test", "https://a.test:0", "http://a..test"),
        *("https:a.test", "https://", "intent://a.test", "ftp://a.test", "sms:+15550100"),
    ],
)
def test_other_addresses_are_text(read: Any, url: str) -> None:
    """A model's word leads nowhere but to the web, a mailbox or a telephone."""
    assert read(f"[x]({url})") == (f"x ({url})", [])
    assert read(f"a <{url}> b")[1] == []


@pytest.mark.parametrize("read", READ)
@pytest.mark.parametrize(
    "url",
    [
        *("https://a.test", "HTTP://A.test/b", "https://пример.рф", "https://xn--e1afmkfd.xn--p1ai"),
        *("https://a.test:8443/?q=@b", "http://[2001:db8::1]/", "https://हिन्दी.test", "https://t.me/a"),
    ],
)  # fmt: skip
def test_addresses_of_the_web_are_links(read: Any, url: str) -> None:
    """Whatever their case and alphabet."""
    assert [inner for _, inner in read(f"[x]({url})")[1]] == ["x"]


@pytest.mark.parametrize(
    ("url", "kind", "value"),
    [
        ("mailto:a@b.test?subject=x", "email_address", "a@b.test"),
        ("tel:+1-555-0100", "phone_number", "+15550100"),
        ("TEL:+1(555)0100;ext=2", "phone_number", "+15550100"),
        ("tel:112", "phone_number", "112"),
    ],
)
def test_mail_and_telephone(url: str, kind: str, value: str) -> None:
    """Rich messages have them; in classic ones Telegram finds what is written out."""
    [page] = render_rich(f"[x]({url})") or []
    assert page.blocks[0]["text"] == {"type": kind, "text": "x", kind: value}
    text, styled = classic(f"[x]({url})")
    assert text.startswith("x (")
    assert text.lower() == f"x ({url.lower().partition(':')[2]})" or kind == "email_address"
    assert styled == []


# -- Cost -----------------------------------------------------------------------------------------

HOSTILE = {
    "asterisks": "*「",
    "beside letters": "字**，",
    "tildes": "~「",
    "underscores": "字__「",
    "names": "__init__ ",
    "openings": "<b>",
    "endings": "x</b>",
    "nested blocks": "<div><blockquote>",
    "attributes": '<b "',
    "comments": "<!--",
    "items": "<ul><li>",
    "cells": "<table><tr><td>",
    "code": "<pre>`<code>",
    "prices": "~$5/~$6",
    "quoted": "> <p>",
    "fences": "~~~~ <p>\n",
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.slow("measures")
def test_cost_grows_with_the_length_alone(name: str) -> None:
    """Four times the text takes nothing like sixteen times as long."""
    costs = []
    for length in (10_000, 40_000):
        text = (HOSTILE[name] * length)[:length]
        begin = time.process_time()
        render(text)
        render_rich(text)
        costs.append(time.process_time() - begin)
    assert costs[1] < 9 * costs[0] + 0.3
