"""Standard output and error: each line is written at once, and a failed write is ignored."""

import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Output(io.FileIO):
    """A stream that ignores write errors: its reader may have gone, or its disk may be full."""

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write the data; drop it if that fails, as a buffer would try it again at the end."""
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def write_at_once() -> None:
    """Write each line when it is printed, to files and pipes as to a terminal.

    Call it at the start of a process of our own. If a line cannot be written, the work goes on.
    """
    sys.stdout = _opened(sys.stdout)
    sys.stderr = _opened(sys.stderr)


def _opened(stream: TextIO | None) -> TextIO:
    if stream is None:  # it was closed, and a file we open would get its number
        stream = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", closefd=False)
    if sys.platform == "win32" and stream.isatty():
        return stream  # a console is not a file
    raw = Output(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw), stream.encoding, "backslashreplace", line_buffering=True
    )
