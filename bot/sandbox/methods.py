"""The table of Bot API methods: the parameters of each, and the function that answers it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bot.sandbox.files import Files
from bot.sandbox.messages import Messages
from bot.sandbox.parameters import Json, Kind
from bot.sandbox.profile import Profile
from bot.sandbox.updates import Updates

_CHAT: Final = {"chat_id": Kind.CHAT}
_THREAD: Final = _CHAT | {"message_thread_id": Kind.INTEGER}
_MESSAGE_ID: Final = _CHAT | {"message_id": Kind.INTEGER}
_TEXT: Final = {"text": Kind.STRING, "entities": Kind.ARRAY, "parse_mode": Kind.STRING}
_CONTENT: Final = _TEXT | {"link_preview_options": Kind.OBJECT}
_RICH: Final = {"rich_message": Kind.OBJECT}
_MARKUP: Final = {"reply_markup": Kind.OBJECT}
_SEND: Final = (
    _THREAD
    | _MARKUP
    | {
        "reply_parameters": Kind.OBJECT,
        "disable_notification": Kind.BOOLEAN,
        "protect_content": Kind.BOOLEAN,
    }
)
_EDIT: Final = _MESSAGE_ID | _MARKUP
_DRAFT: Final = _THREAD | {
    "draft_id": Kind.INTEGER,
    "can_stop": Kind.BOOLEAN,
    "keep_on_stop": Kind.BOOLEAN,
}
_CALLBACK: Final = {
    "callback_query_id": Kind.STRING,
    "text": Kind.STRING,
    "show_alert": Kind.BOOLEAN,
    "url": Kind.STRING,
    "cache_time": Kind.INTEGER,
}
_DROP: Final = {"drop_pending_updates": Kind.BOOLEAN}
_ALLOWED: Final = {"allowed_updates": Kind.ARRAY}
_POLL: Final = _ALLOWED | dict.fromkeys(("offset", "limit", "timeout"), Kind.INTEGER)
_WEBHOOK: Final = (
    _ALLOWED
    | _DROP
    | {"url": Kind.STRING, "secret_token": Kind.STRING, "max_connections": Kind.INTEGER}
    | {"ip_address": Kind.STRING, "certificate": Kind.STRING}
)
_LANGUAGE: Final = {"language_code": Kind.STRING}
_AUDIENCE: Final = _LANGUAGE | {"scope": Kind.OBJECT}
_TEXTS: Final = {
    "name": "MyName",
    "description": "MyDescription",
    "short_description": "MyShortDescription",
}


@dataclass(frozen=True, slots=True)
class Method:
    """A method, run under the state's lock; one that waits returns an awaitable to run outside."""

    name: str
    run: Callable[[Json], Any]
    kinds: Mapping[str, Kind]


def list_methods(
    bot: Json, messages: Messages, profile: Profile, updates: Updates, files: Files
) -> list[Method]:
    """List the methods that the server knows: a new one needs a function and a line here."""
    return [
        Method("getMe", lambda _: bot, {}),
        Method("getUpdates", updates.get, _POLL),
        Method("setWebhook", updates.set_webhook, _WEBHOOK),
        Method("deleteWebhook", updates.delete_webhook, _DROP),
        Method("getWebhookInfo", updates.webhook_info, {}),
        Method("sendMessage", messages.send, _SEND | _CONTENT),
        Method("sendRichMessage", messages.send_rich, _SEND | _RICH),
        Method("editMessageText", messages.edit, _EDIT | _CONTENT | _RICH),
        Method("editMessageReplyMarkup", messages.edit_markup, _EDIT),
        Method("deleteMessage", messages.delete, _MESSAGE_ID),
        Method("deleteMessages", messages.delete_many, _CHAT | {"message_ids": Kind.ARRAY}),
        Method("sendMessageDraft", messages.draft, _DRAFT | _TEXT),
        Method("sendRichMessageDraft", messages.draft_rich, _DRAFT | _RICH),
        Method("sendChatAction", messages.act, _THREAD | {"action": Kind.STRING}),
        Method("answerCallbackQuery", messages.answer_callback, _CALLBACK),
        Method("getChat", messages.chat, _CHAT),
        Method("getChatMember", messages.member, _CHAT | {"user_id": Kind.INTEGER}),
        Method("getFile", files.get, {"file_id": Kind.STRING}),
        Method("setMyCommands", profile.set_commands, _AUDIENCE | {"commands": Kind.ARRAY}),
        Method("getMyCommands", profile.get_commands, _AUDIENCE),
        Method("deleteMyCommands", profile.delete_commands, _AUDIENCE),
        *(
            Method(f"set{name}", profile.setter(field), _LANGUAGE | {field: Kind.STRING})
            for field, name in _TEXTS.items()
        ),
        *(
            Method(f"get{name}", profile.getter(field), _LANGUAGE)
            for field, name in _TEXTS.items()
        ),
    ]
