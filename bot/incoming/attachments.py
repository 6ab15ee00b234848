"""Photos, fetched from Telegram by their file id when they are needed."""

import io
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiogram import Bot
from aiogram.exceptions import TelegramBadRequest, TelegramForbiddenError
from aiogram.types import PhotoSize
from aiohttp import ClientError, ClientResponseError

from bot.chat.history import Media
from bot.logs.update_log import spending

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

DOWNLOAD_LIMIT = 20_000_000  # bytes: the most that getFile serves
DOWNLOAD_TIMEOUT = 15  # seconds

FetchMedia = Callable[[str], Awaitable[Media]]


class MediaGone(Exception):
    """The error raised if Telegram does not serve a file, or no longer does."""


class MediaUnreachable(Exception):
    """The error raised if a file could not be fetched this time."""


def largest(sizes: list[PhotoSize]) -> PhotoSize | None:
    """Return the largest size of a photo that can be downloaded; None if none can."""
    fitting = [size for size in sizes if (size.file_size or 0) <= DOWNLOAD_LIMIT]
    return max(fitting, key=lambda size: size.width * size.height, default=None)


def photo_fetcher(bot: Bot) -> FetchMedia:
    """Return a function that downloads a photo by its file id."""

    async def fetch(file_id: str) -> Media:
        try:
            file = await bot.get_file(file_id)
            with spending("telegram"):
                content = await bot.download_file(
                    file.file_path or "", _Photo(), timeout=DOWNLOAD_TIMEOUT
                )
        except (TelegramBadRequest, TelegramForbiddenError) as error:
            raise MediaGone(type(error).__name__) from None
        except ClientResponseError as error:
            # Not chained: aiohttp's error carries the URL, and the URL carries the token
            kind = MediaUnreachable if error.status >= 500 else MediaGone
            raise kind(f"HTTP {error.status}") from None
        except (ClientError, TimeoutError) as error:
            raise MediaUnreachable(type(error).__name__) from None
        data = content.read() if content else b""
        return Media(data=data, mime_type=_mime_type(data))

    return fetch


class _Photo(io.BytesIO):
    """The bytes of a photo, which is refused if it is larger than Telegram announced."""

    def write(self, chunk: "ReadableBuffer", /) -> int:
        """Append the next chunk. Raise MediaGone if the limit is already exceeded."""
        if self.tell() > DOWNLOAD_LIMIT:
            raise MediaGone("too large")
        return super().write(chunk)


def _mime_type(data: bytes) -> str:
    if data.startswith(b"\x89PNG"):
        return "image/png"
    if data[8:12] == b"WEBP":
        return "image/webp"
    return "image/jpeg"
