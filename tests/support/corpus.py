r"""Answers as language models write them, and as they should not: what is hard to show.

Words with numbers (`w0007`) tell where a piece is missing, doubled or out of place.
"""

from dataclasses import dataclass
from typing import Literal

# "classic" and "rich" tell what RICH_MESSAGES=auto gives; nothing but classic messages has room
# for what is "unfit"
Look = Literal["classic", "rich", "unfit"]


@dataclass(frozen=True)
class Answer:
    """One answer, and what people read of it: all its words, unless said otherwise.

    `classic` is what they read in classic messages where those say it differently. Of an `exact`
    answer every character counts. `again` is what each rich message after the first begins with.
    """

    markdown: str
    look: Look = "classic"
    seen: str | None = None
    classic: str | None = None
    exact: bool = False
    again: str = ""

    def shown(self, *, as_rich: bool) -> str:
        """Return what people read."""
        seen = self.markdown if self.seen is None else self.seen
        return seen if as_rich or self.classic is None else self.classic

    def is_rich(self, choice: str) -> bool:
        """Tell by which kind of message a setting of RICH_MESSAGES shows it."""
        looks: dict[str, set[Look]] = {"off": set(), "auto": {"rich"}, "on": {"rich", "classic"}}
        return self.look in looks[choice]


def numbered(count: int, separator: str = " ", form: str = "w{:04}") -> str:
    """Return words that tell their place."""
    return separator.join(form.format(number) for number in range(count))


def prose(length: int) -> str:
    """Return exactly so many characters of numbered words, without white space at the end."""
    return numbered(length // 6 + 1)[:length].rstrip().ljust(length, "x")


def row(*cells: str) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(cells)} |"


def table(*rows: tuple[str, ...]) -> str:
    """Return a table whose first row is its header."""
    header, *others = rows
    lines = (row(*header), row(*["---"] * len(header)), *(row(*cells) for cells in others))
    return "\n".join(lines)


def wide(columns: int) -> str:
    """Return a table of so many columns, and three rows."""
    cells = numbered(3 * columns).split()
    return table(*(tuple(cells[n * columns : (n + 1) * columns]) for n in range(3)))


def nested(levels: int, mark: str = "-") -> str:
    """Return a list within a list, so many times."""
    width = len(mark) + 1
    return "\n".join(f"{' ' * width * n}{mark} w{n:04}" for n in range(levels))


def fenced(code: str, info: str = "", fence: str = "```") -> str:
    """Return code in a block."""
    return f"{fence}{info}\n{code}\n{fence}"


def code(lines: int) -> str:
    """Return so many indented lines of a program."""
    return "\n".join(f"{'    ' * (n % 3)}call(w{n:04})" for n in range(lines))


