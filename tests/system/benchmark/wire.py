"""HTTP/1.1 by hand, for servers of our own: no library is in the way of what is measured."""

import asyncio
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
END = b"\r\n\r\n"


class Connection:
    """Keep one connection alive, for one request after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> "Connection":
        """Connect to a port of 127.0.0.1."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def post(self, path: str, body: bytes, headers: str = "") -> tuple[int, bytes]:
        """Post JSON and return status and body; `headers` are whole lines."""
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n{headers}\r\n"
        )
        self._writer.write(head.encode() + body)
        answer = await self._reader.readuntil(END)
        return int(answer[9:12]), await self._body(answer)

    def close(self) -> None:
        """Hang up."""
        self._writer.close()

    async def _body(self, head: bytes) -> bytes:
        if CHUNKED.search(head):
            return b"".join([chunk async for chunk in self._chunks()])
        length = LENGTH.search(head)
        return await self._reader.readexactly(int(length[1])) if length else b""

    async def _chunks(self) -> AsyncGenerator[bytes]:
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            yield (await self._reader.readexactly(size + 2))[:-2]
        await self._reader.readexactly(2)


@dataclass
class Connections:
    """Lend connections to one port, as many as are wanted at once."""

    port: int
    _idle: list[Connection] = field(default_factory=list)

    async def post(self, path: str, body: bytes, headers: str = "") -> tuple[int, bytes]:
        """Post by an idle connection, or a new one."""
        connection = self._idle.pop() if self._idle else await Connection.open(self.port)
        answer = await connection.post(path, body, headers)
        self._idle.append(connection)
        return answer

    def close(self) -> None:
        """Hang up everywhere."""
        for connection in self._idle:
            connection.close()


def split_request(buffer: bytearray) -> tuple[str, bytes] | None:
    """Take a whole request off a buffer: its path and its body; None while there is none."""
    end = buffer.find(END)
    if end < 0:
        return None
    head = bytes(buffer[:end])
    length = LENGTH.search(head)
    whole = end + len(END) + (int(length[1]) if length else 0)
    if len(buffer) < whole:
        return None
    body = bytes(buffer[end + len(END) : whole])
    del buffer[:whole]
    return head.split(b" ", 2)[1].decode(), body


def response(body: bytes) -> bytes:
    """Return a whole answer of JSON."""
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )
