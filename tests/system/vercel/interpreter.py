"""A Python that Vercel has too."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support.postgres import account

VERSIONS = ("3.12", "3.13", "3.14")  # that Vercel has; the first is its default
# Nothing that runs needs them, and they are most of an installation
LEFT_OUT = shutil.ignore_patterns(
    "config-*", "ensurepip", "idlelib", "lib2to3", "site-packages", "test", "tkinter"
)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """An installation: its version, like "3.12", and the folder above its bin and lib."""

    version: str
    prefix: Path

    @property
    def program(self) -> Path:
        """Return the program."""
        return self.prefix / "bin" / f"python{self.version}"

    @property
    def libraries(self) -> Path:
        """Return the folder in which the dynamic loader has to look."""
        return self.prefix / "lib"

    def for_everyone(self, folder: Path) -> "Interpreter":
        """Return one that the function's account may run: a copy where this is out of reach."""
        try:
            command = [str(self.program), "-c", ""]
            subprocess.run(command, check=True, capture_output=True, cwd="/", **account())  # noqa: S603 - Python
        except (OSError, subprocess.CalledProcessError):
            return self._copy(folder)
        return self

    def _copy(self, folder: Path) -> "Interpreter":
        copy = Interpreter(self.version, folder)
        copy.program.parent.mkdir(parents=True)
        shutil.copy(self.program, copy.program)
        name = f"python{self.version}"
        shutil.copytree(self.libraries / name, copy.libraries / name, ignore=LEFT_OUT)
        for library in self.libraries.glob(f"lib{name}*.so*"):
            shutil.copy(library, copy.libraries)
        return copy


def find_interpreter() -> Interpreter | None:
    """Find the first version that is installed, with pyenv or in the path."""
    found = (_ask(version, program) for version in VERSIONS for program in _programs(version))
    return next(filter(None, found), None)


def _programs(version: str) -> list[str]:
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    by_pyenv = sorted(map(str, versions.glob(f"{version}.*/bin/python{version}")))
    in_path = shutil.which(f"python{version}")
    return by_pyenv + ([in_path] if in_path else [])


def _ask(version: str, program: str) -> Interpreter | None:
    """Ask a program for its installation: it may be a virtual environment's, or pyenv's shim."""
    command = [program, "-c", "import sys; print(sys.base_prefix)"]
    answer = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - Python
    if answer.returncode:
        return None
    interpreter = Interpreter(version, Path(answer.stdout.strip()))
    return interpreter if interpreter.program.exists() else None