TABLES = {
    "simple table": Answer(table(("Name", "Age"), ("Ann", "30"), ("Bob", "40")), "rich"),
    "aligned table": Answer("| Left | Mid | Right |\n|:--|:-:|--:|\n| a1 | b1 | c1 |", "rich"),
    "table of 20 columns": Answer(wide(20), "rich"),
    "table of 25 columns": Answer(wide(25), "unfit"),
    "table of 300 rows": Answer(
        table(("Head", "Other"), *((f"w{2 * n:04}", f"w{2 * n + 1:04}") for n in range(300))),
        "rich",
    ),
    "table of 900 rows": Answer(
        table(("Head", "Other"), *((f"w{2 * n:04}", f"w{2 * n + 1:04}") for n in range(900))),
        "rich",
        again="Head | Other",
    ),
    "table under a paragraph": Answer(f"Here it is:\n{table(('A', 'B'), ('1', '2'))}", "rich"),
    "table between paragraphs": Answer(
        f"Before.\n\n{table(('A', 'B'), ('1', '2'))}\n\nAfter.", "rich"
    ),
    "two tables": Answer(
        f"{table(('A', 'B'), ('1', '2'))}\n\nThen\n\n{table(('C', 'D'), ('3', '4'))}", "rich"
    ),
    "table with pipes": Answer("| Sign | Means |\n|---|---|\n| a \\| b | or |", "rich"),
    "table with pipes in code": Answer(
        "| Sign | Means |\n|---|---|\n| `a \\| b` | or |\n| `x || y` | either |", "rich"
    ),
    "table with code": Answer(table(("Call", "Does"), ("`len(x)`", "counts")), "rich"),
    "table with formulas": Answer(
        table(("Name", "Value"), ("area", "$r^2$"), ("side", r"\(c^2\)"), ("sum", "$$a_1$$")),
        "rich",
    ),
    "table with links": Answer(
        table(("Site", "Note"), ("[first](https://one.test/)", "good"), ("[x](/y)", "none")),
        "rich",
        "Site Note first good x y none",
        "Site Note first https one test good x y none",
    ),
    "table with breaks": Answer(
        table(("Item", "Parts"), ("one", "a1<br>b1<br/>c1")), "rich", "Item Parts one a1 b1 c1"
    ),
    "table with emphasis": Answer(table(("**A**", "*B*"), ("~~c1~~", "***d1***")), "rich"),
    "table with empty cells": Answer(table(("A", ""), ("", "b1"), ("", ""), ("c1", "")), "rich"),
    "table of a header alone": Answer("| Only | Heads |\n|---|---|", "rich"),
    "table with short rows": Answer("| A | B | C |\n|-|-|-|\n| a1 |\n| a2 | b2 |", "rich"),
    "table with long rows": Answer("| A | B |\n|-|-|\n| a1 | b1 | c1 |\n| a2 | b2 |", "rich"),
    "table without outer pipes": Answer("A | B\n--|--\na1 | b1\na2 | b2", "rich"),
    "table of one column": Answer(table(("A",), ("a1",), ("a2",)), "rich"),
    "table in a list": Answer("- Look:\n\n  | A | B |\n  |-|-|\n  | a1 | b1 |\n- end", "rich"),
    "table in a quote": Answer("> | A | B |\n> |-|-|\n> | a1 | b1 |", "rich"),
    "table with emoji": Answer(table(("😀 A", "👩‍👩‍👧‍👦 B"), ("🇫🇷 a1", "漢字")), "rich"),
    "table that is none": Answer("a | b\nc | d\n\n| e | f |", exact=True),
}

LISTS = {
    "bullets": Answer("- one\n* two\n+ three"),
    "nested bullets and numbers": Answer(
        "1. one\n   - a1\n   - b1\n     1. deep\n     2. deeper\n2. two\n   * c1"
    ),
    "bullets of 7 levels": Answer(nested(7)),
    "bullets of 8 levels": Answer(nested(8), "unfit"),
    "bullets of 20 levels": Answer(nested(20), "unfit"),
    "numbers of 6 levels": Answer(nested(6, "1."), "classic", numbered(6, " ", "1 w{:04}")),
    "list with code": Answer(
        "1. Install:\n\n   ```sh\n   pip install w01\n   ```\n\n2. Run:\n\n   ```\n   w02\n   ```",
        "classic",
        "1 Install pip install w01 2 Run w02",
    ),
    "list with paragraphs": Answer("- one\n\n  more of it\n\n  and more\n\n- two\n\n  > quoted"),
    "numbers from 7": Answer("7. seven\n8. eight\n9. nine"),
    "numbers with parentheses": Answer("3) three\n4) four"),
    "numbers out of order": Answer("1. one\n1. two\n1. three", "classic", "1 one 2 two 3 three"),
    "number that is a year": Answer("It began in\n\n1984\\. was the year.\n\nThe end."),
    "loose and tight": Answer("- one\n- two\n\n- three\n\n\n- four\n\nafter"),
    "empty items": Answer("- one\n-\n- three\n- "),
    "500 bullets": Answer(numbered(500, "\n", "- w{:04}")),
    "1,200 bullets": Answer(numbered(1200, "\n", "- w{:04}"), "rich"),
    "700 numbers": Answer("\n".join(f"{n}. w{n:04}" for n in range(1, 701)), "rich"),
    "task list": Answer("- [ ] open\n- [x] done\n- [X] also", "rich", "open done also"),
    "nested task list": Answer(
        "- [ ] whole\n  - [x] part\n  - [ ] rest\n- plain", "rich", "whole part rest plain"
    ),
    "tasks with numbers": Answer("1. [ ] one\n2. [x] two", "rich", "one two"),
    "brackets in a list": Answer("- [] none\n- [a] no task\n- (x) neither"),
    "item longer than a message": Answer(f"- {prose(5000)}\n- end", "rich"),
}

