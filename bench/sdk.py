"""How long the SDK holds up the thread that makes a call, while it sends what it records to a running LLMLab."""

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.load import Client, percentile, request, undisturbed
from bench.plan import Bench
from bench.report import Figure, Goal, absolute
from bench.server import HOUSE, BenchError, lab

# Calls of a model come one by one; between these the thread that sends has its turn, as it has while a model thinks.
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


def _answer(prompt: str) -> dict[str, Any]:
    return _ANSWER


async def overhead(bench: Bench) -> None:
    """Microseconds that a decorated function takes longer than the bare one, at p99, and that each call is stored."""
    sys.path.insert(0, str(HOUSE / "sdk"))
    import llmlab

    found = []
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
            calls = bench.sizes.sdk_calls
            await asyncio.to_thread(_times, tracked, 200)
            for turn in bench.turns("tracked calls"):
                bare = await asyncio.to_thread(_times, _answer, calls)
                times = await asyncio.to_thread(_times, tracked, calls)
                found.append(percentile(times, 99) - percentile(bare, 50))
                bench.say(turn, f"{found[-1]:.1f} µs")
            if not await asyncio.to_thread(llmlab.flush, 30):
                raise BenchError(f"not everything was stored: {llmlab.stats()}")
            llmlab.configure()
            _, summary = await client.ask(request("GET", "/api/costs/summary?days=2", token=account.token))
    stored = summary["call_count"]
    if stored != 200 + calls * bench.sizes.repeats:
        raise BenchError(f"{stored} calls are stored")
    bench.report.rows.append(
        absolute("SDK: time added to a call on the caller's thread, p99", Figure.of(found), "µs", Goal("at most", 30))
    )


def _times(work: Callable[[str], Any], calls: int) -> list[float]:
    """Microseconds of each call."""
    times = []
    with undisturbed():
        for _ in range(calls):
            time.sleep(_PAUSE_SECONDS)
            started = time.perf_counter_ns()
            work("What is the capital of France?")
            times.append((time.perf_counter_ns() - started) / 1000)
    return times
