"""The destination of an answer."""

from dataclasses import dataclass, replace

from aiogram.enums import ChatType
from aiogram.types import Message, ReplyParameters

from bot.telegram.authors import person_of


@dataclass(frozen=True, slots=True)
class Address:
    """The chat and topic to answer in, and the user and message to answer; None if unknown."""

    chat_id: int
    is_private: bool
    thread_id: int | None
    user_id: int | None
    question_id: int | None

    @classmethod
    def of(cls, message: Message) -> "Address":
        """Return the address for the answer to a message."""
        person = person_of(message)
        return cls(
            chat_id=message.chat.id,
            is_private=message.chat.type == ChatType.PRIVATE,
            thread_id=thread_of(message),
            user_id=person.id if person else None,
            question_id=message.message_id,
        )

    def answering(self, question_id: int | None, user_id: int | None) -> "Address":
        """Return the same place for the answer to another message, possibly another user's."""
        return replace(self, question_id=question_id, user_id=user_id)

    @property
    def reply(self) -> ReplyParameters | None:
        """Return the parameters that make an answer a reply; None in private chats."""
        if self.is_private or self.question_id is None:
            return None
        return ReplyParameters(message_id=self.question_id, allow_sending_without_reply=True)


def thread_of(message: Message) -> int | None:
    """Return the topic of a message, or None."""
    return message.message_thread_id if message.is_topic_message else None
