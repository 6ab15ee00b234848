"""Answers anew: the buttons below an answer, and edited questions."""

import asyncio
import json
import time
from typing import Any

import pytest

from bot import texts
from bot.answers import preview
from bot.chat.history import GO_ON
from bot.gemini import Ending
from bot.sandbox.faults import Drop, Flood, Refuse, ServerError
from bot.sandbox.telegram import TelegramServer
from tests.support.door import Door, Json, OpenDoor
from tests.support.gemini_server import GeminiServer
from tests.support.messages import buttons
from tests.support.presses import acknowledge, answers_to_presses, press

ANN, BOB = 42, 43


async def shown_by(door: Door) -> list[int]:
    """Return the ids of the messages that show the one stored answer."""
    statement = "SELECT CAST(message_ids AS TEXT) FROM chat_message WHERE role = 'model'"
    [[ids]] = await door.rows(statement)
    return list(json.loads(ids))


def contents(gemini: GeminiServer) -> list[str]:
    """Return what the model was told last, turn by turn."""
    return [content["parts"][0]["text"] for content in gemini.bodies[-1]["contents"]]


async def test_a_new_answer_takes_the_place_of_the_old_one(
    door: Door, gemini: GeminiServer
) -> None:
    """The model does not see the answer that gives way; the history and the chat hold one."""
    for text in ("Hello, Ann.", "It is noon.", "Twelve o'clock."):
        gemini.answer(text)
    await door.say("I am Ann")
    old = await door.say("What time is it?")
    assert buttons(old) == [texts.AGAIN_BUTTON]

    assert await door.deliver(press(door, old, texts.AGAIN_BUTTON)) == []

    assert contents(gemini) == ["I am Ann", "Hello, Ann.", "What time is it?"]
    new = door.telegram.sent()[-1]
    assert (new["message_id"], new["text"]) == (old["message_id"], "Twelve o'clock.")
    assert buttons(new) == [texts.AGAIN_BUTTON]
    assert await door.messages() == [
        ("user", "I am Ann"),
        ("model", "Hello, Ann."),
        ("user", "What time is it?"),
        ("model", "Twelve o'clock."),
    ]
    assert await answers_to_presses(door) == [None]


async def test_only_the_last_answer_has_buttons(door: Door) -> None:
    """The next answer takes them off the one before."""
    first = await door.say("One")
    second = await door.say("Two")

    assert [buttons(message) for message in door.telegram.sent()] == [[], [texts.AGAIN_BUTTON]]
    assert [first["text"], second["text"]] == [m["text"] for m in door.telegram.sent()]


async def test_a_photo_is_looked_at_anew(door: Door, gemini: GeminiServer) -> None:
    """The picture goes along again, by its file id."""
    gemini.answer("A cat")
    gemini.answer("A lynx")
    [old] = await door.send(photo=b"\xff\xd8\xff", caption="What is this?")

    await door.deliver(press(door, old, texts.AGAIN_BUTTON))

    parts = gemini.bodies[-1]["contents"][-1]["parts"]
    assert ["inlineData" in part for part in parts] == [True, False]
    assert [message["text"] for message in door.telegram.sent()] == ["A lynx"]


@pytest.mark.usefixtures("classic")
@pytest.mark.parametrize(("before", "after"), [(2000, 3), (3, 2000), (2000, 2000)])
async def test_an_answer_of_another_length_leaves_no_rest(
    door: Door, gemini: GeminiServer, before: int, after: int
) -> None:
    """Messages that the new answer does not need go; what it needs besides is sent."""
    gemini.answer(" ".join(f"old{number}" for number in range(before)))
    words = [f"new{number}" for number in range(after)]
    gemini.answer(" ".join(words))
    old = await door.send(text="Tell me")

    await door.deliver(press(door, old[-1], texts.AGAIN_BUTTON))

    sent = door.telegram.sent()
    assert " ".join(message["text"] for message in sent).split() == words
    kept = min(len(old), len(sent))
    assert [m["message_id"] for m in sent][:kept] == [m["message_id"] for m in old][:kept]
    assert [buttons(m) for m in sent] == [[]] * (len(sent) - 1) + [[texts.AGAIN_BUTTON]]
    assert await shown_by(door) == [m["message_id"] for m in sent]


@pytest.mark.usefixtures("classic")
async def test_a_rest_that_is_too_old_to_delete_says_so(
    door: Door,
    gemini: GeminiServer,
) -> None:
    """Telegram deletes nothing after two days: what is left does not pose as the answer."""
    gemini.answer("old " * 2000)
    gemini.answer("new")
    old = await door.send(text="Tell me")
    for message in old:
        door.telegram.age(message, 3 * 24 * 3600)

    await door.deliver(press(door, old[-1], texts.AGAIN_BUTTON))

    assert [message["text"] for message in door.telegram.sent()] == ["new", texts.REPLACED]


