"""The bot's profile: commands, name and descriptions, by language and scope."""

import json
import re
from collections.abc import Callable
from typing import Final

from bot.sandbox.events import Observe, unobserved
from bot.sandbox.parameters import Json, bad_request

# The maximum length of each field in characters, as documented in the Bot API.
LIMITS: Final = {"name": 64, "description": 512, "short_description": 120}
COMMANDS_LIMIT: Final = 100
COMMAND_DESCRIPTION_LIMIT: Final = 256
SCOPES: Final = {
    "default": (),
    "all_private_chats": (),
    "all_group_chats": (),
    "all_chat_administrators": (),
    "chat": ("chat_id",),
    "chat_administrators": ("chat_id",),
    "chat_member": ("chat_id", "user_id"),
}

_COMMAND: Final = re.compile(r"[a-z0-9_]{1,32}")
_LANGUAGE: Final = re.compile(r"([a-z]{2})?")


class Profile:
    """Bot API methods for the bot's profile."""

    def __init__(self, name: str, observe: Observe = unobserved) -> None:
        self._observe = observe
        self._commands: dict[tuple[str, str], list[Json]] = {}
        self._texts: dict[tuple[str, str], str] = {("name", ""): name}
        self._name = name

    def set_commands(self, parameters: Json) -> bool:
        """Answer setMyCommands."""
        commands = parameters.get("commands", [])
        if len(commands) > COMMANDS_LIMIT:
            raise bad_request("BOT_COMMANDS_TOO_MUCH")
        for command in commands:
            _check_command(command)
        self._commands[_audience(parameters)] = commands
        self._observe({"type": "commands", **self.menus()})
        return True

    def get_commands(self, parameters: Json) -> list[Json]:
        """Answer getMyCommands: those of exactly this scope and language."""
        return self._commands.get(_audience(parameters), [])

    def delete_commands(self, parameters: Json) -> bool:
        """Answer deleteMyCommands."""
        self._commands.pop(_audience(parameters), None)
        self._observe({"type": "commands", **self.menus()})
        return True

    def kept(self) -> Json:
        """Return commands and texts, for `restore`."""
        return {
            "commands": [[*key, value] for key, value in self._commands.items()],
            "texts": [[*key, value] for key, value in self._texts.items()],
        }

    def restore(self, kept: Json) -> None:
        """Restore the commands and texts that `kept` returned."""
        self._commands = {(scope, language): value for scope, language, value in kept["commands"]}
        self._texts = {(field, language): value for field, language, value in kept["texts"]}

    def menus(self) -> Json:
        """Return the commands that people see, and those of chats with commands of their own."""
        scopes = [(json.loads(scope), commands) for (scope, _), commands in self._commands.items()]
        chats = {str(s["chat_id"]): commands for s, commands in scopes if s["type"] == "chat"}
        default = self._commands.get(_audience({}), [])
        return {"commands": default, "chat_commands": chats}

    def texts(self) -> Json:
        """Return the description and the short description for all languages."""
        fields = ("description", "short_description")
        return {field: self._texts.get((field, ""), "") for field in fields}

    def setter(self, field: str) -> Callable[[Json], bool]:
        """Make the method that sets a text, or without one restores the default."""

        def set_text(parameters: Json) -> bool:
            text = parameters.get(field, "")
            if len(text) > LIMITS[field]:
                raise bad_request(f"bot {field.replace('_', ' ')} is too long")
            self._texts[field, _language(parameters)] = text
            self._observe({"type": "profile"})
            return True

        return set_text

    def getter(self, field: str) -> Callable[[Json], Json]:
        """Make the method that returns a text in a language, or else the one for all languages."""

        def get_text(parameters: Json) -> Json:
            text = self._texts.get((field, _language(parameters)))
            text = text or self._texts.get((field, ""))
            return {field: text or (self._name if field == "name" else "")}

        return get_text


def _check_command(command: object) -> None:
    if not isinstance(command, dict):
        raise bad_request("can't parse BotCommand: expected an Object")
    if not _COMMAND.fullmatch(str(command.get("command", ""))):
        raise bad_request("BOT_COMMAND_INVALID")
    if not 1 <= len(str(command.get("description", ""))) <= COMMAND_DESCRIPTION_LIMIT:
        raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")


def _language(parameters: Json) -> str:
    language = str(parameters.get("language_code", ""))
    if not _LANGUAGE.fullmatch(language):
        raise bad_request("invalid language code specified")
    return language


def _audience(parameters: Json) -> tuple[str, str]:
    scope = parameters.get("scope") or {"type": "default"}
    if scope.get("type") not in SCOPES:
        raise bad_request("can't parse BotCommandScope: Unsupported type specified")
    for name in SCOPES[scope["type"]]:
        if not scope.get(name):
            raise bad_request(f"can't parse BotCommandScope: Can't find field \"{name}\"")
    return json.dumps(scope, sort_keys=True), _language(parameters)
