"""The bot on Vercel: built by its real builder, run by its real runtime, treated as it does."""

import asyncio
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from db.engine import open_engine
from db.schema import HEAD, read_revision
from tests.support.machine_lock import machine_lock
from tests.support.postgres import Postgres, temporary_folder
from tests.system.vercel.build import build
from tests.system.vercel.bundle import lay_out
from tests.system.vercel.databases import Databases
from tests.system.vercel.function import PRODUCTION_HOST, Function
from tests.system.vercel.instance import FluidInstance, Instance, Request, SingleInstance
from tests.system.vercel.platform import Platform
from tests.system.vercel.toolchain import InstallError, MissingError, Toolchain, find_toolchain
from tests.system.vercel.world import SECRET, World

ANN, BEN, CROWD, FEW = 42, 43, range(1000, 1050), range(2000, 2003)
TOGETHER = len(FEW)  # instances, where one takes one call at a time
PATIENCE = 60  # seconds; some machines are busy
WORD = "rhubarb"  # in all that people write
COMPLAINTS = (
    "Event loop is closed",
    "attached to a different loop",
    "never retrieved",
    "was never awaited",
    "was destroyed but it is pending",
    "unclosed",
    "traceback",
)
PRODUCTION = {
    "VERCEL_ENV": "production",
    "VERCEL_PROJECT_PRODUCTION_URL": PRODUCTION_HOST,
    # The builder then ships .pyc files: without them each start compiles all that it imports
    "VERCEL_PYTHON_COMPILEALL": "1",
}
MESSAGES = (
    "SELECT text FROM chat_message JOIN chat_session ON chat_session.id = chat_message.chat_id"
    " WHERE chat_session.chat_id = $1 ORDER BY chat_message.id"
)
UPDATES = "SELECT status, count(*) FROM processed_update GROUP BY status"
FREEZE = 0.5  # seconds
LAST_GRACE = 10  # seconds: what an instance would complain of at its end is to be heard
KINDS: dict[type[Instance], str] = {
    FluidInstance: "fluid compute",
    SingleInstance: "fluid compute off",
}


class Trial:
    """A platform in its world, and what people have said to it."""

    def __init__(self, platform: Platform, world: World) -> None:
        self.platform = platform
        self.world = world
        self.said: dict[int, list[str]] = {}

    async def tell(self, person: int) -> list[int]:
        """Let a person say the next thing; return the statuses until it is accepted."""
        said = self.said.setdefault(person, [])
        said.append(f"{WORD} {len(said)} of {person}")
        self._last = self.world.write(person, said[-1])
        return await self.world.deliver(self.platform, self._last)

    async def repeat(self) -> list[int]:
        """Deliver the last update again, as Telegram does when an answer got lost."""
        return await self.world.deliver(self.platform, self._last)

    async def tell_all(self, people: Iterable[int]) -> list[list[int]]:
        """Let people say the next thing, all at once."""
        return await asyncio.gather(*map(self.tell, people))


@pytest.fixture(scope="session")
def toolchain() -> Toolchain:
    """Find what a build takes; nobody needs it for anything else."""
    try:
        return find_toolchain()
    except MissingError as missing:
        pytest.skip(str(missing))
    except InstallError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture
def folder() -> Iterator[Path]:
    """Make a folder that every account may enter, when no other busy test is at work."""
    with machine_lock(alone=True):
        folder = temporary_folder()
        folder.chmod(0o755)
        yield folder
        shutil.rmtree(folder)


@pytest.fixture
def databases(postgres_server: Postgres) -> Iterator[Databases]:
    """Make databases, and drop them."""
    databases = Databases(postgres_server)
    with databases.open():
        yield databases


@pytest.fixture
def deployed(
    toolchain: Toolchain, folder: Path, databases: Databases, postgres_server: Postgres
) -> Iterator[tuple[Function, str]]:
    """Deploy to production; yield the function and the database that the build migrated."""
    world = World(databases.create(), postgres_server)
    with world.open():
        built = build(toolchain, folder / "project", PRODUCTION | world.settings)
    check_webhook(world)
    assert asyncio.run(_revision(world.database_url)) == HEAD
    assert not [secret for secret in world.secrets if secret in built.log]
    bundle = lay_out(built, folder / "task")
    interpreter = toolchain.interpreter.for_everyone(folder / "python")
    assert built.config["runtime"] == f"python{interpreter.version}"
    yield Function(bundle, interpreter, folder, {}), world.database_url
    bundle.remove()


async def _revision(database_url: str) -> str | None:
    async with open_engine(database_url) as engine:
        return await read_revision(engine)


