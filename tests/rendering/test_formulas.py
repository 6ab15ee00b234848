"""Formulas are read by people, in rich messages and in classic ones."""

import time

import pytest

from bot.rendering.classic import render
from bot.rendering.formulas import readable
from bot.rendering.notations import plain_latex
from bot.rendering.rich import calls_for_rich, render_rich
from tests.support.door import Door
from tests.support.gemini_server import GeminiServer

LINES = {
    r"\frac{a}{b}": "a/b",
    r"\frac12": "½",
    r"x = \frac{-b \pm \sqrt{b^2-4ac}}{2a}": "x = (-b ± √(b²-4ac))/(2a)",
    r"\dfrac{dx}{dt}": "dx/dt",
    r"\frac{\text{distance}}{\text{time}}": "distance/time",
    r"\sqrt[3]{8} = 2": "∛8 = 2",
    r"\sum_{i = 1}^{n} i^2": "∑ᵢ₌₁ⁿ i²",
    r"\int_0^\infty e^{-x^2}\,dx": "∫₀^∞ e^(-x²) dx",
    r"x_{n+1}": "xₙ₊₁",
    r"v_{\text{final}} = 3": "v_final = 3",
    r"\alpha\beta + \Delta G^\circ": "αβ + ΔG°",
    r"\mathcal{O}(n\log n), \arg\max_\theta": "𝓞(n log n), arg max_θ",  # noqa: RUF001 - a letter of formulas
    r"\lim_{n\to\infty}\left(1+\frac1n\right)^n": "lim_(n→∞)(1+1/n)ⁿ",
    r"\forall x \in \mathbb{R}: x \ne \vec{v}": "∀ x ∈ ℝ: x ≠ v⃗",  # noqa: RUF001 - a letter of formulas
    r"a \equiv b \pmod{n}": "a ≡ b (mod n)",
    r"\underbrace{a+b}_{n}": "(a+b)ₙ",
    r"f''(x) = \{1, 2\}, 5\%": "f''(x) = {1, 2}, 5%",
    r"\Bigl( \displaystyle x \Bigr)": "( x )",
    r"\boxed{x = 5}": "[x = 5]",
    r"\boxed{\frac{1}{2}}": "[½]",
    r"\begin{equation*} E = mc^2 \tag{1} \label{e} \end{equation*}": "E = mc² (1)",
    r"\foo{x}{y} + \alpha": r"\foo{x}{y} + α",  # noqa: RUF001 - a letter of formulas
    # What cannot be read stays as it is
    r"\frac{1}{": r"\frac{1}{",
    r"\begin{cases} 1 & x": r"\begin{cases} 1 & x",
    r"a}b": "a}b",
    r"\left( x": r"\left( x",
    r"\sqrt": r"\sqrt",
    "x" * 9000: "x" * 9000,
}

CHEMISTRY = {
    r"\ce{H2O}": "H₂O",
    r"\ce{CO3^2-}": "CO₃²⁻",
    r"\ce{2H2 + O2 -> 2H2O}": "2H₂ + O₂ → 2H₂O",
    r"\ce{SO4^{2-} + Ba^2+ -> BaSO4 v}": "SO₄²⁻ + Ba²⁺ → BaSO₄ ↓",
    r"\ce{N2 + 3H2 <=>[Fe][450 °C] 2NH3}": "N₂ + 3H₂ —Fe, 450 °C→ 2NH₃",
    r"\ce{Fe^3+ + e- <=> Fe^2+}": "Fe³⁺ + e⁻ ⇌ Fe²⁺",
    r"\ce{CuSO4 . 5H2O}": "CuSO₄ ⋅ 5H₂O",
    r"\ce{^{227}_{90}Th+}": "²²⁷₉₀Th⁺",
    r"\ce{[Fe(CN)6]^4-}": "[Fe(CN)₆]⁴⁻",
    r"\ce{CH3-CH=CH2 ^}": "CH₃-CH=CH₂ ↑",
    r"\ce{Ca(OH)2(aq)}": "Ca(OH)₂(aq)",
    r"\ce{A ->[\Delta] B}": "A —Δ→ B",
    r"\ce{HC#CH}": "HC≡CH",
}

