"""The bot as the sandbox's child process, which ends with its parent, however that ends."""

import os
import runpy
import signal
from threading import Thread


def _follow() -> None:
    os.read(0, 1)  # nothing is ever sent: the end of the stream means that the sandbox has ended
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    Thread(target=_follow, daemon=True).start()
    runpy.run_module("bot", run_name="__main__", alter_sys=True)