async def test_a_failure_leaves_the_old_answer(door: Door, gemini: GeminiServer) -> None:
    """Where there is no new answer, the old one stays, with its button."""
    gemini.answer("It is noon.")
    old = await door.say("What time is it?")
    gemini.refuse(400)

    await door.deliver(press(door, old, texts.AGAIN_BUTTON))

    first, excuse = door.telegram.sent()
    assert (first["text"], buttons(first)) == ("It is noon.", [texts.AGAIN_BUTTON])
    assert "Gemini" in excuse["text"]
    assert (await door.messages())[-1] == ("model", "It is noon.")


async def test_what_was_begun_is_put_back(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer
) -> None:
    """An end in the middle of the new answer, and a failure after it, cost nobody the old one."""
    environment.setattr(preview, "EDIT_PACE", 0.1)
    gemini.answer("It is **noon**.")
    old = await door.say("What time is it?")
    update = press(door, old, texts.AGAIN_BUTTON)
    await half(door, gemini, update)
    gemini.refuse(400)

    await door.post(update)

    restored = door.telegram.sent()[0]
    assert (restored["text"], restored["entities"]) == (old["text"], old["entities"])


async def half(door: Door, gemini: GeminiServer, update: Json) -> None:
    """Let the process end when it has written a part of a new answer over the old one."""
    gemini.hang(20, "Twel")
    posting = asyncio.create_task(door.post(update))
    await door.telegram.wait_for(lambda: door.telegram.sent()[-1]["text"] == "Twel")
    posting.cancel()
    await asyncio.wait({posting})


async def test_buttons_of_what_was_put_back_work(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer
) -> None:
    """They belong to the answer that stands there again."""
    environment.setattr(preview, "EDIT_PACE", 0.1)
    gemini.answer("It is noon.")
    old = await door.say("What time is it?")
    update = press(door, old, texts.AGAIN_BUTTON)
    await half(door, gemini, update)
    gemini.refuse(400)
    await door.post(update)
    gemini.answer("Noon!")

    await door.deliver(press(door, door.telegram.sent()[0], texts.AGAIN_BUTTON))

    assert door.telegram.sent()[0]["text"] == "Noon!"


async def test_what_is_put_back_is_no_answer(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer
) -> None:
    """Where the old answer cannot even be put back, it is not taken for one to the edit."""
    environment.setattr(preview, "EDIT_PACE", 0.1)
    environment.setattr("bot.telegram.client.PAUSES", ())
    gemini.answer("Rome.")
    question = door.question("Capital of Italy?")
    await door.deliver(question)
    update = door.telegram.edit(question["message"], "Capital of France?")
    await half(door, gemini, update)
    gemini.refuse(400)
    door.telegram.faults.add(ServerError(502), method="editMessageText", times=1)

    await door.post(update)

    assert await door.messages() == [("user", "Capital of Italy?"), ("model", "Rome.")]
    assert len(door.telegram.sent()) == 2  # the excuse


async def test_what_was_begun_is_ended_whatever_was_asked_since(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer
) -> None:
    """A new answer that broke off is written to its end though another question was answered."""
    environment.setattr(preview, "EDIT_PACE", 0.1)
    gemini.answer("It is noon.")
    old = await door.say("What time is it?")
    update = press(door, old, texts.AGAIN_BUTTON)
    await half(door, gemini, update)
    gemini.answer("Other.")
    await door.say("Other?")
    gemini.answer("Twelve.")

    await door.post(update)

    assert [message["text"] for message in door.telegram.sent()] == ["Twelve.", "Other."]
    assert contents(gemini) == ["What time is it?"]
    assert [text for _, text in await door.messages()] == [
        "What time is it?",
        "Twelve.",
        "Other?",
        "Other.",
    ]


async def test_a_fault_of_our_own_costs_no_answer(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer
) -> None:
    """Who presses or edits is told of it, and reads the old answer again."""
    environment.setattr(preview, "EDIT_PACE", 0.1)
    gemini.answer("It is noon.")
    question = door.question("What time is it?")
    [old] = await door.deliver(question)
    update = press(door, old, texts.AGAIN_BUTTON)
    await half(door, gemini, update)
    await door.rows("SELECT 1")
    environment.setattr("bot.chat.conversation.to_contents", None)

    await door.post(update)
    await door.post(door.telegram.edit(question["message"], "And now?"))

    assert [message["text"] for message in door.telegram.sent()] == [
        "It is noon.",
        texts.UNEXPECTED,
        texts.UNEXPECTED,
    ]


async def test_a_button_pressed_twice_answers_once(door: Door, gemini: GeminiServer) -> None:
    """The second press belongs to an answer that is gone."""
    gemini.answer("One")
    gemini.answer("Two")
    old = await door.say("Count")
    first, second = (press(door, old, texts.AGAIN_BUTTON) for _ in range(2))

    await asyncio.gather(door.post(first), door.post(second))

    assert len(gemini.bodies) == 2
    assert sorted(map(str, await answers_to_presses(door))) == ["None", texts.EXPIRED]
    assert buttons(door.telegram.sent()[-1]) == [texts.AGAIN_BUTTON]


