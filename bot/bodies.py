"""Bodies of HTTP responses, of which no more is read than is wanted."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import StreamReader


async def read_at_most(content: "StreamReader", limit: int) -> bytes:
    """Return a body's first bytes, `limit` at most; compressed ones count as what they hold."""
    data = bytearray()
    while len(data) < limit and (chunk := await content.read(limit - len(data))):
        data += chunk
    return bytes(data)
