"""The function as an instance runs it: its files, its account, its environment."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.postgres import account
from tests.system.vercel.bundle import Bundle
from tests.system.vercel.interpreter import Interpreter

PRODUCTION_HOST = "bot.example.com"
SYSTEM = {
    "VERCEL": "1",
    "VERCEL_ENV": "production",
    "VERCEL_URL": "bot-abc123-owner.vercel.app",
    "VERCEL_PROJECT_PRODUCTION_URL": PRODUCTION_HOST,
    "VERCEL_REGION": "iad1",
    "AWS_REGION": "us-east-1",
    "AWS_LAMBDA_FUNCTION_NAME": "fastapi",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "2048",
    "HOME": "/home/sbx_user1051",
    "LANG": "en_US.UTF-8",
    "TZ": ":UTC",
    # Not Vercel's: what is left open is said then
    "PYTHONWARNINGS": "default",
}


@dataclass(frozen=True, slots=True)
class Function:
    """A function that can be started any number of times; its sockets are in `folder`."""

    bundle: Bundle
    interpreter: Interpreter
    folder: Path
    settings: Mapping[str, str]

    def with_settings(self, settings: Mapping[str, str]) -> "Function":
        """Return the same function with other settings."""
        return replace(self, settings=settings)

    def spawn(self, socket: Path, output: Path, *, fluid: bool) -> subprocess.Popen[bytes]:
        """Start a process that speaks on a socket and writes to a file."""
        bootstrap = shutil.copy(Path(__file__).with_name("bootstrap.py"), self.folder)
        with output.open("ab") as file:
            return subprocess.Popen(  # noqa: S603 - the function itself
                [str(self.interpreter.program), str(bootstrap), str(socket)],
                cwd=self.bundle.folder, env=self._environment(socket if fluid else None),
                stdin=subprocess.DEVNULL, stdout=file, stderr=file, **account(),
            )  # fmt: skip

    def _environment(self, ipc: Path | None) -> dict[str, str]:
        place = {
            "PATH": os.pathsep.join([str(self.interpreter.program.parent), "/usr/bin", "/bin"]),
            "LD_LIBRARY_PATH": str(self.interpreter.libraries),
            "LAMBDA_TASK_ROOT": str(self.bundle.folder),
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{self.interpreter.version}",
            "_HANDLER": self.bundle.handler,
        }
        fluid = {"VERCEL_IPC_PATH": str(ipc)} if ipc else {}
        return SYSTEM | place | fluid | self.bundle.environment | dict(self.settings)
