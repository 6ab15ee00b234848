"""One instance of the function: a process that is called, frozen, thawed, stopped."""

import asyncio
import base64
import json
import os
import signal
import subprocess
from dataclasses import dataclass, field
from itertools import count
from typing import Any, ClassVar

import httpx2

from tests.system.vercel.function import Function

Json = dict[str, Any]
Headers = dict[str, str]

START_TIMEOUT = 120  # seconds; some machines are busy
CALL_TIMEOUT = 300  # seconds: the function's maxDuration
MESSAGE_LIMIT = 2**24  # bytes
GRACE = 0.25  # seconds between SIGTERM and SIGKILL

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asks of the function."""

    method: str
    path: str
    body: str = ""
    headers: Headers = field(default_factory=dict)


class Instance:
    """A process of the function, and the line on which it speaks to the platform.

    `logs` is what came over the line, `written` what went to standard output and error;
    `started` is what the runtime said of its start, `writable` where it can write.
    """

    fluid: ClassVar[bool]
    capacity: ClassVar[int]  # calls at once

    def __init__(self, function: Function) -> None:
        self.busy = 0
        self.logs: list[str] = []
        self.started: Json = {}
        self.writable: dict[str, bool] = {}
        self._function = function
        self._number = next(_numbers)
        self._output = function.folder / f"output-{self._number}"
        self._ends: dict[str, asyncio.Future[Json | None]] = {}
        self._lines: list[asyncio.Task[Any] | None] = []
        self._writer: asyncio.StreamWriter | None = None
        self._server: asyncio.Server | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """Return its process; raise where there is none yet."""
        if self._process is None:
            raise ProcessLookupError
        return self._process

    @property
    def import_duration(self) -> float:
        """Return how many milliseconds the runtime took to import the application."""
        started = {"userInitDuration": self.started["initDuration"]} | self.started
        return float(started["userInitDuration"])

    @property
    def written(self) -> str:
        """Return what it wrote to standard output and error."""
        return self._output.read_text(errors="replace")

    async def start(self) -> None:
        """Start it and wait until the runtime has imported the application."""
        socket = self._function.folder / f"line-{self._number}"
        self._server = await asyncio.start_unix_server(self._listen, socket, limit=MESSAGE_LIMIT)
        socket.chmod(0o666)
        self._process = self._function.spawn(socket, self._output, fluid=self.fluid)
        async with asyncio.timeout(START_TIMEOUT):
            while not self.started:
                if self._process.poll() is not None:
                    status = self._process.returncode
                    raise RuntimeError(
                        "\n".join([f"It ended: {status}", self.written, *self.logs])
                    )
                await asyncio.sleep(0.01)

    async def call(self, request: Request) -> int:
        """Send a request and return the answer's status once the runtime says that it is done.

        Raise ConnectionError where the instance ends meanwhile.
        """
        call = str(next(_numbers))
        end = self._ends[call] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                return await self._exchange(call, request, end)
        finally:
            del self._ends[call]

    async def _exchange(
        self, call: str, request: Request, end: asyncio.Future[Json | None]
    ) -> int:
        raise NotImplementedError

    def freeze(self) -> None:
        """Stop it where it stands."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.process.pid, signal.SIGCONT)

    async def stop(self, grace: float = GRACE) -> None:
        """Ask it to end, and end it where it does not in time."""
        self.thaw()
        self.process.terminate()
        try:
            await asyncio.to_thread(self.process.wait, grace)
        except subprocess.TimeoutExpired:
            self.process.kill()
            await asyncio.to_thread(self.process.wait)
        await self.close()

    async def close(self) -> None:
        """Kill what is left of it, and end the line."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        await asyncio.gather(*filter(None, self._lines))  # what it said last is heard

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._lines.append(asyncio.current_task())
        self._writer = writer
        try:
            while True:
                self._hear(json.loads((await reader.readuntil(b"\0"))[:-1]))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the process has ended
        finally:
            writer.close()
            for call in self._ends:
                self._end(call, None)

    def _hear(self, message: Json) -> None:
        payload = message["payload"]
        match message["type"]:
            case "writable":
                self.writable = payload
            case "server-started":
                self.started = payload
            case "log":
                self.logs.append(base64.b64decode(payload["message"]).decode())
            case "unrecoverable-error":
                self.logs.append(payload["message"])
            case "end":
                self._end(payload["context"]["invocationId"], payload)

    def _end(self, call: str, payload: Json | None) -> None:
        if (end := self._ends.get(call)) and not end.done():
            end.set_result(payload)


class FluidInstance(Instance):
    """Fluid compute: the runtime serves HTTP in the main thread, many calls at once."""

    fluid = True
    capacity = 100

    async def start(self) -> None:
        """Start it, and a client of its port."""
        await super().start()
        url = f"http://127.0.0.1:{self.started['httpPort']}"
        self._client = httpx2.AsyncClient(
            base_url=url, timeout=None, trust_env=False
        )  # `call` has one

    async def close(self) -> None:
        """End it, and the client."""
        await super().close()
        if self.started:
            await self._client.aclose()

    async def _exchange(
        self, call: str, request: Request, end: asyncio.Future[Json | None]
    ) -> int:
        internal = {
            "x-vercel-internal-invocation-id": call,
            "x-vercel-internal-request-id": "1",
        }
        try:
            response = await self._client.request(
                request.method,
                request.path,
                content=request.body,
                headers=request.headers | internal,
            )
        except httpx2.TransportError as error:
            raise ConnectionResetError from error
        if await end is None:
            raise ConnectionResetError
        return response.status_code


class SingleInstance(Instance):
    """Fluid compute off: the handler is called for one event at a time."""

    fluid = False
    capacity = 1

    async def _exchange(
        self, call: str, request: Request, end: asyncio.Future[Json | None]
    ) -> int:
        body = json.dumps(
            {
                "method": request.method,
                "path": request.path,
                "headers": request.headers,
                "body": request.body,
            }
        )
        event = {"context": {"invocationId": call}, "body": body}
        if self._writer is None:
            raise ConnectionResetError
        self._writer.write(json.dumps(event).encode() + b"\0")
        answer = await end
        if answer is None:
            raise ConnectionResetError
        status: int = answer["response"]["statusCode"]
        return status
