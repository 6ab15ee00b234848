"""What Vercel's real builder makes of this project, without an account."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.settings import Settings
from db.settings import VARIABLES
from tests.system.vercel.toolchain import ROOT, Toolchain

PROJECT = {"projectId": "p", "orgId": "t", "settings": {"framework": None, "createdAt": 0}}
# The environment of whoever runs the tests is not the project's
NOT_INHERITED = {*map(str.upper, (*Settings.model_fields, *VARIABLES)), "VIRTUAL_ENV"}


@dataclass(frozen=True, slots=True)
class Build:
    """A finished build: what it said, its one function, and the project that this refers to."""

    log: str
    function: Path
    project: Path

    @property
    def config(self) -> dict[str, Any]:
        """Read what the builder tells the platform of the function."""
        config: dict[str, Any] = json.loads((self.function / ".vc-config.json").read_text())
        return config

    def files(self) -> dict[str, Path]:
        """Return where each file of the bundle is, by its name in the bundle."""
        own = {
            str(path.relative_to(self.function)): path
            for path in self.function.rglob("*")
            if path.is_file() and path.name != ".vc-config.json"
        }
        shared = self.config["filePathMap"].items()
        return own | {name: self.project / path for name, path in shared}


def build(toolchain: Toolchain, folder: Path, settings: Mapping[str, str]) -> Build:
    """Build a copy of this project for production, with `settings` as those of its dashboard.

    Raise RuntimeError where the build fails.
    """
    _copy(folder)
    _link(folder, settings)
    command = [
        str(toolchain.vercel), "build", "--prod", "--yes",
        "--cwd", str(folder), "--global-config", str(folder / ".vercel/account"),
    ]  # fmt: skip
    answer = subprocess.run(  # noqa: S603 - Vercel's own program
        command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=_environment(toolchain), stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if answer.returncode:
        raise RuntimeError(answer.stdout)
    (function,) = (folder / ".vercel/output/functions").glob("*.func")
    return Build(answer.stdout, function, folder)


def _copy(folder: Path) -> None:
    """Copy what git tracks or would track: what a push brings to Vercel."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout  # noqa: S603 - git
    for name in filter(None, names.split("\0")):
        if (source := ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)


def _link(folder: Path, settings: Mapping[str, str]) -> None:
    """Write what `vercel pull` writes: the project's id, and its environment for production."""
    account = folder / ".vercel"
    account.mkdir()
    (account / "project.json").write_text(json.dumps(PROJECT))
    lines = [f"{name}={json.dumps(value)}\n" for name, value in settings.items()]
    (account / ".env.production.local").write_text("".join(lines))


def _environment(toolchain: Toolchain) -> dict[str, str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in NOT_INHERITED and not name.startswith(("VERCEL", "UV_PROJECT", "UV_PYTHON"))
    }
    return inherited | {"PATH": toolchain.path, "VERCEL_TELEMETRY_DISABLED": "1"}
