"""Does something as soon as a module is imported, without importing it."""

import importlib.util
import threading
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


class WhenImported(MetaPathFinder):
    """Calls `react(name)` after each of the modules named has been imported. It finds no module itself."""

    def __init__(self, names: Sequence[str], react: Callable[[str], None]) -> None:
        self._names = frozenset(names)
        self._react = react
        self._asking = threading.local()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What the other finders find, with a loader that tells when it has loaded the module."""
        if fullname not in self._names or getattr(self._asking, "name", None) == fullname:
            return None
        self._asking.name = fullname
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._asking.name = None
        if spec is not None and spec.loader is not None:
            self._tell(fullname, spec.loader)
        return spec

    def _tell(self, name: str, loader: Loader) -> None:
        load = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            vars(loader).pop("exec_module", None)
            load(module)
            self._react(name)

        # On this one loader of this one module.
        target: Any = loader
        target.exec_module = exec_module
