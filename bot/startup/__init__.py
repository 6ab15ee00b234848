"""The setup of a process, before anything else runs."""

from bot.startup.garbage_collector import raise_gc_threshold
from bot.startup.lazy_models import install


def prepare_process() -> None:
    """Tune the garbage collector and the import of aiogram, which must not have begun yet."""
    raise_gc_threshold()
    install()