UNITS = {
    r"\SI{5}{\metre\per\second}": "5 m/s",
    r"\SI{9.81}{\meter\per\second\squared}": "9.81 m/s²",
    r"\SI{25}{\degreeCelsius}": "25 °C",
    r"\ang{45} = \SI{45}{\degree}": "45° = 45°",
    r"\qty{3.2e-5}{\kilo\joule\per\mole\per\kelvin}": "3.2 × 10⁻⁵ kJ/(mol K)",  # noqa: RUF001 - a letter of formulas
    r"\SI[per-mode=symbol]{5}{m/s^2}": "5 m/s²",
    r"\si{\kg.m^{-2}}": "kg m⁻²",
    r"\unit{\square\centi\metre}": "cm²",
    r"\SIrange{1}{5}{\micro\metre}": "1–5 μm",  # noqa: RUF001 - the dash of ranges
    r"\num{1.5e3} = \pu{123 kJ/mol}": "1.5 × 10³ = 123 kJ/mol",  # noqa: RUF001 - a letter of formulas
    r"\SI{50}{\percent}": "50 %",
    r"\SI{10}{\kilo\ohm}": "10 kΩ",
}


@pytest.mark.parametrize(("latex", "text"), (LINES | CHEMISTRY | UNITS).items())
def test_a_formula_is_read_as_text(latex: str, text: str) -> None:
    """Signs, scripts and fractions are Unicode's; on a line of its own or in a cell alike."""
    assert readable(latex) == text
    assert readable(latex, on_one_line=True) == text


SEVERAL_LINES = {
    "aligned": (
        r"\begin{aligned} a &= b + c \\ &= d \\[2pt] ef &= 1 \end{aligned}",
        " a = b + c\n   = d\nef = 1",
        "a = b + c; = d; ef = 1",
    ),
    "align*": (
        "\\begin{align*}\nx &= 1 \\\\\ny &= 2\n\\end{align*}",
        "x = 1\ny = 2",
        "x = 1; y = 2",
    ),
    "gather": (r"\begin{gather} a \\ b + c \end{gather}", "a\nb + c", "a; b + c"),
    "no environment": (r"a = b \\ c = d", "a = b\nc = d", "a = b; c = d"),
    "pmatrix": (
        r"A = \begin{pmatrix} 1 & 20 \\ 300 & 4 \end{pmatrix} x",
        "A = ╭  1   20 ╮ x\n    ╰ 300  4  ╯",
        "A = (1, 20; 300, 4) x",
    ),
    "bmatrix": (
        r"\begin{bmatrix} a & b \\ c & d \\ \alpha & \frac{1}{2} \end{bmatrix}",
        "┌ a  b ┐\n│ c  d │\n└ α  ½ ┘",  # noqa: RUF001 - a letter of formulas
        "[a, b; c, d; α, ½]",  # noqa: RUF001 - a letter of formulas
    ),
    "vmatrix": (
        r"\begin{vmatrix} a & b \\ c & d \end{vmatrix} = ad - bc",
        "| a  b | = ad - bc\n| c  d |",
        "|a, b; c, d| = ad - bc",
    ),
    "wide characters": (
        r"\begin{matrix} \text{東京} & 1 \\ a & \text{한} \end{matrix}",
        "東京  1\n a    한",
        "東京, 1; a, 한",
    ),
    "cases": (
        r"|x| = \begin{cases} x & x \ge 0 \\ -x & \text{otherwise} \end{cases}",
        "|x| = ⎧ x   x ≥ 0\n      ⎩ -x  otherwise",
        "|x| = {x, x ≥ 0; -x, otherwise}",
    ),
    "dcases": (
        r"\begin{dcases} a, & 1 \\ b, & 2 \\ c, & 3 \end{dcases}",
        "⎧ a,  1\n⎨ b,  2\n⎩ c,  3",
        "{a, 1; b, 2; c, 3}",
    ),
    "array between delimiters": (
        r"\left[ \begin{array}{cc|c} 1 & 2 & 3 \\ 4 & 5 & 6 \end{array} \right]",
        "┌ 1  2  3 ┐\n└ 4  5  6 ┘",
        "[1, 2, 3; 4, 5, 6]",
    ),
    "boxed": (
        r"\boxed{\begin{aligned} x &= 1 \\ y &= 2 \end{aligned}}",
        "┌ x = 1 ┐\n└ y = 2 ┘",
        "[x = 1; y = 2]",
    ),
    "product": (
        r"\begin{pmatrix} a \\ b \\ c \end{pmatrix} \begin{pmatrix} x & y \end{pmatrix}",
        "╭ a ╮\n│ b │ (x, y)\n╰ c ╯",
        "(a; b; c) (x, y)",
    ),
    "too wide": (
        rf"\begin{{pmatrix}} {'x' * 40} & {'y' * 40} \\ 1 & 2 \end{{pmatrix}}",
        f"({'x' * 40}, {'y' * 40}; 1, 2)",
        f"({'x' * 40}, {'y' * 40}; 1, 2)",
    ),
}


