"""Settings of Python's garbage collector, which should scan short-lived objects only."""

import gc
from functools import cache

PATIENCE = 5000  # new objects; with Python's default of 700 the collector runs during every update


def raise_gc_threshold() -> None:
    """Collect less often: an import's 200,000 objects contain no garbage.

    This saves a tenth of the import's time.
    """
    gc.set_threshold(PATIENCE, *gc.get_threshold()[1:])


@cache
def freeze_imports(since: str) -> None:  # noqa: ARG001 - it is the cache's key
    """Exclude all current objects from collection, once for each value of `since` in a process.

    A full collection of the imported objects stops every answer for 150 ms, and ran twice in 400
    updates; together with the frequent collections of new objects it took a sixth of an update's
    processor time. `since` names the import.
    """
    gc.freeze()