CODE = {
    "code alone": Answer(fenced("print('hello')", "python"), "classic", "print hello"),
    "code longer than a message": Answer(fenced(code(400), "python"), "rich", code(400)),
    "code longer than a rich message": Answer(fenced(code(2600), "py"), "rich", code(2600)),
    "fence in a fence": Answer(
        fenced(f"Write\n{fenced('inner', 'js')}\nso", "markdown", "~~~~"),
        "classic",
        "Write js inner so",
    ),
    "fence of four": Answer(fenced(fenced("inner"), "", "````"), "classic", "inner"),
    "unknown language": Answer(fenced("w01 w02", "brainstorm++"), "classic", "w01 w02"),
    "title on the fence": Answer('```python title="main.py"\nw01\n```\nend', "classic", "w01 end"),
    "words on the fence": Answer("``` these are words\nw01\n```", "classic"),
    "no language": Answer(fenced("w01\n  w02\n    w03")),
    "indented code": Answer("Like this:\n\n    w01\n      w02\n\n    w03\n\nend"),
    "code with Markdown": Answer(fenced("# w01\n**w02** _w03_ | w04 |\n- [ ] w05 $w06$ ||w07||")),
    "code with HTML": Answer(
        fenced('<p class="a">w01<br></p><!-- w02 -->&amp;', "html"),
        "classic",
        "p class a w01 br p w02 amp",
    ),
    "code in one long line": Answer(fenced(prose(9000)), "rich", prose(9000), exact=True),
    "code that was not closed": Answer(
        "Look:\n\n```python\nw01\n\nw02", "classic", "Look w01 w02"
    ),
    "empty code": Answer("Before\n\n```\n```\n\nafter"),
    "code with blank lines": Answer(fenced("w01\n\n\n\nw02\n")),
    "code with tabs": Answer(fenced("if w01:\n\tw02\n\t\tw03")),
    "code spans": Answer("`a1` ``b1 ` c1`` ` d1 ` `` `e1` `` and `\\n` end"),
    "diff": Answer(fenced("@@ -1 +1 @@\n-w01\n+w02", "diff"), "classic", "1 1 w01 w02"),
    "JSON": Answer('{"name": "w01", "list": [1, 2], "deep": {"a": null}}', exact=True),
    "JSON in a block": Answer(
        fenced('{\n  "w01": [true, "a\\nb"]\n}', "json"), "classic", "w01 true a nb"
    ),
    "shell with variables": Answer(
        fenced('echo "$HOME/$USER" && cd ${DIR} # ~~no~~', "bash"),
        "classic",
        "echo HOME USER cd DIR no",
    ),
    "shell in a sentence": Answer("Set `$PATH` and $HOME, then run `$(ls)`."),
    "Mermaid": Answer(
        fenced("graph TD\n  A[w01] --> B{w02}\n  B -->|w03| C((w04))", "mermaid"),
        "classic",
        "graph TD A w01 B w02 B w03 C w04",
    ),
    "LaTeX in a block": Answer(
        fenced("\\documentclass{w01}\n\\begin{w02}\n$x^2$ \\[y\\]\n\\end{w02}", "latex"),
        "classic",
        "documentclass w01 begin w02 x 2 y end w02",
    ),
    "YAML in a block": Answer(
        fenced("w01:\n  - w02\n  - &a w03", "yaml"), "classic", "w01 w02 a w03"
    ),
    "code after 4,000 characters": Answer(f"{prose(4000)}\n\n{fenced(code(20))}", "rich"),
}

