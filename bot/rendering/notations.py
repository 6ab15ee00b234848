"""Conversion of notations from LaTeX packages: chemistry, units, boxes, numbered equations.

Telegram's apps show LaTeX with different libraries; none of them supports mhchem or siunitx, and
few support the environments that are used outside formulas.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

MAX_LENGTH = 8000  # characters; longer formulas stay as they are

_ENVIRONMENTS: Mapping[str, str] = {
    "align": "aligned",
    "flalign": "aligned",
    "alignat": "alignedat",
    "eqnarray": "aligned",
    "split": "aligned",
    "gather": "gathered",
    "multline": "gathered",
    "dcases": "cases",
    "equation": "",
    "math": "",
    "displaymath": "",
}
_COMMAND = re.compile(
    r"\\(?:"
    r"(?P<edge>begin|end)\s*\{(?P<name>[A-Za-z]+)\*?\}"
    r"|(?P<package>ce|pu|SIrange|qtyrange|numrange|SI|qty|si|unit|num|ang)(?![A-Za-z])"
    r"|(?P<frame>boxed|fbox|tag\*?)(?![A-Za-z])"
    r"|label\s*\{[^{}]*\}|(?:nonumber|notag)(?![A-Za-z])"
    r"|bm(?![A-Za-z])"
    r"|."
    r")",
    re.DOTALL,
)
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_GROUP = re.compile(r"\s*(?:\[[^\]{}]*\]\s*)?\{")
_FRAMES = {"boxed": (r"\left[", r"\right]"), "fbox": (r"\left[\text{", r"}\right]")}


class _Edit(NamedTuple):
    start: int
    end: int
    text: str


def plain_latex(latex: str) -> str:
    r"""Return a formula in LaTeX that every renderer supports.

    `\ce{H2O}` becomes `\mathrm{H}_{2}\mathrm{O}`, `\SI{5}{\metre}` becomes `5\,\mathrm{m}`, and
    `align*` becomes `aligned`; invalid notation stays as it is.
    """
    if "\\" not in latex or len(latex) > MAX_LENGTH:
        return latex
    ends = _group_ends(latex)
    parts: list[str] = []
    cursor = 0
    for edit in sorted(_edits(latex, ends)):
        if edit.start >= cursor:
            parts += (latex[cursor : edit.start], edit.text)
            cursor = edit.end
    return "".join((*parts, latex[cursor:])).strip()


def _group_ends(latex: str) -> dict[int, int]:
    """Return the position of the closing brace for each opening one that has one."""
    ends: dict[int, int] = {}
    opened: list[int] = []
    for match in _BRACE.finditer(latex):
        if match.group() == "{":
            opened.append(match.start())
        elif match.group() == "}" and opened:
            ends[opened.pop()] = match.start()
    return ends


def _edits(latex: str, ends: Mapping[int, int]) -> Iterator[_Edit]:
    for match in _COMMAND.finditer(latex):
        start, end = match.span()
        if match["edge"]:
            yield from _environment(match)
        elif package := match["package"]:
            yield from _package(latex, package, match.span(), ends)
        elif frame := match["frame"]:
            yield from _framed(latex, frame.rstrip("*"), match.span(), ends)
        elif match.group() == r"\bm":
            yield _Edit(start, end, r"\boldsymbol")
        elif match.group().startswith((r"\label", r"\nonumber", r"\notag")):
            yield _Edit(start, end, "")


def _environment(match: re.Match[str]) -> Iterator[_Edit]:
    name = _ENVIRONMENTS.get(match["name"])
    if name is not None:
        text = rf"\{match['edge']}{{{name}}}" if name else ""
        yield _Edit(*match.span(), text)


def _framed(
    latex: str, frame: str, span: tuple[int, int], ends: Mapping[int, int]
) -> Iterator[_Edit]:
    group = _GROUP.match(latex, span[1])
    if group is None or (closing := ends.get(group.end() - 1)) is None:
        return
    before, after = _FRAMES.get(frame, (r"\quad\text{(", ")}"))
    yield _Edit(span[0], group.end(), before)
    yield _Edit(closing, closing + 1, after)


def _package(
    latex: str, command: str, span: tuple[int, int], ends: Mapping[int, int]
) -> Iterator[_Edit]:
    count, write = _PACKAGES[command]
    groups: list[str] = []
    at = span[1]
    while len(groups) < count:
        group = _GROUP.match(latex, at)
        if group is None or (closing := ends.get(group.end() - 1)) is None:
            return
        groups.append(latex[group.end() : closing])
        at = closing + 1
    yield _Edit(span[0], at, write(*groups))


# -- Chemistry: https://mhchem.github.io/MathJax-mhchem -------------------------------------------

_CHEMISTRY = re.compile(
    r"\s*(?P<arrow><=>>|<<=>|<=>|<-->|<->|->|<-)"
    r"(?:\[(?P<above>[^\]]{0,200})\])?(?:\[(?P<below>[^\]]{0,200})\])?\s*"
    r"|(?P<script>[_^])(?:\{(?P<group>[^{}]*)\}|(?P<charge>\d*[+-]|\d+|[A-Za-z*]))"
    r"|(?P<up>\^)|(?P<down>(?<= )v(?= |$))"
    r"|(?P<count>(?<=[A-Za-z)\]}])\d+)|(?P<ion>(?<=[A-Za-z0-9)\]}])[+-](?=[\s,)\]]|$))"
    r"|(?P<word>[A-Za-z]+)|(?P<water>\s+[.*]\s+|(?<=\d)\*(?=\d)|(?<=[A-Za-z0-9)])[.*](?=\d*[A-Z]))"
    r"|(?P<triple>\#)|(?P<plus>\s+\+\s+)|(?P<space>\s+)"
    r"|(?P<verbatim>\$[^$]*\$|\\[A-Za-z]+(?:\{[^{}]*\})*)"
)
_ARROWS = {
    "->": r"\rightarrow",
    "<-": r"\leftarrow",
    "<->": r"\leftrightarrow",
    "<-->": r"\rightleftarrows",
}


def _chemistry(formula: str) -> str:
    return _CHEMISTRY.sub(_chemical, formula.strip()).strip()


def _chemical(match: re.Match[str]) -> str:
    return _CHEMICAL[match.lastgroup or ""](match)


def _reaction(match: re.Match[str]) -> str:
    arrow = _ARROWS.get(match["arrow"], r"\rightleftharpoons")
    above, below = (_chemistry(match[name] or "") for name in ("above", "below"))
    if above or below:
        arrow = rf"\xrightarrow[{below}]{{{above}}}" if below else rf"\xrightarrow{{{above}}}"
    return rf" {arrow} "


def _scripted(match: re.Match[str]) -> str:
    script = match["group"] if match["charge"] is None else match["charge"]
    return f"{match['script']}{{{script}}}"


_CHEMICAL: Mapping[str, Callable[[re.Match[str]], str]] = {
    "arrow": _reaction,
    "above": _reaction,
    "below": _reaction,
    "script": _scripted,
    "group": _scripted,
    "charge": _scripted,
    "up": lambda _: r"\uparrow ",
    "down": lambda _: r"\downarrow ",
    "count": lambda match: f"_{{{match.group()}}}",
    "ion": lambda match: f"^{{{match.group()}}}",
    "word": lambda match: rf"\mathrm{{{match.group()}}}",
    "water": lambda _: r" \cdot ",
    "triple": lambda _: r"\equiv",
    "plus": lambda _: " + ",
    "space": lambda _: r"\ ",
    "verbatim": lambda match: match.group().strip("$"),
}

# -- Numbers and units: https://ctan.org/pkg/siunitx ----------------------------------------------

_EXPONENT = re.compile(r"(?<=[\d.])\s*[eEdD]\s*([+-]?\d+)|^[eE]([+-]?\d+)")
_UNIT = re.compile(
    r"(?:\^|\\tothe\s*)\{?(?P<power>-?\d+)\}?|\\(?P<name>[A-Za-z]+)|(?P<over>/)"
    r"|(?P<text>\\[^A-Za-z]|[^\\/^.~*\s{}]+)"
)
_QUANTITY = re.compile(r"([+-]?[\d.]+(?:e[+-]?\d+)?)\s*(.*)")
_PREFIXES = {
    "pico": "p", "nano": "n", "micro": r"\mu ", "milli": "m", "centi": "c", "deci": "d",
    "deca": "da", "hecto": "h", "kilo": "k", "mega": "M", "giga": "G", "tera": "T", "peta": "P",
    "femto": "f", "kibi": "Ki", "mebi": "Mi", "gibi": "Gi",
}  # fmt: skip
_UNITS = {
    "metre": "m", "meter": "m", "gram": "g", "second": "s", "ampere": "A", "kelvin": "K",
    "mole": "mol", "candela": "cd", "newton": "N", "joule": "J", "watt": "W", "pascal": "Pa",
    "hertz": "Hz", "volt": "V", "coulomb": "C", "farad": "F", "ohm": r"\Omega ", "siemens": "S",
    "tesla": "T", "henry": "H", "weber": "Wb", "lumen": "lm", "lux": "lx", "becquerel": "Bq",
    "gray": "Gy", "sievert": "Sv", "katal": "kat", "radian": "rad", "steradian": "sr",
    "litre": "L", "liter": "L", "minute": "min", "hour": "h", "day": "d", "tonne": "t",
    "hectare": "ha", "bar": "bar", "electronvolt": "eV", "byte": "B", "bit": "bit",
    "decibel": "dB", "dalton": "Da", "percent": r"\%", "degree": r"^{\circ}",
    "degreeCelsius": r"{}^{\circ}C", "celsius": r"{}^{\circ}C", "angstrom": "Å",
    "kilogram": "kg", "atmosphere": "atm", "knot": "kn", "micron": r"\mu m", "arcminute": "'",
    "arcsecond": "''", "astronomicalunit": "au", "clight": "c", "mmHg": "mmHg",
}  # fmt: skip
_POWERS_BEFORE = {"square": "2", "cubic": "3"}
_POWERS_AFTER = {"squared": "2", "cubed": "3"}
_BESIDE_NUMBERS = frozenset({r"^{\circ}", "'", "''"})  # units without a space before them


def _number(number: str) -> str:
    return _EXPONENT.sub(_power_of_ten, number.strip()).replace("+-", r"\pm ")


def _power_of_ten(match: re.Match[str]) -> str:
    times = r" \times " if match[1] else ""
    return f"{times}10^{{{(match[1] or match[2]).lstrip('+')}}}"


def _quantity(number: str, units: str) -> str:
    text = _units(units)
    return _number(number) + ("" if text in _BESIDE_NUMBERS else r"\,") + text


def _range(first: str, last: str, units: str = "") -> str:
    return f"{_number(first)}\\text{{–}}{_quantity(last, units) if units else _number(last)}"  # noqa: RUF001 - the dash in ranges


def _angle(angle: str) -> str:
    signs = (r"^{\circ}", "'", "''")
    return "".join(
        f"{part}{sign}" for part, sign in zip(angle.split(";"), signs, strict=False) if part
    )


def _written_quantity(text: str) -> str:
    match = _QUANTITY.fullmatch(text.strip())
    return _quantity(match[1], match[2]) if match else _units(text)


class _Unit(NamedTuple):
    text: str
    power: str
    is_below: bool

    def __str__(self) -> str:
        return f"{self.text}^{{{self.power}}}" if self.power else self.text


def _units(source: str) -> str:
    units: list[_Unit] = []
    prefix, power, is_below = "", "", False
    for match in _UNIT.finditer(source):
        name = match["name"] or ""
        if raised := match["power"] or _POWERS_AFTER.get(name):
            units[-1:] = [unit._replace(power=raised) for unit in units[-1:]]
        elif name == "per" or match["over"]:
            is_below = True
        elif name in _PREFIXES:
            prefix = _PREFIXES[name]
        elif name in _POWERS_BEFORE:
            power = _POWERS_BEFORE[name]
        elif text := match["text"] or _UNITS.get(name, name):
            units.append(_Unit(prefix + text, power, is_below))
            prefix, power, is_below = "", "", False
    return _over_each_other(units)


def _over_each_other(units: list[_Unit]) -> str:
    above, below = (
        [str(unit) for unit in units if unit.is_below is place] for place in (False, True)
    )
    text = r"\,".join(above)
    if below:
        divisor = r"\,".join(below)
        text = f"{text or 1}/{divisor}" if len(below) == 1 else f"{text or 1}/({divisor})"
    return text if text in _BESIDE_NUMBERS else rf"\mathrm{{{text}}}"


_PACKAGES: Mapping[str, tuple[int, Callable[..., str]]] = {
    "ce": (1, _chemistry),
    "pu": (1, _written_quantity),
    "SI": (2, _quantity),
    "qty": (2, _quantity),
    "si": (1, _units),
    "unit": (1, _units),
    "num": (1, _number),
    "ang": (1, _angle),
    "SIrange": (3, _range),
    "qtyrange": (3, _range),
    "numrange": (2, _range),
}
