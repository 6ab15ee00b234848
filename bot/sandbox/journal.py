"""The traffic between Telegram and the bot: updates with their deliveries, and calls."""

import json
import time
from collections.abc import Callable
from typing import Any, Final

from bot.sandbox.events import Observe
from bot.sandbox.parameters import Json
from bot.sandbox.wire import Outcome

KEPT: Final = 500  # entries
HIDDEN: Final = frozenset({"secret_token"})  # parameters


class Journal:
    """The latest entries by number; each is published when it begins and when it changes."""

    def __init__(self, publish: Observe) -> None:
        self._publish = publish
        self._entries: dict[int, Json] = {}
        self._last = 0

    def entries(self) -> list[Json]:
        """Return the entries that are kept, oldest first."""
        return list(self._entries.values())

    def find(self, number: int) -> Json | None:
        """Return an entry, or None if it is no longer kept."""
        return self._entries.get(number)

    def watch(self, method: str, parameters: Json) -> Callable[[Outcome], None]:
        """Add an entry for a call that begins; return a function that completes it."""
        chat_id = parameters.get("chat_id")
        request = {name: _shown(name, value) for name, value in parameters.items()}
        entry = self.enter("call", method, chat_id, request)

        def end(outcome: Outcome) -> None:
            answer = {"ok": outcome.ok, "status": outcome.status, "response": _body(outcome.body)}
            self.change(entry, **answer, violations=list(outcome.slips), ms=elapsed(entry))

        return end

    def enter(self, kind: str, title: str, chat_id: Any, request: Json) -> Json:
        """Add an unfinished entry."""
        self._last += 1
        entry: Json = {
            "id": self._last,
            "kind": kind,
            "at": time.time_ns() // 1_000_000,
            "ms": None,
            "title": title,
            "chat_id": chat_id if isinstance(chat_id, int) else None,
            "ok": None,
            "status": None,
            "attempts": [],
            "request": request,
            "response": None,
            "violations": [],
        }
        self._entries[self._last] = entry
        self._entries.pop(self._last - KEPT, None)
        self.change(entry)
        return entry

    def change(self, entry: Json, **fields: Any) -> None:
        """Change an entry and publish it."""
        entry |= fields
        self._publish({"type": "entry", "entry": entry})


def elapsed(entry: Json) -> int:
    """Return the milliseconds since an entry began."""
    return int(time.time_ns() // 1_000_000 - entry["at"])


def _shown(name: str, value: Any) -> Any:
    if name in HIDDEN:
        return "***"
    return value if isinstance(value, str | int | float | bool | list | dict) else "a file"


def _body(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return {"bytes": len(body)}