FORMULAS = {
    "inline formulas": Answer(r"So $x^2$ and \(y^2\) hold.", "rich", "So x 2 and y 2 hold"),
    "display formulas": Answer(
        "One:\n\n$$a_1 = b_1$$\n\nTwo:\n\n\\[c_1 = d_1\\]\n\nEnd.",
        "rich",
        "One a 1 b 1 Two c 1 d 1 End",
        "One a₁ b₁ Two c₁ d₁ End",
    ),
    "formula block": Answer("So:\n\n```math\nx + y\n```\n\nend", "rich", "So x y end"),
    "prices": Answer("It costs $5 and $10, not US$20-$30 or 7$.", exact=True),
    "prices and a formula": Answer(
        r"For $5 we get $x^2$ and \$6.", "rich", "For 5 we get x 2 and 6"
    ),
    "formula in a heading": Answer("## The $x^2$ law\n\nholds", "rich", "The x 2 law holds"),
    "formula in a list": Answer("- one $a^2$\n- two\n  $$b^2$$\n- three", "rich"),
    "formula in a quote": Answer("> so $a^2$\n>\n> $$\n> b^2\n> $$\n>\n> end", "rich"),
    "formula over lines": Answer(
        "$$\nx = w01 \\\\\ny = w02\n$$\n\nend", "rich", "x w01 y w02 end"
    ),
    "brackets over lines": Answer(
        "Then\n\\[\n\\begin{aligned}\nw01 &= 1 \\\\\nw02 &= 2\n\\end{aligned}\n\\]\nend",
        "rich",
        "Then begin aligned w01 1 w02 2 end aligned end",
        "Then w01 1 w02 2 end",
    ),
    "fractions": Answer(
        r"$$\frac{w01}{w02} = \sqrt{9}$$", "rich", "frac w01 w02 sqrt 9", "w01 w02 9"
    ),
    "formula that was not closed": Answer(r"So $$x^2 and \(y and \[z go on"),
    "formula with text": Answer(
        r"$\text{speed} = \mathrm{way} / t$", "rich", "text speed mathrm way t", "speed way t"
    ),
    "LaTeX document": Answer(
        "\\documentclass{article}\n\\begin{document}\n\\section{w01}\nw02 \\textbf{w03}.\n"
        "\\end{document}",
        "classic",
        exact=True,
    ),
    "brackets that are none": Answer(r"See \[1\] and \(a\) and [2], f(x) = (y)."),
}

STRUCTURE = {
    "headings": Answer(
        "\n\n".join(f"{'#' * n} Head w{n:04}\n\nText t{n:04}" for n in range(1, 7)), "rich"
    ),
    "headings without text": Answer("# One\n## Two\n### Three", "rich"),
    "setext headings": Answer("One\n===\n\nText\n\nTwo\n---\n\nend", "rich"),
    "heading with closing signs": Answer("## One ##\ntext\n#No heading\n####### seven", "rich"),
    "empty heading": Answer("#\n\ntext\n\n##  \n\nend", "rich"),
    "heading with styles": Answer(
        "# **One** `two` [three](https://a.test/)", "rich", "One two three"
    ),
    "quote": Answer("> one\n> two\nlazy\n\nafter"),
    "nested quotes": Answer("> one\n>> two\n>>> three\n>\n> one again"),
    "quote with list and code": Answer("> - a1\n>   - b1\n>\n> ```\n> w01\n> ```\n>\n> end"),
    "quote in a list": Answer("- one\n  > quoted\n  > more\n- two"),
    "quote longer than a message": Answer(
        "\n>\n".join(f"> {numbered(120, form=f'p{n:02}w' + '{:04}')}" for n in range(12)), "rich"
    ),
    "divider alone": Answer("---", "unfit"),
    "dividers after 500 blocks": Answer(numbered(500, "\n\n") + "\n\n---\n\n---"),
    "blocks in tight items": Answer(
        "1. w01\n   ```sh\n   w02\n   ```\n2. w03\n   > w04\n   - w05\n     # w06\n"
        "3. w07\n   | w08 |\n   |-|\n   | w09 |",
        "rich",
        "1 w01 w02 2 w03 w04 w05 w06 3 w07 w08 w09",
    ),
    "dividers": Answer("one\n\n---\n\ntwo\n\n***\n\nthree\n\n_ _ _"),
    "blank lines": Answer("one\n\n\n\n\ntwo\n \n\t\n\nthree\n\n\n"),
    "front matter": Answer("---\ntitle: w01\ntags: [w02]\n---\n\nText", "rich"),
    "details": Answer(
        "<details>\n<summary>Short w01</summary>\n\nLong **w02**\n\n</details>\n\nend",
        "rich",
        "Short w01 Long w02 end",
    ),
    "details in one line": Answer(
        "<details><summary>w01</summary>w02</details>",
        "rich",
        "w01 w02",
    ),
    "nested details": Answer(
        "<details><summary>w01</summary>\n\nw02\n\n<details><summary>w03</summary>\n\nw04\n\n"
        "</details>\n\nw05\n\n</details>\n\nw06",
        "rich",
        "w01 w02 w03 w04 w05 w06",
    ),
    "unclosed details": Answer(
        "<details>\n<summary>w01\n\nw02\n\n- w03",
        "rich",
        "w01 w02 w03",
    ),
    "details with everything": Answer(
        "<details open><summary><b>w01</b></summary>\n\n# w02\n\n- w03\n\n```\nw04\n```\n\n"
        "| w05 |\n|-|\n| w06 |\n\n> w07\n\n</details>",
        "rich",
        "w01 w02 w03 w04 w05 w06 w07",
    ),
    "details without summary": Answer("<details>\n\nw01\n\n</details>", "rich", "w01"),
}

