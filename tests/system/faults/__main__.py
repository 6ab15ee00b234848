"""The command line: `python -m tests.system.faults`."""

import argparse
import logging
import random
import shutil
import signal
import sys

from bot.startup.output import write_at_once
from tests.support.postgres import temporary_folder
from tests.system.faults.campaign import Result, run
from tests.system.faults.databases import SETUPS
from tests.system.faults.plans import full_plan, short_plan
from tests.system.faults.report import explain, table

LEASE = 30.0  # seconds, as in production


def main() -> int:
    """Run the campaign on each set-up; return 1 where the bot did not keep its promise."""
    options = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # not without ending what it started
    # Who is killed does not read what our servers answer
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    plan = short_plan() if options.short else full_plan(options.lease)
    folder = temporary_folder()
    _say(f"seed {options.seed}, logs in {folder}")
    results: list[Result] = []
    for setup in options.setups or SETUPS:
        own = folder / setup
        own.mkdir()
        results.append(run(plan, setup, options.seed, own))
        _say(explain(results[-1]))
    _say(table(results))
    if all(result.verdict.passed for result in results):
        shutil.rmtree(folder)
        return 0
    _say("The bot did not keep its promise")
    return 1


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.system.faults", description=__doc__)
    parser.add_argument("setups", nargs="*", choices=[*SETUPS, []], help="all by default")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))  # noqa: S311 - said
    parser.add_argument("--short", action="store_true", help="the form in the test suite")
    parser.add_argument("--lease", type=float, default=LEASE, help="seconds, 30 by default")
    return parser


if __name__ == "__main__":
    write_at_once()
    sys.exit(main())
