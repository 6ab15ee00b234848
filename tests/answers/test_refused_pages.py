"""Pages that Telegram refuses: tried in simpler forms, told to people, and sent once it can be."""

import json
import logging

import pytest

from bot import texts
from bot.sandbox.faults import Drop, Fault, HtmlError, Refuse, ServerError
from tests.support.door import Door, Json
from tests.support.gemini_server import GeminiServer
from tests.support.messages import buttons, read

ANN = 42
WORDS = [f"word{number}" for number in range(1500)]  # four classic messages
LONG = " ".join(WORDS)
FORBIDDEN = Refuse(403, "Forbidden: bot was blocked by the user")
REFUSALS = [
    Refuse(400, "Bad Request: message is too long"),
    FORBIDDEN,
    Refuse(404, "Not Found"),
    Refuse(413, "Request Entity Too Large"),
]
by_code = pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: str(refusal.code))
on_sqlite = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
pytestmark = pytest.mark.usefixtures("classic")


@pytest.fixture(autouse=True)
def short_pauses(environment: pytest.MonkeyPatch) -> None:
    """Try again soon."""
    environment.setattr("bot.telegram.client.PAUSES", (0.01, 0.01))


def press(door: Door, message: Json, label: str) -> Json:
    """Return the update of a pressed button."""
    return door.telegram.press(message, door.telegram.person(ANN), label)


def words_of(door: Door) -> list[str]:
    """Return what people read in all standing messages, word by word."""
    return " ".join(map(read, door.telegram.sent())).split()


def buttons_of(door: Door) -> list[list[str]]:
    """Return the buttons below each standing message."""
    return list(map(buttons, door.telegram.sent()))


async def stored(door: Door) -> list[tuple[str, str | None]]:
    """Return text and ending of all stored answers."""
    rows = await door.rows("SELECT text, ending FROM chat_message WHERE role = 'model'")
    return [(text, ending) for text, ending in rows]


async def is_shown_by_all(door: Door) -> bool:
    """Tell whether the messages of the one stored answer are all that stand there."""
    statement = "SELECT CAST(message_ids AS TEXT) FROM chat_message WHERE role = 'model'"
    [[ids]] = await door.rows(statement)
    return bool(json.loads(ids) == [message["message_id"] for message in door.telegram.sent()])


@pytest.mark.parametrize("page", [0, 1, 3], ids=["first", "second", "last"])
@by_code
@on_sqlite
async def test_a_refused_page_comes_in_smaller_ones(
    door: Door, gemini: GeminiServer, refusal: Refuse, page: int
) -> None:
    """The answer is whole and in order, with its buttons below the last message alone."""
    gemini.answer(LONG)
    door.telegram.faults.add(refusal, method="sendMessage", after=page)

    messages = await door.send(text="Tell me all")

    assert words_of(door) == WORDS
    assert len(messages) >= 4
    assert len(door.telegram.calls_of("sendMessage")) == len(messages) + 1
    assert buttons_of(door) == [[]] * (len(messages) - 1) + [[texts.AGAIN_BUTTON]]
    assert await stored(door) == [(LONG, None)]
    assert await is_shown_by_all(door)


async def test_a_page_that_is_refused_for_its_formatting_comes_plain(
    door: Door, gemini: GeminiServer
) -> None:
    """Whatever Telegram says of it."""
    gemini.answer("This is **bold**")
    door.telegram.faults.add(Refuse(400, "Bad Request: STYLE_INVALID"), method="sendMessage")

    [message] = await door.send(text="Tell me")

    assert (message["text"], message.get("entities")) == ("This is bold", None)


@by_code
async def test_what_is_refused_in_each_form_is_told_and_sent_later(
    door: Door, gemini: GeminiServer, refusal: Refuse
) -> None:
    """A note says so below what people have read; Continue puts the rest in its place, once."""
    gemini.answer(LONG)
    door.telegram.faults.add(refusal, method="sendMessage", after=1, times=2)
    messages = await door.send(text="Tell me all")
    assert [message["text"] for message in messages[1:]] == [texts.NOT_ALL_SENT]
    assert buttons_of(door) == [[], [texts.CONTINUE_BUTTON, texts.AGAIN_BUTTON]]
    assert await stored(door) == [(LONG, "INTERRUPTED")]
    assert await is_shown_by_all(door)

    await door.deliver(press(door, messages[-1], texts.CONTINUE_BUTTON))

    assert words_of(door) == WORDS
    assert len(gemini.requests) == 1
    assert await stored(door) == [(LONG, None)]
    assert await is_shown_by_all(door)
    assert buttons_of(door)[-1] == [texts.AGAIN_BUTTON]
    assert not any(buttons_of(door)[:-1])


