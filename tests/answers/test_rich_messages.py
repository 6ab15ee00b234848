"""Rich messages: when answers are some, and what happens where Telegram takes none."""

from typing import Any

import pytest

from bot import texts
from bot.answers import preview
from bot.sandbox.faults import Drop, Fault, HtmlError, Refuse, ServerError
from tests.support.door import Door, Json, OpenDoor
from tests.support.gemini_server import GeminiServer
from tests.support.messages import buttons, read

TABLE = "Two cities:\n| city | people |\n|---|--:|\n| Rome | 2.7 million |\n| Oslo | 0.7 million |"
SEEN = "Two cities:\n\ncity | people\nRome | 2.7 million\nOslo | 0.7 million"
NO_METHOD = Refuse(404, "Not Found: method not found")
REFUSALS = [
    Refuse(400, "Bad Request: RICH_MESSAGE_EMAIL_INVALID"),
    Refuse(403, "Forbidden: not enough rights to send rich messages"),
    NO_METHOD,  # a Bot API server of 2025
    Refuse(413, "Request Entity Too Large"),
]


def kinds(door: Door) -> list[str]:
    """Return which kind each standing message of the bot is."""
    return ["rich" if "rich_message" in message else "classic" for message in door.telegram.sent()]


def sent_by(door: Door) -> list[str]:
    """Return the methods by which messages were sent, whatever became of them."""
    methods = {"sendMessage", "sendRichMessage"}
    return [call.method for call in door.telegram.calls if call.method in methods]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (TABLE, "rich"),
        ("The area is $\\pi r^2$.", "rich"),
        (r"\[E = mc^2\]", "rich"),
        ("# Plan\nFirst, sleep.", "rich"),
        ("- [x] bread\n- [ ] milk", "rich"),
        ("<details><summary>Why</summary>Because.</details>", "rich"),
        ("word " * 1000, "rich"),
        (
            "**bold** `code`, a [link](https://example.com) and\n\n- a list\n> a quote",
            "classic",
        ),
        ("It costs $5 and $10; #hashtag; a | b", "classic"),
        ("```\n# no heading\n| a | b |\n|---|---|\n```", "classic"),
    ],
    ids=str,
)
async def test_auto_is_rich_where_that_shows_more(
    door: Door, gemini: GeminiServer, answer: str, kind: str
) -> None:
    """Old clients show no rich message: only what needs one is one."""
    gemini.answer(answer)

    [message] = await door.send(text="Tell me")

    assert kinds(door) == [kind]
    assert buttons(message) == [texts.AGAIN_BUTTON]


@pytest.mark.parametrize(("setting", "kind"), [("on", "rich"), ("OFF ", "classic")])
async def test_an_operator_may_choose(
    opened: OpenDoor, gemini: GeminiServer, setting: str, kind: str
) -> None:
    """RICH_MESSAGES=on makes all answers rich, off none; the bot's own sentences never are."""
    async with opened(RICH_MESSAGES=setting) as door:
        for answer in ("Plain", TABLE):
            gemini.answer(answer)
            await door.say("Tell me")
        await door.say("/help")

        assert kinds(door) == [kind, kind, "classic"]


async def test_a_person_may_choose(door: Door, gemini: GeminiServer) -> None:
    """/rich says and changes it for who writes, in each of their chats; /forget forgets it."""
    for _ in range(4):
        gemini.answer(TABLE)
    assert (await door.say("/rich"))["text"] == texts.rich_messages("auto")
    assert (await door.say("/rich OFF"))["text"] == texts.rich_messages("off")
    group = door.telegram.group()
    for user_id in (42, 43):
        person = door.telegram.person(user_id)
        await door.deliver(door.telegram.message(group, person, "/ask cities?"))
    await door.say("cities?")
    assert kinds(door)[2:] == ["classic", "rich", "classic"]
    for wrong in ("maybe", "yes", "on please", "0", "/rich"):
        assert (await door.say(f"/rich {wrong}"))["text"] == texts.RICH_MESSAGES_WRONG
    assert (await door.say("/rich"))["text"] == texts.rich_messages("off")

    await door.say("/forget")

    assert (await door.say("/rich"))["text"] == texts.rich_messages("auto")
    await door.say("/rich on")
    gemini.answer("Plain")
    await door.say("cities?")
    assert kinds(door)[-1] == "rich"


