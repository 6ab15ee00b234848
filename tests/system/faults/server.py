"""What a server process of the campaign runs: uvicorn with the bot, whose times may be shorter.

The campaign's fork server imports this once: each of the processes starts with all its modules.
"""

import os
import sys
import threading
from multiprocessing import parent_process
from pathlib import Path

import google.genai  # noqa: F401 - the bot imports it at the first question
import uvicorn

from bot.app import app
from bot.telegram import client
from bot.updates import claims
from db import updates

GRACE = 5  # seconds for the requests in flight at the end
SCALED = {
    claims: ("WAIT_TIMEOUT", "RELEASE_TIMEOUT", "POLL_INTERVAL"),
    client: ("SLOW_FOR", "DISTANCE", "GROUP_DISTANCE"),
}


def serve(port: int, lease: float, environment: dict[str, str], log: Path) -> None:
    """Serve the webhook until told to end, as `uvicorn bot.app:app` does; log into a file."""
    _redirect(log)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(log.parent)
    set_lease(lease)
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GRACE,
    )


def set_lease(seconds: float) -> None:
    """Give the lease so many seconds, and keep the proportions of the other times to it."""
    scale = seconds / updates.LEASE
    updates.LEASE = seconds
    for module, names in SCALED.items():
        for name in names:
            setattr(module, name, scale * getattr(module, name))


def _redirect(log: Path) -> None:
    with log.open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())


def _end_with_parent() -> None:
    """Leave nobody behind where the campaign itself is killed."""
    parent = parent_process()
    if parent:
        parent.join()
        os._exit(1)
