"""Faults on demand: what can go wrong with Telegram and the network."""

import threading
from collections import deque
from collections.abc import Collection, MutableSequence
from dataclasses import dataclass
from typing import Any

from bot.sandbox.parameters import ApiError


@dataclass(frozen=True, slots=True)
class Flood:
    """A 429 error with the seconds to wait."""

    retry_after: int = 1


@dataclass(frozen=True, slots=True)
class ServerError:
    """A 5xx error in Telegram's JSON."""

    code: int = 500
    description: str = "Internal Server Error"


@dataclass(frozen=True, slots=True)
class HtmlError:
    """An HTML page, as a proxy in front of Telegram sends it, with any status and encoding."""

    code: int = 502
    page: bytes = b"<html><head><title>Bad Gateway</title></head><body></body></html>"
    content_type: str = "text/html"


@dataclass(frozen=True, slots=True)
class Refuse:
    """Any error in Telegram's JSON, such as 403 or 400 with migrate_to_chat_id in `parameters`."""

    code: int
    description: str
    parameters: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Drop:
    """A connection closed without a response, `before` or after the call is processed."""

    before: bool = True


@dataclass(frozen=True, slots=True)
class Slow:
    """A call that is processed only after this many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """A call that is processed, but whose response differs from the real one in some fields."""

    changes: dict[
        str, Any
    ]  # of the whole response; {"result": {…}} adds to a result that is an object
    status: int = 200


Fault = Flood | ServerError | HtmlError | Refuse | Drop | Slow | Answer


@dataclass(slots=True)
class _Rule:
    fault: Fault
    methods: frozenset[str] | None
    chat_id: int | None
    times: int | None
    after: int
    spared: frozenset[str]

    def matches(self, method: str, chat_id: Any) -> bool:
        name = method.lower()
        return (
            (self.methods is None or name in self.methods)
            and name not in self.spared
            and (self.chat_id is None or self.chat_id == chat_id)
        )


def remembered(kept: int | None) -> MutableSequence[Any]:
    """Return a sequence that keeps only the last `kept` items, or all of them with None."""
    return [] if kept is None else deque(maxlen=kept)


class Faults:
    """The faults to inject into calls; they can be changed safely from any thread.

    `happened` grows with each fault that occurs; it has the last `kept`, or all with None.
    """

    def __init__(self, kept: int | None = None) -> None:
        self.happened: MutableSequence[Fault] = remembered(kept)
        self._lock = threading.Lock()
        self._rules: list[_Rule] = []

    def add(
        self,
        fault: Fault,
        method: str | Collection[str] | None = None,
        *,
        times: int | None = 1,
        chat_id: int | None = None,
        after: int = 0,
        spared: Collection[str] = (),
    ) -> None:
        """Let `times` calls (None: all) fail after `after` calls have passed.

        `method` may be several; None means every method except `spared`, and "file" means file
        downloads. If several faults match a call, only the one added first occurs, and the others
        do not count the call.
        """
        names = (method,) if isinstance(method, str) else method
        methods = None if names is None else _folded(names)
        with self._lock:
            self._rules.append(_Rule(fault, methods, chat_id, times, after, _folded(spared)))

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._rules.clear()

    def __len__(self) -> int:
        """Count the faults still to come; a fault that lasts until removed counts as one."""
        with self._lock:
            return len(self._rules)

    def take(self, method: str, chat_id: Any = None) -> Fault | None:
        """Return the fault for this call, if any, and count it."""
        with self._lock:
            for rule in self._rules:
                if not rule.matches(method, chat_id):
                    continue
                if rule.after:
                    rule.after -= 1
                    continue
                self._count(rule)
                self.happened.append(rule.fault)
                return rule.fault
        return None

    def _count(self, rule: _Rule) -> None:
        if rule.times is None:
            return
        rule.times -= 1
        if rule.times <= 0:
            self._rules.remove(rule)


def _folded(names: Collection[str]) -> frozenset[str]:
    return frozenset(name.lower() for name in names)


def refusal(fault: Fault | None) -> ApiError | None:
    """Return the error of a fault that prevents the processing of a call, or None.

    Code 0 stands for no response at all.
    """
    match fault:
        case Flood(retry_after):
            description = f"Too Many Requests: retry after {retry_after}"
            return ApiError(429, description, {"retry_after": retry_after})
        case ServerError(code, description):
            return ApiError(code, description)
        case HtmlError(code):
            return ApiError(code, "an HTML page")
        case Refuse(code, description, parameters):
            return ApiError(code, description, parameters)
        case Drop(before=True):
            return ApiError(0, "the connection was closed")
        case _:
            return None
