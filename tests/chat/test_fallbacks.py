"""What is asked in another way because a model, or a conversation, is refused as it is."""

import json
import logging
from typing import Any

import pytest

from bot import texts
from bot.__main__ import main
from bot.gemini import GeminiError, Kind
from bot.operator.problems import gemini_fails
from bot.sandbox.telegram import TelegramServer
from bot.settings import load_settings
from tests.support.door import Door, OpenDoor
from tests.support.gemini_failures import not_offered
from tests.support.gemini_server import Call, GeminiServer
from tests.support.presses import press

Json = dict[str, Any]

INSTRUCTION = "Answer like a pirate."
NO_INSTRUCTION = [
    "Developer instruction is not enabled for models/gemma-3-27b-it",
    "System instructions are not supported by this model",
    "This model does not support system instructions.",
    'Invalid JSON payload received. Unknown name "systemInstruction": Cannot find field.',
]
NO_FUNCTIONS = [
    "Function calling is not enabled for models/gemma-3-27b-it",
    "Function calling is not supported for this model",
    "Tool use with function calling is unsupported by the model.",
    "models/x does not support tools.",
    'Invalid JSON payload received. Unknown name "tools": Cannot find field.',
]


def told(body: Json) -> list[str]:
    """Return the texts of a request's contents."""
    return [part["text"] for content in body["contents"] for part in content["parts"]]


@pytest.mark.parametrize("message", NO_INSTRUCTION)
async def test_a_model_without_instruction(
    opened: OpenDoor, gemini: GeminiServer, caplog: pytest.LogCaptureFixture, message: str
) -> None:
    """It is told what the operator wants before the first question; the log says so once."""
    gemini.refuse(400, message=message)
    async with opened(SYSTEM_INSTRUCTION=INSTRUCTION) as door:
        first = await door.say("Hello")
        second = await door.say("And now?")

    assert [first["text"], second["text"]] == ["You said: Hello", "You said: And now?"]
    assert len(gemini.bodies) == 3
    assert told(gemini.bodies[1]) == [INSTRUCTION, "Hello"]
    assert told(gemini.bodies[2]) == [INSTRUCTION, "Hello", "You said: Hello", "And now?"]
    assert not [body for body in gemini.bodies[1:] if "systemInstruction" in body]
    assert all("tools" in body for body in gemini.bodies)
    assert caplog.text.count("takes no system instruction: it is asked without") == 1


@pytest.mark.parametrize("message", NO_FUNCTIONS)
async def test_a_model_without_functions(
    door: Door, gemini: GeminiServer, caplog: pytest.LogCaptureFixture, message: str
) -> None:
    """None are offered any more; the log says so once."""
    gemini.refuse(400, message=message)

    first, second = await door.say("Hello"), await door.say("And now?")

    assert [first["text"], second["text"]] == ["You said: Hello", "You said: And now?"]
    assert ["tools" in body for body in gemini.bodies] == [True, False, False]
    assert all("systemInstruction" in body for body in gemini.bodies)
    assert caplog.text.count("takes no functions: it is asked without") == 1


async def test_a_model_without_either(door: Door, gemini: GeminiServer) -> None:
    """Both are found out within the first question."""
    gemini.refuse(400, message=NO_INSTRUCTION[0])
    gemini.refuse(400, message=NO_FUNCTIONS[0])

    assert (await door.say("Hello"))["text"] == "You said: Hello"
    assert not {"tools", "systemInstruction"} & gemini.bodies[-1].keys()


async def test_a_complaint_that_stays(door: Door, gemini: GeminiServer) -> None:
    """Where to leave it out changes nothing, people hear so; nothing is asked for ever."""
    for _ in range(3):
        gemini.refuse(400, message=NO_FUNCTIONS[0])

    message = await door.say("Hello")

    assert message["text"] == texts.failure(GeminiError(Kind.REJECTED))
    assert len(gemini.bodies) == 2


def refuse_as(gemini: GeminiServer, how: str) -> None:
    """Refuse what is asked, by its prompt or as a request."""
    match how:
        case "blocked":
            gemini.block("PROHIBITED_CONTENT")
        case "rejected":
            gemini.refuse(400, message="The input token count exceeds the maximum.")
        case "too large":
            gemini.refuse(413)


