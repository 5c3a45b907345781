"""The time that the SDK adds to a call on the caller's thread, while it sends events to a running LLMLab."""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.load import Client, percentile, request, undisturbed
from bench.plan import Bench
from bench.report import Figure, Goal, absolute, ratio
from bench.server import ROOT, BenchError, lab

_PAUSE_SECONDS = 0.001
_ANSWER = {
    "model": "gpt-4o-mini",
    "choices": [{"message": {"role": "assistant", "content": "An answer of some length. " * 40}}],
    "usage": {
        "prompt_tokens": 1200,
        "completion_tokens": 300,
        "total_tokens": 1500,
        "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 128, "audio_tokens": 0},
    },
}


_BODY = json.dumps(_ANSWER)


def _answer(prompt: str) -> dict[str, Any]:
    return _ANSWER


def _parse(prompt: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(_BODY)
    return answer


def _no_pause() -> None:
    """No pause between calls."""


def _sleep() -> None:
    time.sleep(_PAUSE_SECONDS)


async def overhead(bench: Bench) -> None:
    """Measures the time added to a decorated function at p99, and checks that each call is stored."""
    sys.path.insert(0, str(ROOT / "sdk"))
    import llmlab
    from llmlab import _runtime

    calls = bench.sizes.sdk_calls
    hot: list[float] = []
    cold: list[float] = []
    parsing: list[float] = []
    with lab() as place, place.product() as server, tempfile.TemporaryDirectory() as folder:
        account = await server.sign_up("sdk")
        async with Client(server.port) as client:
            _, key = await client.ask(request("POST", "/api/keys", token=account.token, body=b'{"name":"bench"}'))
            llmlab.configure(
                api_key=key["key"],
                base_url=f"http://127.0.0.1:{server.port}",
                project="search",
                spool_dir=Path(folder) / "spool",
                flush_interval=0.1,
            )
            tracked = llmlab.track_cost("openai", "gpt-4o-mini", tags={"team": "discovery"})(_answer)
            for turn in bench.turns("tracked calls"):
                bare = await asyncio.to_thread(_times, _answer, calls, _no_pause)
                times = await asyncio.to_thread(_times, tracked, calls, _no_pause)
                hot.append(percentile(times, 99) - percentile(bare, 50))
                await asyncio.to_thread(llmlab.flush, 30)
                cold.append(percentile(await asyncio.to_thread(_times, tracked, calls, _sleep), 99))
                parsing.append(percentile(await asyncio.to_thread(_times, _parse, calls, _sleep), 99))
                bench.show(turn, f"{hot[-1]:.1f} µs, cold {cold[-1]:.1f} µs")
            if not await asyncio.to_thread(llmlab.flush, 30):
                raise BenchError(f"not all events were stored: {llmlab.stats()}")
            _, summary = await client.ask(request("GET", "/api/costs/summary?days=2", token=account.token))
            _runtime.shutdown()
    if summary["call_count"] != 2 * calls * bench.sizes.repeats:
        raise BenchError(f"{summary['call_count']} calls were stored")
    bench.report.rows += [
        absolute("SDK: time added to a call on the caller's thread, p99", Figure.of(hot), "µs", Goal("at most", 30)),
        ratio(
            "SDK: the same after 1 ms of sleep, with cold processor caches",
            Figure.of(cold),
            "µs",
            "json.loads of the provider's answer, also after 1 ms of sleep",
            Figure.of(parsing),
        ),
    ]


def _times(work: Callable[[str], Any], calls: int, between: Callable[[], None]) -> list[float]:
    """Microseconds of each call."""
    times = []
    with undisturbed():
        for _ in range(calls):
            between()
            started = time.perf_counter_ns()
            work("What is the capital of France?")
            times.append((time.perf_counter_ns() - started) / 1000)
    return times
