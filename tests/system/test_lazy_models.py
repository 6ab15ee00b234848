"""aiogram's models are built when they are used, and are the same then."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import pytest

from bot.startup.lazy_models import AIOGRAM, PYDANTIC, SWITCH
from tests.support.processes import ROOT

# As small as a library can be that does what aiogram does
STUB = """
from __future__ import annotations
from pydantic import BaseModel, ConfigDict

class Base(BaseModel):
    model_config = ConfigDict(defer_build=True)

class Answer(BaseModel):
    text: str

class User(Base):
    name: str

def _namespace():
    class Chat(Base):
        owner: User
    return {"Chat": Chat, "User": User}

class Message(Base):
    chat: Chat
    answers: list[Message] = []

namespace = _namespace()
for model in (User, *namespace.values(), Message):
    model.model_rebuild(_types_namespace=namespace | {"Message": Message})
"""
REPORT = """
import pydantic
from bot.startup import prepare_process
prepare_process()
before = dict(vars(pydantic.BaseModel))
try:
    import aiogram
except RuntimeError:
    print("failed", end=" ")
after = vars(pydantic.BaseModel)
assert before["model_rebuild"] is after["model_rebuild"] and after["model_config"] == {}
"""
BUILT = "print(*(model.__pydantic_complete__ for model in (aiogram.Message, aiogram.Answer)))"
IN_THREADS = """
import time
from concurrent.futures import ThreadPoolExecutor
builds = []

class Slow(aiogram.Base):
    chat: aiogram.namespace["Chat"]

    @classmethod
    def __get_pydantic_core_schema__(cls, source, handler):
        builds.append(source)
        time.sleep(0.1)
        return handler(source)

def use(number):
    return repr(Slow.model_validate({"chat": {"owner": {"name": str(number)}}}))

with ThreadPoolExecutor(8) as pool:
    print(*pool.map(use, range(8)), sep="\\n")
print(len(builds))
"""


def python(folder: Path, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
    """Start a Python command that finds the bot, and before it what is in the folder."""
    path = os.pathsep.join(map(str, (folder, ROOT)))
    return subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, *arguments],
        env=os.environ | {"PYTHONPATH": path, "PYTHONHASHSEED": "0"} | variables,
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
    )


def output(process: "subprocess.Popen[str]") -> str:
    """Return what a command printed; it must end well."""
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return printed


def report(folder: Path, code: str, *, release: str = f"{AIOGRAM}0", **variables: str) -> str:
    """Import a stub of aiogram in a new process that knows the bot, and run some code there."""
    package = folder / "aiogram"
    package.mkdir(exist_ok=True)
    (package / "__meta__.py").write_text(f"__version__ = {release!r}")
    if not (package / "__init__.py").exists():
        (package / "__init__.py").write_text(STUB)
    return output(python(folder, "-c", REPORT + code, **variables)).strip()


@pytest.mark.slow("builds every model of aiogram twice")
def test_every_model_is_the_same(tmp_path: Path) -> None:
    """Fields, objects and JSON of all models, whichever is used first; and of many updates."""
    examined = [
        python(tmp_path, "-m", "tests.support.aiogram_models", **variables)
        for variables in ({SWITCH: "true"}, {SWITCH: "false"})
    ]
    backwards = python(
        tmp_path, "-m", "tests.support.aiogram_models", "--backwards", **{SWITCH: "true"}
    )

    lazily, eagerly, the_other_way = (
        json.loads(output(process)) for process in (*examined, backwards)
    )

    assert eagerly["built"] > 600
    for said in (lazily, the_other_way):
        assert said["built"] == 1  # Response, whose kinds were asked for
        assert differences(said["found"], eagerly["found"]) == []


def differences(found: Mapping[str, object], expected: Mapping[str, object]) -> list[str]:
    """Return the names of what is not the same."""
    names = found.keys() | expected.keys()
    return sorted(name for name in names if found.get(name) != expected.get(name))


def test_no_other_version_is_installed() -> None:
    """Whoever changes a bound in pyproject.toml runs these tests, then lazy_models.py."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    major, minor = map(int, AIOGRAM.strip(".").split("."))

    assert f"aiogram>={major}.{minor},<{major}.{minor + 1}" in project["dependencies"]
    assert version("aiogram").startswith(AIOGRAM)
    assert version("pydantic").startswith(PYDANTIC)


@pytest.mark.parametrize("value", ["", "true", "1", "on"])
def test_it_is_on(tmp_path: Path, value: str) -> None:
    """Nothing is built at the import; a model is once it is used, with all that it names."""
    code = (
        BUILT + "\nprint(repr(aiogram.Message(chat={'owner': {'name': 'Ann'}})))"
        "\nprint(aiogram.Answer(text='x'))\n" + BUILT
    )

    lines = report(tmp_path, code, **{SWITCH: value}).splitlines()

    assert lines == [
        "False False",
        "Message(chat=Chat(owner=User(name='Ann')), answers=[])",
        "text='x'",
        "True True",
    ]


@pytest.mark.parametrize("value", ["false", "FALSE", "0", "off", "no"])
def test_it_is_off(tmp_path: Path, value: str) -> None:
    """With the switch off, aiogram is imported as ever."""
    assert report(tmp_path, BUILT, **{SWITCH: value}) == "True True"


@pytest.mark.parametrize("release", ["3.30.9", "3.32.0", "4.0.0", "3.310.0"])
def test_another_version_of_aiogram_is_left_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], release: str
) -> None:
    """What was not tested is not tried, and the log says so."""
    assert report(tmp_path, BUILT, release=release) == "True True"
    assert f"aiogram {release} with pydantic {PYDANTIC}" in capfd.readouterr().err


def test_another_version_of_pydantic_is_left_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What was not tested is not tried, and the log says so."""
    (tmp_path / "sitecustomize.py").write_text("import pydantic; pydantic.VERSION = '2.14.0'")

    assert report(tmp_path, BUILT) == "True True"
    assert "with pydantic 2.14.0 has not been tested" in capfd.readouterr().err


def test_an_import_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    """Pydantic is as before, and a second import is as ever."""
    (tmp_path / "aiogram").mkdir()
    (tmp_path / "aiogram/__init__.py").write_text(STUB + "\nraise RuntimeError")

    again = "\ntry:\n    import aiogram\nexcept RuntimeError:\n    print('again')"
    assert report(tmp_path, again) == "failed again"


def test_whoever_imported_aiogram_before_has_it_as_ever(tmp_path: Path) -> None:
    """The bot comes too late then, and does nothing."""
    code = "\nimport sys; print(len([f for f in sys.meta_path if 'bot' in type(f).__module__]))"
    report(tmp_path, "")

    printed = output(python(tmp_path, "-c", "import aiogram\n" + REPORT + BUILT + code))

    assert printed.split() == ["True", "True", "0"]


def test_threads_may_use_a_model_at_once(tmp_path: Path) -> None:
    """The first one builds it, and the others wait for it: pydantic's own way is not safe."""
    *objects, builds = report(tmp_path, IN_THREADS).splitlines()

    assert objects == [f"Slow(chat=Chat(owner=User(name='{number}')))" for number in range(8)]
    assert builds == "1"