@by_code
async def test_a_chat_that_takes_no_message_has_its_button_below_the_last_one(
    door: Door, gemini: GeminiServer, caplog: pytest.LogCaptureFixture, refusal: Refuse
) -> None:
    """Nothing is left of it once the rest was sent; what was read is not sent again."""
    gemini.answer(LONG)
    door.telegram.faults.add(refusal, method="sendMessage", after=1, times=None)
    [message] = await door.send(text="Tell me all")
    tried = len(door.telegram.calls_of("sendMessage"))
    assert tried <= 4
    assert "Chat 42 got 1 of " in caplog.text
    [message] = door.telegram.sent()
    assert buttons(message) == [texts.CONTINUE_BUTTON, texts.AGAIN_BUTTON]
    assert await stored(door) == [(LONG, "INTERRUPTED")]

    await door.deliver(press(door, message, texts.CONTINUE_BUTTON))  # still refused
    [message] = door.telegram.sent()
    assert buttons(message) == [texts.CONTINUE_BUTTON, texts.AGAIN_BUTTON]
    door.telegram.faults.clear()
    await door.deliver(press(door, message, texts.CONTINUE_BUTTON))

    assert words_of(door) == WORDS
    assert len(gemini.requests) == 1
    assert await stored(door) == [(LONG, None)]
    assert await is_shown_by_all(door)
    assert not any(buttons_of(door)[:-1])


@on_sqlite
async def test_the_note_stands_within_a_page_that_has_room(
    door: Door, gemini: GeminiServer
) -> None:
    """Where no message of its own is taken; the page is itself again once the rest was sent."""
    lines = ["a" * 3000, "b" * 3000]
    gemini.answer("\n\n".join(lines))
    door.telegram.faults.add(FORBIDDEN, method="sendMessage", after=1, times=None)
    await door.send(text="Tell me all")
    [message] = door.telegram.sent()
    assert message["text"] == f"{lines[0]}\n\n{texts.NOT_ALL_SENT}"

    door.telegram.faults.clear()
    await door.deliver(press(door, message, texts.CONTINUE_BUTTON))

    assert "".join(words_of(door)) == "".join(lines)
    assert not any(buttons_of(door)[:-1])


@by_code
async def test_an_answer_that_is_refused_is_excused(
    door: Door, gemini: GeminiServer, refusal: Refuse
) -> None:
    """Where the chat takes a sentence, it has a button to ask once more."""
    gemini.answer("Rome")
    gemini.answer("Rome, again")
    door.telegram.faults.add(refusal, method="sendMessage", times=2)
    [excuse] = await door.send(text="Tell me")
    assert (excuse["text"], buttons(excuse)) == (texts.NOT_TAKEN, [texts.RETRY_BUTTON])
    assert await door.messages() == []

    await door.deliver(press(door, excuse, texts.RETRY_BUTTON))

    assert words_of(door) == ["Rome,", "again"]
    assert await door.messages() == [("user", "Tell me"), ("model", "Rome, again")]