def check_webhook(world: World) -> None:
    """Make sure that the build told Telegram where production is, with the secret."""
    webhook = world.telegram.webhook
    assert webhook["url"] == f"https://{PRODUCTION_HOST}/webhook"
    assert webhook["secret_token"] == SECRET
    (call,) = world.telegram.calls_of("setWebhook")
    assert "message" in call.parameters["allowed_updates"]
    assert world.telegram.violations == []


@pytest.mark.slow("builds and runs the bot with Vercel's programs")
async def test_the_bot_works_on_vercel(
    deployed: tuple[Function, str],
    databases: Databases,
    postgres_server: Postgres,
    record_property: Callable[[str, object], None],
) -> None:
    """Whatever Vercel does to instances, each update is answered once, and nothing complains.

    Fluid compute on and off, both at the same time: to wait for a lease takes half a minute.
    """
    function, template = deployed
    record_property("Vercel, bundle", function.bundle.size())
    async with AsyncExitStack() as stack:
        trials = []
        for kind, name in KINDS.items():
            world = World(databases.create(template), postgres_server)
            stack.enter_context(world.open())
            platform = Platform(function.with_settings(world.settings), kind)
            await stack.enter_async_context(platform.open())
            record_property(f"Vercel, {name}", await platform.measure_start())
            trials.append(Trial(platform, world))
        async with asyncio.TaskGroup() as group:
            for trial in trials:
                group.create_task(live(trial))


async def live(trial: Trial) -> None:
    """Play all that happens to a function, and look at what is left of it."""
    await ask(trial)
    await survive_a_freeze(trial)
    await survive_an_end(trial)
    await trial.platform.stop(LAST_GRACE)
    check_file_system(trial.platform)
    check_output(trial.platform, trial.world)
    await check_answers(trial)


async def ask(trial: Trial) -> None:
    """Ask for the pages, then write one after the other, and in 50 chats at once."""
    for path in ("/", "/health"):
        assert await trial.platform.call(Request("GET", path)) == 200
    for _ in range(3):
        assert await trial.tell(ANN) == [200]
    await trial.platform.fill(TOGETHER)
    await trial.tell_all(CROWD)


async def survive_a_freeze(trial: Trial) -> None:
    """Cut all connections of instances that are frozen, and ask each of them again."""
    assert await trial.tell_all(FEW) == [[200]] * len(FEW)
    cut = await trial.world.cut()
    assert min(cut.values()) > 0, cut
    await asyncio.sleep(FREEZE)
    assert await trial.tell_all(FEW) == [[200]] * len(FEW)
    assert await trial.tell(ANN) == [200]


async def survive_an_end(trial: Trial) -> None:
    """End the instances, one of them in the middle of an answer, which another one gives."""
    assert await trial.tell(BEN) == [200]
    world, questions = trial.world, len(trial.world.gemini.bodies)
    world.gemini.hang(60)
    telling = asyncio.create_task(trial.tell(BEN))
    await world.telegram.wait_for(lambda: len(world.gemini.bodies) > questions, PATIENCE)
    await trial.platform.stop()
    await trial.platform.fill(2)
    assert await trial.tell(ANN) == [200]
    assert await trial.repeat() == [200]
    first, *_, last = await telling
    assert (first, last) == (0, 200)
    assert await trial.tell(BEN) == [200]


def check_file_system(platform: Platform) -> None:
    """Make sure that no instance could write anything but /tmp."""
    written = [instance.writable for instance in platform.instances]
    assert written == [{"task": False, "home": False, "tmp": True}] * len(written)


def check_output(platform: Platform, world: World) -> None:
    """Make sure that the output tells of each update, complains of nothing, gives nothing away."""
    output = platform.output
    assert output.count(" is handled, ") == len(world.telegram.sent())
    found = [word for word in COMPLAINTS if word.lower() in output.lower()]
    found += [secret for secret in (*world.secrets, WORD) if secret in output]
    assert not found, output


async def check_answers(trial: Trial) -> None:
    """Make sure that each message has one answer, in order, and that this is what is stored."""
    world = trial.world
    assert world.telegram.violations == []
    for person, texts in trial.said.items():
        answers = [f"You said: {text}" for text in texts]
        assert [message["text"] for message in world.telegram.sent(person)] == answers
        exchanges = [line for pair in zip(texts, answers, strict=True) for line in pair]
        (*_, asked) = world.questions(texts[-1])
        assert asked == exchanges[:-1]
        assert await world.rows(MESSAGES, person) == [(text,) for text in exchanges]
    count = sum(map(len, trial.said.values()))
    assert await world.rows(UPDATES) == [("done", count)]
