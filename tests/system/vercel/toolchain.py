"""What a build takes: Node, npm, git, uv, a Python; and Vercel's command line."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.system.vercel.interpreter import Interpreter, find_interpreter

ROOT = Path(__file__).parent.parent.parent.parent
MANIFEST = Path(__file__).with_name("package.json")
CLI = ROOT / ".vercel-cli"
INSTALL = ("install", "--no-audit", "--no-fund", "--no-package-lock")


class MissingError(Exception):
    """Say what is not there."""


class InstallError(Exception):
    """Say that what is not there could not be had either."""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """The programs; `path` is what a program must have in its PATH to find them all."""

    vercel: Path
    interpreter: Interpreter
    path: str


def find_toolchain() -> Toolchain:
    """Find all that a build takes, and install Vercel's command line where it is not yet.

    Raise MissingError for what is not there, InstallError for what cannot be had.
    """
    path = os.pathsep.join([str(ROOT / ".uv/bin"), os.environ["PATH"]])
    programs = {name: shutil.which(name, path=path) for name in ("node", "npm", "git", "uv")}
    missing = [name for name, found in programs.items() if found is None]
    if not (ROOT / ".git").exists():
        missing.append("a git checkout")  # it says what belongs to the project
    interpreter = find_interpreter()
    if interpreter is None:
        missing.append("Python 3.12 or newer")
    if missing or interpreter is None:
        raise MissingError(f"Vercel's build needs {', '.join(missing)}")
    folders = [str(interpreter.program.parent), str(Path(programs["uv"] or "").parent)]
    return Toolchain(
        vercel=_install(programs["npm"] or ""),
        interpreter=interpreter,
        path=os.pathsep.join([*folders, os.environ["PATH"]]),
    )


def _install(npm: str) -> Path:
    """Install the command line once for all runs in this checkout, and return its program."""
    program, done = CLI / "node_modules/.bin/vercel", CLI / "installed.json"
    CLI.mkdir(exist_ok=True)
    with _locked(CLI / "lock"):
        if not _is_done(program, done):
            shutil.copy(MANIFEST, CLI)
            command = [npm, *INSTALL]
            answer = subprocess.run(  # noqa: S603 - npm
                command, check=False, capture_output=True, text=True, cwd=CLI
            )
            if answer.returncode:
                raise InstallError(f"npm cannot install Vercel's command line: {answer.stderr}")
            shutil.copy(MANIFEST, done)
    return program


def _is_done(program: Path, done: Path) -> bool:
    return program.exists() and done.exists() and done.read_text() == MANIFEST.read_text()


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Let one process after the other in."""
    with file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
