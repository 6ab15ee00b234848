"""Every sentence that the bot says to people, in one place."""

import math
from collections.abc import Mapping, Sequence

from bot.gemini import Ending, GeminiError, Kind

STOP_BUTTON = "Stop"
AGAIN_BUTTON = "↻"
CONTINUE_BUTTON = "Continue"
RETRY_BUTTON = "Try again"
NOT_YOURS = "This button is for the person who asked."
EXPIRED = "This button has expired: it belongs to an earlier message. Please ask again."
NAME = "Gemini"
DESCRIPTION = (
    "I answer with Google Gemini. Write me anything, or send a photo with a question about it."
)
SHORT_DESCRIPTION = "An assistant that answers with Google Gemini."
START = (
    "Hello! I am an assistant that answers with Google Gemini.\n\n"
    "Write me anything, or send a photo with a question about it. /new_chat starts a new"
    " conversation, /help shows what I can do."
)
HELP = (
    "What I can do:\n"
    "• Write a message: I answer and remember our conversation.\n"
    "• Send a photo, with a question in its caption if you like.\n"
    "• In a group, mention me, reply to one of my messages, or write /ask and your question.\n"
    "• Reply to a message or quote a part of it: I read that, too.\n"
    "• Edit your last question, or press ↻ below my answer, and I answer again.\n\n"
    "/stop - stop the answer I am writing\n"
    "/new_chat - start a new conversation (I forget the old one)\n"
    "/rich - choose how tables and formulas arrive\n"
    "/forget - delete everything I have stored about this chat\n"
    "/id - show your id, which my operator may ask for\n"
    "/help - show this text"
)
UNSUPPORTED = "Sorry, I can only read text and photos so far. Please send me one of these."
ONLY_THE_LAST = (
    "I can only answer the latest question again when it is edited. Please send this one as a new"
    " message."
)
NOTHING_ASKED = "Yes? Write your question in the same message, please."
UNKNOWN_COMMAND = "I don't know this command. /help shows what I can do."
PHOTO_TOO_LARGE = "This photo is too large for me: Telegram gives bots 20 MB at most."
PHOTO_GONE = "Sorry, I could not open this photo. Please send it again."
STOPPED = "Stopped."
RICH_MESSAGES = {
    "auto": "Answers with tables or formulas will arrive as rich messages, all others as usual.",
    "on": "All my answers will arrive as rich messages.",
    "off": "Tables and formulas will arrive as plain text.",
}
RICH_MESSAGES_HOW = (
    "Change this with /rich on, /rich off or /rich auto. Old versions of Telegram show rich"
    ' messages as "not supported": choose off there.'
)
RICH_MESSAGES_WRONG = f"I don't know that option. {RICH_MESSAGES_HOW}"
RICH_MESSAGES_OF_NOBODY = (
    "This is a personal setting, and I cannot see who you are here. Please send me /rich in our"
    " private chat."
)
NOTHING_TO_STOP = "There is nothing to stop: I am not answering at the moment."
NOT_TAKEN = "Sorry, Telegram did not accept my answer. Please try again."
NOT_ALL_SENT = "(Telegram did not accept the rest of this answer. Press Continue to resend it.)"
REPLACED = "(This is now part of the answer above.)"
FORGOTTEN = "Done: I no longer store anything about this chat."
FORGET_REFUSED = (
    "In a group, only administrators can ask me to forget everything. Please ask one of them."
)
BAN_OF_ADMIN = "This is one of my administrators (ADMIN_USER_IDS), who cannot be banned."
NOT_IN_GROUPS = "Please ask me this in our private chat: not everyone here should read the answer."
UNEXPECTED = "Sorry, something went wrong on my side. Please try again."

COMMANDS = {
    "ask": "Ask me something in a group",
    "stop": "Stop the answer I am writing",
    "new_chat": "Start a new conversation",
    "rich": "Choose how tables and formulas arrive",
    "forget": "Delete everything I have stored about this chat",
    "id": "Show your id",
    "help": "Show what I can do",
}
ADMIN_COMMANDS = {
    "users": "Show who may use me, and who does",
    "allow": "Let a person or a chat use me, by id",
    "ban": "Stop answering a person or a chat, by id",
    "unban": "Lift a ban, by id",
}

