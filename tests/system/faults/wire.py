"""Requests to the webhook byte by byte: whole, trickling, cut off, or with nobody to listen."""

import asyncio
from dataclasses import dataclass
from enum import Enum

CHUNK_PAUSE = 0.02  # seconds
CHUNKS = 8


class Manner(Enum):
    """How a request reaches the webhook."""

    WHOLE = "whole"
    TRICKLING = "trickling"  # slowly, in pieces
    CUT = "cut off"  # the connection breaks in the middle of the body
    HUNG_UP = "hung up"  # the connection breaks before the answer
    CHUNKED = "chunked"  # without its length


@dataclass(frozen=True, slots=True)
class Reply:
    """What the webhook answered; `retry_after` in seconds."""

    status: int
    retry_after: float


async def post(
    port: int, body: bytes, secret: str, manner: Manner = Manner.WHOLE, patience: float = 60
) -> Reply:
    """Post a body; raise OSError or TimeoutError where no answer comes within `patience`."""
    async with asyncio.timeout(patience):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            await _write(writer, body, secret, manner)
            return await _read(reader)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise ConnectionResetError("No answer") from error
        finally:
            writer.transport.abort()


async def _write(writer: asyncio.StreamWriter, body: bytes, secret: str, manner: Manner) -> None:
    chunked = manner is Manner.CHUNKED
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    writer.write(
        (
            "POST /webhook HTTP/1.1\r\nHost: bot\r\nContent-Type: application/json\r\n"
            f"X-Telegram-Bot-Api-Secret-Token: {secret}\r\n{length}\r\nConnection: close\r\n\r\n"
        ).encode()
    )
    match manner:
        case Manner.TRICKLING:
            size = len(body) // CHUNKS + 1
            for start in range(0, len(body), size):
                writer.write(body[start : start + size])
                await writer.drain()
                await asyncio.sleep(CHUNK_PAUSE)
        case Manner.CUT:
            writer.write(body[: len(body) // 2])
            await writer.drain()
            await asyncio.sleep(CHUNK_PAUSE)
            raise ConnectionAbortedError(manner.value)
        case Manner.CHUNKED:
            writer.write(f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n")
        case _:
            writer.write(body)
    await writer.drain()
    if manner is Manner.HUNG_UP:
        await asyncio.sleep(5 * CHUNK_PAUSE)
        raise ConnectionAbortedError(manner.value)


async def _read(reader: asyncio.StreamReader) -> Reply:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
    return Reply(int(lines[0].split()[1]), float(headers.get("retry-after", 0)))