@pytest.mark.parametrize(
    ("latex", "text", "line"), SEVERAL_LINES.values(), ids=SEVERAL_LINES.keys()
)
def test_rows_stand_below_each_other(latex: str, text: str, line: str) -> None:
    """Equations and matrices have a line a row, and in a text or a cell a semicolon."""
    shown = readable(latex).split("\n")
    assert "\n".join(row.rstrip() for row in shown) == text
    assert readable(latex, on_one_line=True) == line


PLAIN = {
    r"\ce{H2O}": r"\mathrm{H}_{2}\mathrm{O}",
    r"\ce{CO3^2-}": r"\mathrm{CO}_{3}^{2-}",
    r"\SI{5}{\metre\per\second}": r"5\,\mathrm{m/s}",
    r"\num{3e8}": r"3 \times 10^{8}",
    r"\boxed{x = \frac{1}{2}}": r"\left[x = \frac{1}{2}\right]",
    r"\begin{align*} a &= b \tag{1} \\ \end{align*}": (
        r"\begin{aligned} a &= b \quad\text{(1)} \\ \end{aligned}"
    ),
    r"\begin{gather} a \nonumber \end{gather}": r"\begin{gathered} a  \end{gathered}",
    r"\begin{equation} a \label{e} \end{equation}": "a",
    r"\begin{dcases} a \end{dcases}": r"\begin{cases} a \end{cases}",
    r"\bm{v}": r"\boldsymbol{v}",
    # As they are
    r"\begin{pmatrix} a & b \\ c & d \end{pmatrix}": (
        r"\begin{pmatrix} a & b \\ c & d \end{pmatrix}"
    ),
    r"\sin x + \frac{1}{2} \\ \cos x": r"\sin x + \frac{1}{2} \\ \cos x",
    r"\text{ce}, \\ce, \cec{x}": r"\text{ce}, \\ce, \cec{x}",
    r"\ce{H2O": r"\ce{H2O",
    r"\SI{5}": r"\SI{5}",
    r"\boxed x": r"\boxed x",
}


@pytest.mark.parametrize(("latex", "plain"), PLAIN.items())
def test_what_telegram_does_not_know_is_rewritten(latex: str, plain: str) -> None:
    """A rich message has LaTeX that every app shows; what is none of these stays."""
    for markdown in (f"${latex}$", f"| a |\n|-|\n| ${latex.replace('|', '&')}$ |"):
        [piece] = render_rich(markdown) or []
        assert repr(plain)[1:-1] in repr(piece.blocks)
    assert plain_latex(latex) == plain


ALONE = {
    "environment": "So\n\\begin{align*}\na &= b \\\\\n  &= c\n\\end{align*}\nand so on",
    "blank line": "So\n\n$$\na = b\n\n= c\n$$\n\nand so on",
    "like a list": "So\n$$\na = b\n- c\n+ d\n$$\nand so on",
    "like a list in brackets": "So\n\\[\na = b\n- c\n\\]\nand so on",
    "like a heading": "So\n\\[\na^2\n=\nb\n\\]\nand so on",
    "in a list": "- So\n  \\begin{equation}\n  a = b\n  \\end{equation}\n\nand so on",
    "in a quote": "> So\n> \\[\n> a = b\n> \\]\n\nand so on",
    "fence": "So\n```math\na = b\n```\nand so on",
}


@pytest.mark.parametrize("markdown", ALONE.values(), ids=ALONE.keys())
def test_a_formula_may_stand_in_several_lines(markdown: str) -> None:
    """It is one formula, whatever its lines look like, with dollars around it or none."""
    assert calls_for_rich(markdown)
    [rich] = render_rich(markdown) or []
    kinds = repr(rich.blocks)
    assert kinds.count("mathematical_expression") == 1
    assert "$" not in kinds
    (piece,) = render(markdown)
    assert [entity["type"] for entity in piece.entities if entity["type"] != "blockquote"] == [
        "pre"
    ]
    assert not any(sign in piece.text for sign in ("$", "\\", "&"))
    assert piece.text.endswith("and so on")


