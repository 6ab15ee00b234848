"""The methods that write into chats: messages, edits, drafts, actions."""

import copy
import time
from collections.abc import Callable
from typing import Any, Final

from bot.sandbox.chats import Chats
from bot.sandbox.entities import format_text, utf16_length
from bot.sandbox.parameters import Json, bad_request

ACTIONS: Final = frozenset(
    {
        "typing", "upload_photo", "record_video", "upload_video", "record_voice", "upload_voice",
        "upload_document", "choose_sticker", "find_location", "record_video_note",
        "upload_video_note",
    }
)  # fmt: skip
MARKUPS: Final = frozenset({"inline_keyboard", "keyboard", "remove_keyboard", "force_reply"})
# What a ChatMember of each status must hold besides
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
CALLBACK_DATA_LIMIT: Final = 64
CALLBACK_TEXT_LIMIT: Final = 200


class Messages:
    """Bot API methods about messages; `report` takes what Telegram would mend silently."""

    def __init__(self, chats: Chats, report: Callable[[str], None]) -> None:
        self._chats = chats
        self._report = report
        self.callback_queries: set[str] = set()

    def send(self, parameters: Json) -> Json:
        """Answer sendMessage."""
        fields = self._content(parameters)
        chat = self._chats.find(parameters.get("chat_id"))
        replied = self._replied(chat, parameters.get("reply_parameters") or {})
        fields |= self._thread(chat, parameters.get("message_thread_id"), replied)
        if replied:
            fields["reply_to_message"] = _without(replied, "reply_to_message")
        return self._chats.send(chat, fields)

    def edit(self, parameters: Json) -> Json:
        """Answer editMessageText."""
        fields = self._content(parameters)
        message = self._standing(parameters, "edit")
        if not self._chats.is_by_bot(message):
            raise bad_request("message can't be edited")
        names = ("text", "entities", "reply_markup")
        if all(message.get(name) == fields.get(name) for name in names):
            raise bad_request(
                "message is not modified: specified new message content and reply markup are "
                "exactly the same as a current content and reply markup of the message"
            )
        for name in names:
            message.pop(name, None)
        message |= {**fields, "edit_date": int(time.time())}
        return message

    def delete(self, parameters: Json) -> bool:
        """Answer deleteMessage: the bot's own messages, and those of others in private chats."""
        message = self._standing(parameters, "delete")
        if message["chat"]["type"] != "private" and not self._chats.is_by_bot(message):
            raise bad_request("message can't be deleted")
        self._chats.delete(message)
        return True

    def draft(self, parameters: Json) -> bool:
        """Answer sendMessageDraft; an empty text is Telegram's "Thinking…"."""
        fields = self._formatted(parameters)
        chat = self._chats.find(parameters.get("chat_id"))
        if chat["type"] != "private":
            raise bad_request("TEXTDRAFT_PEER_INVALID")
        if not parameters.get("draft_id"):
            raise bad_request("invalid draft identifier specified")
        fields |= self._thread(chat, parameters.get("message_thread_id"), None)
        switches = {name: parameters.get(name, False) for name in ("can_stop", "keep_on_stop")}
        draft = {"draft_id": parameters["draft_id"], **fields, **switches}
        self._chats.drafts[chat["id"]] = draft
        return True

    def act(self, parameters: Json) -> bool:
        """Answer sendChatAction."""
        chat = self._chats.find(parameters.get("chat_id"))
        if parameters.get("action") not in ACTIONS:
            raise bad_request("wrong parameter action in request")
        self._thread(chat, parameters.get("message_thread_id"), None)
        return True

    def answer_callback(self, parameters: Json) -> bool:
        """Answer answerCallbackQuery, once for each query."""
        if parameters.get("callback_query_id") not in self.callback_queries:
            raise bad_request(
                "query is too old and response timeout expired or query ID is invalid"
            )
        if utf16_length(parameters.get("text", "")) > CALLBACK_TEXT_LIMIT:
            raise bad_request("MESSAGE_TOO_LONG")
        self.callback_queries.discard(parameters["callback_query_id"])
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

    def _content(self, parameters: Json) -> Json:
        fields = self._formatted(parameters)
        if not fields["text"]:
            raise bad_request("message text is empty")
        return fields | self._markup(parameters.get("reply_markup"))

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
        """Give the part of a message that a markup is: inline keyboards alone stay with it."""
        if not markup:
            return {}
        if not MARKUPS & markup.keys():
            self._report("reply_markup of no known kind")
        for row in markup.get("inline_keyboard", []):
            for button in row:
                _check_button(button)
        return {"reply_markup": markup} if "inline_keyboard" in markup else {}

    def _replied(self, chat: Json, reply: Json) -> Json | None:
        """Give the message that is replied to, None without one; ApiError where it is gone."""
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
        """Give the topic's part of a message, which a reply takes from its message."""
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


def _check_button(button: Any) -> None:
    if not isinstance(button, dict) or not button.get("text"):
        raise bad_request("can't parse inline keyboard button: Text buttons are unallowed")
    data = button.get("callback_data")
    if data is not None and not 1 <= len(str(data).encode()) <= CALLBACK_DATA_LIMIT:
        raise bad_request("BUTTON_DATA_INVALID")


def _without(message: Json, name: str) -> Json:
    return {key: value for key, value in message.items() if key != name}
