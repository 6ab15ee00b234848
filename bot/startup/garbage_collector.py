"""Python's garbage collector, which is to look at what comes and goes and not at what stays."""

import gc
from functools import cache

PATIENCE = 5000  # objects more than before; with Python's own 700 it looks for every update


def raise_gc_threshold() -> None:
    """Let more come before the collector looks: it finds nothing in an import's 200,000 objects.

    That is a tenth of the import's time.
    """
    gc.set_threshold(PATIENCE, *gc.get_threshold()[1:])


@cache
def freeze_imports(since: str) -> None:  # noqa: ARG001 - what is cached
    """Let the collector look no more at what there is now.

    To look at all that the imports leave stops every answer for 150 ms, and did so twice in 400
    updates; with the many looks at what is new that was a sixth of an update's processor time.
    `since` says after what; for each that is done once in a process.
    """
    gc.freeze()
