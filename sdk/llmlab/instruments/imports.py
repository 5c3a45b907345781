"""Import hooks: run a function after a module is imported."""

import importlib.util
import threading
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


class WhenImported(MetaPathFinder):
    """Calls `callback(name)` after each of the named modules is imported. The other finders find the modules."""

    def __init__(self, names: Sequence[str], callback: Callable[[str], None]) -> None:
        self._names = frozenset(names)
        self._callback = callback
        self._searching = threading.local()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec from the other finders, with a loader that runs the callback afterwards."""
        if fullname not in self._names or getattr(self._searching, "name", None) == fullname:
            return None
        self._searching.name = fullname
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._searching.name = None
        if spec is not None and spec.loader is not None:
            self._add_callback(fullname, spec.loader)
        return spec

    def _add_callback(self, name: str, loader: Loader) -> None:
        load = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            vars(loader).pop("exec_module", None)
            load(module)
            self._callback(name)

        # Set on the instance, because other modules share the class of the loader.
        target: Any = loader
        target.exec_module = exec_module
