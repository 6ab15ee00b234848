"""Detection of a picture's kind and size in pixels from its first bytes."""

import struct
from collections.abc import Callable
from typing import NamedTuple

UNKNOWN = "unknown"

Size = tuple[int, int]

# https://www.w3.org/TR/jpeg1, table B.1: frames, each of which begins with height and width
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_ALONE = {0x01, *range(0xD0, 0xD8)}  # markers without a length


class Picture(NamedTuple):
    """A picture's kind, and its width and height if they could be read."""

    kind: str
    size: Size | None


def look(data: bytes) -> Picture:
    """Read a picture's header; any other kind of picture is UNKNOWN."""
    for kind, signature, size in _KINDS:
        if all(data.startswith(sign, at) for at, sign in signature.items()):
            try:
                return Picture(kind, size(data))
            except (IndexError, struct.error):
                return Picture(kind, None)
    return Picture(UNKNOWN, None)


def _png(data: bytes) -> Size:
    # https://www.w3.org/TR/png-3/#11IHDR
    return _pair(">II", data, 16)


def _gif(data: bytes) -> Size:
    return _pair("<HH", data, 6)


def _jpeg(data: bytes) -> Size | None:
    at = 2
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _FRAMES:
            height, width = _pair(">HH", data, at + 5)
            return width, height
        if marker == 0xFF or marker in _ALONE:  # padding, or an empty segment
            at += 1 if marker == 0xFF else 2
        else:
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return None


def _webp(data: bytes) -> Size | None:
    # https://www.rfc-editor.org/rfc/rfc9649.html#section-2.5
    match data[12:16]:
        case b"VP8X":
            width, height = (int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
            return width + 1, height + 1
        case b"VP8L":
            bits = struct.unpack_from("<I", data, 21)[0]
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            width, height = _pair("<HH", data, 26)
            return width & 0x3FFF, height & 0x3FFF
    return None


def _pair(form: str, data: bytes, at: int) -> Size:
    first, second = struct.unpack_from(form, data, at)
    return first, second


_KINDS: tuple[tuple[str, dict[int, bytes], Callable[[bytes], Size | None]], ...] = (
    ("PNG", {0: b"\x89PNG\r\n\x1a\n"}, _png),
    ("JPEG", {0: b"\xff\xd8"}, _jpeg),
    ("WebP", {0: b"RIFF", 8: b"WEBP"}, _webp),
    ("GIF", {0: b"GIF8"}, _gif),
)
