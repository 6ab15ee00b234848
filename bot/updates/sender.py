"""The sender of an update."""

from dataclasses import dataclass

from bot.settings import Settings
from db.access import ALLOWED
from db.senders import SenderRecord


@dataclass(frozen=True, slots=True)
class Sender:
    """A chat, and the user who wrote there, if known."""

    chat_id: int
    user_id: int | None

    @classmethod
    def of(cls, chat_id: int, user_id: int | None) -> "Sender":
        """Return the sender; an update without a user comes from the chat itself."""
        # The id of a private chat is its user's; groups have negative ids
        return cls(chat_id, user_id or (chat_id if chat_id > 0 else None))

    @property
    def id(self) -> int:
        """Return the user's id, or the chat's if the user is unknown."""
        return self.user_id or self.chat_id

    def is_admin(self, settings: Settings) -> bool:
        """Tell whether the settings make the user an administrator of the bot."""
        return self.user_id in settings.admin_user_ids

    def is_welcome(self, settings: Settings, record: SenderRecord) -> bool:
        """Tell whether the user or the chat is allowed, or everyone is."""
        return (
            settings.open_to_everyone
            or self.user_id in settings.allowed_user_ids
            or self.chat_id in settings.allowed_chat_ids
            or ALLOWED in record.statuses
        )
