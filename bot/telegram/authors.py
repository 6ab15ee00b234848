"""The author of a message."""

from aiogram.types import Chat, Message, User


def person_of(message: Message) -> User | None:
    """Return the person who wrote a message under their own name.

    Return None for a message from a bot or in the name of a chat: its author is unknown, and
    Telegram gives the same placeholder user for all such messages.
    """
    author = message.from_user
    is_person = author is not None and not author.is_bot and message.sender_chat is None
    return author if is_person else None


def channel_of(message: Message) -> Chat | None:
    """Return the channel or other chat in whose name a message was written.

    Return None if that is the group itself, in whose name its anonymous administrators write.
    """
    author = message.sender_chat
    return author if author and author.id != message.chat.id else None
