"""Gemini's circuit: nobody waits for what has just kept three others waiting in vain."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, suppress
from socket import socket

import pytest

from bot import texts
from bot.gemini import Gemini, GeminiError, Kind, Response, TextDelta, encode, open_gemini
from bot.gemini.circuit import Circuit
from bot.sandbox.telegram import TelegramServer
from bot.settings import Settings
from tests.support.door import open_door
from tests.support.gemini_server import KEY, GeminiServer
from tests.support.servers import serve, until

FAR = 1e9  # a deadline
DOWN = [Kind.UNREACHABLE, Kind.OVERLOADED, Kind.TOO_SLOW]
BROKEN = 529  # the one code for it that neither the SDK nor we try again


@pytest.fixture(name="server")
def running_server() -> GeminiServer:
    return GeminiServer()


@pytest.fixture(name="base_url")
def address(server: GeminiServer) -> Iterator[str]:
    with serve(server.application()) as base_url:
        yield base_url


@pytest.fixture
async def gemini(base_url: str) -> AsyncGenerator[Gemini]:
    settings = Settings(
        telegram_bot_token="1:A", gemini_api_key=KEY, google_gemini_base_url=base_url
    )
    async with open_gemini(settings) as gemini:
        gemini.first_wait = 0.01
        yield gemini


def ask(gemini: Gemini, seconds: float = 60) -> AsyncGenerator[TextDelta | Response]:
    return gemini.stream(
        encode([{"role": "user", "parts": [{"text": "Hi"}]}]),
        system_instruction="",
        functions=(),
        allow_calls=False,
        deadline=asyncio.get_running_loop().time() + seconds,
    )


async def result(gemini: Gemini, seconds: float = 60) -> str | Kind:
    """Return the answer's text, or why there is none."""
    try:
        events = [event async for event in ask(gemini, seconds)]
    except GeminiError as error:
        return error.kind
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def fail(circuit: Circuit, kind: Kind = Kind.UNREACHABLE, deadline: float = FAR) -> GeminiError:
    """Let one call fail, unless it is refused."""
    with pytest.raises(GeminiError) as caught, circuit.call(deadline):
        raise GeminiError(kind)
    return caught.value


def refused(circuit: Circuit) -> bool:
    """Tell whether a call is refused; one that may pass ends without a result."""
    try:
        with circuit.call(FAR):
            return False
    except GeminiError:
        return True


def transitions(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name == "bot.gemini.circuit"]


@pytest.fixture
async def circuit() -> Circuit:
    return Circuit()


@pytest.fixture
async def opened(circuit: Circuit) -> Circuit:
    for _ in range(3):
        fail(circuit)
    return circuit


@pytest.fixture
async def half_open(opened: Circuit, monkeypatch: pytest.MonkeyPatch) -> Circuit:
    pass_time(monkeypatch, 30.5)
    return opened


