"""What starts the function in an instance, as Lambda's own does; it runs there, not in the tests.

It says what it can write, imports the handler, and calls it for one event after the other. With
fluid compute the import never ends: there Vercel's runtime serves by itself.
"""

import importlib
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any


def main(path: str) -> None:
    """Serve the events that come on a Unix socket; messages are JSON, ended by a NUL."""
    sys.path[0] = str(Path.cwd())
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.connect(path)
        _serve(line)


def _serve(line: socket.socket) -> None:
    folders = {"task": Path.cwd(), "home": Path(os.environ["HOME"]), "tmp": Path("/tmp")}  # noqa: S108 - Lambda's
    _send(line, "writable", {name: _can_write(folder) for name, folder in folders.items()})
    module, _, name = os.environ["_HANDLER"].rpartition(".")
    started = time.monotonic()
    handler = getattr(importlib.import_module(module), name)
    _send(line, "server-started", {"initDuration": int(1000 * (time.monotonic() - started))})
    for event in _events(line):
        response = handler({"body": event["body"]}, None)
        _send(line, "end", {"context": event["context"], "response": response})


def _can_write(folder: Path) -> bool:
    file = folder / f"probe-{os.getpid()}"
    with suppress(OSError):
        file.touch()
        file.unlink()
        return True
    return False


def _events(line: socket.socket) -> Iterator[dict[str, Any]]:
    buffer = b""
    while data := line.recv(65536):
        *messages, buffer = (buffer + data).split(b"\0")
        yield from map(json.loads, messages)


def _send(line: socket.socket, kind: str, payload: dict[str, Any]) -> None:
    line.sendall(json.dumps({"type": kind, "payload": payload}).encode() + b"\0")


if __name__ == "__main__":
    main(sys.argv[1])