@pytest.mark.parametrize("command", ["new", "forget", "question"])
async def test_an_old_button_expires_politely(
    door: Door, gemini: GeminiServer, command: str
) -> None:
    """After another question or a new conversation a button says that it is too old, and goes."""
    old = await door.say("One")
    update = press(door, old, texts.AGAIN_BUTTON)
    door.telegram.faults.add(ServerError(500), method="editMessageReplyMarkup", times=None)
    await door.say("Two" if command == "question" else f"/{command}")
    door.telegram.faults.clear()
    before, stored = len(gemini.bodies), await door.messages()

    await door.deliver(update)

    assert await answers_to_presses(door) == [texts.EXPIRED]
    assert len(gemini.bodies) == before
    assert await door.messages() == stored
    assert buttons(door.telegram.sent()[0]) == []


@pytest.mark.parametrize("kind", ["again", "more", "stop"])
async def test_a_made_up_button_is_none(door: Door, gemini: GeminiServer, kind: str) -> None:
    """Clients may send any data: only what stands below the message counts."""
    group = door.telegram.group()
    question = door.telegram.message(group, door.telegram.person(ANN, "Ann"), "/ask a number")
    [old] = await door.deliver(question)
    update = press(door, old, texts.AGAIN_BUTTON, BOB)
    update["callback_query"]["data"] = f"{kind}:{BOB}:{question['update_id']}"

    await door.deliver(update)

    assert len(gemini.bodies) == 1
    assert await answers_to_presses(door) == [texts.EXPIRED]
    assert buttons(door.telegram.sent()[0]) == [texts.AGAIN_BUTTON]


async def test_others_need_not_wait_to_hear_no(door: Door, gemini: GeminiServer) -> None:
    """Whose button it is is said at once, while an answer is being written."""
    group, ann = door.telegram.group(), door.telegram.person(ANN, "Ann")
    [old] = await door.deliver(door.telegram.message(group, ann, "/ask a number"))
    gemini.hang(20, "Once")
    posting = asyncio.create_task(door.post(door.telegram.message(group, ann, "/ask a story")))
    await door.telegram.wait_for(lambda: len(gemini.bodies) == 2)

    await door.post(press(door, old, texts.AGAIN_BUTTON, BOB))

    assert not posting.done()
    assert await answers_to_presses(door) == [texts.NOT_YOURS]
    posting.cancel()
    await asyncio.wait({posting})


async def test_a_press_is_not_held_up_by_its_acknowledgement(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer
) -> None:
    """Telegram's waits for it are not waited out: the answer is what counts."""
    environment.setattr("bot.telegram.keyboards.ACKNOWLEDGING_TIME", 0.3)
    for answer in ("One", "Two"):
        gemini.answer(answer)
    old = await door.say("Count")
    door.telegram.faults.add(Flood(8), method="answerCallbackQuery", times=None)
    update = press(door, old, texts.AGAIN_BUTTON)
    began = time.monotonic()

    await door.deliver(update)

    assert time.monotonic() - began < 6
    assert door.telegram.sent()[0]["text"] == "Two"
    door.telegram.faults.clear()
    await acknowledge(door, update)


@pytest.mark.parametrize(
    "data", ["again:42:7", "nonsense", "more:x", "stop:", "retry:42", "again:42:99999999999999"]
)
async def test_a_button_that_nobody_knows_expires(door: Door, data: str) -> None:
    """Whatever a button carries, and below a message of which Telegram gives no more, too."""
    query = {
        "id": "one",
        "from": door.telegram.person(ANN),
        "chat_instance": "1",
        "data": data,
        "message": {
            "message_id": 5,
            "date": 0,
            "chat": door.telegram.private_chat(door.telegram.person(ANN)),
        },
    }

    response = await door.post(door.telegram.update(callback_query=query))

    assert response.status_code == 200
    assert await answers_to_presses(door) == [texts.EXPIRED]


async def test_a_cut_off_answer_goes_on(door: Door, gemini: GeminiServer) -> None:
    """The rest is a message of its own; the history holds one answer, and it is whole then."""
    gemini.answer("One, two", finish_reason="MAX_TOKENS")
    gemini.answer("three, four.")
    gemini.answer("Five.")
    begun = await door.say("Count")
    assert begun["text"] == f"One, two\n\n{texts.note(Ending.TOO_LONG)}"
    assert buttons(begun) == [texts.CONTINUE_BUTTON, texts.AGAIN_BUTTON]

    [rest] = await door.deliver(press(door, begun, texts.CONTINUE_BUTTON))

    assert contents(gemini) == ["Count", "One, two\n\n[This answer was cut off here.]", GO_ON]
    assert (rest["text"], buttons(rest)) == ("three, four.", [texts.AGAIN_BUTTON])
    assert buttons(door.telegram.sent()[0]) == []
    rows = await door.rows("SELECT role, text, ending FROM chat_message ORDER BY id")
    assert rows == [("user", "Count", None), ("model", "One, two three, four.", None)]

    await door.deliver(press(door, rest, texts.AGAIN_BUTTON))
    assert contents(gemini) == ["Count"]
    assert [message["text"] for message in door.telegram.sent()] == ["Five."]
    assert await door.messages() == [("user", "Count"), ("model", "Five.")]


