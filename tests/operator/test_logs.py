"""What the log says, and what it never says."""

import html
import json
import logging
import re
import time
import traceback
from collections.abc import Callable, Iterator
from itertools import count
from urllib.parse import quote, quote_plus

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from bot.logs.configure import OURS, configure_logging
from bot.logs.errors import origin
from bot.logs.redaction import Redaction, redact
from db.engine import open_engine
from tests.support.door import OpenDoor

LIBRARIES = ("aiosqlite", "aiohttp.access", "google_genai.models")
NOISY = ("aiogram.event", "alembic.runtime.plugins.setup", "alembic.runtime.migration")


@pytest.fixture(autouse=True)
def levels() -> Iterator[None]:
    """Give the loggers back the levels that they had, and the records their secrets."""
    factory = logging.getLogRecordFactory()
    logging.setLogRecordFactory(logging.LogRecord)
    loggers = [logging.getLogger(name) for name in (None, *OURS)]
    before = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)
    logging.setLogRecordFactory(factory)


@pytest.mark.usefixtures("gemini")
async def test_nobodys_words_are_logged(
    opened: OpenDoor,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With every line that there is, neither question nor answer nor history is in the log."""
    async with opened(LOG_LEVEL="DEBUG") as door:
        await door.say("Where is the secret garden?")
        assert (await door.say("And the key?"))["text"] == "You said: And the key?"
        logging.getLogger("bot.chat.conversation").debug("our own line")
        said = caplog.text
        stored = await door.messages()

    assert len(stored) == 4
    assert "our own line" in said
    assert "is handled" in said
    assert "garden" not in said
    assert "the key" not in said


@pytest.mark.parametrize(
    ("level", "ours", "libraries", "noisy"),
    [
        ("DEBUG", "DEBUG", "INFO", "WARNING"),
        ("INFO", "INFO", "INFO", "WARNING"),
        ("WARNING", "WARNING", "WARNING", "WARNING"),
        ("ERROR", "ERROR", "ERROR", "ERROR"),
    ],
)
def test_the_level_is_for_our_own_lines(level: str, ours: str, libraries: str, noisy: str) -> None:
    """DEBUG is ours alone; to be quieter holds for all."""
    configure_logging(level, [])

    for names, expected in (
        (("bot.runtime", "db.settings", "migrations.env"), ours),
        (LIBRARIES, libraries),
        (NOISY, noisy),
    ):
        effective = {logging.getLogger(name).getEffectiveLevel() for name in names}
        assert {logging.getLevelName(number) for number in effective} == {expected}


async def test_the_origin_of_an_error_quotes_no_row(database_url: str) -> None:
    """A refused row is told by type, code and place; what stood in it is not."""
    insert = text("INSERT INTO t (a) VALUES (:a)")
    row = {"a": "Where is the secret garden?"}
    async with open_engine(database_url) as engine, engine.connect() as connection:
        await connection.execute(text("CREATE TABLE t (a TEXT, b TEXT NOT NULL)"))
        with pytest.raises(IntegrityError) as caught:
            await connection.execute(insert, row)

    told = origin(caught.value)

    code = "SQLITE_CONSTRAINT_NOTNULL" if "sqlite" in database_url else "23502"
    assert told.startswith("IntegrityError\n")
    assert f"Error {code}\n" in told
    assert "in test_the_origin_of_an_error_quotes_no_row\n" in told
    assert "NOT NULL" not in told
    assert "garden" not in told


def test_the_origin_names_the_causes() -> None:
    """Causes and what was being handled are named, the last first; what was hidden is not."""
    names = (RuntimeError, KeyError, ValueError, OSError)
    last, cause, handled, hidden = (name("secret garden") for name in names)
    last.__cause__, cause.__context__, handled.__context__ = cause, handled, hidden
    handled.__suppress_context__ = True

    assert origin(last) == "RuntimeError\nfrom KeyError\nfrom ValueError"


def test_the_origin_of_a_ring_ends() -> None:
    """Causes that lead back to the error are told once."""
    error, cause = RuntimeError("x"), ValueError("y")
    error.__cause__, cause.__cause__ = cause, error

    assert origin(error) == "RuntimeError\nfrom ValueError"


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("too many", ("hush-hush",)),
        ("%d is no number", ("hush-hush",)),
        ("hush-hush and %s and %s", ("one",)),
        ("%(other)s", ({"name": "hush-hush"},)),
    ],
)
def test_a_wrong_log_call_breaks_nothing(
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    message: str,
    arguments: tuple[object, ...],
) -> None:
    """A call that does not fit its format is a line as well, without the secret in it."""
    configure_logging("INFO", ["hush-hush"])

    try:
        int("hush-hush")
    except ValueError:
        logging.getLogger("bot").error(message, *arguments)  # noqa: TRY400 - it has a context

    assert "A wrong log call" in caplog.text
    assert "***" in caplog.text
    assert "hush" not in caplog.text + "".join(capfd.readouterr())


PASSWORD = "p@ss w'\xf6\"rd/%x\\y<&+"


@pytest.mark.parametrize(
    "spell",
    [
        str,
        quote,
        quote_plus,
        lambda text: quote(text, safe=""),
        lambda text: quote(text, safe=" +"),
        lambda text: re.sub("%..", lambda match: match[0].lower(), quote(text)),
        repr,
        ascii,
        lambda text: repr(repr(text)),
        lambda text: repr(text.encode()),
        json.dumps,
        html.escape,
    ],
    ids=count(),
)
def test_a_secret_is_known_in_every_spelling(spell: Callable[[str], str]) -> None:
    """URLs, Python, JSON and HTML write odd characters in ways of their own."""
    text = f"before {spell(PASSWORD)} after"

    redacted = Redaction([PASSWORD]).redact(text)

    assert re.fullmatch(r"before b?['\"\\]*\*\*\*['\"\\]* after", redacted)


def test_text_that_is_hard_to_search_takes_no_time() -> None:
    """What strangers may put into a line does not hold the bot up."""
    redaction = Redaction([PASSWORD, "\\\\-", "123456:AAE"])
    started = time.perf_counter()

    for piece in ("\\", "%", "1", "p", "123456:", "%25"):
        redaction.redact(piece * 20_000)

    assert time.perf_counter() - started < 2


def test_handlers_of_later_get_no_secret(capfd: pytest.CaptureFixture[str]) -> None:
    """A handler that somebody adds afterwards writes no secret, in whatever way of its own."""

    class Raw(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            print(vars(record))  # noqa: T201 - as some formatter may
            if record.exc_info:
                traceback.print_exception(record.exc_info[1])

    configure_logging("INFO", ["hush-hush"])
    handler = Raw()
    logging.getLogger().addHandler(handler)
    try:
        int("hush-hush")
    except ValueError as error:
        logging.getLogger("some.library").exception("it is %s", error)  # noqa: TRY401 - so they do
    finally:
        logging.getLogger().removeHandler(handler)

    output = "".join(capfd.readouterr())
    assert "it is invalid literal for int() with base 10: '***'" in output
    assert "'exc_info': None" in output
    assert "hush" not in output


def test_settings_of_later_take_the_place_of_earlier_ones() -> None:
    """To configure the log again changes the secrets, and piles nothing up."""
    configure_logging("INFO", ["one-secret"])
    configure_logging("INFO", ["other-secret"])

    assert redact("one-secret other-secret") == "one-secret ***"
    factory = logging.getLogRecordFactory()
    assert isinstance(factory, Redaction)
    assert factory.make_record is logging.LogRecord