@on_sqlite
async def test_a_chat_that_takes_nothing_is_given_up(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    """After few tries, with one line for the operator; the next question is answered."""
    caplog.set_level(logging.WARNING)
    door.telegram.faults.add(FORBIDDEN, times=None)

    assert await door.send(text="Hello") == []

    assert len(door.telegram.calls_of("sendMessage")) == 3
    [line] = [
        record.getMessage() for record in caplog.records if record.name.endswith("update_log")
    ]
    assert "is refused by Telegram (Forbidden: bot was blocked by the user)" in line
    assert await door.messages() == []
    door.telegram.faults.clear()
    assert (await door.say("Hello?"))["text"] == "You said: Hello?"


@pytest.mark.parametrize("fault", [ServerError(502), HtmlError(502), Drop()], ids=str)
async def test_smaller_pages_go_on_where_they_broke_off(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer, fault: Fault
) -> None:
    """The next try knows which pages were made smaller: no word is lost or doubled."""
    environment.setattr("bot.telegram.client.PAUSES", ())
    gemini.answer(LONG)
    door.telegram.faults.add(REFUSALS[0], method="sendMessage", after=1)
    door.telegram.faults.add(fault, method="sendMessage", after=4)
    update = door.question("Tell me all")
    assert (await door.post(update)).status_code == 503
    assert 0 < len(words_of(door)) < len(WORDS)

    await door.deliver(update)

    assert words_of(door) == WORDS
    assert len(gemini.requests) == 1
    assert await is_shown_by_all(door)


async def test_a_rest_goes_on_where_it_broke_off(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer
) -> None:
    """A press of Continue that comes again begins neither with the rest nor with the model."""
    environment.setattr("bot.telegram.client.PAUSES", ())
    gemini.answer(LONG)
    door.telegram.faults.add(FORBIDDEN, method="sendMessage", after=1, times=2)
    *_, note = await door.send(text="Tell me all")
    door.telegram.faults.add(ServerError(502), method="sendMessage", after=1)
    update = press(door, note, texts.CONTINUE_BUTTON)
    assert (await door.post(update)).status_code == 503

    await door.deliver(update)

    assert words_of(door) == WORDS
    assert len(gemini.requests) == 1
    assert await stored(door) == [(LONG, None)]
    assert await is_shown_by_all(door)


@pytest.mark.parametrize(
    "fault", [Refuse(401, "Unauthorized"), Refuse(409, "Conflict"), HtmlError(403)], ids=str
)
@on_sqlite
async def test_no_refusal_cuts_an_answer_off_for_now(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer, fault: Fault
) -> None:
    """A refused token, a conflict or a proxy's page in the middle: the rest comes later."""
    environment.setattr("bot.telegram.client.PAUSES", ())
    gemini.answer(LONG)
    door.telegram.faults.add(fault, method="sendMessage", after=2)
    update = door.question("Tell me all")
    assert (await door.post(update)).status_code == 503

    await door.deliver(update)

    assert words_of(door) == WORDS
    assert await stored(door) == [(LONG, None)]


@on_sqlite
async def test_a_token_that_telegram_does_not_know_is_no_refusal(
    door: Door, gemini: GeminiServer
) -> None:
    """404 to all methods is about the token: the answer waits for the operator."""
    gemini.answer("Rome")
    door.telegram.faults.add(Refuse(404, "Not Found"), times=None)
    update = door.question("Tell me")
    response = await door.post(update)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "60")

    door.telegram.faults.clear()
    await door.deliver(update)

    assert words_of(door) == ["Rome"]


async def test_a_new_answer_that_is_refused_in_the_middle_leaves_nothing_of_the_old_one(
    door: Door, gemini: GeminiServer
) -> None:
    """The note takes the place of the old answer's second page, the others are taken away."""
    gemini.answer(" ".join(f"old{number}" for number in range(1500)))
    gemini.answer(LONG)
    old = await door.send(text="Tell me all")
    door.telegram.faults.add(
        Refuse(400, "Bad Request: NO"), method=["editMessageText"], after=1, times=2
    )
    door.telegram.faults.add(Refuse(400, "Bad Request: NO"), method="sendMessage", times=2)

    await door.deliver(press(door, old[-1], texts.AGAIN_BUTTON))

    *_, note = door.telegram.sent()
    assert [message["message_id"] for message in door.telegram.sent()] == [
        message["message_id"] for message in old[:2]
    ]
    assert note["text"] == texts.NOT_ALL_SENT
    await door.deliver(press(door, note, texts.CONTINUE_BUTTON))
    assert words_of(door) == WORDS
    assert await stored(door) == [(LONG, None)]


async def test_the_rest_of_a_continued_answer(door: Door, gemini: GeminiServer) -> None:
    """What Continue brought and Telegram did not take is the end of one answer."""
    gemini.answer("To begin with,", finish_reason="MAX_TOKENS")
    gemini.answer(LONG)
    first = await door.say("Tell me all")
    door.telegram.faults.add(FORBIDDEN, method="sendMessage", after=2, times=2)
    await door.deliver(press(door, first, texts.CONTINUE_BUTTON))
    whole = f"To begin with, {LONG}"
    assert await stored(door) == [(whole, "INTERRUPTED")]

    await door.deliver(press(door, door.telegram.sent()[-1], texts.CONTINUE_BUTTON))

    assert words_of(door)[-len(WORDS) :] == WORDS
    assert await stored(door) == [(whole, None)]
    assert await is_shown_by_all(door)
    assert len(gemini.requests) == 2


