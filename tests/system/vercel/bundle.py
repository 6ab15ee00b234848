"""The function's files as the platform lays them out: one folder that nobody can write."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.system.vercel.build import Build

READ_ONLY, READ_ONLY_FOLDER, OWN_FOLDER = 0o444, 0o555, 0o755
MB = 10**6


@dataclass(frozen=True, slots=True)
class Bundle:
    """A function that is laid out, its handler, and the environment that the builder wants."""

    folder: Path
    handler: str
    environment: dict[str, str]

    def size(self) -> str:
        """Say how large it is unpacked."""
        sizes = {path: path.stat().st_size for path in self.folder.rglob("*") if path.is_file()}
        total = sum(sizes.values())
        compiled = sum(size for path, size in sizes.items() if path.suffix == ".pyc")
        if not compiled:
            return f"{total / MB:.1f} MB unpacked, no .pyc"
        return f"{total / MB:.1f} MB unpacked, {(total - compiled) / MB:.1f} MB without .pyc"

    def remove(self) -> None:
        """Remove the folder, which takes that its owner may write it."""
        for folder, _, _ in os.walk(self.folder):
            Path(folder).chmod(OWN_FOLDER)
        shutil.rmtree(self.folder)


def lay_out(build: Build, folder: Path) -> Bundle:
    """Lay a build's function out in a folder on the same file system."""
    for name, source in build.files().items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        # A second name: nobody needs the build's files after this
        os.link(source.resolve(), target)
        target.chmod(READ_ONLY)
    for path, _, _ in os.walk(folder):
        Path(path).chmod(READ_ONLY_FOLDER)
    config = build.config
    return Bundle(folder, config["handler"], config["environment"])
