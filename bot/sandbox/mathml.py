"""Formulas for the page: TeX as MathML, which browsers show by themselves."""

from typing import Final
from xml.etree import ElementTree as ET

NAMESPACE: Final = "{http://www.w3.org/1998/Math/MathML}"
ATTRIBUTES: Final = frozenset(
    {
        "accent", "columnalign", "columnlines", "columnspacing", "depth", "display",
        "displaystyle", "fence", "form", "height", "linethickness", "lspace", "mathcolor",
        "mathsize", "mathvariant", "maxsize", "minsize", "movablelimits", "notation", "rowlines",
        "rowspacing", "rspace", "scriptlevel", "separator", "stretchy", "symmetric", "voffset",
        "width",
    }
)  # fmt: skip


class MathError(Exception):
    """Say that a text is no TeX that can be shown."""


def to_mathml(tex: str, *, display: bool) -> str:
    r"""Convert a formula; raise MathError for one that is wrong.

    The converter lets through what stands in `\text` and `\href`: only MathML is left of it.
    """
    from latex2mathml.converter import convert

    try:
        root = ET.fromstring(convert(tex, display="block" if display else "inline"))  # noqa: S314 - of a converter, without a document type
    except Exception as error:  # noqa: BLE001 - it raises whatever its parser stumbles over
        raise MathError(type(error).__name__) from None
    for element in root.iter():
        name = element.tag.removeprefix(NAMESPACE)
        if name == element.tag or not (name == "math" or name.startswith("m")):
            raise MathError(name)
        for attribute in element.attrib.keys() - ATTRIBUTES:
            del element.attrib[attribute]
    ET.register_namespace("", NAMESPACE[1:-1])
    return ET.tostring(root, encoding="unicode")
