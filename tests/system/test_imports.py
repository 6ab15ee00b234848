"""What an import brings along: the greater part of a cold start.

Whoever adds to it is told so here, and imports it where it is first needed, or adds it below.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import ROOT

# With all that those need at once; on other systems and Pythons it may be less
ALLOWED = {
    "bot.__main__": {
        *("bot", "db"),
        *("pydantic", "pydantic_core", "pydantic_settings", "annotated_types", "dotenv"),
        *("typing_extensions", "typing_inspection"),
        *("sqlalchemy", "greenlet"),
    },
}
ALLOWED["bot.app"] = ALLOWED["bot.__main__"] | {
    *("aiogram", "magic_filter", "aiofiles", "certifi"),
    *("aiohttp", "aiohappyeyeballs", "aiosignal", "attr", "frozenlist", "idna", "multidict"),
    *("propcache", "yarl"),
    *("fastapi", "annotated_doc", "anyio", "opentelemetry", "sniffio", "starlette"),
}
# Parts of what is allowed, and of ours, that others need; and of what they would cost, measured
# on top of `import bot.app` in milliseconds on a slow core: google.genai 345, alembic 67,
# uvicorn 20, asyncpg 18, telegramify_markdown with its parser 11, websockets 6
LATER = {
    *("aiohttp.web", "fastapi.testclient", "starlette.testclient"),
    *("bot.operator.doctor", "bot.polling", "bot.sandbox", "bot.operator.setup"),
}


@pytest.mark.parametrize("module", ALLOWED)
@pytest.mark.slow("a new process for each module")
def test_an_import_brings_along_no_more_than_it_needs(tmp_path: Path, module: str) -> None:
    """Each module is Python's own or belongs to what is allowed."""
    code = f"import sys; old = {{*sys.modules}}; import {module}; print(*{{*sys.modules}} - old)"
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    brought = set(done.stdout.split())
    assert module in brought
    packages = {name.partition(".")[0] for name in brought}
    assert {name for name in packages if is_foreign(name)} <= ALLOWED[module]
    assert brought & LATER == set()


def is_foreign(package: str) -> bool:
    """Tell whether a package was installed; what compilers make up has no name of its own."""
    return package not in sys.stdlib_module_names and not package.startswith(("_", "cython_"))
