"""The answer as it grows: drafts in private chats, an edited message elsewhere, and Stop."""

import asyncio
import time
from itertools import pairwise

import httpx2
import pytest

from bot import texts
from bot.answers import preview
from bot.rendering.classic import render
from bot.sandbox.faults import Drop, Fault, Flood, HtmlError, Refuse, ServerError, Slow
from bot.sandbox.telegram import TelegramServer
from bot.sandbox.wire import Call
from bot.settings import SECRET_HEADER, load_settings
from bot.telegram.client import DRAFT_PACE
from tests.support.claims import steal
from tests.support.door import Door, Json, OpenDoor
from tests.support.gemini_server import GeminiServer
from tests.support.messages import buttons
from tests.support.processes import running
from tests.support.servers import free_port
from tests.support.telegram_failures import NO_DRAFTS
from tests.support.weather_server import Fault as WeatherFault
from tests.support.weather_server import WeatherServer

TALE = ("Once **upon**", " a time", " there was", " a `queen`", " who was", " clever.")
JITTER = 0.05  # seconds


def drafts(door: Door) -> list[Call]:
    """Return the drafts that Telegram took."""
    return [call for call in door.telegram.calls_of("sendMessageDraft") if call.ok]


def shown(door: Door) -> list[str]:
    """Return the texts of the drafts."""
    return [call.parameters.get("text", "") for call in drafts(door)]


def distances(calls: list[Call]) -> list[float]:
    """Return the seconds between calls."""
    return [later.at - earlier.at for earlier, later in pairwise(calls)]


async def test_an_answer_grows_in_a_draft(door: Door, gemini: GeminiServer) -> None:
    """An empty draft at once ("Thinking…"), then the words as they come; the answer ends it."""
    gemini.answer(*TALE, first=0.3, delay=0.5)
    update = door.question("A story")

    [message] = await door.deliver(update)

    assert message["text"] == render("".join(TALE))[0].text
    first, *others = drafts(door)
    assert first.parameters.get("text", "") == ""
    assert {call.parameters["can_stop"] for call in drafts(door)} == {True}
    assert {call.parameters["draft_id"] for call in drafts(door)} == {update["update_id"]}
    assert len(others) >= 2
    for call in others:
        [whole] = render("".join(TALE))
        assert whole.text.startswith(call.parameters["text"])
        assert call.parameters["entities"][0] == whole.entities[0]
    assert all(len(a) < len(b) for a, b in pairwise(shown(door)))
    assert min(distances(drafts(door))) >= DRAFT_PACE - JITTER
    assert door.telegram.draft(42) is None
    assert door.telegram.calls_of("sendChatAction") == []
    assert [call.method for call in door.telegram.calls][-1] == "sendMessage"


async def test_the_first_words_are_there_within_one_pace(door: Door, gemini: GeminiServer) -> None:
    """However long the model thinks, its first words are not held back."""
    gemini.answer("", "Here it is", " and there", delay=1.6)
    posting = asyncio.create_task(door.post(door.question("Where is it?")))
    await door.telegram.wait_for(lambda: gemini.bodies)
    asked = time.monotonic()

    await door.telegram.wait_for(lambda: "Here it is" in shown(door))

    assert time.monotonic() - asked < 1.6 + DRAFT_PACE + 4 * JITTER
    await posting


async def test_an_answer_at_once_needs_no_draft(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer
) -> None:
    """Nobody would see a draft that the answer replaces as soon as it is there."""
    environment.setattr(preview, "UNNOTICED", 2.0)  # some machines are busy
    gemini.answer("Done.")

    await door.say("Quick")

    [call] = door.telegram.calls
    assert (call.method, call.parameters["text"]) == ("sendMessage", "Done.")


