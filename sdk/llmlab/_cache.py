"""Answers that were given before, in memory: bounded in bytes and in age."""

import hashlib
import itertools
import json
import pickle
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from llmlab._usage import Reading, read


@dataclass
class Saving:
    """What a call cost when it was made: its event, and the tokens that a hit does not take again."""

    event_id: str
    model: str | None
    input_tokens: int
    output_tokens: int
    # USD as LLMLab prices it, in decimal; found out after the first hit.
    usd: str | None = None


@dataclass
class _Entry:
    pickled: bytes
    kept_at: float
    saving: Saving


_numbers = itertools.count()
_functions: "WeakKeyDictionary[Any, int]" = WeakKeyDictionary()


def number_of(function: Any) -> int:
    """A number for a function; another of the same name, or with other variables around it, has another one."""
    try:
        return _functions.setdefault(function, next(_numbers))
    except TypeError:
        return next(_numbers)


class NotJson(TypeError):
    """An argument that has no JSON form, so that nobody can tell whether two calls are the same."""


class ResponseCache:
    """Answers by the hash of provider, model and arguments; the least recently used go first."""

    def __init__(self, limit: int, seconds: float) -> None:
        self._limit = limit
        self._seconds = seconds
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def key(self, provider: str, model: str | None, arguments: Any) -> str | None:
        """The name of a call; None if its arguments cannot be compared."""
        try:
            call = json.dumps([provider, model, arguments], sort_keys=True, default=_plain, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            return None
        return hashlib.sha256(call.encode()).hexdigest()

    def get(self, key: str) -> tuple[Any, Saving] | None:
        """A copy of the answer kept under a key, and what it saves."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            if time.monotonic() - entry.kept_at > self._seconds:
                self._drop(key)
                return None
            self._entries.move_to_end(key)
        return pickle.loads(entry.pickled), entry.saving  # noqa: S301 - it never left this process

    def put(self, key: str, answer: Any, event_id: str, model: str | None = None) -> None:
        """Keeps an answer, unless it cannot be copied or is too large."""
        try:
            pickled = pickle.dumps(answer)
        except Exception:
            # Whatever an object raises when it does not want to be pickled.
            return
        if len(pickled) > self._limit // 8:
            return
        found = read(answer) or Reading()
        counts = found.counts
        saving = Saving(event_id, found.model or model, counts.get("input_tokens", 0), counts.get("output_tokens", 0))
        with self._lock:
            if key in self._entries:
                self._drop(key)
            self._entries[key] = _Entry(pickled, time.monotonic(), saving)
            self._bytes += len(pickled)
            while self._bytes > self._limit:
                self._drop(next(iter(self._entries)))

    def after_fork(self) -> None:
        """In the child nobody holds the lock any more."""
        self._lock = threading.Lock()

    def _drop(self, key: str) -> None:
        self._bytes -= len(self._entries.pop(key).pickled)


def _plain(value: Any) -> Any:
    """A pydantic model as JSON; nothing else is taken for what it may not be."""
    dump = getattr(type(value), "model_dump", None)
    if callable(dump):
        return dump(value, mode="json")
    if isinstance(value, Mapping):
        return dict(value)
    raise NotJson(type(value).__name__)
