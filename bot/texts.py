"""Every sentence that the bot says to people, in one place."""

from bot.gemini import Ending, GeminiError, Kind

START = (
    "Hello! I am an assistant that answers with Google Gemini.\n\n"
    "Write me anything, or send a photo with a question about it. /new_chat starts a new"
    " conversation, /help says what I can do."
)
HELP = (
    "What works:\n"
    "• Write a message: I answer and remember our conversation.\n"
    "• Send a photo, with a question in its caption if you like.\n"
    "• In a group, mention me or reply to one of my messages.\n\n"
    "/new_chat - start a new conversation (I forget the old one)\n"
    "/help - this text"
)
UNSUPPORTED = "Sorry, I can only read text and photos so far. Please send me one of these."
NOTHING_ASKED = "Yes? Write your question in the same message, please."
UNKNOWN_COMMAND = "I don't know this command. /help says what works."
PHOTO_TOO_LARGE = "This photo is too large for me: Telegram gives bots 20 MB at most."
PHOTO_GONE = "Sorry, I could not open this photo. Please send it again."
UNEXPECTED = "Sorry, something went wrong on my side. Please try again."

COMMANDS = {
    "new_chat": "Start a new conversation",
    "help": "What I can do",
}

DESCRIBE_PHOTO = "describe this image"

_FAILURES = {
    Kind.RATE_LIMITED: "I am asked too often right now. Please try again{wait}.",
    Kind.QUOTA_EXHAUSTED: "Today's quota is used up. Please try again tomorrow.",
    Kind.OVERLOADED: "Gemini is overloaded at the moment. Please try again{wait}.",
    Kind.KEY_REFUSED: ("Gemini refuses this bot's key. Please tell the person who runs the bot."),
    Kind.MODEL_UNKNOWN: (
        "Gemini does not know this bot's model. Please tell the person who runs the bot."
    ),
    Kind.BLOCKED: (
        "Gemini's safety rules do not let me answer this. Please try to put it another way."
    ),
    Kind.EMPTY: "Gemini gave no answer to this. Please try to put it another way.",
    Kind.TOO_SLOW: "The answer took too long. Please try again, perhaps with a shorter question.",
    Kind.UNREACHABLE: "I cannot reach Gemini at the moment. Please try again{wait}.",
    Kind.REJECTED: "Gemini could not work with this. /new_chat and another try may help.",
}
_NOTES = {
    Ending.TOO_LONG: "(The answer reached its largest length. Ask me to go on.)",
    Ending.BLOCKED: "(Gemini's safety rules ended the answer here.)",
    Ending.INTERRUPTED: "(The answer broke off here. Please ask again for the rest.)",
}


def failure(error: GeminiError) -> str:
    """Return the sentence for a call to Gemini that brought no answer."""
    return _FAILURES[error.kind].format(wait=_wait(error.retry_after))


def note(ending: Ending) -> str | None:
    """Return what to add to an answer that was cut off; None where it is complete."""
    return _NOTES.get(ending)


def new_chat(forgotten: int) -> str:
    """Return the sentence for a new conversation after `forgotten` messages."""
    if not forgotten:
        return "A new conversation it is. What would you like to talk about?"
    messages = "one message" if forgotten == 1 else f"{forgotten} messages"
    return f"A new conversation it is: I have forgotten {messages}."


def _wait(seconds: float | None) -> str:
    if seconds is None:
        return " in a moment"
    if seconds < 90:
        return f" in {max(1, round(seconds))} seconds"
    return f" in {round(seconds / 60)} minutes"