async def test_a_continuation_that_fails_can_be_tried_again(
    door: Door, gemini: GeminiServer
) -> None:
    """The excuse has no button of its own: the one to go on still stands."""
    gemini.answer("One, two.", finish_reason="MAX_TOKENS")
    begun = await door.say("Count")
    gemini.empty()
    gemini.empty()
    [excuse] = await door.deliver(press(door, begun, texts.CONTINUE_BUTTON))
    assert buttons(excuse) == []
    gemini.answer("Three.")

    [rest] = await door.deliver(press(door, begun, texts.CONTINUE_BUTTON))

    assert contents(gemini)[-1] == GO_ON
    assert rest["text"] == "Three."
    assert (await door.messages())[-1] == ("model", "One, two.\n\nThree.")


async def test_it_goes_on_where_nothing_is_remembered(
    opened: OpenDoor,
    telegram: TelegramServer,
    gemini: GeminiServer,
) -> None:
    """With MAX_HISTORY_MESSAGES=0 the model sees what it is to go on with, and no more."""
    gemini.answer("One, two", finish_reason="MAX_TOKENS")
    async with opened(MAX_HISTORY_MESSAGES=0) as door:
        begun = await door.say("Count")
        [rest] = await door.deliver(press(door, begun, texts.CONTINUE_BUTTON))
        assert contents(gemini)[0] == "Count"
        await door.say("And now?")

    assert contents(gemini) == ["And now?"]
    assert [buttons(message) for message in telegram.sent()] == [[], [], [texts.AGAIN_BUTTON]]
    assert rest["message_id"] == telegram.sent()[1]["message_id"]


async def test_an_edited_question_is_answered_in_place(door: Door, gemini: GeminiServer) -> None:
    """The answer to the last question changes with it; the history knows the new ones alone."""
    for text in ("Hello, Ann.", "Rome.", "Paris."):
        gemini.answer(text)
    await door.say("I am Ann")
    update = door.question("The capital of Italy?")
    [old] = await door.deliver(update)

    edited = door.telegram.edit(update["message"], "The capital of France?")
    assert await door.deliver(edited) == []

    assert contents(gemini) == ["I am Ann", "Hello, Ann.", "The capital of France?"]
    new = door.telegram.sent()[-1]
    assert (new["message_id"], new["text"]) == (old["message_id"], "Paris.")
    assert (await door.messages())[2:] == [
        ("user", "The capital of France?"),
        ("model", "Paris."),
    ]
    again = door.telegram.edit(update["message"], "The capital of Spain?")
    await door.deliver(again)
    assert contents(gemini)[-1] == "The capital of Spain?"


async def test_an_edited_caption_counts(door: Door, gemini: GeminiServer) -> None:
    """What is asked about a photo may be edited as well."""
    update = door.question(photo=b"\xff\xd8\xff", caption="A cat?")
    await door.deliver(update)

    await door.deliver(door.telegram.edit(update["message"], caption="A lynx?"))

    assert gemini.bodies[-1]["contents"][-1]["parts"][-1] == {"text": "A lynx?"}
    assert "inlineData" in gemini.bodies[-1]["contents"][-1]["parts"][0]


async def test_a_question_that_failed_may_be_edited(door: Door, gemini: GeminiServer) -> None:
    """Put another way it is answered, in the place of the excuse."""
    gemini.block()
    question = door.question("Bad")
    [excuse] = await door.deliver(question)
    assert buttons(excuse) == []
    gemini.answer("Good.")

    await door.deliver(door.telegram.edit(question["message"], "Better"))

    [message] = door.telegram.sent()
    assert (message["text"], message["message_id"]) == ("Good.", excuse["message_id"])
    assert await door.messages() == [("user", "Better"), ("model", "Good.")]
    await door.say("/forget")
    assert await door.rows("SELECT 1 FROM processed_update WHERE progress IS NOT NULL") == []


async def test_an_edit_keeps_its_context(door: Door, gemini: GeminiServer) -> None:
    """What was quoted stays, and a name that has changed since is no change of the question."""
    group, ann = door.telegram.group(), door.telegram.person(ANN, "Ann")
    said = door.telegram.message(group, door.telegram.person(BOB, "Bob"), "The moon is cheese")
    question = door.telegram.message(group, ann, "/ask is that so?", reply_to=said)
    await door.deliver(question)
    alone = door.telegram.edit(question["message"], "/ask is that so?")
    alone["edited_message"]["from"]["first_name"] = "Anna"
    await door.deliver(alone)
    assert len(gemini.bodies) == 1
    changed = door.telegram.edit(question["message"], "/ask really?")
    del changed["edited_message"]["reply_to_message"]

    await door.deliver(changed)

    assert contents(gemini) == ["[In reply to Bob: The moon is cheese]\nAnn: really?"]


@pytest.mark.parametrize(
    "edit", [("One", "One"), ("Two", "Two"), ("Two", "/help"), ("Two", "  ")], ids=str
)
async def test_all_other_edits_are_left_alone(
    door: Door, gemini: GeminiServer, edit: tuple[str, str]
) -> None:
    """No change of words, also of an older one, a command: no answer, and nothing is counted."""
    updates = {text: door.question(text) for text in ("One", "Two")}
    for update in updates.values():
        await door.deliver(update)
    before, calls = await door.messages(), len(door.telegram.calls)

    old, new = edit
    await door.deliver(door.telegram.edit(updates[old]["message"], new))

    assert len(gemini.bodies) == 2
    assert await door.messages() == before
    assert len(door.telegram.calls) == calls
    assert await door.rows("SELECT count(*) FROM processed_update WHERE counted") == [(2,)]