@pytest.mark.parametrize("how", ["blocked", "rejected", "too large"])
async def test_a_conversation_that_is_refused(door: Door, gemini: GeminiServer, how: str) -> None:
    """Its next question is asked alone; the answer says so, and how to begin anew."""
    await door.say("Something odd")
    for text in ("Hello", "And now?"):
        refuse_as(gemini, how)

        message = await door.say(text)

        assert message["text"] == f"You said: {text}\n\n{texts.ALONE}"
        assert told(gemini.bodies[-1]) == [text]
    assert "/new_chat" in texts.ALONE
    assert (await door.messages())[-1] == ("model", "You said: And now?")

    await door.say("/new_chat")
    assert (await door.say("Hello"))["text"] == "You said: Hello"


@pytest.mark.parametrize("how", ["blocked", "rejected"])
async def test_a_question_that_is_refused_itself(
    door: Door, gemini: GeminiServer, how: str
) -> None:
    """It is asked once without a history, and at most twice with one; nothing is said of that."""
    refuse_as(gemini, how)
    first = await door.say("Something odd")
    assert len(gemini.bodies) == 1
    await door.say("Hello")
    gemini.requests.clear()
    refuse_as(gemini, how)
    refuse_as(gemini, how)

    second = await door.say("Something odd")

    assert first["text"] == second["text"]
    assert len(gemini.bodies) == 2
    assert len(await door.messages()) == 2


async def test_other_failures_keep_the_history(door: Door, gemini: GeminiServer) -> None:
    """A refusal that has nothing to do with what was said is told at once."""
    await door.say("Hello")
    gemini.requests.clear()
    not_offered(gemini)

    message = await door.say("And now?")

    assert message["text"] == texts.failure(GeminiError(Kind.COUNTRY))
    assert len(gemini.bodies) == 1


async def test_a_refusal_after_a_call(door: Door, gemini: GeminiServer) -> None:
    """What was accepted with its history is not asked without it."""
    await door.say("Hello")
    gemini.requests.clear()
    gemini.calls(Call("get_date_time", {}))
    gemini.refuse(400)

    message = await door.say("What time is it?")

    assert message["text"] == texts.failure(GeminiError(Kind.REJECTED))
    assert len(gemini.bodies) == 2


async def test_an_answer_that_goes_on_keeps_its_beginning(
    door: Door, gemini: GeminiServer
) -> None:
    """Of a refused conversation its own question and answer are asked again."""
    await door.say("Something odd")
    gemini.answer("Once upon", finish_reason="MAX_TOKENS")
    message = await door.say("Tell me a story")
    gemini.block()
    gemini.answer("a time")

    [rest] = await door.deliver(press(door, message, texts.CONTINUE_BUTTON, user_id=42))

    assert rest["text"] == f"a time\n\n{texts.ALONE}"
    assert told(gemini.bodies[-1])[0] == "Tell me a story"
    assert (await door.messages())[-1] == ("model", "Once upon a time")