async def test_a_long_silence_keeps_the_draft_alive(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer
) -> None:
    """A draft lives for half a minute: it is sent again, unchanged, before that."""
    environment.setattr(preview, "KEEP_ALIVE", 1.2)
    gemini.answer("Once", " more", first=0.3, delay=3)

    await door.say("A story")

    assert shown(door)[0] == ""
    assert shown(door).count("Once") >= 2
    assert max(distances(drafts(door))) < 1.2 + 4 * JITTER


async def test_what_a_tool_does_is_told(
    opened: OpenDoor,
    gemini: GeminiServer,
    weather: WeatherServer,
) -> None:
    """While a function runs, people read what for; the answer does not hold it."""
    weather.fault = WeatherFault(status=500, delay=1.5)
    gemini.call("get_current_weather", {"city": "Rome"})
    gemini.answer("It is warm")
    async with opened() as door:
        message = await door.say("The weather?")

        assert texts.working("get_current_weather") in shown(door)
        assert message["text"] == "It is warm"


@pytest.mark.usefixtures("classic")
async def test_a_long_answer_shows_its_end(door: Door, gemini: GeminiServer) -> None:
    """A draft holds one message: the one that is being written."""
    words = " ".join(f"word{number}" for number in range(900))
    gemini.answer(words, " and the end", delay=1.5)

    messages = await door.send(text="All of it")

    assert len(messages) == 2
    assert render(words)[-1].text in shown(door)


@pytest.mark.parametrize(
    "fault",
    [HtmlError(502), ServerError(500), Drop(), Slow(8), Refuse(403, "Forbidden: no")],
    ids=lambda fault: type(fault).__name__,
)
async def test_a_preview_that_fails_harms_nothing(
    door: Door, gemini: GeminiServer, fault: Fault
) -> None:
    """Whatever becomes of drafts, the answer comes once, whole, and at most a moment later."""
    door.telegram.faults.add(fault, method="sendMessageDraft", times=None)
    door.telegram.faults.add(fault, method="sendChatAction", times=None)
    gemini.answer("Once upon", " a time", delay=0.3)
    began = time.monotonic()

    [message] = await door.send(text="A story")

    assert message["text"] == "Once upon a time"
    assert time.monotonic() - began < 0.3 + preview.DRAFT_PATIENCE + 4
    assert door.telegram.draft(42) is None
    assert len(door.telegram.calls_of("sendMessage")) == 1


async def test_a_flood_pauses_drafts(door: Door, gemini: GeminiServer) -> None:
    """Telegram's wait is kept, while the model writes on; the answer does not wait for it."""
    door.telegram.faults.add(Flood(2), method="sendMessageDraft", after=1)
    gemini.answer(*TALE, delay=0.6)

    await door.say("A story")

    tried = door.telegram.calls_of("sendMessageDraft")
    refused = next(call for call in tried if not call.ok)
    later = [call.at - refused.at for call in tried if call.at > refused.at]
    assert not later or min(later) >= 2 - JITTER
    [sent] = door.telegram.calls_of("sendMessage")
    assert sent.at - refused.at < 3


async def grow(door: Door, gemini: GeminiServer) -> tuple[Json, "asyncio.Task[object]"]:
    """Ask in a chat without drafts; return the message that grows, and the request."""
    door.telegram.faults.add(NO_DRAFTS, method="sendMessageDraft", times=None)
    gemini.hang(20, "Once upon a time")
    posting: asyncio.Task[object] = asyncio.create_task(door.post(door.question("A story")))
    [message] = await door.telegram.wait_for(door.telegram.sent)
    return message, posting


def press(door: Door, message: Json, user_id: int) -> Json:
    """Press the one button below a message."""
    return door.telegram.press(message, door.telegram.person(user_id))