def in_group(door: Door, text: str | None = None, user_id: int = ANN, **message: Any) -> Json:
    """Return the update of a message that somebody writes in the group."""
    person = door.telegram.person(user_id, "Ann" if user_id == ANN else "Bob")
    return door.telegram.message(door.telegram.group(), person, text, **message)


PHOTO: Json = {"photo": b"\xff\xd8\xff"}


@pytest.mark.parametrize(
    ("before", "after", "question"),
    [
        ({"text": "What time is it?"}, {"text": "@test_bot what time is it?"}, "what time is it?"),
        ({"text": "What time is it?"}, {"text": "/ask what time is it?"}, "what time is it?"),
        ({"text": "@test_bot"}, {"text": "@test_bot what time is it?"}, "what time is it?"),
        ({"text": "/ask"}, {"text": "/ask@test_bot what time?"}, "what time?"),
        ({"text": "/aks@test_bot what time?"}, {"text": "/ask what time?"}, "what time?"),
        ({"text": "@other_bot hi"}, {"text": "@test_bot hi"}, "hi"),
        ({"text": "/ask@other_bot hi"}, {"text": "/ask hi"}, "hi"),
        (PHOTO, {"caption": "What is it, @test_bot?"}, "What is it, ?"),
        ({**PHOTO, "caption": "My cat"}, {"caption": "/ask a cat?"}, "a cat?"),
    ],
)
async def test_what_becomes_a_question_is_answered(
    door: Door, gemini: GeminiServer, before: Json, after: Json, question: str
) -> None:
    """The bot's name is often forgotten; the answer comes once, and changes with further edits."""
    first = in_group(door, **before)
    told = await door.deliver(first)
    assert gemini.bodies == []
    count = "SELECT count(*) FROM processed_update WHERE counted"
    [(counted,)] = await door.rows(count)
    gemini.answer("Noon")
    gemini.answer("Midnight")

    edited = door.telegram.edit(first["message"], **after)
    [answer] = await door.deliver(edited)

    assert (answer["text"], buttons(answer)) == ("Noon", [texts.AGAIN_BUTTON])
    assert answer["reply_to_message"]["message_id"] == first["message"]["message_id"]
    assert gemini.bodies[-1]["contents"][-1]["parts"][-1] == {"text": f"Ann: {question}"}
    assert await door.deliver(edited) == []
    assert await door.deliver(door.telegram.edit(first["message"], **after)) == []
    assert len(gemini.bodies) == 1
    name, text = next(iter(after.items()))
    further = door.telegram.edit(first["message"], **{name: f"{text} Now"})
    assert await door.deliver(further) == []
    assert [message["text"] for message in door.telegram.sent()][len(told) :] == ["Midnight"]
    assert [role for role, _ in await door.messages()] == ["user", "model"]
    assert await door.rows(count) == [(counted + 2,)]


async def test_a_new_question_has_its_context(door: Door, gemini: GeminiServer) -> None:
    """What it replies to goes along, as with a question from the start."""
    said = in_group(door, "The moon is cheese", BOB)
    first = in_group(door, "Is that so?", reply_to=said)
    await door.deliver(first)

    await door.deliver(door.telegram.edit(first["message"], "@test_bot is that so?"))

    assert contents(gemini) == ["[In reply to Bob: The moon is cheese]\nAnn: is that so?"]


@pytest.mark.parametrize("text", ["/hepl", "/ask", "/ask@other_bot why?", "/start", "/nothing a"])
async def test_in_a_private_chat_too(door: Door, gemini: GeminiServer, text: str) -> None:
    """What was no question may become one there as well."""
    first = door.question(text)
    await door.deliver(first)
    assert gemini.bodies == []

    [answer] = await door.deliver(door.telegram.edit(first["message"], "Why?"))

    assert contents(gemini) == ["Why?"]
    assert await door.messages() == [("user", "Why?"), ("model", answer["text"])]


async def test_what_was_refused_may_be_edited(
    opened: OpenDoor, telegram: TelegramServer, gemini: GeminiServer
) -> None:
    """A question above the limit got no answer: once there is room again, an edit asks it."""
    async with opened(RATE_LIMIT_PER_MINUTE=1) as door:
        await door.deliver(in_group(door, "/ask one"))
        update = in_group(door, "/ask two")
        for edit in (update, telegram.edit(update["message"], "/ask two, please")):
            [told] = await door.deliver(edit)
            assert "a lot of questions" in told["text"]
        await door.change("UPDATE processed_update SET claimed_at = claimed_at - 61")

        await door.deliver(telegram.edit(update["message"], "/ask two, now"))

    assert contents(gemini)[-1] == "Ann: two, now"


