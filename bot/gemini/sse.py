"""Server-sent events, however their bytes arrive.

https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from collections.abc import Iterator
from typing import NamedTuple

BOM = b"\xef\xbb\xbf"
_ENDS = (b"\r", b"\n")


class Event(NamedTuple):
    """One event: its type, which is empty for most, and its data."""

    type: str
    data: str


class EventReader:
    """Takes pieces of a stream in, and gives events out as they become complete."""

    def __init__(self) -> None:
        self._lines = _Lines()
        self._type = b""
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> Iterator[Event]:
        """Take the next piece of the stream; yield the events that it completes."""
        for line in self._lines.feed(piece):
            if line:
                self._take(line)
            else:
                yield from self._complete()

    def end(self) -> Iterator[Event]:
        """Yield what the end of the stream completes.

        The standard drops an event without a blank line behind it; here it may hold an answer's
        last words.
        """
        for line in self._lines.end():
            self._take(line)
        yield from self._complete()

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._type = value
        # A comment has no name; `id` and `retry` are for those who connect again

    def _complete(self) -> Iterator[Event]:
        kind, data = self._type, b"\n".join(self._data)
        self._type, self._data = b"", []
        if data.strip():
            yield Event(kind.decode(errors="replace"), data.decode(errors="replace"))


class _Lines:
    """Cuts a stream into lines, which end with CR, LF or both."""

    def __init__(self) -> None:
        self._begun: list[bytes] = []
        self._after_cr = False
        self._is_first = True

    def feed(self, piece: bytes) -> Iterator[bytes]:
        if self._after_cr:  # its line is complete already: an LF now belongs to that end
            piece = piece.removeprefix(b"\n")
        self._after_cr = piece.endswith(b"\r")
        lines = piece.splitlines()
        rest = lines.pop() if lines and not piece.endswith(_ENDS) else b""
        for line in lines:
            yield self._whole(line)
        if rest:
            self._begun.append(rest)

    def end(self) -> Iterator[bytes]:
        if self._begun:
            yield self._whole(b"")

    def _whole(self, last: bytes) -> bytes:
        line = b"".join([*self._begun, last]) if self._begun else last
        self._begun = []
        if self._is_first:
            self._is_first = False
            line = line.removeprefix(BOM)
        return line
