"""An in-memory cache of responses, limited in bytes and in age."""

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
    """What a cache hit saves: the event of the original call and its tokens."""

    event_id: str
    model: str | None
    input_tokens: int
    output_tokens: int
    # Cost in USD as a decimal string; requested from LLMLab after the first hit.
    usd: str | None = None


@dataclass
class _Entry:
    pickled: bytes
    stored_at: float
    saving: Saving


_numbers = itertools.count()
_functions: "WeakKeyDictionary[Any, int]" = WeakKeyDictionary()


def number_of(function: Any) -> int:
    """A number that identifies a function object. Functions of the same name, such as closures, get different ones."""
    try:
        return _functions.setdefault(function, next(_numbers))
    except TypeError:
        return next(_numbers)


class NotJson(TypeError):
    """An argument has no JSON form, so calls cannot be compared."""


class ResponseCache:
    """Responses by the hash of provider, model and arguments. Evicts the least recently used ones."""

    def __init__(self, limit: int, seconds: float) -> None:
        self._limit = limit
        self._seconds = seconds
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def key(self, provider: str, model: str | None, arguments: Any) -> str | None:
        """The cache key of a call; None if its arguments have no JSON form."""
        try:
            call = json.dumps([provider, model, arguments], sort_keys=True, default=_plain, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            return None
        return hashlib.sha256(call.encode()).hexdigest()

    def get(self, key: str) -> tuple[Any, Saving] | None:
        """A copy of the cached response and what the hit saves; None if there is none."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            if time.monotonic() - entry.stored_at > self._seconds:
                self._drop(key)
                return None
            self._entries.move_to_end(key)
        return pickle.loads(entry.pickled), entry.saving  # noqa: S301 - data of this process only

    def put(self, key: str, answer: Any, event_id: str, model: str | None = None) -> None:
        """Stores a response, unless it cannot be pickled or is larger than an eighth of the cache."""
        try:
            pickled = pickle.dumps(answer)
        except Exception:
            # Objects may raise any exception when they are pickled.
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
        """Replaces the lock in the child process; its owner does not exist there."""
        self._lock = threading.Lock()

    def _drop(self, key: str) -> None:
        self._bytes -= len(self._entries.pop(key).pickled)


def _plain(value: Any) -> Any:
    """Converts pydantic models and mappings to JSON values. Raises NotJson for other types."""
    dump = getattr(type(value), "model_dump", None)
    if callable(dump):
        return dump(value, mode="json")
    if isinstance(value, Mapping):
        return dict(value)
    raise NotJson(type(value).__name__)
