"""The bot's pace: a search of the recorded calls for those that came too soon."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from bot.sandbox.keyboards import callback_buttons
from bot.sandbox.wire import Call

DRAFTS: Final = frozenset({"sendMessageDraft", "sendRichMessageDraft"})
WRITES: Final = frozenset(
    {"sendMessage", "sendRichMessage", "editMessageText", "editMessageReplyMarkup"}
)
# The data of the button that a message has only while it grows.
STOP: Final = "stop:"
FLOOD: Final = 429

# The arrival times of the calls for a chat, or for a message in it.
Arrivals = Mapping[tuple[Any, ...], Sequence[float]]


def find_haste(
    calls: Iterable[Call],
    *,
    draft_pace: float,
    edit_pace: float,
    group_pace: float,
    group_limit: int,
    minute: float,
) -> list[str]:
    """Say where drafts and growing messages changed too soon, and which groups got too much.

    All calls count except those refused for flooding. A group is any chat that is not private.
    """
    counted = sorted((call for call in calls if call.error_code != FLOOD), key=lambda c: c.at)
    drafts = _arrivals((call for call in counted if call.method in DRAFTS), _chat)
    writes = [call for call in counted if call.method in WRITES]
    growing = _arrivals((call for call in writes if _grows(call)), _message)
    groups = _arrivals((call for call in writes if not _is_private(_chat(call))), _chat)
    return [
        *_too_close("drafts in", drafts, lambda _: draft_pace),
        *_too_close("message", growing, lambda key: edit_pace if _is_private(key) else group_pace),
        *_too_many(groups, group_limit, minute),
    ]


def _chat(call: Call) -> tuple[Any, ...]:
    return (call.parameters.get("chat_id"),)


def _message(call: Call) -> tuple[Any, ...]:
    return *_chat(call), call.message_id or call.parameters.get("message_id")


def _is_private(key: tuple[Any, ...]) -> bool:
    return isinstance(key[0], int) and key[0] > 0


def _grows(call: Call) -> bool:
    # A message that was not sent has no identifier and does not grow.
    return _message(call)[1] is not None and any(
        button["callback_data"].startswith(STOP) for button in callback_buttons(call.parameters)
    )


def _arrivals(calls: Iterable[Call], key: Callable[[Call], tuple[Any, ...]]) -> Arrivals:
    arrivals = defaultdict(list)
    for call in calls:
        arrivals[key(call)].append(call.at)
    return arrivals


def _too_close(
    what: str, arrivals: Arrivals, pace: Callable[[tuple[Any, ...]], float]
) -> Iterator[str]:
    for key, times in arrivals.items():
        for earlier, later in pairwise(times):
            if later - earlier < pace(key):
                place = " of ".join(str(part) for part in reversed(key))
                yield f"{what} {place}: {later - earlier:.3f} s apart, pace {pace(key)} s"


def _too_many(arrivals: Arrivals, limit: int, minute: float) -> Iterator[str]:
    for (chat,), times in arrivals.items():
        most = max(sum(start <= at < start + minute for at in times) for start in times)
        if most > limit:
            yield f"group {chat}: {most} messages and edits within {minute} s, limit {limit}"
