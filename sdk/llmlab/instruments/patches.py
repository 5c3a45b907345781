"""Puts functions of ours in the place of a vendor's, and takes them away again."""

import functools
from collections.abc import Callable
from typing import Any

from llmlab.instruments.observation import Gate

Function = Callable[..., Any]


class Patch:
    """One function of a class to be replaced by what `wrap` makes of it."""

    def __init__(self, owner: type, name: str, wrap: Callable[[Function, Gate], Function]) -> None:
        # The class that has the function, which may be one that the owner has it from.
        self._owner = next((kind for kind in owner.__mro__ if name in vars(kind)), owner)
        self._name = name
        self._wrap = wrap
        self._gate = Gate()
        self._original: Function | None = None
        self._replacement: Function | None = None

    def apply(self) -> None:
        """Replaces the function. Raises AttributeError when there is none of that name."""
        original: Function | None = vars(self._owner).get(self._name)
        if original is None:
            raise AttributeError(f"{self._owner.__name__} has no {self._name}")
        self._original = original
        # Got from the class rather than out of it: what somebody else has put there may have to be bound.
        bound = getattr(self._owner, self._name)
        self._replacement = functools.wraps(original)(self._wrap(bound, self._gate))
        setattr(self._owner, self._name, self._replacement)

    def undo(self) -> None:
        """Puts the original back. If somebody else wraps ours by now, theirs stays, and ours lets calls pass."""
        self._gate.open = False
        if vars(self._owner).get(self._name) is self._replacement:
            setattr(self._owner, self._name, self._original)
