"""The bot's memory while what it asks sends far more than it should."""

import gzip
import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx2

from bot.sandbox.telegram import TelegramServer
from bot.settings import SECRET_HEADER
from tests.support.gemini_server import Call, GeminiServer
from tests.support.messages import question
from tests.support.servers import serve
from tests.system.benchmark.figures import OURS, Figures
from tests.system.benchmark.load import SECRET
from tests.system.benchmark.processes import BOT, environment, serving

TIMEOUT = 300  # seconds
TARGET = "400"
LONG = json.dumps({"candidates": [{"content": {"parts": [{"text": "word " * 20_000}]}}]})
ERROR = b'{"error": {"message": "' + b"x" * 50_000_000
PACKED = {"Content-Encoding": "gzip"}


def _call_often(gemini: GeminiServer) -> None:
    gemini.calls(*[Call("get_current_weather", {"city": f"Rome,{n}"}) for n in range(5000)])
    gemini.answer("Sunny")


ATTACKS: dict[str, Callable[[GeminiServer], None]] = {
    "an answer": lambda gemini: gemini.answer("Hello"),
    "text without end": lambda gemini: gemini.flood(b"data: %b\n\n" % LONG.encode()),
    "JSON without end": lambda gemini: gemini.flood(b"[" + b"1," * 20_000),
    "1 GB in 1 MB of gzip": lambda gemini: gemini.pieces(
        gzip.compress(b": nothing\n\n" * 100_000_000), headers=PACKED
    ),
    "an error of 50 MB": lambda gemini: gemini.respond_with(402, ERROR),
    "an error of 50 MB in gzip": lambda gemini: gemini.respond_with(
        402, gzip.compress(ERROR), **PACKED
    ),
    "5,000 function calls": _call_often,
}


@dataclass(frozen=True, slots=True)
class Attacks:
    """Fill in the most memory that each attack takes."""

    folder: Path
    figures: Figures
    say: Callable[[str], None]

    def take(self) -> None:
        """Let a server of its own meet each attack three times."""
        self.say("Memory under attack")
        for number, (name, attack) in enumerate(ATTACKS.items()):
            peak = self._peak(attack, self.folder / f"attacked-{number}.sqlite")
            self.figures.add(f"most memory: {name}", "MiB", {OURS: [peak]}, TARGET)

    def _peak(self, attack: Callable[[GeminiServer], None], database: Path) -> float:
        settings = environment(f"sqlite:///{database}", "")
        telegram = TelegramServer(settings["TELEGRAM_BOT_TOKEN"])
        gemini = GeminiServer(key=settings["GEMINI_API_KEY"])
        with ExitStack() as stack:
            settings |= {
                "TELEGRAM_API_BASE_URL": stack.enter_context(serve(telegram.application())),
                "GOOGLE_GEMINI_BASE_URL": stack.enter_context(serve(gemini.application())),
                "OWM_API_KEY": "made-up-weather-key",
                "OWM_API_BASE_URL": "http://127.0.0.1:9",  # where nobody listens
            }
            server = stack.enter_context(serving(BOT, settings, self.folder))
            for _ in range(3):
                attack(gemini)
                response = httpx2.post(
                    f"http://127.0.0.1:{server.port}/webhook",
                    json=question(telegram, "Hello"),
                    headers={SECRET_HEADER: SECRET},
                    timeout=TIMEOUT,
                )
                if response.status_code != httpx2.codes.OK or not telegram.sent():
                    self.figures.faults.append(f"{server.log.stem}: {response.status_code}")
            return server.peak()