INLINE = {
    "deep emphasis": Answer("**a1 *b1 ~~c1 `d1` c2~~ b2* a2** _e1 __f1__ e2_ ***g1***"),
    "emphasis that overlaps": Answer("**a1 *b1** c1* and *d1 **e1* f1**"),
    "emphasis that was not closed": Answer("**a1 and *b1 and __c1 and ~~d1 and `e1", exact=True),
    "asterisks": Answer("2*3*4 = 24, x**2 + y**2, 5 * 6 * 7, f(*args, **kwargs)", exact=True),
    "snake_case_names": Answer("Set `max_len`, snake_case_names and __init__ and _private_name_."),
    "spoilers": Answer("It is ||a secret|| and ||**bold** one||."),
    "pipes": Answer("if a || b || c then x | y, ||", exact=True),
    "strikethrough": Answer("~~gone~~ and ~one~ and ~~ none ~~ about ~5 to ~10"),
    "links": Answer(
        '[w01](https://one.test/a_b_c?x=1&y=2) [w02](https://two.test "title") '
        "[w03](<https://three.test/a b>) [w04](https://four.test/(x))",
        "classic",
        "w01 w02 w03 https three test a b w04",
    ),
    "unusable targets": Answer(
        "[w01](/relative) [w02](#anchor) [w03](javascript:go) [w04]() [w05](localhost)"
    ),
    "images": Answer(
        "![w01](https://one.test/a.png) ![](https://two.test/b.png) "
        "[![w02](https://three.test/c.png)](https://four.test)",
        "classic",
        "w01 https two test b png w02",
    ),
    "autolinks": Answer(
        "<https://one.test/a_b> https://two.test/c_d <w01@three.test> www.four.test"
    ),
    "reference links": Answer(
        "See [w01][a] and [w02] and [w03][none].\n\n[a]: https://one.test\n[w02]: https://two.test",
        "classic",
        "See w01 and w02 and w03 none",
    ),
    "list of sources": Answer(
        'Said so.\n\n[1]: https://one.test/\n[2]: https://two.test/ "w01"', exact=True
    ),
    "footnotes": Answer("One[^1] and two[^b].\n\n[^1]: First note\n[^b]: Second note", exact=True),
    "brackets": Answer("a[0] [b](c [d] (e) ][ [f]: [[g]] [h][i] ](", exact=True),
    "escapes": Answer(
        r"\*a1\* \_b1\_ \# c1 \[d1\]\(e1\) \`f1\` \| \~ \\ \$5 1\. g1 \> \- \+ \!",
    ),
    "entities of HTML": Answer(
        "&lt;w01&gt; &amp; &copy; &nbsp;w02 &#119;03 &unknown; &#0; &#xD800;",
        "classic",
        "w01 w02 w03 unknown",
    ),
    "script": Answer(
        "a1 <script>alert('b1')</script> c1\n\n<script>\nd1\n</script>\n\ne1", exact=True
    ),
    "unknown tags": Answer(
        "<answer>w01</answer> <w02/> <think>\nw03\n</think>\n\n<T> List<String>", exact=True
    ),
    "comments": Answer(
        "w01 <!-- w02 --> w03\n\n<!--\nw04\n-->\n\nw05", "classic", "w01 w02 w03 w04 w05"
    ),
    "formatting tags": Answer(
        "<u>a1</u> H<sub>2</sub>O x<sup>n</sup> <mark>b1</mark> <ins>c1</ins>",
        "classic",
        "a1 H2O xn b1 c1",
        "a1 H₂O xⁿ b1 c1",
    ),
    "tags in HTML": Answer(
        '<div class="a">\n<p>w01</p>\n<b>w02</b>\n</div>\n\n**w03**', "classic", "w01 w02 w03"
    ),
    "tags that were not closed": Answer(
        "<u>w01 <b>w02 </i>w03 <div w04 < w05 <> w06 </ w07",
        seen="w01 w02 </i>w03 <div w04 < w05 <> w06 </ w07",
        exact=True,
    ),
    "breaks": Answer(
        "w01<br>w02<br/>w03<br />w04  \nw05\\\nw06", "classic", "w01 w02 w03 w04 w05 w06"
    ),
    "comparisons": Answer("if a < b && c > d, 1 <2> 3, x<-y, a<b>c, i<=j, ->, <-", exact=True),
    "CDATA and processing": Answer("<?php w01 ?> <![CDATA[w02]]> <!DOCTYPE w03>", exact=True),
    "mentions and tags": Answer(
        "Ask @some_user about #topic_1, $GOOG, /help@test_bot, /start, +1 555 0100, "
        "someone@example.test or https://example.test/a_b?d=*e*&_f_#g.",
        exact=True,
    ),
    "101 bold words": Answer(numbered(101, " ", "**w{:04}**"), "rich"),
    "250 bold words": Answer(numbered(250, "\n\n", "**w{:04}** and"), "rich"),
    "300 links": Answer(numbered(300, " ", "[w{:04}](https://one.test/)"), "rich", numbered(300)),
    "CRLF": Answer(
        "# One\r\n\r\ntwo\r\nthree\r\n\r\n- a1\r\n- b1\r\n\r\n```\r\nc1\r\nd1\r\n```", "rich"
    ),
    "old line ends": Answer("one\rtwo\r\rthree\u2028four\u2029five\x85six\x0bseven\x0ceight"),
    "deep punctuation": Answer("a1 " + "*_~`|[](<>)" * 40 + " b1"),
}

