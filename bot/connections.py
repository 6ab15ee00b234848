"""The server's connections: a time limit for request heads, and a maximum number.

`python -m bot` uses it; for uvicorn's own command line it is `--http bot.connections:Protocol`.
"""

import asyncio
from contextlib import suppress
from heapq import nsmallest

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_TIMEOUT = 10.0  # seconds from a connection's beginning, or a head's first byte, to its end
WRITE_TIMEOUT = 30.0  # seconds in which a client takes what was sent to it
KEEP_ALIVE = 130  # seconds between two requests; proxies keep a connection for up to 120
MOST_CONNECTIONS = 2000  # at once; fewer where fewer files may be open
BACKLOG = 128  # connections that wait to be accepted: all of them may be, at once
MOST_FILES = 65536
USUAL_FILES = 1024
SHARE = 8  # one in so many connections gives way at a time


class Protocol(H11Protocol):
    """A connection that is closed when its head does not come, or its client does not read.

    Beyond the maximum number, idle connections are closed: first those that have never had a
    request, the oldest first.
    """

    _limit: asyncio.TimerHandle | None = None
    _write_limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._watch()
        if len(self.connections) > most_connections():
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        super().connection_lost(exc)
        self._stop_watching()
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        """Read on, as long as it may take."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        """Wait for a client that does not read."""
        super().pause_writing()
        self._write_limit = self.loop.call_later(WRITE_TIMEOUT, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on writing."""
        super().resume_writing()
        if self._write_limit:
            self._write_limit.cancel()
            self._write_limit = None

    @property
    def is_idle(self) -> bool:
        """Tell whether no request is in work."""
        return self.cycle is None or self.cycle.response_complete

    def value(self) -> tuple[bool, float]:
        """Return what makes an idle connection worth keeping: that it had a request, its youth."""
        limit = self._limit or self.timeout_keep_alive_task
        return self.cycle is not None, limit.when() if limit else 0.0

    def _watch(self) -> None:
        """Let time run where there is neither a request in work nor uvicorn's own limit."""
        if not self.is_idle or self.timeout_keep_alive_task:
            self._stop_watching()
        elif self._limit is None:
            self._limit = self.loop.call_later(HEAD_TIMEOUT, self.transport.abort)

    def _stop_watching(self) -> None:
        if self._limit:
            self._limit.cancel()
            self._limit = None

    def _make_room(self) -> None:
        """Close several at once: to look through all of them for each one would take long."""
        others = [each for each in self.connections if isinstance(each, Protocol)]
        idle = [each for each in others if each.is_idle and each is not self]
        for each in nsmallest(len(others) // SHARE, idle, Protocol.value) or [self]:
            self.connections.discard(each)  # it is closed by the loop's next round
            each.transport.abort()


def most_connections() -> int:
    """Return how many connections may be open: half of the files, the rest is for our own."""
    return min(MOST_CONNECTIONS, _open_files()[0] // 2)


def allow_open_files() -> None:
    """Let this process open as many files as its system allows, within reason."""
    soft, hard = _open_files()
    with suppress(ImportError, OSError, ValueError):  # Windows has no such limit
        import resource

        wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
        if 0 <= soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _open_files() -> tuple[int, int]:
    """Return how many files this process may open, and how many it might allow itself."""
    try:
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    except (ImportError, OSError):
        return USUAL_FILES, USUAL_FILES
    return (MOST_FILES if soft == resource.RLIM_INFINITY else soft), hard
