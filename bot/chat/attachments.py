"""Files that people attach to their messages, and their bytes once they are fetched."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum


class AttachmentKind(StrEnum):
    """A kind of file that the model is given."""

    PHOTO = "photo"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file in a message, by its id in Telegram: the bytes are fetched when they are needed.

    `size` is in bytes. What Telegram does not say of a file, as the MIME type and the name of a
    photo, is None.
    """

    kind: AttachmentKind
    file_id: str
    mime_type: str | None = None
    size: int | None = None
    name: str | None = None

    @classmethod
    def stored(cls, file_id: str | None) -> "Attachment | None":
        """Return the attachment of a stored message; None if the message has no file."""
        return None if file_id is None else cls(AttachmentKind.PHOTO, file_id)


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A file as Gemini accepts it: its bytes and their MIME type."""

    data: bytes
    mime_type: str


FetchAttachment = Callable[[Attachment], Awaitable[FetchedFile]]


class AttachmentGone(Exception):
    """The error raised if Telegram does not serve a file, or no longer does."""


class AttachmentUnreachable(Exception):
    """The error raised if a file could not be fetched this time."""