async def test_two_instances_answer_a_new_question_once(
    door: Door, second: Door, gemini: GeminiServer
) -> None:
    """Whichever gets it, and its redelivery."""
    first = in_group(door, "What time is it?")
    await door.deliver(first)
    edited = door.telegram.edit(first["message"], "/ask what time is it?")
    again = door.telegram.edit(first["message"], "/ask what time is it?")

    await asyncio.gather(*(one.post(edited) for one in (door, second)), second.post(again))

    assert len(gemini.bodies) == len(door.telegram.sent()) == 1


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("No question", {}),
        ("/help@test_bot", {}),
        ("/ask@other_bot why?", {}),
        ("@test_bot", {}),
        ("@test_bot why?", {"edit_date": None}),
        ("@test_bot why?", {"edit_date": 0}),
    ],
)
async def test_other_edits_ask_nothing(
    door: Door, gemini: GeminiServer, text: str, fields: Json
) -> None:
    """Talk, commands, another bot's business, and what Telegram tells though nobody edited."""
    first = in_group(door, "Why?")
    await door.deliver(first)
    edited = door.telegram.edit(first["message"], text)
    if "edit_date" in fields:
        edited["edited_message"]["date"] -= 3600
        del edited["edited_message"]["edit_date"]

    assert await door.deliver(edited) == []
    assert gemini.bodies == []


async def test_an_old_message_becomes_no_question(door: Door, gemini: GeminiServer) -> None:
    """After five minutes the chat has gone on without it."""
    for seconds, answers in ((280, 1), (320, 0)):
        first = in_group(door, "Why?")
        await door.deliver(first)
        door.telegram.age(first["message"], seconds)
        edited = door.telegram.edit(first["message"], "@test_bot why?")
        assert len(await door.deliver(edited)) == answers
    assert len(gemini.bodies) == 1


async def test_talk_that_is_answered_anyway_is_not_asked_by_an_edit(
    opened: OpenDoor, telegram: TelegramServer, gemini: GeminiServer
) -> None:
    """GROUP_TRIGGER=all: only who means the bot asks by an edit, or hears that it is too late."""
    async with opened(GROUP_TRIGGER="all", RATE_LIMIT_PER_MINUTE=2) as door:
        updates = [in_group(door, text) for text in ("One", "Two", "Three")]
        for update in updates:
            await door.deliver(update)
        await door.change("UPDATE processed_update SET claimed_at = claimed_at - 61")
        for update in updates[0], updates[2]:
            assert await door.deliver(telegram.edit(update["message"], "Other")) == []
        assert len(gemini.bodies) == 2


async def test_an_edit_of_an_older_question_is_told_once(door: Door, gemini: GeminiServer) -> None:
    """That only the last is answered anew is said once for each, and only if its words change."""
    asked = [in_group(door, f"/ask {text}") for text in ("one", "two", "three")]
    for update in asked:
        await door.deliver(update)
    before, stored = len(gemini.bodies), await door.messages()
    first, second, last = (update["message"] for update in asked)

    assert await door.deliver(door.telegram.edit(first, "@test_bot one")) == []
    edited = door.telegram.edit(first, "/ask one and a half")
    [told] = await door.deliver(edited)
    assert told["text"] == texts.ONLY_THE_LAST
    assert told["reply_to_message"]["message_id"] == first["message_id"]
    assert await door.deliver(edited) == []
    for text in ("/ask 1", "/ask 2", "@test_bot 3", "/ask one", "/help", "Nothing"):
        assert await door.deliver(door.telegram.edit(first, text)) == []
    [told] = await door.deliver(door.telegram.edit(second, "/ask 2"))
    assert told["text"] == texts.ONLY_THE_LAST
    assert await door.deliver(door.telegram.edit(second, "/ask 4")) == []
    assert (len(gemini.bodies), await door.messages()) == (before, stored)
    assert await door.rows("SELECT count(*) FROM processed_update WHERE counted") == [(3,)]

    assert await door.deliver(door.telegram.edit(last, "/ask 3")) == []
    assert contents(gemini)[-1] == "Ann: 3"


async def test_in_a_private_chat_it_is_told_too(door: Door, gemini: GeminiServer) -> None:
    """Also of a photo's caption, and not of what was never asked."""
    command, photo = door.question("/help"), door.question(**PHOTO, caption="A cat?")
    for update in (command, photo, door.question("Two")):
        await door.deliver(update)
    door.telegram.age(command["message"], 3600)
    assert await door.deliver(door.telegram.edit(photo["message"], caption="A cat?")) == []

    [told] = await door.deliver(door.telegram.edit(photo["message"], caption="A dog?"))

    assert told["text"] == texts.ONLY_THE_LAST
    assert await door.deliver(door.telegram.edit(photo["message"], caption="A cow?")) == []
    assert await door.deliver(door.telegram.edit(command["message"], "Why?")) == []
    assert len(gemini.bodies) == 2