@pytest.mark.parametrize(
    "text",
    [
        "It costs $5 and $10, or US$20-$30.",
        "`\\begin{align} a \\end{align}` and `\\ce{H2O}`",
        "```latex\n\\begin{align}\na &= b\n\\end{align}\n```",
        "\\begin{document} a = b \\end{document}",
        "C:\\ce and \\boxed without braces",
        "It is $$$ there, and $ here.",
    ],
)
def test_what_is_no_formula_stays(text: str) -> None:
    """Prices, code and other LaTeX are text as they were."""
    (piece,) = render(text)
    assert piece.text == text.strip("`").removeprefix("latex\n").rstrip("\n").replace("`", "")
    [rich] = render_rich(text) or []
    assert "mathematical_expression" not in repr(rich.blocks)


HOSTILE = [
    *("{" * 8000, r"\sqrt" * 1500, r"\left(" * 1300, "^" * 8000, "&" * 4000 + r"\\" * 1900),
    *(r"\ce{" * 2000, r"\ce{" + "->[" * 2600 + "}", r"\boxed{" * 1000 + "}" * 1000),
    *("x^{" * 400 + "}" * 400, r"a&b\\" * 1500, r"\overline{" * 30 + "x" * 500 + "}" * 30),
    *(r"\begin{pmatrix}" + r"a&b\\" * 1500 + r"\end{pmatrix}", r"\frac{" * 100 + "}{a}" * 100),
    *(" " * 7900 + r"\a", r"\begin{a}" * 800, r"\ce{" + " " * 7900 + "a}", r"\SI{1}" * 1000),
]


@pytest.mark.parametrize("latex", HOSTILE, ids=lambda latex: latex.strip()[:12])
def test_no_formula_takes_long(latex: str) -> None:
    """The worst 8,000 characters take a moment, and grow into no megabytes."""
    began = time.process_time()
    for on_one_line in (False, True):
        text = readable(latex, on_one_line=on_one_line)
        assert len(text) < 500_000
    assert "\n" not in text
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    "heap",
    [
        *("\\begin{align}\n", "\\begin{align} a \\end{align}\n", "$$\n", "$$\na=1\n", "$$x=1$$\n"),
        *("\\ce{", "\\ce{H2O} ", "\\boxed{{{}", "\\SI{1}{m} ", "$\\frac{1}{2}$ ", "\\[x^2\n"),
        "$\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}$\n",
    ],
)
def test_no_heap_of_formulas_takes_long(heap: str) -> None:
    """30,000 characters of formulas, or of what begins like one, take a moment."""
    text = heap * (30_000 // len(heap))
    began = time.process_time()
    assert render(text)
    render_rich(text)
    assert time.process_time() - began < 2


GLOSSARY = (
    "| what | formula |\n|---|---|\n"
    r"| water | $\ce{H2O}$ |" + "\n"
    r"| speed | \(\SI{5}{\metre\per\second}\) |" + "\n"
    r"| turn | $\begin{pmatrix} 0 & -1 \\ 1 & 0 \end{pmatrix}$ |" + "\n"
    r"| result | $\boxed{42}$ |" + "\n\n"
    r"\begin{align*} a &= b \\ &= c \end{align*}"
)


async def test_formulas_are_readable_with_rich_messages_off(
    door: Door, gemini: GeminiServer
) -> None:
    """In a table and below it; no LaTeX is left."""
    await door.say("/rich off")
    gemini.answer(GLOSSARY)

    message = await door.say("Explain")

    assert [line.rstrip() for line in message["text"].split("\n")] == [
        "what   | formula",
        "-------+--------------",
        "water  | H₂O",
        "speed  | 5 m/s",
        "turn   | (0, -1; 1, 0)",
        "result | [42]",
        "",
        "a = b",
        "  = c",
    ]


async def test_formulas_are_plain_latex_in_rich_messages(door: Door, gemini: GeminiServer) -> None:
    r"""Telegram's apps know neither mhchem nor siunitx, `\boxed` nor `align*`."""
    gemini.answer(GLOSSARY)

    message = await door.say("Explain")

    table, equation = message["rich_message"]["blocks"]
    assert [row[1]["text"]["expression"] for row in table["cells"][1:]] == [
        r"\mathrm{H}_{2}\mathrm{O}",
        r"5\,\mathrm{m/s}",
        r"\begin{pmatrix} 0 & -1 \\ 1 & 0 \end{pmatrix}",
        r"\left[42\right]",
    ]
    assert equation["expression"] == r"\begin{aligned} a &= b \\ &= c \end{aligned}"
