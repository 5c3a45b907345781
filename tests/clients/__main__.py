"""Runs real clients against simulated vendors and a new LLMLab, and prints whether it has recorded their calls.

    python -m tests.clients [--ci] [--capture FOLDER] [--pin] [NAME ...]

Without names it runs all clients; `--ci` only those that CI runs. It exits with 1 if a row differs from what
`clients.toml` expects. `--capture` stores what the clients send to LLMLab instead, with the calls that the vendors
have counted in `calls.json`. `--pin` installs the clients again and pins the versions of the packages that they use.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.clients.capture import Capture
from tests.clients.environments import HERE, Environment
from tests.clients.expected import Client, clients
from tests.clients.vendor import Call, Vendor
from tests.clients.verdict import Verdict, judge
from tests.support.product import Server, environment
from tests.support.workspace import Workspace

_SHARED = HERE / "shared"
_SDK = HERE.parent.parent / "sdk"
_PATIENCE = 1800
# One for each processor of CI.
_AT_ONCE = 2
_LINES_OF_OUTPUT = 30
_MOST_FAULTS = 30


class Run(NamedTuple):
    """What a client's program did."""

    calls: list[Call]
    output: str
    failed: bool


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="./run.sh clients", description="Runs real clients against LLMLab.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="clients; all by default")
    parser.add_argument("--ci", action="store_true", help="only those that CI runs")
    parser.add_argument("--capture", type=Path, metavar="FOLDER", help="store what they send there")
    parser.add_argument("--pin", action="store_true", help="pin the versions of all packages")
    options = parser.parse_args()
    known = clients()
    if unknown := set(options.names) - known.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    wanted = [
        client
        for name, client in known.items()
        if (name in options.names or not options.names) and (client.ci or not options.ci)
    ]
    for name in dict.fromkeys(client.environment for client in wanted):
        Environment(name).pin() if options.pin else Environment(name).prepare()
    if options.pin:
        return 0
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        if options.capture is not None:
            return max(pool.map(lambda client: _capture(client, options.capture), wanted), default=0)
        with tempfile.TemporaryDirectory() as folder:
            server = Server(Path(folder) / "data")
            # As users have it.
            del server.environment["RATE_LIMIT_PER_MINUTE"]
            server.start()
            try:
                verdicts = list(pool.map(lambda client: _judged(client, server.url), wanted))
            finally:
                server.stop()
    _print_table(wanted, verdicts)
    return 0 if all(verdict.is_right for verdict in verdicts) else 1


def _judged(client: Client, url: str) -> Verdict:
    workspace = Workspace(url)
    run = _run(client, url, workspace.key)
    verdict = judge(client, run.calls, workspace.events())
    if run.failed:
        verdict = verdict._replace(faults=["the program failed", *verdict.faults])
    if verdict.faults:
        rest = len(verdict.faults) - _MOST_FAULTS
        shown = [*verdict.faults[:_MOST_FAULTS], *([f"and {rest} more"] if rest > 0 else [])]
        print(f"{client.name}:\n  " + "\n  ".join(shown), flush=True)
    if run.failed:
        print(run.output, flush=True)
    return verdict


def _capture(client: Client, folder: Path) -> int:
    """Stores a client's requests; the folder appears when it is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as unfinished:
        with Capture(Path(unfinished)) as capture:
            run = _run(client, capture.url, "llmlab_sk_" + "x" * 32)
        calls = [call.document() for call in run.calls]
        (Path(unfinished) / "calls.json").write_text(json.dumps(calls, indent=1) + "\n")
        if run.failed:
            print(f"{client.name}: the program failed\n{run.output}")
            return 1
        shutil.rmtree(folder / client.name, ignore_errors=True)
        shutil.copytree(unfinished, folder / client.name)
    print(f"{client.name}: {len(run.calls)} calls", flush=True)
    return 0


def _run(client: Client, url: str, key: str) -> Run:
    """Runs a client's program; `url` and `key` are those of LLMLab."""
    with Vendor() as vendor, tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            Environment(client.environment).command(client.arguments),
            cwd=folder,
            env=_variables(vendor.url, url, key, folder),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_PATIENCE,
        )
        lines = [*done.stdout.splitlines()[-_LINES_OF_OUTPUT:]]
        lines += [f"no vendor has {path}" for path in vendor.unknown]
        return Run(list(vendor.calls), "\n".join(lines), bool(done.returncode or vendor.unknown))


def _variables(vendor_url: str, url: str, key: str, home: str) -> dict[str, str]:
    """The environment of a program: nothing of this machine's vendors and telemetry."""
    kept = {
        name: value
        for name, value in environment().items()
        if not name.startswith(("OPENAI", "ANTHROPIC", "AWS", "LANGFUSE", "LITELLM", "TRACELOOP"))
        and name not in ("PYTHONPATH", "DASHBOARD", "VIRTUAL_ENV")
    }
    return {
        **kept,
        # What they keep between runs is not kept.
        "HOME": home,
        "PYTHONPATH": os.pathsep.join((str(_SHARED), str(_SDK))),
        "NO_PROXY": "127.0.0.1",
        "VENDOR_URL": vendor_url,
        "LLMLAB_URL": url,
        "LLMLAB_API_KEY": key,
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_EXPORTER_OTLP_HEADERS": f"Authorization=Bearer%20{key}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_SERVICE_NAME": "clients",
    }


def _print_table(wanted: list[Client], verdicts: list[Verdict]) -> None:
    """One line for each client; a cost is right if it is what its vendors billed for what the client reports."""
    head = ("client", "version", "calls", "right", "twice", "lost", "unreported", "cost", "", "gaps")
    rows: list[tuple[str, ...]] = [head]
    for client, verdict in zip(wanted, verdicts, strict=True):
        version = f"{client.package} {Environment(client.environment).version(client.package)}"
        right = "right" if verdict.recorded == verdict.expected else f"instead of {verdict.expected}"
        counts = (verdict.calls, verdict.right, verdict.twice, verdict.lost, verdict.unreported)
        gaps = "; ".join(dict.fromkeys(gap.why for gap in client.gaps))
        rows.append((client.name, version, *map(str, counts), str(verdict.recorded), right, gaps))
    widths = [max(len(row[place]) for row in rows) for place in range(len(head) - 1)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, (*widths, 0), strict=True)).rstrip())
    wrong = [client.name for client, verdict in zip(wanted, verdicts, strict=True) if not verdict.is_right]
    print(
        f"{len(wanted) - len(wrong)} of {len(wanted)} clients are right"
        + (f"; not {', '.join(wrong)}" if wrong else "")
    )


if __name__ == "__main__":
    sys.exit(main())