async def test_drafts_look_like_the_final_message(door: Door, gemini: GeminiServer) -> None:
    """The draft becomes rich with the text, and stays so; it shows the message's beginning."""
    gemini.answer(TABLE[:11], TABLE[11:], "\n\nThat is all.", delay=1.2)

    [message] = await door.send(text="cities?")

    final = message["rich_message"]["blocks"]
    drafts = [call for call in door.telegram.calls if call.method.endswith("Draft")]
    assert all(call.ok for call in drafts)
    names = [call.method for call in drafts]
    assert names == sorted(names)  # sendMessageDraft first, sendRichMessageDraft after it
    rich = [call.parameters for call in drafts if call.method == "sendRichMessageDraft"]
    assert rich
    assert {(call["draft_id"], call["can_stop"]) for call in rich} == {
        (drafts[0].parameters["draft_id"], True)
    }
    shown = rich[-1]["rich_message"]["blocks"]
    assert shown == final[: len(shown)]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: str(refusal.code))
async def test_a_refused_rich_message_becomes_a_classic_one(
    door: Door, gemini: GeminiServer, refusal: Refuse
) -> None:
    """Whatever the reason, the same answer goes out as text, once; its drafts as well."""
    for method in ("sendRichMessage", "sendRichMessageDraft"):
        door.telegram.faults.add(refusal, method=method, times=None)
    gemini.answer(TABLE, "\n\nThat is", " all.", delay=1.3)

    [message] = await door.send(text="cities?")

    assert kinds(door) == ["classic"]
    assert "Rome" in message["text"]
    assert sent_by(door) == ["sendRichMessage", "sendMessage"]
    assert await door.messages() == [("user", "cities?"), ("model", f"{TABLE}\n\nThat is all.")]
    drafts = door.telegram.calls_of("sendMessageDraft")
    assert "Rome" in drafts[-1].parameters["text"]
    assert len(door.telegram.calls_of("sendRichMessageDraft")) == 1


async def test_the_rest_of_a_refused_answer_is_classic(door: Door, gemini: GeminiServer) -> None:
    """What was sent stays; what is refused after it arrives as plain text, to the last word."""
    words = [f"word{number}" for number in range(9000)]
    gemini.answer(" ".join(words))
    door.telegram.faults.add(REFUSALS[0], method="sendRichMessage", after=1, times=None)

    messages = await door.send(text="Tell me all")

    assert kinds(door) == ["rich"] + ["classic"] * (len(messages) - 1)
    assert " ".join(map(read, messages)).split() == words
    assert buttons(messages[-1]) == [texts.AGAIN_BUTTON]
    assert [buttons(message) for message in messages[:-1]] == [[]] * (len(messages) - 1)


async def test_the_classic_rest_goes_on_where_it_broke_off(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer
) -> None:
    """The next try knows where rich messages ended: no word is lost or doubled."""
    environment.setattr("bot.telegram.client.PAUSES", ())
    words = [f"word{number}" for number in range(9000)]
    gemini.answer(" ".join(words))
    door.telegram.faults.add(REFUSALS[0], method="sendRichMessage", after=1, times=None)
    door.telegram.faults.add(ServerError(502), method="sendMessage", after=1)
    update = door.question("Tell me all")
    assert (await door.post(update)).status_code == 503

    await door.post(update)

    assert " ".join(map(read, door.telegram.sent())).split() == words


@pytest.mark.parametrize(
    "fault", [Drop(before=False), HtmlError(502), ServerError(504)], ids=lambda f: type(f).__name__
)
async def test_an_uncertain_one_is_repeated_once_and_by_the_same_method(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer, fault: Fault
) -> None:
    """It may have arrived: the other method would show the answer twice in two forms.

    When that was in vain, the update comes again: an outage must not cost the answer.
    """
    environment.setattr("bot.telegram.client.PAUSES", (0.01, 0.01))
    door.telegram.faults.add(fault, method="sendRichMessage", times=2)
    gemini.answer(TABLE)
    update = door.question("cities?")
    assert (await door.post(update)).status_code == 503
    assert sent_by(door) == ["sendRichMessage"] * 2

    assert (await door.post(update)).status_code == 200

    assert sent_by(door) == ["sendRichMessage"] * 3
    assert set(kinds(door)) == {"rich"}
    assert len(gemini.bodies) == 1


