"""`./run.sh bench`: runs all benchmarks, prints the table and writes bench/RESULTS.md.

Takes less than ten minutes; --quick takes 90 seconds with smaller sizes, --full adds ten million events. Name sections
to run only those, without writing RESULTS.md. The exit code is 1 if a section fails, but not if a goal is missed.
"""

import argparse
import asyncio
import signal
import sys
import traceback
from dataclasses import replace

import uvloop

from bench import (
    anomalies,
    exports,
    forecast,
    ingest,
    loop,
    memory,
    pricing,
    reads,
    retention,
    roads,
    sdk,
    storage,
)
from bench.plan import QUICK, USUAL, Bench
from bench.report import RESULTS, Report, Row

SECTIONS = {
    "pricing": pricing.price,
    "track": ingest.track,
    "batch": ingest.batch,
    "function": ingest.function,
    "reads": reads.grow,
    "forecast": forecast.intervals,
    "retention": retention.sweep,
    "storage": storage.size,
    "memory": memory.growth,
    "exports": exports.exports,
    "loop": loop.blocking,
    "anomalies": anomalies.find,
    "sdk": sdk.overhead,
    "roads": roads.compare,
}


def arguments() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(prog="./run.sh bench", description=__doc__.split("\n\n")[1])
    parser.add_argument("--quick", action="store_true", help="smaller sizes, 90 seconds")
    parser.add_argument("--full", action="store_true", help="also with ten million events")
    parser.add_argument("sections", nargs="*", metavar="section", help=f"run only these: {', '.join(SECTIONS)}")
    wanted = parser.parse_args()
    unknown = set(wanted.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"unknown section {', '.join(sorted(unknown))}; the sections are {', '.join(SECTIONS)}")
    return wanted


async def run(bench: Bench, names: list[str]) -> bool:
    """Runs the sections; returns whether none failed."""
    task = asyncio.current_task()
    assert task is not None
    # Cancel on SIGTERM, so that started processes are stopped too.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    succeeded = True
    for number, name in enumerate(names, 1):
        bench.enter(name, number, len(names))
        try:
            await SECTIONS[name](bench)
        except Exception as error:
            succeeded = False
            bench.clear_progress()
            traceback.print_exc()
            bench.report.rows.append(Row(name, excuse=f"failed: {repr(error).splitlines()[0][:200]}"))
    bench.clear_progress()
    return succeeded


def main() -> None:
    """Runs the benchmarks, prints the table and writes the results."""
    wanted = arguments()
    sizes = QUICK if wanted.quick else USUAL
    if wanted.full:
        sizes = replace(sizes, large_workspaces=(*sizes.large_workspaces, 10_000_000), export_events=1_000_000)
    options = [option for option in ("quick", "full") if getattr(wanted, option)]
    bench = Bench(sizes, Report(" ".join(["./run.sh bench", *(f"--{option}" for option in options)])))
    try:
        succeeded = uvloop.run(run(bench, wanted.sections or list(SECTIONS)))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit("Stopped.")
    if wanted.sections:
        print(bench.report.table())
        print("\n".join(f"- {note}" for note in bench.report.notes))
    else:
        document = bench.report.document()
        RESULTS.write_text(document)
        print(document)
    sys.exit(not succeeded)


if __name__ == "__main__":
    main()
