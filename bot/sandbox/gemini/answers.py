"""The built-in model's answers: its commands, and a kind word for everything else."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.sandbox.gemini import showcase
from bot.sandbox.gemini.functions import Call, clock_calls, told, weather_calls
from bot.sandbox.gemini.markdown import plain
from bot.sandbox.gemini.numbers import facts
from bot.sandbox.gemini.pictures import look
from bot.sandbox.gemini.question import Question

LONGEST_COMMAND = 12  # words; in a longer text, no word is taken as a command
LONG, VERY_LONG = 60, 360  # numbers, with a paragraph about each
THINKING = 8.0  # seconds
SLOWLY = 1.5  # seconds between two chunks


@dataclass(frozen=True)
class Answer:
    """An answer and its delivery; `ahead` and `between` are seconds added to the usual pauses.

    At most `words` words of the text are sent.
    """

    text: str = ""
    calls: Sequence[Call] = ()
    finish_reason: str = "STOP"
    ahead: float = 0.0
    between: float = 0.0
    words: int | None = None
    is_overloaded: bool = False


Command = Callable[[Question], Answer]

_EXAMPLES = re.compile(
    r"\b(?:"
    r"(?P<headings>headings?|headlines?)|"
    r"(?P<styles>styles?|bold|italics?|strikethrough|links?)|"
    r"(?P<table>tables?)|"
    r"(?P<formula>formulas?|formulae|equations?|maths?)|"
    r"(?P<code>code|program|python)|"
    r"(?P<tasks>(?:tasks?|to-?dos?)(?:[ -]lists?)?|check-?lists?)|"
    r"(?P<list>lists?)|"
    r"(?P<quote>quot(?:e|ation)s?)|"
    r"(?P<spoiler>spoilers?)|"
    r"(?P<details>details)"
    r")\b",
    re.IGNORECASE,
)
_HINTS = ("a table", "a formula", "a long answer", "a task list", "the time in Tokyo", "some code")


def reply(question: Question) -> Answer:
    """Return the answer to a question, always the same one for the same question."""
    if question.results:
        return Answer(told(question.results))
    if question.picture:
        return Answer(_seen(question.picture))
    if len(question.text.split()) > LONGEST_COMMAND and not _GO_ON.search(question.text):
        return _anything(question)
    command = next((do for pattern, do in _COMMANDS if pattern.search(question.text)), _shown)
    return command(question)


def _shown(question: Question) -> Answer:
    """Show an example of each element that is asked for, in that order."""
    names = dict.fromkeys(match.lastgroup for match in _EXAMPLES.finditer(question.text))
    examples = [showcase.EXAMPLES[name] for name in names if name]
    return Answer("\n\n".join(examples)) if examples else _anything(question)


def _anything(question: Question) -> Answer:
    count = _remembered(question)
    before = "no message" if not count else "one message" if count == 1 else f"{count} messages"
    you = f"{plain(question.speaker)}, you" if question.speaker else "You"
    return Answer(
        f"{you} wrote “{plain(question.text)}”. I am the sandbox's built-in model, **not"
        f" Gemini**: I cannot say anything clever about that, but I do remember {before} before"
        f" it.\n\nAsk me for *{_HINTS[count // 2 % len(_HINTS)]}*, or write *help*."
    )


def _remembered(question: Question) -> int:
    return len(question.said("user")) + len(question.said("model"))


def _history(question: Question) -> Answer:
    asked, answered = question.said("user"), question.said("model")
    if not asked:
        return Answer("This is the first message of our conversation: I remember nothing yet.")
    seen = question.pictures()
    pictures = f" (with {_count(seen, 'picture')})" if seen else ""
    last = f", and your last question was “{plain(asked[-1], 60)}”" if asked[1:] else ""
    return Answer(
        f"I was given {_count(len(asked) + len(answered), 'message')} before this one:"
        f" {len(asked)} of yours{pictures} and {len(answered)} of mine.\n\n"
        f"You began with “{plain(asked[0], 60)}”{last}. /new\\_chat makes me forget."
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _seen(picture: bytes) -> str:
    kind, size = look(picture)
    pixels = f", **{size[0]} \N{MULTIPLICATION SIGN} {size[1]} pixels**" if size else ""
    what = (
        "a picture of a kind that I do not know" if kind == "unknown" else f"a **{kind}** picture"
    )
    return (
        f"This is {what}{pixels}, {_count(len(picture), 'byte')}.\n\nI read no more than its"
        " first bytes; Gemini would look at all of it, and answer the question in its caption."
    )


def _numbers(last: int) -> Answer:
    beginning = f"Here is something about each number from 1 to {last}."
    return Answer("\n\n".join([beginning, *map(facts, range(1, last + 1))]))


def _go_on(question: Question) -> Answer:
    """Return the rest of the last answer, which was cut off."""
    asked, said = question.previous(), question.said("model")
    if not asked or not said:
        return Answer(showcase.NO_MORE)
    whole, beginning = reply(asked).text, said[-1]
    words = beginning.split()
    if whole.split()[: len(words)] != words:
        return Answer(showcase.NO_MORE)
    rest = whole[_end_of(len(words), whole) :]
    fence = re.findall(r"^```\w*$", whole[: len(whole) - len(rest)], re.MULTILINE)
    opened = f"{fence[-1]}\n" if len(fence) % 2 else ""
    return Answer(opened + rest if rest else showcase.NO_MORE)


def _end_of(count: int, text: str) -> int:
    """Return the position after the first `count` words and the white space that follows."""
    ends = [match.end() for match in re.finditer(r"\S+\s*", text)]
    return ends[count - 1]


def _clock(question: Question) -> Answer:
    calls = clock_calls(question)
    return Answer(calls=calls) if calls else Answer(showcase.NO_TIME)


def _weather(question: Question) -> Answer:
    calls = weather_calls(question)
    return Answer(calls=calls) if calls else Answer(showcase.NO_WEATHER)


def _always(answer: Answer) -> Command:
    return lambda _: answer


def _say(text: str) -> Command:
    return _always(Answer(text))


def _command(anywhere: str = "", alone: str = "") -> re.Pattern[str]:
    """Return a pattern of words that are a command anywhere in a text, or only when alone."""
    patterns = []
    if anywhere:
        patterns.append(rf"\b(?:{anywhere})\b")
    if alone:
        patterns.append(rf"\A\W*(?:(?:{_LEADING})\s+)*(?:{alone})(?:\s+(?:{_TRAILING}))*\W*\Z")
    return re.compile("|".join(patterns), re.IGNORECASE)


_LEADING = "please|can|could|you|show|give|send|write|make|tell|be|me|us|an?|the|some|your"
_TRAILING = "please|answer|now|there|bot"
_GO_ON = _command(
    "go on exactly where your last answer was cut off", "go on|continue|more|and then"
)
_COMMANDS: Sequence[tuple[re.Pattern[str], Command]] = (
    (_GO_ON, _go_on),
    (
        _command(
            "what can (?:you|i)|what do you know|can you help|who are you|are you gemini",
            "/?help|help me|commands?",
        ),
        _say(showcase.HELP),
    ),
    (_command("refus(?:e|al)"), _always(Answer(finish_reason="SAFETY"))),
    (_command("overload(?:ed)?"), _always(Answer(showcase.OVER, is_overloaded=True))),
    (_command("empty answer|say nothing", "empty|nothing"), _always(Answer())),
    (
        _command("cut[ -]?off"),
        _always(Answer(showcase.CUT_OFF, finish_reason="MAX_TOKENS", words=12)),
    ),
    (
        _command("think (?:about|hard|long|first)", "think"),
        _always(Answer(showcase.THOUGHT, ahead=THINKING)),
    ),
    (
        _command("slow answer|answer slowly", "slow(?:ly)?"),
        _always(Answer(showcase.SLOW, between=SLOWLY)),
    ),
    (_command("(?:very|really) long|several messages"), lambda _: _numbers(VERY_LONG)),
    (_command("long (?:answer|text|message|one)", "long"), lambda _: _numbers(LONG)),
    (
        _command("you remember|what did i (?:say|ask|write)", "history|remember|memory"),
        _history,
    ),
    (_command("weather"), _weather),
    (_command("what time|time (?:is it|in|now)|what(?:'s| is) the (?:time|date)", "time"), _clock),
    (_command(alone="photo|picture|image"), _say(showcase.SEND_PHOTO)),
    (_command("one of each", "everything|all"), _say(showcase.EVERYTHING)),
    (
        _command(alone="hi|hello|hey|good (?:morning|day|afternoon|evening)"),
        _say(showcase.GREETING),
    ),
    (_command(alone="thanks|thank you(?: very much)?"), _say(showcase.THANKS)),
)
