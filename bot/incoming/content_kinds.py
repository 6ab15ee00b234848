"""The kinds of content that a message may have: those that are read, and those refused."""

from collections.abc import Callable
from dataclasses import dataclass

from aiogram.enums import ContentType
from aiogram.types import Message

from bot.chat.attachments import Attachment
from bot.incoming.attachments import photo

Reader = Callable[[Message], Attachment | None]


@dataclass(frozen=True, slots=True)
class ContentKind:
    """A kind of content, named as its field in a message.

    `read` returns what is attached to such a message; a kind without a reader is refused.
    `question` is the question that an attachment asks without a caption.
    """

    name: ContentType
    read: Reader | None = None
    question: str = ""

    def is_in(self, message: Message) -> bool:
        """Tell whether a message has this content."""
        return bool(getattr(message, self.name, None))


def no_attachment(_: Message) -> None:
    """Return nothing for a message that is only a text."""


# Content that people send; all other types are service messages. Future types are UNKNOWN, and
# an unnecessary reply is better than a silent bot. The first kind that is in a message counts.
KINDS = (
    ContentKind(ContentType.PHOTO, read=photo, question="describe this image"),
    ContentKind(ContentType.TEXT, read=no_attachment),
    ContentKind(ContentType.RICH_MESSAGE, read=no_attachment),
    ContentKind(ContentType.ANIMATION),
    ContentKind(ContentType.AUDIO),
    ContentKind(ContentType.CHECKLIST),
    ContentKind(ContentType.CONTACT),
    ContentKind(ContentType.DICE),
    ContentKind(ContentType.DOCUMENT),
    ContentKind(ContentType.GAME),
    ContentKind(ContentType.INVOICE),
    ContentKind(ContentType.LIVE_PHOTO),  # older bots see a photo in it, and so does this one
    ContentKind(ContentType.LOCATION),
    ContentKind(ContentType.PAID_MEDIA),
    ContentKind(ContentType.POLL),
    ContentKind(ContentType.STICKER),
    ContentKind(ContentType.STORY),
    ContentKind(ContentType.UNKNOWN),
    ContentKind(ContentType.VENUE),
    ContentKind(ContentType.VIDEO),
    ContentKind(ContentType.VIDEO_NOTE),
    ContentKind(ContentType.VOICE),
)
READABLE = tuple(kind for kind in KINDS if kind.read)
REFUSED = frozenset(kind.name for kind in KINDS if not kind.read)


async def is_readable(message: Message) -> bool:
    """Match a message with content that the model is given."""
    return any(kind.is_in(message) for kind in READABLE)


async def is_refused(message: Message) -> bool:
    """Match a message with content that people send, but that the model is not given yet."""
    return message.content_type in REFUSED


def read(message: Message) -> tuple[Attachment | None, str]:
    """Return a message's attachment, if any, and the question that it asks by itself.

    Raise AttachmentTooLarge.
    """
    for kind in READABLE:
        if kind.read and kind.is_in(message):
            return kind.read(message), kind.question
    return None, ""
