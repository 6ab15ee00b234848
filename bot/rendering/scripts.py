"""Superscripts and subscripts in Unicode, for text without formatting for them."""

import re

_ABOVE = dict(
    zip(
        "0123456789+-\u2212=()abcdefghijklmnoprstuvwxyzABDEGHIJKLMNOPRTUVWβγδθφχ",  # noqa: RUF001 - Greek
        "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᴬᴮᴰᴱᴳᴴᴵᴶᴷᴸᴹᴺᴼᴾᴿᵀᵁⱽᵂᵝᵞᵟᶿᵠᵡ",
        strict=True,
    )
)
_BELOW = dict(
    zip(
        "0123456789+-\u2212=()aehijklmnoprstuvxβγρφχ",  # noqa: RUF001 - Greek
        "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ",
        strict=True,
    )
)
_KEPT = frozenset(" ,.:/[]")
_LONGEST = 12
_ENCLOSED = re.compile(r"\([^()]*\)")


def superscript(text: str) -> str:
    """Write `text` as an exponent: `ⁿ⁺¹`, or `^(Q+1)` where Unicode lacks a letter."""
    return _shifted(text, _ABOVE, "^")


def subscript(text: str) -> str:
    """Write `text` as an index: `₂`, or `_c` where Unicode lacks a letter."""
    return _shifted(text, _BELOW, "_")


def _shifted(text: str, forms: dict[str, str], sign: str) -> str:
    text = text.strip()
    # Long text is a note in small print, and signs alone mark a footnote
    if len(text) > _LONGEST or not any(map(str.isalnum, text)):
        return text
    known = _KEPT | forms.keys() | set(forms.values())
    if all(char in known for char in text):
        return "".join(forms.get(char, char) for char in text)
    if len(text) == 1 or _ENCLOSED.fullmatch(text):
        return sign + text
    return f"{sign}({text})"
