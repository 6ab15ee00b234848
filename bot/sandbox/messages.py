"""The methods that write to chats: messages, edits, drafts, actions."""

import copy
import time
from collections.abc import Callable, Collection
from typing import Final

from bot.sandbox.chats import Chats, without
from bot.sandbox.entities import format_text, utf16_length
from bot.sandbox.events import Observe, unobserved
from bot.sandbox.keyboards import read_keyboard
from bot.sandbox.parameters import Json, bad_request
from bot.sandbox.rich import read_rich_message

ACTIONS: Final = frozenset(
    {
        "typing", "upload_photo", "record_video", "upload_video", "record_voice", "upload_voice",
        "upload_document", "choose_sticker", "find_location", "record_video_note",
        "upload_video_note",
    }
)  # fmt: skip
MARKUPS: Final = frozenset({"inline_keyboard", "keyboard", "remove_keyboard", "force_reply"})
# The other fields that a ChatMember of each status must have
MEMBERSHIPS: Final[dict[str, Json]] = {
    "creator": {"is_anonymous": False},
    "administrator": {
        "can_be_edited": False,
        "is_anonymous": False,
        **dict.fromkeys(
            (
                "can_manage_chat", "can_delete_messages", "can_manage_video_chats",
                "can_restrict_members", "can_promote_members", "can_change_info",
                "can_invite_users", "can_post_stories", "can_edit_stories", "can_delete_stories",
                "can_send_welcome_messages",
            ),
            True,
        ),
    },
    "member": {},
    "left": {},
    "kicked": {"until_date": 0},
}  # fmt: skip
REPLY_FIELDS: Final = frozenset({"message_id", "chat_id", "allow_sending_without_reply"})
CALLBACK_TEXT_LIMIT: Final = 200
DELETE_LIMIT: Final = 100
DELETABLE_SECONDS: Final = 48 * 60 * 60
# The fields that an edit replaces.
CONTENT: Final = ("text", "entities", "rich_message", "reply_markup")


