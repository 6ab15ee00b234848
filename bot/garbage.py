"""Python's garbage collector, which is to look at what comes and goes and not at what stays."""

import gc
from functools import cache

PATIENCE = 5000  # objects more than before; with Python's own 700 it looks for every update


@cache
def spare_what_stays(since: str) -> None:  # noqa: ARG001 - what is cached
    """Let the collector look no more at what there is now, and at the rest less often.

    `since` says after what; for each that is done once in a process.

    What the imports leave are 200,000 objects: to look at all of them stops every answer for
    150 ms, and did so twice in 400 updates. Together that was a sixth of an update's processor
    time.
    """
    gc.freeze()
    gc.set_threshold(PATIENCE, *gc.get_threshold()[1:])
