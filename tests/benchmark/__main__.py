"""The command line: `python -m tests.benchmark`."""

import argparse
import shutil
import signal
import sys
from pathlib import Path

from tests.benchmark.measurements import measure
from tests.benchmark.plans import DEFAULT, FULL, QUICK, TINY
from tests.benchmark.report import as_json, tables
from tests.postgres import temporary_folder

PLANS = {"tiny": TINY, "quick": QUICK, "default": DEFAULT, "full": FULL}


def main() -> int:
    """Measure and print; return 1 where an update was not answered once."""
    options = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # not without ending what it started
    folder = temporary_folder()
    figures = measure(PLANS[options.plan], folder, _say)
    command = " ".join(["python -m tests.benchmark", *sys.argv[1:]])
    sys.stdout.write(f"{tables(figures)}\n")
    if options.json:
        options.json.write_text(as_json(figures, command))
    if figures.faults:
        _say("\n".join([*figures.faults, f"These figures are worth nothing; logs in {folder}"]))
        return 1
    shutil.rmtree(folder)
    return 0


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark", description=__doc__)
    parser.set_defaults(plan="default")
    lengths = parser.add_mutually_exclusive_group()
    for name, text in (
        ("tiny", "seconds: does it work at all"),
        ("quick", "about a minute"),
        ("full", "about half an hour: also memory, waiting chats, several processes"),
    ):
        lengths.add_argument(f"--{name}", action="store_const", dest="plan", const=name, help=text)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