class Messages:
    """Bot API methods for messages; `report` receives mistakes that Telegram corrects silently."""

    def __init__(
        self, chats: Chats, report: Callable[[str], None], observe: Observe = unobserved
    ) -> None:
        self._chats = chats
        self._observe = observe
        self._report = report
        # How often each query has been answered
        self.callback_queries: dict[str, int] = {}

    def send(self, parameters: Json) -> Json:
        """Answer sendMessage."""
        return self._send(parameters, self._text(parameters))

    def send_rich(self, parameters: Json) -> Json:
        """Answer sendRichMessage."""
        return self._send(parameters, self._rich(parameters))

    def _send(self, parameters: Json, fields: Json) -> Json:
        fields |= self._markup(parameters.get("reply_markup"))
        chat = self._chats.find(parameters.get("chat_id"))
        replied = self._replied(chat, parameters.get("reply_parameters") or {})
        fields |= self._thread(chat, parameters.get("message_thread_id"), replied)
        if replied:
            fields["reply_to_message"] = without(replied, "reply_to_message")
        return self._chats.send(chat, fields)

    def edit(self, parameters: Json) -> Json:
        """Answer editMessageText: a text and a rich message can each replace the other."""
        fields = self._rich_or_text(parameters) | self._markup(parameters.get("reply_markup"))
        return self._edit(parameters, fields, CONTENT)

    def edit_markup(self, parameters: Json) -> Json:
        """Answer editMessageReplyMarkup; without a markup, remove the existing one."""
        fields = self._markup(parameters.get("reply_markup"))
        return self._edit(parameters, fields, {"reply_markup"})

    def _edit(self, parameters: Json, fields: Json, names: Collection[str]) -> Json:
        message = self._standing(parameters, "edit")
        if not self._chats.is_by_bot(message):
            raise bad_request("message can't be edited")
        if all(message.get(name) == fields.get(name) for name in names):
            raise bad_request(
                "message is not modified: specified new message content and reply markup are "
                "exactly the same as a current content and reply markup of the message"
            )
        self._chats.edit(message, fields, names)
        return message

    def delete(self, parameters: Json) -> bool:
        """Answer deleteMessage: the bot's own messages, and other people's in private chats."""
        message = self._standing(parameters, "delete")
        self._check_deletable(message)
        self._chats.delete(message)
        return True

    def delete_many(self, parameters: Json) -> bool:
        """Answer deleteMessages, which skips messages that do not exist."""
        chat = self._chats.find(parameters.get("chat_id"))
        ids = parameters.get("message_ids", [])
        if not ids:
            raise bad_request("message identifiers are not specified")
        if len(ids) > DELETE_LIMIT:
            raise bad_request("too many message identifiers specified")
        if not all(isinstance(message_id, int) for message_id in ids):
            raise bad_request("message identifier is not a Number")
        found = [self._chats.message(chat["id"], message_id) for message_id in set(ids)]
        messages = [message for message in found if message is not None]
        for message in messages:
            self._check_deletable(message)
        for message in messages:
            self._chats.delete(message)
        return True

    def _check_deletable(self, message: Json) -> None:
        if message["chat"]["type"] != "private" and not self._chats.is_by_bot(message):
            raise bad_request("message can't be deleted")
        if time.time() - message["date"] > DELETABLE_SECONDS:
            raise bad_request("message can't be deleted for everyone")

    def draft(self, parameters: Json) -> bool:
        """Answer sendMessageDraft; an empty text is Telegram's "Thinking…"."""
        return self._draft(parameters, self._formatted(parameters))

    def draft_rich(self, parameters: Json) -> bool:
        """Answer sendRichMessageDraft: a chat has one draft, of either kind."""
        return self._draft(parameters, self._rich(parameters, is_draft=True))

    def _draft(self, parameters: Json, fields: Json) -> bool:
        chat = self._chats.find(parameters.get("chat_id"))
        if chat["type"] != "private":
            raise bad_request("TEXTDRAFT_PEER_INVALID")
        if not parameters.get("draft_id"):
            raise bad_request("invalid draft identifier specified")
        fields |= self._thread(chat, parameters.get("message_thread_id"), None)
        switches = {name: parameters.get(name, False) for name in ("can_stop", "keep_on_stop")}
        draft = {"draft_id": parameters["draft_id"], **fields, **switches}
        self._chats.draft(chat, draft)
        return True

    def act(self, parameters: Json) -> bool:
        """Answer sendChatAction."""
        chat = self._chats.find(parameters.get("chat_id"))
        if parameters.get("action") not in ACTIONS:
            raise bad_request("wrong parameter action in request")
        thread_id = parameters.get("message_thread_id")
        self._thread(chat, thread_id, None)
        place = {"chat_id": chat["id"], "message_thread_id": thread_id}
        self._observe({"type": "action", **place, "action": parameters["action"]})
        return True

    def answer_callback(self, parameters: Json) -> bool:
        """Answer answerCallbackQuery, once for each query."""
        query_id = parameters.get("callback_query_id", "")
        answers = self.callback_queries.get(query_id)
        if answers == 0 and utf16_length(parameters.get("text", "")) > CALLBACK_TEXT_LIMIT:
            raise bad_request("MESSAGE_TOO_LONG")
        if answers is not None:
            self.callback_queries[query_id] = answers + 1
        if answers != 0:
            raise bad_request(
                "query is too old and response timeout expired or query ID is invalid"
            )
        answer = {
            "text": parameters.get("text"),
            "show_alert": parameters.get("show_alert", False),
        }
        self._observe({"type": "answered", "callback_query_id": query_id, **answer})
        return True

    def chat(self, parameters: Json) -> Json:
        """Answer getChat."""
        gifts = (
            "unlimited_gifts",
            "limited_gifts",
            "unique_gifts",
            "premium_subscription",
            "gifts_from_channels",
        )
        return {
            **self._chats.find(parameters.get("chat_id")),
            "accent_color_id": 0,
            "max_reaction_count": 11,
            "accepted_gift_types": dict.fromkeys(gifts, False),
        }

    def member(self, parameters: Json) -> Json:
        """Answer getChatMember."""
        chat = self._chats.find(parameters.get("chat_id"))
        if not parameters.get("user_id"):
            raise bad_request("invalid user_id specified")
        member = self._chats.member(chat, parameters["user_id"])
        return member | MEMBERSHIPS[member["status"]]

    def _rich_or_text(self, parameters: Json) -> Json:
        if "rich_message" not in parameters:
            return self._text(parameters)
        if "text" in parameters:
            raise bad_request("exactly one of text and rich_message must be specified")
        for name in ("entities", "parse_mode"):
            if name in parameters:
                self._report(f"{name} beside a rich_message")
        return self._rich(parameters)

    def _rich(self, parameters: Json, *, is_draft: bool = False) -> Json:
        if "rich_message" not in parameters:
            raise bad_request("rich_message is not specified")
        message, violations = read_rich_message(parameters["rich_message"], is_draft=is_draft)
        for violation in violations:
            self._report(violation)
        return {"rich_message": message}

    def _text(self, parameters: Json) -> Json:
        fields = self._formatted(parameters)
        if not fields["text"]:
            raise bad_request("message text is empty")
        return fields

    def _formatted(self, parameters: Json) -> Json:
        if mode := parameters.get("parse_mode"):
            raise bad_request(f"parse_mode {mode} is not simulated: send entities")
        text, entities, violations = format_text(
            parameters.get("text", ""), parameters.get("entities", [])
        )
        for violation in violations:
            self._report(violation)
        return {"text": text, **({"entities": entities} if entities else {})}

    def _markup(self, markup: Json | None) -> Json:
        """Return the markup's part of a message: only inline buttons stay with the message."""
        if not markup:
            return {}
        if not MARKUPS & markup.keys():
            self._report("reply_markup of no known kind")
        rows = read_keyboard(markup.get("inline_keyboard", []), self._report)
        return {"reply_markup": {**markup, "inline_keyboard": rows}} if rows else {}

    def _replied(self, chat: Json, reply: Json) -> Json | None:
        """Return the message replied to, or None without a reply; ApiError if it is gone."""
        for name in sorted(reply.keys() - REPLY_FIELDS):
            self._report(f"reply_parameters.{name} is not simulated")
        if not reply:
            return None
        home = self._chats.find(reply["chat_id"]) if "chat_id" in reply else chat
        message = self._chats.message(home["id"], reply.get("message_id"))
        if message is None and not reply.get("allow_sending_without_reply"):
            raise bad_request("message to be replied not found")
        return copy.deepcopy(message)

    def _thread(self, chat: Json, thread_id: int | None, replied: Json | None) -> Json:
        """Return the topic's part of a message; a reply takes it from the message it answers."""
        if not thread_id and replied and replied.get("is_topic_message"):
            thread_id = replied["message_thread_id"]
        if not thread_id:
            return {}
        if not self._chats.has_topic(chat["id"], thread_id):
            raise bad_request("message thread not found")
        return {"message_thread_id": thread_id, "is_topic_message": True}

    def _standing(self, parameters: Json, purpose: str) -> Json:
        chat = self._chats.find(parameters.get("chat_id"))
        if not parameters.get("message_id"):
            raise bad_request("message identifier is not specified")
        message = self._chats.message(chat["id"], parameters["message_id"])
        if message is None:
            raise bad_request(f"message to {purpose} not found")
        return message