async def test_an_excuse_is_older_too(door: Door, gemini: GeminiServer) -> None:
    """Of a question without an answer it is told as well; the last of them is still answered."""
    old = door.question("Old?")
    await door.deliver(old)
    gemini.block()
    first = door.question("Bad")
    await door.deliver(first)
    await door.say("Good?")
    [told] = await door.deliver(door.telegram.edit(first["message"], "Better"))
    assert told["text"] == texts.ONLY_THE_LAST
    assert await door.deliver(door.telegram.edit(first["message"], "Best")) == []
    gemini.block()
    last = door.question("Worse")
    [excuse] = await door.deliver(last)
    assert len(await door.deliver(door.telegram.edit(old["message"], "Older?"))) == 1
    gemini.answer("Well.")

    assert await door.deliver(door.telegram.edit(last["message"], "Fair")) == []

    answer = next(m for m in door.telegram.sent() if m["message_id"] == excuse["message_id"])
    assert answer["text"] == "Well."
    assert contents(gemini)[-1] == "Fair"
    await door.say("/forget")
    assert await door.rows("SELECT 1 FROM processed_update WHERE progress IS NOT NULL") == []


async def test_buttons_are_for_who_asked(door: Door, gemini: GeminiServer) -> None:
    """In a group others are told so; the answer stays, and the new one is a reply as well."""
    group = door.telegram.group()
    gemini.answer("One")
    gemini.answer("Two")
    question = door.telegram.message(group, door.telegram.person(ANN, "Ann"), "/ask a number")
    [old] = await door.deliver(question)

    await door.deliver(press(door, old, texts.AGAIN_BUTTON, BOB))
    assert await answers_to_presses(door) == [texts.NOT_YOURS]
    assert len(gemini.bodies) == 1
    await door.deliver(press(door, old, texts.AGAIN_BUTTON))

    [new] = door.telegram.sent()
    assert new["text"] == "Two"
    assert new["reply_to_message"]["message_id"] == question["message"]["message_id"]
    assert contents(gemini) == ["Ann: a number"]


async def test_an_edit_in_a_group_is_answered(door: Door, gemini: GeminiServer) -> None:
    """The bot's name is no part of the edited question either."""
    group, ann = door.telegram.group(), door.telegram.person(ANN, "Ann")
    question = door.telegram.message(group, ann, "@test_bot a number?")
    await door.deliver(question)

    await door.deliver(door.telegram.edit(question["message"], "@test_bot a letter?"))

    assert contents(gemini) == ["Ann: a letter?"]
    assert len(door.telegram.sent()) == 1


async def test_each_topic_has_its_last_answer(door: Door, gemini: GeminiServer) -> None:
    """What was said in another topic since does not make a button too old."""
    group, ann = door.telegram.group(is_forum=True), door.telegram.person(ANN, "Ann")

    async def ask(thread_id: int) -> Json:
        topic: dict[str, Any] = {"message_thread_id": thread_id, "is_topic_message": True}
        question = door.telegram.message(group, ann, f"/ask in {thread_id}", **topic)
        return (await door.deliver(question))[0]

    five = await ask(5)
    await ask(6)

    await door.deliver(press(door, five, texts.AGAIN_BUTTON))

    assert contents(gemini) == ["Ann: in 5"]
    assert len(gemini.bodies) == 3


async def test_an_excuse_has_a_button(door: Door, gemini: GeminiServer) -> None:
    """What may work now is asked once more, and the answer takes the excuse's place."""
    gemini.empty()
    gemini.empty()
    update = door.question("A story")
    [excuse] = await door.deliver(update)
    assert buttons(excuse) == [texts.RETRY_BUTTON]
    gemini.answer("Once upon a time")

    assert await door.deliver(press(door, excuse, texts.RETRY_BUTTON)) == []

    [message] = door.telegram.sent()
    assert (message["message_id"], message["text"]) == (excuse["message_id"], "Once upon a time")
    assert buttons(message) == [texts.AGAIN_BUTTON]
    assert await door.messages() == [("user", "A story"), ("model", "Once upon a time")]


async def test_a_retry_asks_the_same(door: Door, gemini: GeminiServer) -> None:
    """With all that the question referred to, though Telegram shows the button none of it."""
    group, ann = door.telegram.group(), door.telegram.person(ANN, "Ann")
    said = door.telegram.message(group, door.telegram.person(BOB, "Bob"), "The moon is cheese")
    gemini.empty()
    gemini.empty()
    question = door.telegram.message(group, ann, "/ask is that so?", reply_to=said)
    [excuse] = await door.deliver(question)
    await door.deliver(door.telegram.message(group, door.telegram.person(BOB, "Bob"), "/ask b"))

    await door.deliver(press(door, excuse, texts.RETRY_BUTTON))

    assert contents(gemini)[-1] == "[In reply to Bob: The moon is cheese]\nAnn: is that so?"
    assert door.telegram.sent()[0]["message_id"] == excuse["message_id"]
    assert "cheese" in door.telegram.sent()[0]["text"]


async def test_a_late_retry_is_polite(door: Door, gemini: GeminiServer) -> None:
    """After another answer nobody wants that to the question before it."""
    gemini.empty()
    gemini.empty()
    [excuse] = await door.send(text="A story")
    await door.say("Another one")
    before = len(gemini.bodies)

    await door.deliver(press(door, excuse, texts.RETRY_BUTTON))

    assert len(gemini.bodies) == before
    assert await answers_to_presses(door) == [texts.EXPIRED]
    assert buttons(door.telegram.sent()[0]) == []