async def test_a_chat_without_drafts_gets_edits(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer
) -> None:
    """One message grows at a slower pace, and becomes the answer: nothing is sent twice."""
    environment.setattr(preview, "EDIT_PACE", 1.0)
    door.telegram.faults.add(NO_DRAFTS, method="sendMessageDraft", times=None)
    gemini.answer(*TALE, delay=0.8)

    [message] = await door.send(text="A story")

    assert message["text"] == render("".join(TALE))[0].text
    assert buttons(message) == [texts.AGAIN_BUTTON]
    assert len(door.telegram.calls_of("sendMessageDraft")) == 1
    edits = door.telegram.calls_of("editMessageText")
    assert len(edits) >= 2
    assert min(distances(edits[:-1]) or [9]) >= 1.0 - JITTER  # the last one is the answer
    assert await door.messages() == [("user", "A story"), ("model", "".join(TALE))]


async def test_a_short_answer_needs_one_message(door: Door, gemini: GeminiServer) -> None:
    """Where it is complete within a pace there is nothing to edit."""
    door.telegram.faults.add(NO_DRAFTS, method="sendMessageDraft", times=None)
    gemini.answer("Once upon", " a time", delay=0.3)

    await door.say("A story")

    assert len(door.telegram.calls_of("sendMessage")) == 1
    assert door.telegram.calls_of("editMessageText") == []


async def test_the_next_try_goes_on_in_the_same_message(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer
) -> None:
    """An answer that could not be completed takes the place of what had grown."""
    environment.setattr("bot.telegram.client.PAUSES", ())
    environment.setattr(preview, "EDIT_PACE", 0.5)
    door.telegram.faults.add(NO_DRAFTS, method="sendMessageDraft", times=None)
    door.telegram.faults.add(ServerError(502), method="editMessageText", times=None)
    gemini.answer("Once upon", " a time", delay=1)
    update = door.question("A story")
    assert (await door.post(update)).status_code == 503
    assert [message["text"] for message in door.telegram.sent()] == ["Once upon"]
    door.telegram.faults.clear()

    await door.post(update)

    assert [message["text"] for message in door.telegram.sent()] == ["Once upon a time"]
    assert len(gemini.bodies) == 1


async def test_a_message_of_which_nobody_knows_is_not_tried_again(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer
) -> None:
    """A preview that may have arrived is the last one."""
    environment.setattr("bot.telegram.client.PAUSES", ())
    environment.setattr(preview, "EDIT_PACE", 0.3)
    door.telegram.faults.add(NO_DRAFTS, method="sendMessageDraft", times=None)
    door.telegram.faults.add(Drop(), method="sendMessage")
    gemini.answer(*TALE, delay=0.4)

    [message] = await door.send(text="A story")

    assert message["text"] == render("".join(TALE))[0].text
    assert len(door.telegram.calls_of("sendMessage")) == 2


async def test_telegrams_stop_reaches_any_instance(
    door: Door, second: Door, gemini: GeminiServer
) -> None:
    """What was written stays as a message, is stored as cut off, and Gemini is hung up on."""
    gemini.hang(20, "Once upon a time")
    posting = asyncio.create_task(door.post(door.question("A story")))
    await door.telegram.wait_for(lambda: "Once upon a time" in shown(door))
    pressed = time.monotonic()
    stop = door.telegram.update(
        stopped_message_generation={
            "chat": {"id": 42, "type": "private", "first_name": "Ann"},
            "draft_id": drafts(door)[-1].parameters["draft_id"],
        }
    )

    assert (await second.post(stop)).status_code == 200
    assert (await posting).status_code == 200

    assert time.monotonic() - pressed < 2
    [message] = door.telegram.sent()
    assert message["text"] == "Once upon a time\n\n(Stopped.)"
    rows = await door.rows("SELECT role, text, ending FROM chat_message ORDER BY id")
    assert rows == [("user", "A story", None), ("model", "Once upon a time", "STOPPED")]
    await door.telegram.wait_for(lambda: gemini.hangups)
    await door.say("And then?")
    said = [content["parts"][0]["text"] for content in gemini.bodies[-1]["contents"]]
    assert said[1] == "Once upon a time\n\n[This answer was cut off here.]"