def pass_time(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let the running loop's clock jump."""
    loop = asyncio.get_running_loop()
    clock = loop.time
    monkeypatch.setattr(loop, "time", lambda: clock() + seconds)


class TestStates:
    @pytest.mark.parametrize("kind", DOWN)
    async def test_three_failures_in_a_row(self, circuit: Circuit, kind: Kind) -> None:
        """The fourth call fails at once, for the same reason, and names the time to wait."""
        for _ in range(3):
            assert fail(circuit, kind).retry_after is None

        error = fail(circuit, Kind.EMPTY)

        assert error.kind is kind
        assert error.retry_after == pytest.approx(30, abs=1)

    @pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in DOWN])
    async def test_a_refusal_proves_that_gemini_is_up(self, circuit: Circuit, kind: Kind) -> None:
        """Whatever else Gemini says, it is there: failures before it do not count."""
        for _ in range(3):
            fail(circuit)
            fail(circuit)
            fail(circuit, kind)

        assert not refused(circuit)

    async def test_an_answer_in_between(self, circuit: Circuit) -> None:
        """Two failures, an answer, two failures: it stays closed."""
        fail(circuit)
        fail(circuit)
        circuit.close()
        fail(circuit)
        fail(circuit)

        assert not refused(circuit)

    async def test_one_probe(self, half_open: Circuit) -> None:
        """Half-open it lets one call pass at a time."""
        with half_open.call(FAR):
            assert refused(half_open)
            assert fail(half_open).retry_after == 5

        assert not refused(half_open)

    async def test_the_probe_closes_it(self, half_open: Circuit) -> None:
        """Once the probe is answered all may pass, while its answer still comes."""
        with half_open.call(FAR):
            half_open.close()
            assert not refused(half_open)

    async def test_the_probe_that_is_refused_closes_it(self, half_open: Circuit) -> None:
        """A refusal is an answer."""
        fail(half_open, Kind.RATE_LIMITED)
        fail(half_open)
        fail(half_open)

        assert not refused(half_open)

    async def test_the_probe_fails(
        self, half_open: Circuit, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It opens again for longer, two minutes at most, and after an answer it forgets that."""
        periods = []
        for _ in range(4):
            assert fail(half_open, Kind.TOO_SLOW).retry_after is None
            error = fail(half_open)
            assert error.kind is Kind.TOO_SLOW
            periods.append(error.retry_after)
            pass_time(monkeypatch, 120.5)
        half_open.close()
        for _ in range(3):
            fail(half_open)
        periods.append(fail(half_open).retry_after)

        assert periods == pytest.approx([60, 120, 120, 120, 30], abs=1)

    async def test_a_cancelled_probe(self, half_open: Circuit) -> None:
        """A probe that nobody waits for any more is over: the next call is the probe."""

        async def probe() -> None:
            with half_open.call(FAR):
                await asyncio.sleep(20)

        task = asyncio.create_task(probe())
        await asyncio.sleep(0)
        assert refused(half_open)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

        assert not refused(half_open)

    async def test_an_earlier_probe_is_no_longer_one(
        self, half_open: Circuit, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A probe whose answer is long does not end the next one."""
        with half_open.call(FAR):
            half_open.close()
            for _ in range(3):
                fail(half_open)
            pass_time(monkeypatch, 31)
            second = half_open.call(FAR)
            second.__enter__()

        assert refused(half_open)
        second.__exit__(None, None, None)
        assert not refused(half_open)

    async def test_failures_of_others_change_nothing(self, opened: Circuit) -> None:
        """Calls that began before it opened may fail as they like."""
        opened.close()
        calls = [opened.call(FAR) for _ in range(6)]
        for call in calls:
            call.__enter__()
        for call in calls:
            with suppress(GeminiError):
                call.__exit__(GeminiError, GeminiError(Kind.UNREACHABLE), None)

        assert fail(opened).retry_after == pytest.approx(30, abs=1)

    async def test_who_had_no_time_knows_nothing(self, circuit: Circuit) -> None:
        """An answer that was given up after seconds says nothing of Gemini; a drop does."""
        soon = asyncio.get_running_loop().time() + 5
        for _ in range(3):
            fail(circuit, Kind.TOO_SLOW, soon)
        assert not refused(circuit)

        for _ in range(3):
            fail(circuit, Kind.UNREACHABLE, soon)
        assert refused(circuit)

    async def test_a_clock_that_goes_wrong(
        self, opened: Circuit, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A clock that was set back does not hold it open for longer than it was opened for."""
        pass_time(monkeypatch, -1000)

        assert not refused(opened)

    async def test_each_transition_is_logged_once(
        self,
        circuit: Circuit,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Opened, half-open, closed: a line each, however many calls there are."""
        for _ in range(5):
            fail(circuit)
        pass_time(monkeypatch, 31)
        for _ in range(5):
            fail(circuit)
        circuit.close()
        circuit.close()

        assert [line.split(":")[0] for line in transitions(caplog)] == [
            "Gemini is down (UNREACHABLE)",
            "Gemini's circuit is half-open",
            "Gemini is down (UNREACHABLE)",
            "Gemini answers again",
        ]


class TestCalls:
    async def test_nobody_is_asked_while_it_is_open(
        self, server: GeminiServer, gemini: Gemini
    ) -> None:
        """After three calls in vain no request goes out."""
        await break_down(server, gemini)

        assert await result(gemini) is Kind.OVERLOADED
        assert len(server.bodies) == 3

    async def test_a_probe_brings_it_back(
        self, server: GeminiServer, gemini: Gemini, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """When its time is over one call goes out, and its answer lets all others pass."""
        monkeypatch.setattr("bot.gemini.circuit.FIRST_PERIOD", 0.3)
        await break_down(server, gemini)
        await asyncio.sleep(0.35)

        async with aclosing(ask(gemini)) as probe:
            server.answer("I", " am back", delay=0.2)
            assert await anext(probe) == TextDelta("I")
            assert await result(gemini) == "You said: Hi"

    async def test_who_waits_already_is_told_soon(
        self, server: GeminiServer, gemini: Gemini, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """When it opens, those who wait for their first word hear the same within seconds."""
        monkeypatch.setattr("bot.gemini.circuit.GRACE", 0.2)
        for _ in range(4):
            server.hang(30)
        waiting = [asyncio.create_task(result(gemini)) for _ in range(4)]
        await until(lambda: len(server.bodies) == 4)
        await break_down(server, gemini)

        async with asyncio.timeout(5):
            assert await asyncio.gather(*waiting) == [Kind.OVERLOADED] * 4
        await until(lambda: len(server.hangups) == 4)

    async def test_a_wait_for_another_attempt_ends_too(
        self, server: GeminiServer, gemini: Gemini, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Who was asked to come again later does not wait for that."""
        monkeypatch.setattr("bot.gemini.circuit.GRACE", 0.2)
        server.refuse(503, headers={"Retry-After": "15"})
        waiting = asyncio.create_task(result(gemini))
        await until(lambda: server.bodies)
        await break_down(server, gemini)

        async with asyncio.timeout(5):
            assert await waiting is Kind.OVERLOADED

    async def test_a_late_answer_is_an_answer(
        self, server: GeminiServer, gemini: Gemini, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A first word that comes after it has opened closes it, and the others wait on."""
        monkeypatch.setattr("bot.gemini.circuit.GRACE", 1.0)
        waiting = []
        for seconds in ("0.5", "1.5"):
            server.refuse(503, headers={"Retry-After": seconds})
            waiting.append(asyncio.create_task(result(gemini)))
        await until(lambda: len(server.bodies) == 2)
        await break_down(server, gemini)
        assert await result(gemini) is Kind.OVERLOADED

        assert await asyncio.gather(*waiting) == ["You said: Hi"] * 2

        assert await result(gemini) == "You said: Hi"

    async def test_cancelled_callers_do_not_count(
        self, server: GeminiServer, gemini: Gemini
    ) -> None:
        """Who gives up waiting has learnt nothing of Gemini."""
        for number in range(3):
            server.hang(30)
            task = asyncio.create_task(result(gemini))
            await until(lambda count=number + 1: len(server.bodies) == count)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

        assert await result(gemini) == "You said: Hi"

    async def test_an_answer_that_breaks_off_is_no_failure(
        self, server: GeminiServer, gemini: Gemini
    ) -> None:
        """Whoever has begun to answer is up."""
        for _ in range(4):
            server.cut("Once")
        assert [await result(gemini) for _ in range(4)] == ["Once"] * 4

        assert await result(gemini) == "You said: Hi"


async def break_down(server: GeminiServer, gemini: Gemini) -> None:
    """Let three calls fail, one after the other."""
    for _ in range(3):
        server.refuse(BROKEN)
        assert await result(gemini) is Kind.OVERLOADED


async def test_people_get_their_sentence_at_once(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    migrated_sqlite_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Where nobody listens, the fourth person is told so without another try."""
    caplog.set_level(logging.INFO)
    environment.setenv("DATABASE_URL", migrated_sqlite_url)
    with socket() as nobody:
        # Bound, so that no other test gets the port, and not listening
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        environment.setenv("GOOGLE_GEMINI_BASE_URL", f"http://127.0.0.1:{port}")
        async with open_door(telegram) as door:
            for user_id in (1, 2, 3):
                message = await door.say("Hello", user_id)
                assert message["text"] == texts.failure(GeminiError(Kind.UNREACHABLE))

            started = asyncio.get_running_loop().time()
            message = await door.say("Hello", 4)
            taken = asyncio.get_running_loop().time() - started

    assert message["text"] in {
        texts.failure(GeminiError(Kind.UNREACHABLE, seconds)) for seconds in range(25, 31)
    }
    assert taken < 1
    assert transitions(caplog) == [
        "Gemini is down (UNREACHABLE): its circuit is open for 30 s",
    ]


async def test_a_process_that_stood_still_blames_nobody(
    gemini: Gemini,
    server: GeminiServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A timeout that was frozen with its process says nothing of Gemini: the call is repeated."""
    await result(gemini)  # Google's SDK is imported now
    monkeypatch.setattr("bot.gemini.client.STANDSTILL", 0.2)
    gemini.first_chunk_timeout = 0.3
    for _ in range(3):
        server.hang(5)
        asyncio.get_running_loop().call_later(0.1, time.sleep, 0.6)

        assert await result(gemini) == "You said: Hi"

    assert len(server.requests) == 7
    assert transitions(caplog) == []
