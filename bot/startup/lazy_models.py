"""Leave aiogram's models unbuilt until each is first used.

At the end of its import aiogram builds all of its 600 models, of which one update needs only a
handful: this takes 2.8 of the import's 3.4 seconds and 100 of its 170 MB. The models support
being built later (`defer_build`), so it is enough to postpone their `model_rebuild`. Nothing
changes for untested versions, or with AIOGRAM_LAZY_MODELS=false in the environment.

If another library's model has a field of an aiogram type, call that type's `model_rebuild` first.
"""

import logging
import os
import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel

AIOGRAM = "3.31."  # the tested version, see tests/system/test_lazy_models.py
PYDANTIC = "2.13."
SWITCH = "AIOGRAM_LAZY_MODELS"
OFF = {"0", "f", "false", "n", "no", "off"}

logger = logging.getLogger(__name__)


def install() -> None:
    """Intercept the import of aiogram, whichever module imports it."""
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    if "aiogram" not in sys.modules and os.environ.get(SWITCH, "").lower() not in OFF:
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """A finder that intercepts the import of aiogram once."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "aiogram":
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        if spec and type(spec.loader) is SourceFileLoader:
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    """A loader that imports aiogram as usual, but leaves its models unbuilt."""

    def exec_module(self, module: ModuleType) -> None:
        import pydantic
        from aiogram.__meta__ import __version__  # part of the package that is being imported

        if not (__version__.startswith(AIOGRAM) and pydantic.VERSION.startswith(PYDANTIC)):
            logger.warning(
                "aiogram %s with pydantic %s has not been tested with deferred models: startup"
                " takes 2 seconds and 100 MB more",
                __version__,
                pydantic.VERSION,
            )
            return super().exec_module(module)
        with _deferred(pydantic.BaseModel):
            return super().exec_module(module)


@contextmanager
def _deferred(base: "type[BaseModel]") -> Generator[None]:
    """Defer the models that the block defines; aiogram's then build themselves on first use."""
    original = base.__dict__["model_rebuild"]
    rebuild = original.__func__
    names: dict[str, Any] = {}
    building = threading.RLock()  # pydantic's own deferred build is not thread-safe

    def wait(cls: "type[BaseModel]", /, **options: Any) -> bool | None:
        if "_types_namespace" not in options:  # a model already in use must be built now
            return build(cls, **options)
        names.update(options["_types_namespace"])
        return None

    def build(
        cls: "type[BaseModel]",
        /,
        *,
        _types_namespace: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> bool | None:
        with building:
            done: bool | None = rebuild(cls, _types_namespace=_types_namespace or names, **options)
            return done

    before = set(base.__subclasses__())
    base.model_rebuild = classmethod(wait)  # type: ignore[method-assign, assignment]
    base.model_config["defer_build"] = True
    try:
        yield
    finally:
        del base.model_config["defer_build"]
        base.model_rebuild = original  # type: ignore[method-assign]
        for root in set(base.__subclasses__()) - before:
            if root.__module__.partition(".")[0] == "aiogram":
                root.model_rebuild = classmethod(build)  # type: ignore[method-assign, assignment]