async def test_a_choice_between_two_tries_changes_nothing(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer
) -> None:
    """An answer that is half sent is sent to its end as it was begun."""
    environment.setattr("bot.telegram.client.PAUSES", ())
    gemini.answer("word " * 9000)
    door.telegram.faults.add(ServerError(502), method="sendRichMessage", after=1, times=None)
    update = door.question("Tell me all")
    assert (await door.post(update)).status_code == 503
    door.telegram.faults.clear()
    await door.say("/rich off")

    await door.deliver(update)

    assert kinds(door) == ["rich", "classic", "rich"]
    shown = [read(message) for message in door.telegram.sent() if "rich_message" in message]
    assert len(" ".join(shown).split()) == 9000


async def test_a_list_that_begins_is_no_heading(door: Door, gemini: GeminiServer) -> None:
    """A line below a paragraph that is but a dash so far does not make the draft rich."""
    gemini.answer("Here is the list:\n-", " one\n- two", "\n- three", delay=1.1)

    await door.send(text="A list")

    assert door.telegram.calls_of("sendRichMessageDraft") == []
    assert kinds(door) == ["classic"]


async def test_a_message_grows_rich_in_a_group(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer
) -> None:
    """It is edited as it grows, from a classic message into a rich one."""
    environment.setattr(preview, "GROUP_PACE", 0.3)
    gemini.answer(TABLE[:11], TABLE[11:], "\n\nThat is all.", delay=0.7)
    question = door.telegram.message(
        door.telegram.group(), door.telegram.person(42), "/ask cities?"
    )

    [message] = await door.deliver(question)

    assert read(message) == f"{SEEN}\n\nThat is all."
    assert sent_by(door) == ["sendMessage"]
    edits = [call.parameters for call in door.telegram.calls_of("editMessageText")]
    assert ["rich_message" in edit for edit in edits] == [True] * len(edits)
    assert len(edits) >= 2


@pytest.mark.parametrize("refusal", [REFUSALS[0], NO_METHOD], ids=lambda one: str(one.code))
async def test_a_message_that_cannot_begin_rich_begins_classic(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer, refusal: Refuse
) -> None:
    """It grows all the same, and ends as the whole answer, in one message."""
    environment.setattr(preview, "GROUP_PACE", 0.3)
    door.telegram.faults.add(refusal, method="sendRichMessage", times=None)
    gemini.answer(TABLE, "\n\nThat is", " all.", delay=0.5)
    question = door.telegram.message(
        door.telegram.group(), door.telegram.person(42), "/ask cities?"
    )

    [message] = await door.deliver(question)

    assert "".join(read(message).split()).endswith("0.7millionThatisall.")
    assert sent_by(door) == ["sendRichMessage", "sendMessage"]


async def test_an_answer_may_change_its_kind(door: Door, gemini: GeminiServer) -> None:
    """Asked again, a rich answer takes the place of a classic one, and the other way round."""
    for answer in ("Rome.", TABLE, "Oslo."):
        gemini.answer(answer)
    message = await door.say("cities?")
    seen = []
    for _ in range(2):
        await door.deliver(door.telegram.press(message, door.telegram.person(42)))
        seen += [(kinds(door), read(door.telegram.sent()[0]))]

    assert seen == [(["rich"], SEEN), (["classic"], "Oslo.")]


async def test_a_cut_off_rich_answer_has_its_note(door: Door, gemini: GeminiServer) -> None:
    """The note stands below the table, and the button to go on below the note."""
    gemini.answer(TABLE, finish_reason="MAX_TOKENS")

    [message] = await door.send(text="cities?")

    assert read(message) == f"{SEEN}\n\n(The answer reached its maximum length here.)"
    assert buttons(message) == [texts.CONTINUE_BUTTON, texts.AGAIN_BUTTON]


async def test_rich_messages_of_others_are_read(door: Door, gemini: GeminiServer) -> None:
    """One that is forwarded to the bot is a question, one that is answered is its context."""
    blocks: list[Json] = [
        {"type": "heading", "size": 1, "text": "Plan"},
        {"type": "list", "items": [{"label": "1.", "blocks": [paragraph("Sleep")]}]},
    ]
    rich: dict[str, Any] = {"rich_message": {"blocks": blocks}}
    await door.send(**rich)
    assert gemini.bodies[-1]["contents"][-1]["parts"] == [{"text": "Plan\n\n1. Sleep"}]
    group, bob = door.telegram.group(), door.telegram.person(43, "Bob")
    plan = door.telegram.message(group, bob, **rich)

    question = door.telegram.message(
        group, door.telegram.person(42, "Ann"), "/ask good?", reply_to=plan
    )
    await door.deliver(question)

    [part] = gemini.bodies[-1]["contents"][-1]["parts"]
    assert part["text"] == "[In reply to Bob: Plan 1. Sleep]\nAnn: good?"


