"""What is measured and what measures, each in a process of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.support.processes import ROOT
from tests.support.servers import LoopThread, free_port
from tests.system.benchmark.load import SECRET, Outcome, Plan
from tests.system.benchmark.wire import Connection

START_TIMEOUT = 60  # seconds; some machines are busy
STOP_TIMEOUT = 20  # seconds
LOOK = 0.005  # seconds between two looks whether a server listens
TICKS = os.sysconf("SC_CLK_TCK")
TOKEN = "123456789:AAE-made-up-for-the-benchmark-01234"
BOT, HAND_WRITTEN = "bot.app:app", "tests.system.benchmark.baseline:app"
CONTROL = "/profile"  # the first request begins a profile, the second one ends it and gets it
PROFILED = "tests.system.benchmark.profiled:app"
# Those limits are looked at, as they are by default, and never reached
LIMITS = {"PER_MINUTE": "10000", "PER_HOUR": "100000", "PER_DAY": "1000000"}


@dataclass(frozen=True, slots=True)
class Server:
    """A running application: its process, its port, and what was written to its log."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    spawned: float  # by time.perf_counter

    def cpu(self) -> float:
        """Return the seconds of processor time that it used, user and system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self) -> float:
        """Return its resident memory in MiB."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def peak(self) -> float:
        """Return the most resident memory that it has had, in MiB."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        [peak] = [line for line in lines if line.startswith("VmHWM:")]
        return int(peak.split()[1]) / 1024


class Cloud:
    """Tell the process that plays Telegram and Gemini what to do."""

    def __init__(self, port: int, thread: LoopThread) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._thread = thread
        self._connection = thread.run(Connection.open(port))

    def plan(self, chunks: int = 3, delay: float = 0.0, pause: float = 0.0) -> None:
        """Set how Gemini answers, and forget what was called."""
        self._ask("/plan", {"chunks": chunks, "delay": delay, "pause": pause})

    def answers(self) -> Counter[int]:
        """Return how many messages each chat got, and forget them."""
        return Counter({int(chat): count for chat, count in self._ask("/answers", {}).items()})

    def calls(self) -> Counter[str]:
        """Return how often each method was called, and forget that."""
        return Counter(self._ask("/calls", {}))

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _ask(self, path: str, body: Any) -> Any:
        answer = self._thread.run(self._connection.post(path, json.dumps(body).encode()))
        return json.loads(answer[1])


def environment(database_url: str, cloud_url: str) -> dict[str, str]:
    """Return the settings of an application: those that it must have, and its limits."""
    return {
        "PATH": os.environ.get("PATH", ""),
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_WEBHOOK_SECRET": SECRET,
        "TELEGRAM_API_BASE_URL": cloud_url,
        "GOOGLE_GEMINI_BASE_URL": cloud_url,
        "GEMINI_API_KEY": "made-up-gemini-key-of-the-benchmark",
        "DATABASE_URL": database_url,
        **{f"RATE_LIMIT_{period}": limit for period, limit in LIMITS.items()},
    }


@contextmanager
def serving(application: str, settings: Mapping[str, str], folder: Path) -> Iterator[Server]:
    """Run an application by uvicorn, one worker, until the block ends; wait until it listens."""
    port = free_port()
    log = folder / f"{application.partition(':')[0]}-{port}.log"
    options = ("--port", str(port), "--no-access-log")
    # Who writes to several lets some of the connections rest
    arguments = ("-m", "uvicorn", application, *options, "--timeout-keep-alive", "120")
    spawned = time.perf_counter()
    with log.open("wb") as output, _python(arguments, settings, output, output) as process:
        _wait(process, port, log)
        yield Server(process, port, log, spawned)


@contextmanager
def open_cloud() -> Iterator[Cloud]:
    """Play Telegram and Gemini while the block lasts."""
    thread = LoopThread()
    try:
        arguments = ("-m", "tests.system.benchmark.cloud")
        with _python(arguments, os.environ, subprocess.PIPE, None) as process:
            assert process.stdout
            cloud = Cloud(int(process.stdout.readline()), thread)
            yield cloud
            cloud.close()
    finally:
        thread.close()


@contextmanager
def sending(plan: Plan) -> Iterator[subprocess.Popen[bytes]]:
    """Let people write while the block lasts."""
    arguments = ("-m", "tests.system.benchmark.load")
    with _python(arguments, os.environ, subprocess.PIPE, None) as process:
        assert process.stdin
        process.stdin.write(json.dumps(asdict(plan)).encode())
        process.stdin.close()
        yield process


def outcome(process: subprocess.Popen[bytes]) -> Outcome:
    """Wait for what came of what people wrote."""
    assert process.stdout
    found = json.loads(process.stdout.read())
    return Outcome(**found)


@contextmanager
def _python(
    arguments: tuple[str, ...], settings: Mapping[str, str], output: Any, errors: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Python command; it ends with the block, also where that is cut short."""
    with subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, *arguments],
        cwd=ROOT,
        env=dict(settings),
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=errors,
        # Ctrl-C is for us alone: we end the others in their order
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + START_TIMEOUT
    while not _listens(port):
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(log.read_text())
        time.sleep(LOOK)


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
