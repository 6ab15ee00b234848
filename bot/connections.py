"""The server's connections: a time limit for request heads, and a maximum number.

`python -m bot` uses it; with uvicorn's own command line, pass `--http bot.connections:Protocol`.
"""

import asyncio
from contextlib import suppress
from heapq import nsmallest

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_TIMEOUT = 10.0  # seconds to receive a head, from the connection or the head's first byte
WRITE_TIMEOUT = 30.0  # seconds in which a client must accept the data sent to it
KEEP_ALIVE = 130  # seconds between two requests; proxies keep a connection for up to 120
MOST_CONNECTIONS = 2000  # at once; fewer if the limit on open files is low
BACKLOG = 128  # connections waiting to be accepted: all of them may arrive at once
MOST_FILES = 65536
USUAL_FILES = 1024
SHARE = 8  # one in this many connections is closed at a time


class Protocol(H11Protocol):
    """A connection that is closed if its request head is late or its client stops reading.

    Beyond the maximum number, idle connections are closed: first those that have never had a
    request, and the oldest first.
    """

    _limit: asyncio.TimerHandle | None = None
    _write_limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Start the time limit for the first request head."""
        super().connection_made(transport)
        self._watch()
        if len(self.connections) > most_connections():
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel all time limits."""
        super().connection_lost(exc)
        self._stop_watching()
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        """Process the data, and start or stop the time limit for a head."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Start waiting for the next request."""
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        """Start the time limit for a client that does not read."""
        super().pause_writing()
        self._write_limit = self.loop.call_later(WRITE_TIMEOUT, self.transport.abort)

    def resume_writing(self) -> None:
        """Resume writing and cancel the client's time limit."""
        super().resume_writing()
        if self._write_limit:
            self._write_limit.cancel()
            self._write_limit = None

    @property
    def is_idle(self) -> bool:
        """Tell whether no request is being processed."""
        return self.cycle is None or self.cycle.response_complete

    def value(self) -> tuple[bool, float]:
        """Return an idle connection's value: whether it has had a request, and how new it is."""
        limit = self._limit or self.timeout_keep_alive_task
        return self.cycle is not None, limit.when() if limit else 0.0

    def _watch(self) -> None:
        """Run our time limit while no request is in progress and uvicorn's own limit is off."""
        if not self.is_idle or self.timeout_keep_alive_task:
            self._stop_watching()
        elif self._limit is None:
            self._limit = self.loop.call_later(HEAD_TIMEOUT, self.transport.abort)

    def _stop_watching(self) -> None:
        if self._limit:
            self._limit.cancel()
            self._limit = None

    def _make_room(self) -> None:
        """Close several connections at once, because searching all of them each time is slow."""
        others = [each for each in self.connections if isinstance(each, Protocol)]
        idle = [each for each in others if each.is_idle and each is not self]
        for each in nsmallest(len(others) // SHARE, idle, Protocol.value) or [self]:
            self.connections.discard(each)  # the event loop closes it in its next iteration
            each.transport.abort()


def most_connections() -> int:
    """Return the maximum number of connections: half of the open files, as we need some too."""
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
    """Return this process's current limit on open files, and the limit it may raise it to."""
    try:
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    except (ImportError, OSError):
        return USUAL_FILES, USUAL_FILES
    return (MOST_FILES if soft == resource.RLIM_INFINITY else soft), hard
