"""Leases: reservations for several calls of one form, from which calls are taken without a request.

A form is what the budgets of a call depend on: provider, model, project and tags.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from typing import NamedTuple

# The most calls of one reservation.
MAX_CALLS = 100
# A lease is for the calls of a second. After a rate limit it is for more, so that requests become rarer.
_USUAL_SECONDS = 1.0
_LONG_SECONDS = 10.0
# Calls are taken only while the reservation is young, so that each has most of its lifetime left.
_YOUNG_SECONDS = 30.0
_IDLE_SECONDS = 1.0
# After a refusal, or a grant of fewer calls than requested, each call is reserved by itself for this long.
_SCARCE_SECONDS = 1.0
_MAX_FORMS = 1000
# Ratio of the sizes of calls for which one lease is requested.
_SIMILAR = 2


class Size(NamedTuple):
    """The maximum tokens of a call."""

    input_tokens: int
    output_tokens: int

    def fits(self, other: "Size") -> bool:
        """Whether it is at most the other size."""
        return self.input_tokens <= other.input_tokens and self.output_tokens <= other.output_tokens


class Lease:
    """A reservation, or a request for one while it has no id. `calls` are those that are not taken yet."""

    __slots__ = ("calls", "form", "id", "is_alone", "is_answered", "size", "until", "used_at", "waiting", "wanted")

    def __init__(self, form: "_Form", size: Size, wanted: int, is_alone: bool) -> None:
        self.form = form
        self.size = size
        self.wanted = wanted
        # Whether it is for one call of just this size.
        self.is_alone = is_alone
        self.calls = wanted - 1
        self.waiting = 0
        self.id: str | None = None
        self.is_answered = False
        self.until = self.used_at = 0.0


class _Form:
    """The leases of a form, and the times and sizes of its recent calls."""

    def __init__(self) -> None:
        self.leases: list[Lease] = []
        self.recent: deque[tuple[float, Size]] = deque(maxlen=MAX_CALLS)
        self.scarce_until = 0.0


class Leases:
    """The leases of this process. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._forms: dict[Hashable, _Form] = {}
        self._long_until = 0.0
        self._closed = False

    def take(self, key: Hashable, size: Size) -> str | None:
        """Takes a call from a lease and returns the reservation's id; None if no lease fits. Does not block."""
        now = time.monotonic()
        with self._changed:
            form = self._forms.get(key)
            return None if form is None else self._take(form, size, now)

    def take_or_plan(self, key: Hashable, size: Size, deadline: float) -> "str | Lease | None":
        """Takes a call as `take` does, or plans a lease for the caller to request and then call `granted` or `failed`.

        If a request in progress will have a call to spare, waits for its answer. Returns None if that was not granted,
        or not answered by the deadline.
        """
        with self._changed:
            now = time.monotonic()
            form = self._form(key, now)
            if (id := self._take(form, size, now)) is not None:
                return id
            pending = next((lease for lease in form.leases if _has_place(lease, size)), None)
            if pending is None:
                form.recent.append((now, size))
                return self._plan(form, size, now)
            pending.waiting += 1
            self._changed.wait_for(lambda: pending.is_answered, deadline - now)
            pending.waiting -= 1
            return self._take(form, size, time.monotonic())

    def granted(self, lease: Lease, id: str, calls: int, requested_at: float) -> None:
        """Opens a lease for the granted number of calls, of which the caller has the first."""
        with self._changed:
            if calls < lease.wanted:
                lease.form.scarce_until = time.monotonic() + _SCARCE_SECONDS
            lease.id, lease.calls, lease.is_answered = id, calls - 1, True
            lease.until, lease.used_at = requested_at + _YOUNG_SECONDS, time.monotonic()
            if lease.calls <= 0:
                self._remove(lease)
            self._changed.notify_all()

    def failed(self, lease: Lease, *, busy: bool = False) -> None:
        """Drops a lease that was not granted; `busy` means a rate limit."""
        with self._changed:
            now = time.monotonic()
            if busy:
                self._long_until = now + 60
            else:
                lease.form.scarce_until = now + _SCARCE_SECONDS
            lease.is_answered = True
            self._remove(lease)
            self._changed.notify_all()

    def idle(self) -> list[tuple[str, int]]:
        """Removes the leases that are no longer used. Returns the id and the number of unused calls of each."""
        now = time.monotonic()
        return self._end(lambda lease: now >= min(lease.until, lease.used_at + _IDLE_SECONDS))

    def close(self) -> list[tuple[str, int]]:
        """Removes all leases, as `idle` does. Each call is reserved by itself from here on."""
        self._closed = True
        return self._end(lambda lease: True)

    def due(self) -> float:
        """The time (monotonic) at which the next lease becomes idle; infinite without one."""
        with self._changed:
            return min(
                (
                    min(lease.until, lease.used_at + _IDLE_SECONDS)
                    for form in self._forms.values()
                    for lease in form.leases
                    if lease.id is not None
                ),
                default=float("inf"),
            )

    def _take(self, form: _Form, size: Size, now: float) -> str | None:
        for lease in form.leases:
            if lease.id is not None and lease.calls > 0 and now < lease.until and size.fits(lease.size):
                form.recent.append((now, size))
                lease.calls -= 1
                lease.used_at = now
                if lease.calls == 0:
                    form.leases.remove(lease)
                return lease.id
        return None

    def _plan(self, form: _Form, size: Size, now: float) -> Lease:
        since = now - (_LONG_SECONDS if now < self._long_until else _USUAL_SECONDS)
        # Much larger calls would hold too much for this one.
        similar = Size(_SIMILAR * size.input_tokens, _SIMILAR * size.output_tokens)
        sizes = [each for at, each in form.recent if at >= since and each.fits(similar)]
        if self._closed or now < form.scarce_until or len(sizes) < 2:
            return Lease(form, size, 1, is_alone=True)
        largest = Size(max(each.input_tokens for each in sizes), max(each.output_tokens for each in sizes))
        lease = Lease(form, largest, len(sizes), is_alone=False)
        form.leases.append(lease)
        return lease

    def _form(self, key: Hashable, now: float) -> _Form:
        form = self._forms.get(key)
        if form is None:
            if len(self._forms) >= _MAX_FORMS:
                self._forms = {
                    one: kept
                    for one, kept in self._forms.items()
                    if kept.leases or (kept.recent and kept.recent[-1][0] > now - _LONG_SECONDS)
                }
            form = self._forms[key] = _Form()
        return form

    def _end(self, ends: Callable[[Lease], bool]) -> list[tuple[str, int]]:
        ended: list[tuple[str, int]] = []
        with self._changed:
            for form in self._forms.values():
                for lease in form.leases[:]:
                    if lease.id is not None and ends(lease):
                        form.leases.remove(lease)
                        ended.append((lease.id, lease.calls))
        return ended

    @staticmethod
    def _remove(lease: Lease) -> None:
        if lease in lease.form.leases:
            lease.form.leases.remove(lease)


def _has_place(lease: Lease, size: Size) -> bool:
    """Whether a request in progress will have a call for one more."""
    return lease.id is None and lease.waiting < lease.calls and size.fits(lease.size)
