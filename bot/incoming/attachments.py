"""Attachments, as they arrive in messages and as they are downloaded when they are needed."""

import io
from typing import TYPE_CHECKING

from aiogram import Bot
from aiogram.exceptions import TelegramBadRequest, TelegramForbiddenError
from aiogram.types import Message
from aiohttp import ClientError, ClientResponseError

from bot.chat.attachments import (
    Attachment,
    AttachmentGone,
    AttachmentKind,
    AttachmentUnreachable,
    FetchAttachment,
    FetchedFile,
)
from bot.logs.update_log import spending

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

DOWNLOAD_LIMIT = 20_000_000  # bytes: the most that getFile serves
DOWNLOAD_TIMEOUT = 15  # seconds


class AttachmentTooLarge(Exception):
    """The error raised if bots cannot download a file, because it is too large."""


def photo(message: Message) -> Attachment:
    """Return the largest size of a photo that can be downloaded. Raise AttachmentTooLarge."""
    sizes = [size for size in message.photo or () if (size.file_size or 0) <= DOWNLOAD_LIMIT]
    if not sizes:
        raise AttachmentTooLarge
    size = max(sizes, key=lambda size: size.width * size.height)
    return Attachment(AttachmentKind.PHOTO, size.file_id, size=size.file_size)


def attachment_fetcher(bot: Bot) -> FetchAttachment:
    """Return a function that downloads an attachment."""

    async def fetch(attachment: Attachment) -> FetchedFile:
        try:
            file = await bot.get_file(attachment.file_id)
            with spending("telegram"):
                content = await bot.download_file(
                    file.file_path or "", _Download(), timeout=DOWNLOAD_TIMEOUT
                )
        except (TelegramBadRequest, TelegramForbiddenError) as error:
            raise AttachmentGone(type(error).__name__) from None
        except ClientResponseError as error:
            # Not chained: aiohttp's error carries the URL, and the URL carries the token
            kind = AttachmentUnreachable if error.status >= 500 else AttachmentGone
            raise kind(f"HTTP {error.status}") from None
        except (ClientError, TimeoutError) as error:
            raise AttachmentUnreachable(type(error).__name__) from None
        data = content.read() if content else b""
        return FetchedFile(data, attachment.mime_type or _image_type(data))

    return fetch


class _Download(io.BytesIO):
    """The bytes of a file, which is refused if it is larger than Telegram announced."""

    def write(self, chunk: "ReadableBuffer", /) -> int:
        """Append the next chunk. Raise AttachmentGone if the limit is already exceeded."""
        if self.tell() > DOWNLOAD_LIMIT:
            raise AttachmentGone("too large")
        return super().write(chunk)


def _image_type(data: bytes) -> str:
    """Return the MIME type of a photo, which Telegram does not say."""
    if data.startswith(b"\x89PNG"):
        return "image/png"
    if data[8:12] == b"WEBP":
        return "image/webp"
    return "image/jpeg"
