"""The prompt of a question: all that the model is given of a message."""

from dataclasses import dataclass

from bot.chat.attachments import Attachment
from db.conversations import StoredMessage


@dataclass(frozen=True, slots=True)
class Prompt:
    """A user's input: a text, and possibly an attachment."""

    text: str
    attachment: Attachment | None = None

    @classmethod
    def stored(cls, message: StoredMessage) -> "Prompt":
        """Return the prompt in a stored message of a user."""
        return cls(message.text or "", Attachment.stored(message.file_id))

    @property
    def file_id(self) -> str | None:
        """Return the id of the attached file, as it is stored; None if there is no file."""
        return self.attachment.file_id if self.attachment else None
