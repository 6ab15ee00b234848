"""A server process of the bot: started, killed, frozen, woken."""

import asyncio
import math
import multiprocessing
import os
import signal
from contextlib import chdir
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.support.servers import free_port

ROOT = Path(__file__).parent.parent.parent.parent
START_TIMEOUT = 180  # seconds; some machines are busy
STOP_TIMEOUT = 20  # seconds
DEATHS = 3  # by itself, after which nothing will come of it

# To import the bot and Google's SDK costs seconds: it is done once
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["tests.system.faults.server"])


class BotProcess:
    """One of the server processes, over all its lives; `life` counts them from 1."""

    def __init__(self, name: str, environment: dict[str, str], folder: Path, lease: float) -> None:
        self.name = name
        self.port = free_port()
        self.life = 0
        self.deaths: list[int] = []  # the statuses with which it ended by itself
        self.log = folder / f"{name}.log"
        self._environment = environment
        self._lease = lease
        self._process: ForkServerProcess | None = None
        self._frozen = False

    @property
    def pid(self) -> int:
        """Return its number; raise where it does not run."""
        if self._process is None or self._process.pid is None:
            raise ProcessLookupError(self.name)
        return self._process.pid

    def start(self) -> None:
        """Begin its next life."""
        self.life += 1
        arguments = (self.port, self._lease, self._environment, self.log)
        self._process = _forks.Process(target=_serve, args=arguments, daemon=True)
        with chdir(ROOT):  # from there the fork server imports
            self._process.start()

    async def wait_until_ready(self) -> None:
        """Wait until it accepts connections."""
        async with asyncio.timeout(START_TIMEOUT):
            while not await self._accepts():
                self.look_after()
                await asyncio.sleep(0.05)

    def look_after(self) -> None:
        """Note a death that nobody caused, and start it again."""
        if self._process and (status := self._process.exitcode) is not None:
            self.deaths.append(status)
            if len(self.deaths) == DEATHS:
                raise RuntimeError(self.log.read_text(errors="replace")[-3000:])
            self.start()

    def kill(self) -> None:
        """End it where it stands; to be called from any thread. `bury` takes note of it."""
        os.kill(self.pid, signal.SIGKILL)

    def freeze(self) -> None:
        """Stop it where it stands; to be called from any thread."""
        self._frozen = True
        os.kill(self.pid, signal.SIGSTOP)

    def bury(self) -> None:
        """Kill it and wait for its end."""
        if self._process:
            self._process.kill()
            self._process.join()
            self._process = None

    def wake(self) -> None:
        """Let it go on."""
        if self._frozen:
            self._frozen = False
            os.kill(self.pid, signal.SIGCONT)

    def end(self) -> None:
        """Let it finish as a host does, and kill it where it does not."""
        if self._process is None:
            return
        self.wake()
        self._process.terminate()
        self._process.join(STOP_TIMEOUT)
        self.bury()

    def memory(self) -> float:
        """Return its resident memory in MB; not a number where the system does not tell."""
        file = Path(f"/proc/{self.pid}/statm")
        if not file.exists():
            return math.nan
        pages = int(file.read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    async def _accepts(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True


def _serve(port: int, lease: float, environment: dict[str, str], log: Path) -> None:
    from tests.system.faults.server import serve  # not here: it takes seconds

    serve(port, lease, environment, log)
