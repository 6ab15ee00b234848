"""The command line: `python -m tests.system.benchmark`."""

import argparse
import shutil
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

from bot.startup.output import write_at_once
from tests.support.postgres import temporary_folder
from tests.system.benchmark.figures import Figures
from tests.system.benchmark.measurements import measure, profile
from tests.system.benchmark.plans import DEFAULT, FULL, QUICK, TINY
from tests.system.benchmark.report import as_json, tables

PLANS = {"tiny": TINY, "quick": QUICK, "default": DEFAULT, "full": FULL}


def main() -> int:
    """Measure and print; return 1 where an update was not answered once."""
    options = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # not without ending what it started
    folder = temporary_folder()
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        if options.profile:
            sys.stdout.write(profile(PLANS[options.plan], folder, options.profile))
            return 0
        figures = measure(PLANS[options.plan], folder, _say)
        _report(figures, options.json)
        if not figures.faults:
            return 0
        stack.pop_all()
    _say("\n".join([*figures.faults, f"These figures are worth nothing; logs in {folder}"]))
    return 1


def _report(figures: Figures, file: Path | None) -> None:
    sys.stdout.write(f"{tables(figures)}\n")
    if file:
        command = " ".join(["python -m tests.system.benchmark", *sys.argv[1:]])
        file.write_text(as_json(figures, command))


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.system.benchmark", description=__doc__)
    parser.set_defaults(plan="default")
    lengths = parser.add_mutually_exclusive_group()
    for name, text in (
        ("tiny", "seconds: does it work at all"),
        ("quick", "about a minute"),
        ("full", "longer: also memory, attacks, waiting chats, processes, millions of messages"),
    ):
        lengths.add_argument(f"--{name}", action="store_const", dest="plan", const=name, help=text)
    parser.add_argument(
        "--profile",
        choices=["PostgreSQL", "SQLite"],
        help="print where an update's time goes instead",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser


if __name__ == "__main__":
    write_at_once()
    sys.exit(main())