def test_what_a_model_lacks_is_in_the_doctors_report(
    telegram: TelegramServer, gemini: GeminiServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """The doctor asks as people's questions are asked, and notes what is left out."""
    del telegram
    gemini.refuse(400, message=NO_INSTRUCTION[0])
    gemini.refuse(400, message=NO_FUNCTIONS[0])

    main(["doctor", "--json"])

    findings = json.loads(capsys.readouterr().out)["findings"]
    found = [(each["status"], each["text"]) for each in findings if each["check"] == "gemini"]
    assert found[:2] == [
        ("warning", "gemini-3.5-flash-lite takes no system instruction"),
        ("warning", "gemini-3.5-flash-lite calls no functions"),
    ]
    assert found[2][0] == "ok"


OF_GOOGLE = ("aistudio", "available-regions", "models", "connection", "wait", "look")


@pytest.mark.parametrize("kind", Kind)
def test_the_operator_reads_of_the_server_that_was_asked(
    environment: pytest.MonkeyPatch, kind: Kind
) -> None:
    """With GOOGLE_GEMINI_BASE_URL set it is named, and no key of Google's is asked for."""
    error = GeminiError(kind, reason="400")
    environment.delenv("GOOGLE_GEMINI_BASE_URL", raising=False)
    directly = str(gemini_fails(error, load_settings()))
    environment.setenv("GOOGLE_GEMINI_BASE_URL", "https://user:hush@proxy.example/gemini")
    by_server = str(gemini_fails(error, load_settings()))

    assert "GOOGLE_GEMINI_BASE_URL" not in directly
    assert any(word in directly for word in OF_GOOGLE)
    assert "{" not in directly + by_server
    assert "hush" not in by_server
    if kind in TOLD_OF_SERVER:
        assert "at GOOGLE_GEMINI_BASE_URL, https://proxy.example/gemini" in by_server
        assert "aistudio" not in by_server


TOLD_OF_SERVER = {
    Kind.RATE_LIMITED,
    Kind.QUOTA_EXHAUSTED,
    Kind.NO_QUOTA,
    Kind.UNPAID,
    Kind.COUNTRY,
    Kind.OVERLOADED,
    Kind.KEY_REFUSED,
    Kind.MODEL_UNKNOWN,
    Kind.TOO_SLOW,
    Kind.UNREACHABLE,
    Kind.REJECTED,
}

MESSAGES = [
    (400, "User location is not supported for the API use.", Kind.COUNTRY),
    (400, "Gemini API free tier is not available in your country.", Kind.COUNTRY),
    (400, "Billing account 12 is not active.", Kind.UNPAID),
    (402, "", Kind.UNPAID),
    (403, "This API method requires billing to be enabled.", Kind.UNPAID),
    (403, "Permission denied.", Kind.KEY_REFUSED),
    (429, "Your prepayment credits are depleted.", Kind.UNPAID),
    (429, "Your project has exceeded its monthly spending cap.", Kind.UNPAID),
    (429, "Insufficient balance.", Kind.UNPAID),
    (429, "Quota exceeded for metric: x, limit: 0", Kind.NO_QUOTA),
    (429, "Quota exceeded, limit: 0. Please retry in 3 s.", Kind.NO_QUOTA),
    (429, "Gemini 2.5 Pro Preview doesn't have a free quota tier.", Kind.NO_QUOTA),
    (501, "", Kind.UNREACHABLE),
    (522, "", Kind.UNREACHABLE),
]


@pytest.mark.parametrize(("code", "message", "kind"), MESSAGES)
async def test_words_that_tell_refusals_apart(
    door: Door, gemini: GeminiServer, code: int, message: str, kind: Kind
) -> None:
    """Where code and status say too little, the message does; each is asked once."""
    gemini.refuse(code, message=message)

    assert (await door.say("Hello"))["text"] == texts.failure(GeminiError(kind))
    assert len(gemini.bodies) == 1


@pytest.mark.parametrize("value", ["0", 0], ids=["text", "number"])
async def test_a_quota_of_nothing(door: Door, gemini: GeminiServer, value: object) -> None:
    """A violation that names a limit of 0 is no matter of the day."""
    violation = {"quotaId": "GenerateRequestsPerDayPerProjectPerModel", "quotaValue": value}
    gemini.refuse(429, details=[{"violations": [violation]}])

    message = await door.say("Hello")

    assert message["text"] == texts.failure(GeminiError(Kind.NO_QUOTA))


@pytest.mark.parametrize(
    "message",
    [
        "You exceeded your current quota, please check your plan and billing details.",
        "Quota exceeded for metric: x, limit: 0.5",
        "Quota exceeded for metric: x, limit: 05",
        "Quota exceeded for metric: x, limit: 15",
    ],
)
async def test_a_quota_that_comes_back(
    door: Door, gemini: GeminiServer, caplog: pytest.LogCaptureFixture, message: str
) -> None:
    """An ordinary limit is waited for, as ever."""
    caplog.set_level(logging.WARNING)
    gemini.refuse(429, message=message)

    assert (await door.say("Hello"))["text"] == "You said: Hello"
    assert "RATE_LIMITED" in caplog.text