def paragraph(text: str) -> Json:
    """Return a block."""
    return {"type": "paragraph", "text": text}


PERSIAN = "# برنامه\n\nاول [Docker](https://example.com/docker/install) را نصب کنید."  # noqa: RUF001 - Arabic letters
ARABIC_CODE = (
    "## الكود\n\nنستخدم `print` هكذا:\n\n```python\n" + "print(name, value)\n" * 30 + "```"
)
WORD_LIST = (
    "| English | Arabic |\n|-|-|\n| the house | بيت |\n| the book | كتاب |\n| my name | اسم |"
)


@pytest.mark.parametrize(
    ("answer", "turns"),
    [
        ("# سلام\n\nحال شما چطور است؟", True),  # noqa: RUF001 - a question mark of Persian
        ("- [ ] לקנות חלב\n- [x] לקנות לחם", True),
        ("| المدينة | السكان |\n|-|-|\n| روما | 2.7 |\n| أوسلو | 0.7 |", True),
        ("# Python\n\nبايثون لغة برمجة سهلة التعلم، وهي مثل Java في كثير من الأمور.", True),  # noqa: RUF001 - letters of two scripts
        (PERSIAN, True),
        (ARABIC_CODE, True),
        ("<details><summary>لماذا</summary>لأن السماء زرقاء.</details>", True),
        ("# ܫܠܡܐ\n\nܫܠܡܐ ܥܠܝܟܘܢ", True),
        ("ޗާޖަކީ $E = mc^2$ ގެ ފޯމިއުލާއެކެވެ", True),
        ("# Greetings\n\nمرحبا means hello in Arabic, and people say it everywhere.", False),  # noqa: RUF001 - letters of two scripts
        ("# Ответ\n\nСлово שלום значит «мир», так здороваются.", False),  # noqa: RUF001 - letters of two scripts
        (WORD_LIST, False),
        ("# Code\n\nPrint it:\n\n```\n" + "مرحبا بالعالم\n" * 30 + "```", False),
        ("# 你好\n\n世界 **很大**", False),
        ("$x = 1$ 123 ٤٥٦", False),
        (TABLE, False),
    ],
)
async def test_languages_written_from_the_right(
    door: Door, gemini: GeminiServer, answer: str, turns: bool
) -> None:
    """Telegram is told when most of an answer's words are Arabic, Persian, Hebrew and the like.

    Code, formulas, addresses and a word that is explained do not count.
    """
    gemini.answer(answer)

    [message] = await door.send(text="Tell me")

    assert message["rich_message"].get("is_rtl", False) is turns


async def test_all_of_an_answer_has_one_direction(door: Door, gemini: GeminiServer) -> None:
    """Drafts, every page, also one of Latin words only, and the note below them."""
    latin = "\n\n".join(f"Docker Compose PostgreSQL {number}" for number in range(499))
    arabic = "\n\n".join("هذا نص عربي طويل جدا" for _ in range(300))
    gemini.answer("# عنوان\n\n", f"{arabic}\n\n{latin}", finish_reason="MAX_TOKENS", delay=1.2)

    messages = await door.send(text="Tell me")

    assert len(messages) > 1
    assert [message["rich_message"].get("is_rtl") for message in messages] == [True] * len(
        messages
    )
    drafts = door.telegram.calls_of("sendRichMessageDraft")
    assert drafts
    assert all(call.parameters["rich_message"]["is_rtl"] for call in drafts)


async def test_an_edited_message_turns_as_well(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer
) -> None:
    """In a group the message that grows has the direction of what it says."""
    environment.setattr(preview, "GROUP_PACE", 0.3)
    gemini.answer("# عنوان\n\n", "هذا نص عربي", " طويل جدا.", delay=0.7)
    group, person = door.telegram.group(), door.telegram.person(42)

    [message] = await door.deliver(door.telegram.message(group, person, "/ask greet"))

    assert message["rich_message"]["is_rtl"] is True
    edits = [call.parameters for call in door.telegram.calls_of("editMessageText")]
    assert edits
    assert all(edit["rich_message"]["is_rtl"] for edit in edits)