LISTED = 30  # ids in one line
DAY = 24 * 3600.0  # seconds
LONGEST_DURATION = 366 * DAY  # a clock that was set tells longer ones

_FAILURES = {
    Kind.RATE_LIMITED: "I am getting too many questions right now. Please try again{wait}.",
    Kind.QUOTA_EXHAUSTED: "Today's quota is used up. Please try again tomorrow.",
    Kind.OVERLOADED: "Gemini is overloaded at the moment. Please try again{wait}.",
    Kind.KEY_REFUSED: (
        "Gemini does not accept this bot's API key. Please tell the person who runs the bot."
    ),
    Kind.MODEL_UNKNOWN: (
        "Gemini does not know this bot's model. Please tell the person who runs the bot."
    ),
    Kind.BLOCKED: (
        "Gemini's safety rules keep me from reading this. Please try to put it another way."
    ),
    Kind.UNSAFE: (
        "Gemini's safety rules do not let me answer this. Please try to put it another way."
    ),
    Kind.RECITED: (
        "My answer would have repeated a published text. Please ask for it in other words."
    ),
    Kind.UNKNOWN_LANGUAGE: "I do not know this language. Please try another one.",
    Kind.FORBIDDEN: "Google does not let me write about this. Please ask something else.",
    Kind.PERSONAL: (
        "My answer would have contained personal data. Please ask without names and numbers."
    ),
    Kind.TOO_LONG: (
        "I thought about this for so long that no room was left for an answer. Please ask about"
        " a part of it."
    ),
    Kind.EMPTY: "Gemini gave no answer to this. Please try to put it another way.",
    Kind.TOO_SLOW: (
        "Gemini is taking too long at the moment. Please try again{wait}, perhaps with a shorter"
        " question."
    ),
    Kind.UNREACHABLE: "I cannot reach Gemini at the moment. Please try again{wait}.",
    Kind.REJECTED: "Gemini could not work with this. /new_chat and another try may help.",
    Kind.COUNTRY: (
        "Google does not offer Gemini in the country where this bot runs. Please tell the person"
        " who runs the bot."
    ),
    Kind.UNPAID: (
        "This bot's credit with Google is used up. Please tell the person who runs the bot."
    ),
    Kind.NO_QUOTA: (
        "Google does not let this bot use its model, and waiting will not help."
        " Please tell the person who runs the bot."
    ),
}
_NOTES = {
    Ending.TOO_LONG: "(The answer reached its maximum length here.)",
    Ending.UNSAFE: "(Gemini's safety rules ended the answer here.)",
    Ending.RECITED: "(The answer ends here: it began to repeat a published text.)",
    Ending.UNKNOWN_LANGUAGE: "(The answer ends here: I do not know this language.)",
    Ending.FORBIDDEN: "(Google ended the answer here: it does not allow answers about this.)",
    Ending.PERSONAL: "(The answer ends here: personal data would have come next.)",
    Ending.STOPPED: "(Stopped.)",
    Ending.INTERRUPTED: "(The answer broke off here.)",
}

ALONE = (
    "(Gemini would not accept our earlier messages, so I answered this one without them."
    " /new_chat starts a new conversation.)"
)

_WORKING = {
    "get_date_time": "(Looking at the clock…)",
    "get_current_weather": "(Looking at the weather…)",
    "get_forecast_weather": "(Looking at the weather…)",
}


def working(tool: str) -> str:
    """Return what is shown while a function is called for the model."""
    return _WORKING.get(tool, "(Looking something up…)")


def failure(error: GeminiError) -> str:
    """Return the sentence for a call to Gemini that brought no answer."""
    return _FAILURES[error.kind].format(wait=_wait(error.retry_after))


def note(ending: Ending, *, is_alone: bool = False) -> str | None:
    """Return the note below an answer: why it was cut off, or that it lacked the history."""
    notes = [_NOTES.get(ending), ALONE if is_alone else None]
    return "\n".join(filter(None, notes)) or None


def rich_messages(choice: str) -> str:
    """Return when a person gets rich messages, and how that is changed."""
    return f"{RICH_MESSAGES[choice]}\n\n{RICH_MESSAGES_HOW}"


