"""Replaces functions of a client, and restores them."""

import functools
from collections.abc import Callable
from typing import Any

from llmlab.instruments.observation import Gate

Function = Callable[..., Any]


class Patch:
    """Replaces one function of a class with the result of `wrap`."""

    def __init__(self, owner: type, name: str, wrap: Callable[[Function, Gate], Function]) -> None:
        # The class that defines the function may be a base class of the owner.
        self._owner = next((kind for kind in owner.__mro__ if name in vars(kind)), owner)
        self._name = name
        self._wrap = wrap
        self._gate = Gate()
        self._original: Function | None = None
        self._replacement: Function | None = None

    def apply(self) -> None:
        """Replaces the function. Raises AttributeError if it does not exist."""
        original: Function | None = vars(self._owner).get(self._name)
        if original is None:
            raise AttributeError(f"{self._owner.__name__} has no {self._name}")
        self._original = original
        # `getattr` binds descriptors that other patches may have set, unlike `vars`.
        bound = getattr(self._owner, self._name)
        self._replacement = functools.wraps(original)(self._wrap(bound, self._gate))
        setattr(self._owner, self._name, self._replacement)

    def undo(self) -> None:
        """Restores the original, or only stops recording if another patch has replaced this one."""
        self._gate.open = False
        if vars(self._owner).get(self._name) is self._replacement:
            setattr(self._owner, self._name, self._original)