async def test_a_new_answer_is_stopped_like_any_other(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer
) -> None:
    """It grows in the old one's place, with a button to stop it."""
    environment.setattr(preview, "EDIT_PACE", 0.2)
    gemini.answer("One")
    old = await door.say("Count")
    gemini.hang(20, "One, two")
    posting = asyncio.create_task(door.post(press(door, old, texts.AGAIN_BUTTON)))
    await door.telegram.wait_for(lambda: door.telegram.sent()[-1]["text"] == "One, two")
    growing = door.telegram.sent()[-1]

    await door.post(press(door, growing, texts.STOP_BUTTON))
    await posting

    [message] = door.telegram.sent()
    assert message["text"] == "One, two\n\n(Stopped.)"
    assert buttons(message) == [texts.CONTINUE_BUTTON, texts.AGAIN_BUTTON]
    assert (await door.messages())[-1] == ("model", "One, two")


async def test_who_asks_anew_asks(
    opened: OpenDoor,
    telegram: TelegramServer,
    gemini: GeminiServer,
) -> None:
    """The rate limits hold for buttons and edits, and say so."""
    async with opened(RATE_LIMIT_PER_MINUTE=2) as door:
        update = door.question("Count")
        [old] = await door.deliver(update)
        await door.deliver(press(door, old, texts.AGAIN_BUTTON))
        await door.deliver(press(door, old, texts.AGAIN_BUTTON))
        [told] = await door.deliver(telegram.edit(update["message"], "Count to two"))

        *_, limited = await answers_to_presses(door)
        assert "a lot of questions" in str(limited)
        assert "a lot of questions" in told["text"]
        assert len(gemini.bodies) == 2


async def test_strangers_press_in_vain(
    opened: OpenDoor,
    telegram: TelegramServer,
    gemini: GeminiServer,
) -> None:
    """Who may not use the bot gets no answer by a button or an edit, and no key is spent."""
    async with opened() as door:
        update = door.question("Count")
        [old] = await door.deliver(update)
    async with opened(ALLOWED_USER_IDS=1) as door:
        assert await door.deliver(press(door, old, texts.AGAIN_BUTTON)) == []
        assert await door.deliver(telegram.edit(update["message"], "Count to two")) == []

        assert await answers_to_presses(door) == [texts.NOT_YOURS]
    assert len(gemini.bodies) == 1


@pytest.mark.parametrize("fault", [Drop(before=False), ServerError(500)], ids=str)
async def test_a_new_answer_arrives_once(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer, fault: Drop | ServerError
) -> None:
    """Whatever becomes of its sending, the next try puts it in the same place."""
    environment.setattr("bot.telegram.client.PAUSES", (0.01, 0.01))
    gemini.answer("One")
    gemini.answer("Two")
    old = await door.say("Count")
    door.telegram.faults.add(fault, method="editMessageText", times=None)
    update = press(door, old, texts.AGAIN_BUTTON)
    assert (await door.post(update)).status_code == 503
    door.telegram.faults.clear()

    assert (await door.post(update)).status_code == 200

    assert [message["text"] for message in door.telegram.sent()] == ["Two"]
    assert len(gemini.bodies) == 2
    assert await door.messages() == [("user", "Count"), ("model", "Two")]


@pytest.mark.usefixtures("classic")
async def test_an_answer_stays_in_order_where_a_place_is_gone(
    door: Door, gemini: GeminiServer
) -> None:
    """What follows a page that had to be sent is sent behind it; nothing of the old one stays."""
    gemini.answer(" ".join(f"old{number}" for number in range(2000)))
    words = [f"new{number}" for number in range(1300)]
    gemini.answer(" ".join(words))
    old = await door.send(text="Tell me")
    gone = Refuse(400, "Bad Request: message to edit not found")
    door.telegram.faults.add(gone, method="editMessageText", times=1)

    await door.deliver(press(door, old[-1], texts.AGAIN_BUTTON))

    assert " ".join(message["text"] for message in door.telegram.sent()).split() == words


async def test_a_place_that_cannot_be_taken_is_cleared(door: Door, gemini: GeminiServer) -> None:
    """Two answers to one question do not stand there."""
    gemini.answer("One")
    gemini.answer("| a | b |\n|---|---|\n| 1 | 2 |")
    old = await door.say("Count")
    refusal = Refuse(400, "Bad Request: message can't be edited")
    door.telegram.faults.add(refusal, method="editMessageText", times=None)

    await door.deliver(press(door, old, texts.AGAIN_BUTTON))

    assert ["rich_message" in message for message in door.telegram.sent()] == [True]


async def test_a_new_answer_whose_place_is_gone_is_sent(door: Door, gemini: GeminiServer) -> None:
    """Who has deleted the old answer gets the new one as a message of its own."""
    gemini.answer("One")
    gemini.answer("Two")
    old = await door.say("Count")
    refusal = Refuse(400, "Bad Request: message to edit not found")
    door.telegram.faults.add(refusal, method="editMessageText", times=None)

    await door.deliver(press(door, old, texts.AGAIN_BUTTON))

    [new] = door.telegram.sent()
    assert (new["text"], new["message_id"] > old["message_id"]) == ("Two", True)
    assert await shown_by(door) == [new["message_id"]]
