"""Formulas for the page: TeX converted to MathML, which browsers display natively."""

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
    """An error that says that a text is not TeX that can be displayed."""


def to_mathml(tex: str, *, display: bool) -> str:
    r"""Convert a formula; raise MathError for an invalid one.

    The converter does not check the contents of `\text` and `\href`, so only MathML is accepted.
    """
    from latex2mathml.converter import convert

    try:
        root = ET.fromstring(convert(tex, display="block" if display else "inline"))  # noqa: S314 - the converter's output has no document type
    except Exception as error:  # noqa: BLE001 - the converter passes on any error of its parser
        raise MathError(type(error).__name__) from None
    for element in root.iter():
        name = element.tag.removeprefix(NAMESPACE)
        if name == element.tag or not (name == "math" or name.startswith("m")):
            raise MathError(name)
        for attribute in element.attrib.keys() - ATTRIBUTES:
            del element.attrib[attribute]
    ET.register_namespace("", NAMESPACE[1:-1])
    return ET.tostring(root, encoding="unicode")