@pytest.mark.parametrize("kind", ["private", "group"])
@pytest.mark.slow("waits at people's pace")
async def test_stop_reaches_another_process(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    gemini: GeminiServer,
    migrated_url: str,
    kind: str,
) -> None:
    """The process that writes the answer hears of what another one was told, in two seconds."""
    environment.setenv("DATABASE_URL", migrated_url)
    person, ports = telegram.person(42), [str(free_port()) for _ in range(2)]
    chat = telegram.private_chat(person) if kind == "private" else telegram.group()
    gemini.hang(30, "Once upon a time")
    headers = {SECRET_HEADER: load_settings().webhook_secret or ""}
    command = ["-m", "uvicorn", "bot.app:app", "--port"]
    with running(*command, ports[0]), running(*command, ports[1]):
        async with httpx2.AsyncClient(headers=headers, timeout=60) as client:
            first, second = (f"http://127.0.0.1:{port}/webhook" for port in ports)
            question = telegram.message(chat, person, "/ask a story")
            posting = asyncio.create_task(client.post(first, json=question))
            if kind == "private":
                await telegram.wait_for(lambda: (telegram.draft(42) or {}).get("text"), 30)
                stopped = {"chat": chat, "draft_id": question["update_id"]}
                press = telegram.update(stopped_message_generation=stopped)
            else:
                [growing] = await telegram.wait_for(telegram.sent, 30)
                press = telegram.press(growing, person)
            pressed = time.monotonic()

            assert (await client.post(second, json=press)).status_code == 200
            assert (await posting).status_code == 200

    assert time.monotonic() - pressed < 15  # half of what the model is silent; alone it takes 1.5
    [message] = telegram.sent()
    assert message["text"] == "Once upon a time\n\n(Stopped.)"
    await telegram.wait_for(lambda: gemini.hangups)


async def test_our_button_stops_for_who_asked(
    environment: pytest.MonkeyPatch, door: Door, second: Door, gemini: GeminiServer
) -> None:
    """Where Telegram shows none, the message has a button; it is the asker's alone."""
    environment.setattr(preview, "EDIT_PACE", 0.2)
    message, posting = await grow(door, gemini)

    await second.post(press(door, message, 43))
    assert not posting.done()
    await second.post(press(door, message, 42))
    await posting

    [message] = door.telegram.sent()
    assert message["text"] == "Once upon a time\n\n(Stopped.)"
    assert buttons(message) == [texts.CONTINUE_BUTTON, texts.AGAIN_BUTTON]
    answers = [
        call.parameters.get("text") for call in door.telegram.calls_of("answerCallbackQuery")
    ]
    assert answers == [texts.NOT_YOURS, None]


async def test_an_old_button_is_polite(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer
) -> None:
    """A button whose answer is complete says so."""
    environment.setattr(preview, "EDIT_PACE", 0.2)
    message, posting = await grow(door, gemini)
    query, later = (press(door, message, 42) for _ in range(2))
    await door.post(query)
    await posting

    await door.post(later)

    answers = [
        call.parameters.get("text") for call in door.telegram.calls_of("answerCallbackQuery")
    ]
    assert answers == [None, texts.NOTHING_TO_STOP]


@pytest.mark.slow("waits at people's pace")
async def test_a_group_is_edited_at_its_own_pace(door: Door, gemini: GeminiServer) -> None:
    """There are no drafts in groups: a reply to the question grows, three seconds between."""
    gemini.answer(*TALE, *TALE, first=0.3, delay=0.7)
    group, person = door.telegram.group(), door.telegram.person(42)
    question = door.telegram.message(group, person, "@test_bot a story")

    [message] = await door.deliver(question)

    assert message["text"] == render("".join(TALE + TALE))[0].text
    assert message["reply_to_message"]["message_id"] == question["message"]["message_id"]
    assert door.telegram.calls_of("sendMessageDraft") == []
    assert door.telegram.calls_of("sendChatAction") != []
    writes = door.telegram.calls_of("sendMessage") + door.telegram.calls_of("editMessageText")
    assert len(writes) >= 3
    assert min(distances(writes[:-1])) >= preview.GROUP_PACE - JITTER


