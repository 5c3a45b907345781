"""The sizes of a run, and the state that its sections share: sizes, report and progress line."""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.report import Report


@dataclass(frozen=True)
class Sizes:
    """Durations, repeats and amounts of data."""

    repeats: int
    seconds: float
    batches: int
    passes: int
    sql_batches: int
    memory_events: int
    blocking_seconds: float
    small_workspace: int
    large_workspaces: tuple[int, ...]
    reads: int
    page: int
    expired_events: int
    storage_events: int
    export_events: int
    pricing_calls: int
    anomaly_series: int
    sdk_calls: int


QUICK = Sizes(
    repeats=3,
    seconds=1.0,
    batches=16,
    passes=1,
    sql_batches=10,
    memory_events=40_000,
    blocking_seconds=1.2,
    small_workspace=10_000,
    large_workspaces=(100_000,),
    reads=40,
    page=200,
    expired_events=100_000,
    storage_events=30_000,
    export_events=30_000,
    pricing_calls=2_000,
    anomaly_series=500,
    sdk_calls=500,
)
USUAL = Sizes(
    repeats=4,
    seconds=3,
    batches=40,
    passes=2,
    sql_batches=30,
    memory_events=1_000_000,
    blocking_seconds=5,
    small_workspace=10_000,
    large_workspaces=(1_000_000,),
    reads=150,
    page=1_000,
    expired_events=300_000,
    storage_events=150_000,
    export_events=200_000,
    pricing_calls=10_000,
    anomaly_series=2_000,
    sdk_calls=3_000,
)


@dataclass
class Bench:
    """One run of the benchmarks."""

    sizes: Sizes
    report: Report
    section: str = ""
    position: str = ""
    _started: float = field(default_factory=time.monotonic)

    def enter(self, section: str, number: int, sections: int) -> None:
        """Starts a section."""
        self.section, self.position = section, f"{number}/{sections}"

    def step(self, text: str) -> None:
        """Prints the current step."""
        line = f"[{self.position}] {time.monotonic() - self._started:4.0f} s  {self.section}: {text}"
        if sys.stderr.isatty():
            print(f"\r\x1b[K{line[:110]}", end="", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)

    def turns(self, text: str, repeats: int | None = None) -> Iterator[int]:
        """The repeats of a measurement, from 1."""
        repeats = repeats or self.sizes.repeats
        for turn in range(1, repeats + 1):
            self.step(f"{text}, {turn} of {repeats}")
            yield turn

    def show(self, turn: int, result: str) -> None:
        """Prints the result of a turn."""
        self.step(f"{turn}: {result}")

    def clear_progress(self) -> None:
        """Clears the progress line."""
        if sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