def new_chat(forgotten: int) -> str:
    """Return the sentence for a new conversation after `forgotten` messages."""
    if not forgotten:
        return "New conversation started. What would you like to talk about?"
    messages = "one message" if forgotten == 1 else f"{forgotten} messages"
    return f"New conversation started: I have forgotten {messages}."


def stranger(user_id: int | None, chat_id: int) -> str:
    """Return the sentence for somebody who may not use the bot, with what its operator needs."""
    known = [f"your id is {user_id}"] if user_id else []
    if chat_id != user_id:
        known.append(f"this chat's id is {chat_id}")
    return (
        "Sorry, I only talk to people on my list. The person who runs this bot can add you:"
        f" {' and '.join(known)}."
    )


def ids(author_id: int | None, chat_id: int) -> str:
    """Return the ids that settings and admins' commands refer to.

    The author is a person or the channel they write as; None is an anonymous author.
    """
    where = "" if chat_id == author_id else f" This chat's id is {chat_id}."
    if author_id is None:
        return f"You are writing anonymously, so I cannot see your id.{where}"
    if author_id < 0:
        return f"You are writing as a channel. Its id is {author_id}.{where}"
    return f"Your id is {author_id}.{where}"


def too_many_questions(seconds: float) -> str:
    """Return the sentence for a chat that has used up what it may ask for now."""
    return (
        "That was a lot of questions in a short time, and others want to ask as well."
        f" Please try again{_wait(seconds)}."
    )


def whom(command: str) -> str:
    """Return how an administrator's command is written."""
    return (
        f"Who do you mean? Write /{command} and the id of a person or chat, like /{command} 42,"
        f" or reply with /{command} to a person's message in a group. /users lists ids."
    )


def banned(target: int) -> str:
    """Return the sentence for a ban."""
    return f"{target} is banned and gets no more answers from me. /unban {target} lifts the ban."


def unbanned(target: int, was_banned: bool, may_enter: bool) -> str:
    """Return the sentence for the end of a ban, which is no permission by itself."""
    first = f"{target} is no longer banned." if was_banned else f"{target} was not banned."
    return first if may_enter or not was_banned else f"{first} /allow {target} lets them in."


def allowed(target: int, open_to_everyone: bool) -> str:
    """Return the sentence for a permission."""
    if open_to_everyone:
        return (
            f"{target} is allowed, and so is everyone else who is not banned: neither"
            " ALLOWED_USER_IDS nor ALLOWED_CHAT_IDS is set."
        )
    return f"{target} may use me now{', with all its members' if target < 0 else ''}."


def users(
    lists: Mapping[str, Sequence[int]],
    busiest: Sequence[tuple[int, int]],
    open_to_everyone: bool,
) -> str:
    """Return who may use the bot, who may not, and which chats asked most since yesterday."""
    lines = [f"{title}: {_some(ids)}" for title, ids in lists.items()]
    if open_to_everyone:
        lines.append("Everyone who is not banned may use me.")
    questions = [f"{chat_id}: {_count(count, 'question')}" for chat_id, count in busiest]
    return "\n".join([*lines, "", "Busiest chats of the last day:", *(questions or ["none"])])


def trouble(problem: str) -> str:
    """Return what admins are told when answers begin to fail."""
    return f"I cannot answer at the moment. {problem} I will tell you when I can."


def trouble_over(seconds: float) -> str:
    """Return what admins are told when it is over."""
    return f"I can answer again. The problem lasted {_duration(seconds)}."


def _some(ids: Sequence[int]) -> str:
    """List ids, of many only the first: a message has 4096 characters."""
    more = f" and {len(ids) - LISTED} more" if len(ids) > LISTED else ""
    return (", ".join(map(str, ids[:LISTED])) or "nobody") + more


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _wait(seconds: float | None) -> str:
    """Return the time to wait, rounded up: who tries again then must not be too early."""
    if seconds is None:
        return " in a moment"
    return f" in {_duration(seconds)}" if seconds <= DAY else " another day"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return _count(max(1, math.ceil(seconds)), "second")
    if seconds < 2 * 3600:
        return f"{math.ceil(seconds / 60)} minutes"
    if seconds <= 2 * DAY:
        return f"{math.ceil(seconds / 3600)} hours"
    return (
        f"{math.ceil(seconds / DAY)} days" if seconds <= LONGEST_DURATION else "a very long time"
    )