async def test_an_answer_that_was_cut_off_before_it_was_refused(
    door: Door, gemini: GeminiServer
) -> None:
    """Once people have all that there was, Continue asks the model to go on."""
    gemini.answer(LONG, finish_reason="MAX_TOKENS")
    gemini.answer("The end.")
    door.telegram.faults.add(FORBIDDEN, method="sendMessage", after=1, times=2)
    *_, note = await door.send(text="Tell me all")
    await door.deliver(press(door, note, texts.CONTINUE_BUTTON))
    assert await stored(door) == [(LONG, "TOO_LONG")]

    await door.deliver(press(door, door.telegram.sent()[-1], texts.CONTINUE_BUTTON))

    assert len(gemini.requests) == 2
    assert read(door.telegram.sent()[-1]) == "The end."


@on_sqlite
async def test_a_question_that_is_asked_anew_does_not_send_the_old_rest(
    door: Door, gemini: GeminiServer
) -> None:
    """Neither an edit nor the next question finds a question in it."""
    gemini.answer(LONG)
    gemini.answer("Short")
    door.telegram.faults.add(FORBIDDEN, method="sendMessage", after=1, times=2)
    question = door.question("Tell me all")
    await door.deliver(question)

    await door.deliver(door.telegram.edit(question, "Tell me little"))

    assert words_of(door) == ["Short"]
    await door.say("And then?")
    [said] = await door.deliver(door.telegram.edit(question, "Tell me nothing"))
    assert said["text"] == texts.ONLY_THE_LAST
    assert len(gemini.requests) == 3


@on_sqlite
async def test_a_rich_answer_that_is_refused_in_the_middle_in_each_form(
    door: Door, gemini: GeminiServer
) -> None:
    """It becomes classic, then small, then a note; Continue goes on with small classic ones."""
    await door.say("/rich on")
    words = [f"word{number}" for number in range(9000)]
    gemini.answer(" ".join(words))
    door.telegram.faults.add(FORBIDDEN, method="sendRichMessage", after=1, times=None)
    door.telegram.faults.add(FORBIDDEN, method="sendMessage", after=1, times=2)
    await door.send(text="Tell me all")
    *_, note = door.telegram.sent()
    assert note["text"] == texts.NOT_ALL_SENT

    await door.deliver(press(door, note, texts.CONTINUE_BUTTON))

    assert " ".join(map(read, door.telegram.sent()[1:])).split() == words
    assert await stored(door) == [(" ".join(words), None)]


@pytest.mark.parametrize(
    "description", ["message thread not found", "TOPIC_DELETED", "Message Thread Not Found"]
)
@on_sqlite
async def test_a_topic_that_is_deleted_in_the_middle_of_an_answer(
    door: Door, gemini: GeminiServer, description: str
) -> None:
    """The rest comes without it, still as a reply; the topic is asked for once."""
    gemini.answer(LONG)
    telegram, ann = door.telegram, door.telegram.person(ANN)
    forum = telegram.group(is_forum=True)
    created = {"name": "Words", "icon_color": 7322096}
    topic = telegram.open_topic(forum, ann, created)["message"]["message_id"]
    question = telegram.message(
        forum, ann, "/ask all", message_thread_id=topic, is_topic_message=True
    )
    gone = Refuse(400, f"Bad Request: {description}")
    telegram.faults.add(gone, method="sendMessage", after=1)

    await door.deliver(question)

    assert words_of(door) == WORDS
    calls = [call.parameters for call in telegram.calls_of("sendMessage")]
    assert [call.get("message_thread_id") for call in calls] == [topic] * 2 + [None] * 3
    replied = {call["reply_parameters"]["message_id"] for call in calls}
    assert replied == {question["message"]["message_id"]}


@pytest.mark.parametrize(
    "description", ["message to be replied not found", "reply message not found"]
)
@on_sqlite
async def test_a_question_that_is_gone(door: Door, description: str) -> None:
    """An own server of last year's may know no sending without it: the answer is no reply then."""
    telegram, ann = door.telegram, door.telegram.person(ANN)
    telegram.faults.add(Refuse(400, f"Bad Request: {description}"), method="sendMessage")

    [message] = await door.deliver(telegram.message(telegram.group(), ann, "/ask this"))

    assert "reply_to_message" not in message
    assert len(telegram.calls_of("sendMessage")) == 2
