"""Examples of everything that Telegram can show, in the Markdown that a model writes."""

from typing import Final

TABLE = """\
The planets of our Sun:

| Planet | Diameter in km | From the Sun in AU |
|:-------|---------------:|-------------------:|
| Mercury | 4,879 | 0.39 |
| Venus | 12,104 | 0.72 |
| **Earth** | **12,756** | **1.00** |
| Mars | 6,792 | 1.52 |
| Jupiter | 142,984 | 5.20 |
| Saturn | 120,536 | 9.58 |
| Uranus | 51,118 | 19.2 |
| Neptune | 49,528 | 30.1 |"""

FORMULA = """\
The solutions of $ax^2 + bx + c = 0$ are

$$x = \\frac{-b \\pm \\sqrt{b^2 - 4ac}}{2a}$$

and the area below the bell curve is

$$\\int_{-\\infty}^{\\infty} e^{-x^2}\\,dx = \\sqrt{\\pi}$$

The shortest of the beautiful ones is $e^{i\\pi} + 1 = 0$."""

CODE = """\
The primes below a limit, by the sieve of Eratosthenes:

```python
def primes(limit: int) -> list[int]:
    is_prime = [True] * limit
    for n in range(2, int(limit**0.5) + 1):
        if is_prime[n]:
            is_prime[n * n :: n] = [False] * len(is_prime[n * n :: n])
    return [n for n in range(2, limit) if is_prime[n]]


print(primes(30))  # [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]
```

Inline it is `primes(30)`."""

LIST = """\
How to make tea:

1. Boil fresh water.
2. Pour it over the leaves:
   - black tea at once,
   - green tea a little cooler.
3. Wait three minutes, and enjoy."""

TASKS = """\
- [x] Start the sandbox
- [x] Ask the bot something
- [ ] Try a photo
- [ ] Press ↻ below an answer
- [ ] Get a real key, and meet Gemini"""

QUOTE = """\
> The only way to have a friend is to be one.
>
> *Ralph Waldo Emerson, 1841*"""

SPOILER = """\
What has keys, but opens no door?

||A piano.||"""

DETAILS = """\
<details><summary>How does an answer get here?</summary>

The page sends an update to the bot's webhook, the bot asks the model, the model **streams** its \
words, and the bot shows them as a draft until all are there.

</details>"""

HEADINGS = """\
# The largest heading

## A smaller one

### And one for a paragraph

With words below it."""

STYLES = """\
**Bold**, *italic*, ***both***, ~~struck through~~, `code` and \
[a link](https://core.telegram.org/bots/api)."""

EXAMPLES: Final = {
    "headings": HEADINGS,
    "styles": STYLES,
    "table": TABLE,
    "formula": FORMULA,
    "code": CODE,
    "tasks": TASKS,
    "list": LIST,
    "quote": QUOTE,
    "spoiler": SPOILER,
    "details": DETAILS,
}

EVERYTHING = "\n\n".join(
    [
        "# One of each",
        "A heading is above, and here are the styles of text:",
        STYLES + " Also <u>underlined</u>, <mark>marked</mark>, H<sub>2</sub>O and"
        " 2<sup>10</sup>.",
        "## Table",
        TABLE,
        "## Formulas",
        FORMULA,
        "## Code",
        CODE,
        "## Lists",
        LIST,
        "## Tasks",
        TASKS,
        "## Quote",
        QUOTE,
        "## Spoiler",
        SPOILER,
        "## Details",
        DETAILS,
        "---",
        "That was everything.",
    ]
)

HELP = """\
I am **not Gemini**: I am the sandbox's built-in model. I never leave this machine, and these \
words make me show what the bot can do:

| Write | and you see |
|:------|:------------|
| table, formula, tasks, headings, details | rich messages |
| code, list, quote, spoiler, styles | what every message can show |
| everything | one of each |
| long, very long | a long answer, and one of several messages |
| time in Tokyo, weather in Rome | a function that is called |
| history | what I remember |
| think, slow | an answer that takes its time: try Stop |
| cut off | an answer with a Continue button |
| refuse, overload, empty | what people read when there is no answer |

Several at once work as well: *a table and a formula*. Or send me a photo."""

GREETING = """\
Hello! I am the sandbox's built-in model, **not Gemini**: I only know a few tricks, but the bot \
around me is the real one.

Ask me for *a table*, *a formula* or *everything*, send a photo, or write *help*."""

CUT_OFF = """\
The months of the year: January, February, March, April, May, June, July, August, September, \
October, November and December. That is all of them: Continue works."""

SLOW = """\
This answer comes slowly, a few words at a time, so that there is a moment to watch the draft \
grow, to look at the calls beside the chat, or to press Stop and see what stays of it."""

THOUGHT = """\
I have thought about it for eight seconds. The answer is **42**, and the question is still open."""

OVER = "I was overloaded for a moment, as you asked. Now I am well again."

SEND_PHOTO = "Send me a photo, by drag and drop or by the paper clip: I say its kind and its size."

THANKS = "You are welcome!"

NO_TIME = "I have no function that tells the time."

NO_WEATHER = """\
I have no function for the weather: the bot offers one with a key of OpenWeatherMap \
(`OWM_API_KEY`). *time in Tokyo* works without."""

NO_MORE = "There is nothing more to say: that was all of it."