FAMILY = "👩‍👩‍👧‍👦"
EMOJI = f"{FAMILY}🇫🇷👍🏽1️⃣🏳️‍🌈❤️😀"
ALPHABETS = {
    "Arabic": Answer("مرحبا، هذا **نص** مع `code` و 123 رقم.\n\n- واحد\n- اثنان\n\n> اقتباس"),
    "Hebrew": Answer("שלום, זה **טקסט** עם `code()` ו-42.\n\n1. אחת\n2. שתיים"),  # noqa: RUF001 - no Latin letters
    "mixed directions": Answer("The word \u2067שלום\u2069 means hello (مرحبا) 12:30.", exact=True),  # noqa: RUF001 - no Latin letters
    "marks of direction": Answer("a1\u200f b1 \u200ec1 \u061cd1", exact=True),
    "embeddings": Answer("a\u202ab\u202cc\u202ed", exact=True, seen="abcd"),
    "10,000 Chinese characters": Answer(
        "".join(chr(0x4E00 + n) for n in range(10_000)), "rich", exact=True
    ),
    "Japanese sentences": Answer("これは文です。" * 900, "rich", exact=True),
    "Korean and Thai": Answer(
        "안녕하세요 **세계** สวัสดีชาวโลก", "classic", "안녕하세요 세계 สวัสดีชาวโลก"
    ),
    "Hindi": Answer("नमस्ते **दुनिया** क्षत्रिय"),
    "emoji": Answer(f"One {EMOJI} two", exact=True),
    "5,000 emoji": Answer(EMOJI * 714, "rich", exact=True),
    "families alone": Answer(FAMILY * 600, "rich", exact=True),
    "flags": Answer("🇫🇷🇩🇪🇯🇵" * 700, "rich", exact=True),
    "combining marks": Answer("e\u0301a\u0308\u0323o\u0302" * 1500, "rich", exact=True),
    "heaped marks": Answer("Z" + "\u0301\u0316" * 300 + "a", exact=True),
    "zero width": Answer("a\u200bb\u200cc\u200dd\u2060e\ufeff f", exact=True),
    "styles of the font": Answer("𝐁𝐨𝐥𝐝 and 𝑖𝑡𝑎𝑙𝑖𝑐 ① ② ½ ﬁne", exact=True),  # noqa: RUF001 - no Latin letters
    "control characters": Answer("a\x01b\x08c\x1b[0md\x7fe", exact=True, seen="abc[0mde"),
    "a NUL": Answer("a\x00b", exact=True, seen="ab"),
    "halves of pairs": Answer("a\ud83db\ude00c", exact=True, seen="a\ufffdb\ufffdc"),
    "private use": Answer("a\ue000b \U000f0000c \ufffd \uffff", exact=True),
    "one letter": Answer("x", exact=True),
    "one sign": Answer("👍", exact=True),
}

