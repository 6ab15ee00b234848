"""Bodies of HTTP responses, read only up to a limit."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import StreamReader


async def read_at_most(content: "StreamReader", limit: int) -> bytes:
    """Return at most the first `limit` bytes of a body, counted after decompression."""
    data = bytearray()
    while len(data) < limit and (chunk := await content.read(limit - len(data))):
        data += chunk
    return bytes(data)
