"""The bot under a profiler: `uvicorn tests.system.benchmark.profiled:app`."""

import cProfile
import io
import pstats
from collections import defaultdict
from operator import itemgetter
from pathlib import Path

from starlette.types import Receive, Scope, Send

from bot.app import app as bot
from tests.support.processes import ROOT
from tests.system.benchmark.processes import CONTROL

LINES = 25
STANDARD_LIBRARY = Path(io.__file__ or "").parent

_profiles: list[cProfile.Profile] = []


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Pass everything on to the bot, but for what controls the profiler."""
    if scope.get("path") != CONTROL:
        await bot(scope, receive, send)
        return
    body = _end(_profiles.pop()) if _profiles else _begin()
    head = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": body})


def _begin() -> bytes:
    profile = cProfile.Profile()
    _profiles.append(profile)
    profile.enable()
    return b""


def _end(profile: cProfile.Profile) -> bytes:
    """Return the lines with the most time, with what they call and without it; and packages.

    Where the database's greenlets switch, time with callees goes astray; one's own does not.
    """
    profile.disable()
    text = io.StringIO()
    stats = pstats.Stats(profile, stream=text)
    packages = _packages(profile)
    stats.strip_dirs()
    for order in ("cumulative", "tottime"):
        stats.sort_stats(order).print_stats(LINES)
    text.writelines(f"{seconds:8.3f}  {name}\n" for name, seconds in packages)
    return text.getvalue().encode()


def _packages(profile: cProfile.Profile) -> list[tuple[str, float]]:
    """Return the seconds spent in each package itself; in C, in each function."""
    seconds: dict[str, float] = defaultdict(float)
    for entry in profile.getstats():
        code = entry.code
        file = code if isinstance(code, str) else code.co_filename
        seconds[_package(file)] += entry.inlinetime
    return sorted(seconds.items(), key=itemgetter(1), reverse=True)[:LINES]


def _package(file: str) -> str:
    for root in ("site-packages/", f"{ROOT}/", f"{STANDARD_LIBRARY}/"):
        _, found, rest = file.partition(root)
        if found:
            return rest.partition("/")[0]
    return file
