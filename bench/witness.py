"""Checks and facts of a measurement: stored events, CPU time, and the version and settings of Postgres."""

import time
from collections.abc import Callable
from functools import partial

import psutil

from bench.load import percentile
from bench.plan import Bench
from bench.server import Account, BenchError, Lab, processor_seconds


async def check_stored(place: Lab, account: Account, accepted: int) -> None:
    """Checks that all acknowledged events are stored and included in the rollups."""
    connection = await place.connect()
    stored = await connection.fetchval(
        "select count(*) from public.events where workspace_id = $1", account.workspace_id
    )
    rolled_up = await connection.fetchval(
        "select sum(calls)::bigint from public.spend_hourly where workspace_id = $1", account.workspace_id
    )
    await connection.close()
    if not accepted == stored == rolled_up:
        raise BenchError(
            f"{accepted} events were acknowledged, {stored} are stored, {rolled_up} are included in the totals"
        )


async def note_postgres(bench: Bench, place: Lab) -> None:
    """Checks that commits are durable, and adds the version of Postgres and the time of a commit to the report."""
    connection = await place.connect()
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        if await connection.fetchval(f"show {setting}") != "on":
            raise BenchError(f"{setting} is off: commits are not durable")
    await connection.execute("create table public.bench_commit (n integer)")
    seconds = []
    for _ in range(200):
        started = time.perf_counter()
        await connection.execute("insert into public.bench_commit values (1)")
        seconds.append(time.perf_counter() - started)
    version = str(await connection.fetchval("show server_version"))
    await connection.close()
    bench.report.facts["Postgres"] = (
        f"{version}, default settings; a durable commit of one row takes {percentile(seconds, 50) * 1000:.2f} ms"
    )


class Spent:
    """A context manager that adds up the CPU time of processes with their children, and of this process."""

    def __init__(self, **processes: psutil.Process) -> None:
        self._clocks: dict[str, Callable[[], float]] = {
            **{name: partial(processor_seconds, process) for name, process in processes.items()},
            "load generator": time.process_time,
        }
        self._totals = dict.fromkeys(self._clocks, 0.0)

    def __enter__(self) -> None:
        for name, clock in self._clocks.items():
            self._totals[name] -= clock()

    def __exit__(self, *_: object) -> None:
        for name, clock in self._clocks.items():
            self._totals[name] += clock()

    def per(self, count: int, unit: float) -> str:
        """The CPU time of each process divided by `count`; `unit` is 1e3 for ms and 1e6 for µs."""
        return ", ".join(f"{name} {total / count * unit:.2g}" for name, total in self._totals.items())