async def test_who_was_taken_over_edits_no_more(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer
) -> None:
    """A frozen process that wakes up does not write over what another one has answered."""
    environment.setattr(preview, "EDIT_PACE", 0.2)
    environment.setattr("bot.updates.claims.MARGIN", 2)  # it asks the database each time
    environment.setattr("bot.updates.claims.HEARTBEATS", 1e-9)  # and no heartbeat tells it
    door.telegram.faults.add(NO_DRAFTS, method="sendMessageDraft", times=None)
    with gemini.held("Once upon", " a", " time"):
        posting = asyncio.create_task(door.post(door.question("A story")))
        await door.telegram.wait_for(door.telegram.sent)

        await steal(door)

    assert (await posting).status_code == 503
    assert door.telegram.calls_of("editMessageText") == []
    assert [message["text"] for message in door.telegram.sent()] == ["Once upon"]


async def test_an_answer_whose_place_is_gone_is_sent(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer
) -> None:
    """Whatever keeps the growing message from being changed, the answer arrives."""
    environment.setattr(preview, "EDIT_PACE", 0.2)
    door.telegram.faults.add(NO_DRAFTS, method="sendMessageDraft", times=None)
    refusal = Refuse(400, "Bad Request: MESSAGE_ID_INVALID")
    door.telegram.faults.add(refusal, method="editMessageText", times=None)
    gemini.answer("Once", " upon", " a time", delay=0.5)

    messages = await door.send(text="A story")

    assert messages[-1]["text"] == "Once upon a time"
    assert await door.messages() == [("user", "A story"), ("model", "Once upon a time")]


async def test_a_slow_chat_action_holds_nothing_up(door: Door, gemini: GeminiServer) -> None:
    """Where there are no drafts "typing…" is decoration as well."""
    door.telegram.faults.add(NO_DRAFTS, method="sendMessageDraft", times=None)
    door.telegram.faults.add(Slow(8), method="sendChatAction", times=None)
    gemini.answer("Once upon", " a time", delay=0.3)
    began = time.monotonic()

    await door.say("A story")

    assert time.monotonic() - began < 2


async def test_a_button_stops_its_own_answer_only(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer
) -> None:
    """What is pressed too late does not end the next answer."""
    environment.setattr(preview, "EDIT_PACE", 0.2)
    message, posting = await grow(door, gemini)
    query, late = (press(door, message, 42) for _ in range(2))
    await door.post(query)
    await posting
    gemini.answer("Twice", " upon a time", delay=1.5)
    posting = asyncio.create_task(door.post(door.question("Another")))
    await door.telegram.wait_for(lambda: len(gemini.bodies) == 2)

    await door.post(late)
    await posting

    assert door.telegram.sent()[-1]["text"] == "Twice upon a time"


async def test_an_answer_follows_its_group_while_it_grows(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer
) -> None:
    """What grew in the old group cannot be changed: the answer is sent into the new one."""
    environment.setattr(preview, "GROUP_PACE", 0.3)
    old, new = door.telegram.group(-4242), door.telegram.group(-1001234567890)
    moved = Refuse(
        400,
        "Bad Request: group chat was upgraded to a supergroup chat",
        {"migrate_to_chat_id": new["id"]},
    )
    gemini.answer("Once upon", " a time", delay=1)
    question = door.telegram.message(old, door.telegram.person(42), "/ask a story")
    posting = asyncio.create_task(door.post(question))
    await door.telegram.wait_for(door.telegram.sent)
    door.telegram.faults.add(moved, chat_id=old["id"], times=None)

    assert (await posting).status_code == 200

    assert door.telegram.sent()[-1]["chat"]["id"] == new["id"]
    assert door.telegram.sent()[-1]["text"] == "Once upon a time"
    assert len(await door.messages()) == 2
