"""The report: figures, goals, and the machine and versions they were measured with."""

import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import psutil

from bench.server import ROOT, lab_folder

RESULTS = Path(__file__).parent / "RESULTS.md"
_PACKAGES = ("fastapi", "uvicorn", "uvloop", "httptools", "pydantic", "orjson", "asyncpg", "supabase", "genai-prices")
_HEADINGS = ("Measurement", "LLMLab", "Baseline", "Baseline value", "Ratio", "Required", "Target", "Result")
_CAVEATS = (
    "The load generator runs on the same processors as the server and Postgres and takes CPU time from them (see "
    "below).",
    "A figure is the median of its repeats, with the lowest and the highest in brackets. LLMLab and the baseline were "
    "measured alternately; a ratio is the median of the ratios of each turn.",
    "Every commit was durable (fsync and synchronous_commit on). The server ran with one worker and the embedded "
    "Postgres, without a rate limit, unless a row says otherwise.",
)


@dataclass(frozen=True)
class Figure:
    """A value measured several times."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Sequence[float]) -> "Figure":
        """A figure of these values."""
        return cls(tuple(values))

    @property
    def median(self) -> float:
        """The median of the values."""
        return statistics.median(self.values)

    def per(self, other: "Figure") -> "Figure":
        """The ratio to another figure, turn by turn."""
        return Figure(tuple(a / b for a, b in zip(self.values, other.values, strict=True)))

    def show(self, unit: str = "") -> str:
        """The median with its unit, and the range in brackets."""
        text = _number(self.median) + (unit if unit in ("", "%", "x") else f" {unit}")
        if len(self.values) > 1:
            text += f" ({_number(min(self.values))} to {_number(max(self.values))})"
        return text


@dataclass(frozen=True)
class Goal:
    """A required limit and an optional target: lower limits (`at least`) or upper limits (`at most`)."""

    bound: Literal["at least", "at most"]
    required: float
    target: float | None = None

    def result(self, value: float) -> str:
        """`target reached`, `passed` or `missed`."""
        if self.target is not None and self._reaches(value, self.target):
            return "target reached"
        return "passed" if self._reaches(value, self.required) else "missed"

    def _reaches(self, value: float, limit: float) -> bool:
        return value >= limit if self.bound == "at least" else value <= limit


@dataclass(frozen=True)
class Row:
    """One row of the table. The goal applies to `judged`: a ratio, or the figure itself."""

    measured: str
    ours: Figure | None = None
    unit: str = ""
    against: str = ""
    theirs: Figure | None = None
    judged: Figure | None = None
    goal: Goal | None = None
    excuse: str = ""

    def cells(self) -> tuple[str, ...]:
        """The cells of the row."""
        if self.ours is None:
            return (self.measured, self.excuse, self.against, "", "", "", "", "")
        compared = self.judged is not None and self.judged is not self.ours
        limit = "" if compared else f" {self.unit}"
        return (
            self.measured,
            self.ours.show(self.unit),
            self.against,
            self.theirs.show(self.unit) if self.theirs else "",
            self.judged.show("x") if compared and self.judged else "",
            f"{self.goal.bound} {self.goal.required:g}{limit}" if self.goal else "",
            f"{self.goal.target:g}{limit}" if self.goal and self.goal.target is not None else "",
            self.goal.result(self.judged.median) if self.goal and self.judged else "",
        )


def ratio(measured: str, ours: Figure, unit: str, against: str, theirs: Figure, goal: Goal | None = None) -> Row:
    """A row judged by ours / theirs."""
    return Row(measured, ours, unit, against, theirs, ours.per(theirs), goal)


def speedup(measured: str, ours: Figure, unit: str, against: str, theirs: Figure, goal: Goal | None = None) -> Row:
    """A row of times judged by theirs / ours, the speedup."""
    return Row(measured, ours, unit, against, theirs, theirs.per(ours), goal)


def absolute(measured: str, ours: Figure, unit: str, goal: Goal | None = None) -> Row:
    """A row judged by the figure itself."""
    return Row(measured, ours, unit, judged=ours, goal=goal)


@dataclass
class Report:
    """The rows, notes and facts of a run."""

    command: str
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)
    busy: float = field(default_factory=lambda: os.getloadavg()[0])

    def table(self) -> str:
        """The table in Markdown, with aligned columns."""
        lines = [_HEADINGS, *(row.cells() for row in self.rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADINGS))]
        padded = ["| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |" for line in lines]
        padded.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        return "\n".join(padded)

    def document(self) -> str:
        """The whole report in Markdown."""
        facts = machine() | self.facts
        facts["load average before"] = f"{self.busy:.2f}; load of other processes lowers the figures"
        facts["duration"] = f"{time.monotonic() - self.started:.0f} s"
        return "\n".join(
            [
                "# Benchmark results",
                "",
                f"Written by `{self.command}`. Required and Target are limits of the ratio, or of the figure in rows "
                "without a baseline.",
                "",
                self.table(),
                "",
                "## Environment and method",
                "",
                *(f"- {name}: {fact}" for name, fact in facts.items()),
                "",
                *(f"- {caveat}" for caveat in _CAVEATS),
                "",
                "## Notes",
                "",
                *(f"- {note}" for note in self.notes),
                "",
            ]
        )


def machine() -> dict[str, str]:
    """The date, commit, machine and versions."""
    memory = psutil.virtual_memory().total / 2**30
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "commit": _commit(),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} "
        f"{platform.release()}, {_filesystem(lab_folder())} under {lab_folder()}",
        "Python": f"{sys.version.split()[0]}; " + ", ".join(f"{name} {version(name)}" for name in _PACKAGES),
    }


def _commit() -> str:
    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout

    if shutil.which("git") is None:
        return "unknown"
    commit = git("rev-parse", "--short", "HEAD").strip()
    if not commit:
        return "unknown"
    return f"{commit} and uncommitted changes" if git("status", "--porcelain") else commit


def _processor() -> str:
    try:
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def _filesystem(folder: str) -> str:
    mounts = [p for p in psutil.disk_partitions(all=True) if Path(folder).is_relative_to(p.mountpoint)]
    return max(mounts, key=lambda mount: len(mount.mountpoint)).fstype if mounts else "unknown filesystem"


def _number(value: float) -> str:
    """Three significant digits, or all digits before the decimal point."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