LENGTHS = {
    "40,000 characters": Answer(prose(40_000), "rich", exact=True),
    "100,000 characters": Answer(prose(100_000), "rich", exact=True),
    "4,096 characters": Answer(prose(4096), exact=True),
    "4,097 characters": Answer(prose(4097), "rich", exact=True),
    "32,768 characters": Answer(prose(32_768), "rich", exact=True),
    "32,769 characters": Answer(prose(32_769), "rich", exact=True),
    "a pair at 4,096": Answer(f"{prose(4095)}😀 end", "rich", exact=True),
    "a pair within 4,096": Answer(f"{prose(4094)}😀", exact=True),
    "a word of 9,000": Answer(numbered(1800, ""), "rich", exact=True),
    "pairs alone": Answer("😀" * 5000, "rich", exact=True),
    "bold of 9,000": Answer(f"**{prose(9000)}**", "rich"),
    "link of 5,000": Answer(f"[{prose(5000)}](https://one.test/)", "rich", prose(5000)),
    "many paragraphs": Answer(numbered(1300, "\n\n"), "rich", exact=True),
    "many lines": Answer(numbered(1800, "\n"), "rich", exact=True),
    "a long address": Answer(f"https://one.test/{'a' * 5000}", "rich", exact=True),
    "sentences": Answer(numbered(1500, " ", "Say w{:04}."), "rich", exact=True),
}

ANSWERS = TABLES | LISTS | CODE | FORMULAS | STRUCTURE | INLINE | ALPHABETS | LENGTHS

# What grows before people's eyes where Telegram takes no drafts
GROWING = (
    "nested bullets and numbers",
    "bullets of 20 levels",
    "simple table",
    "display formulas",
    "details with everything",
    "list with code",
    "code longer than a message",
    "table of 900 rows",
    "4,096 characters",
    "32,769 characters",
    "5,000 emoji",
)

# Answers of which every beginning is one: what people are to see are words like w01
UNFINISHED = {
    "emphasis": "w01 **w02 *w03* ~~w04~~** __w05__ ***w06*** ||w07 **w08**|| `w09` ``w10 ` w11``",
    "links": '[w01](https://a.test/b_c "t") ![w02](https://a.test/d.png) <https://b.test/> '
    "[w03][r] [w04](/x) w05@a.test\n\n[r]: https://c.test/\n\nw06[^1]\n\n[^1]: w07",
    "headings": "# w01\n\nw02\n===\n\nw03\n---\n\n###### **w04** `w05`\n\n---\n\nw06",
    "lists": "1. w01\n   - w02\n     > w03\n     - **w04**\n\n       ```sh\n       w05\n"
    "       ```\n2. w06\n\n   w07\n\n7) w08\n* w09",
    "tasks": "- [ ] w01\n  - [x] **w02**\n- [X] `w03`\n\n1. [ ] w04",
    "table": "w01\n| w02 | **w03** |\n|:--|--:|\n| `w04` | $w05$ |\n| [w06](https://a.test/) | |\n"
    "| w07 \\| w08 | ~~w09~~ |\n\nw10",
    "code": 'w01\n```python\nw02 = "**w03**"\n```\n~~~~md\n```\nw04\n```\n~~~~\n\n    w05\n\nw06',
    "formulas": "w01 $w02^2$ \\(w03_1\\) $$w04 = w05$$ w06\n\n\\[\nw07 + \\frac{w08}{w09}\n\\]\n\n"
    "$$\nw10\n$$\n\n```math\nw11\n```\n$5 and $10 w12",
    "details": "<details>\n<summary>w01 **w02**</summary>\n\n- w03\n\n<details open><summary>w04"
    "</summary>w05</details>\n\n| w06 |\n|-|\n| w07 |\n\n</details>\n\nw08",
    "quotes": "> w01\n> > **w02**\n> - w03\n>\n> ```\n> w04\n> ```\n>\n> $$\n> w05\n> $$\n\nw06",
    "tags": "<u>w01</u> w02<sub>2</sub><br>w03 <b>w04</b> <!-- w05 -->\n\n<div>\nw06\n</div>\n\n"
    "<script>\nw07\n</script>\n\n<think>w08</think> a < b && w09 &amp; w10",
    "scripts": "שלום **w01** 123\r\n\r\n- مرحبا `w02`\r\n- 漢字 w03 "
    "👩‍👩‍👧🇫🇷👍🏽\r\n\r\n| é w04 |\r\n|-|\r\n| 😀 w05 |",
}
