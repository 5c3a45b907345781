"""Records the cost of language model calls in LLMLab and enforces budgets.

import llmlab

llmlab.configure(api_key="llmlab_sk_...")
llmlab.log_call("openai", "gpt-4o-mini", input_tokens=1200, output_tokens=300)
"""

from os import PathLike
from typing import Literal

from llmlab import _runtime
from llmlab._calls import ObservedCall
from llmlab._errors import (
    BudgetExceeded,
    ConfigurationError,
    LLMLabError,
    ModelDisabled,
    PolicyViolation,
    TokenLimitExceeded,
    Unreachable,
)
from llmlab._outbox import Stats
from llmlab._track import Tracked, log_call, track, track_cost
from llmlab._wrapper import CallResult, LLMObservabilityWrapper, Metrics
from llmlab.instruments import instrument, uninstrument

__all__ = [
    "BudgetExceeded",
    "CallResult",
    "ConfigurationError",
    "LLMLabError",
    "LLMObservabilityWrapper",
    "Metrics",
    "ModelDisabled",
    "ObservedCall",
    "PolicyViolation",
    "Stats",
    "TokenLimitExceeded",
    "Tracked",
    "Unreachable",
    "configure",
    "flush",
    "instrument",
    "log_call",
    "stats",
    "track",
    "track_cost",
    "uninstrument",
]


def configure(
    *,
    api_key: str | None = None,
    base_url: str | None = None,
    project: str | None = None,
    tags: dict[str, str] | None = None,
    enforce_budget: bool | None = None,
    on_unreachable: Literal["allow", "refuse"] | None = None,
    timeout: float | None = None,
    flush_interval: float | None = None,
    exit_timeout: float | None = None,
    queue_size: int | None = None,
    spool_dir: "str | PathLike[str] | None" = None,
    spool_bytes: int | None = None,
    cache_bytes: int | None = None,
    cache_seconds: float | None = None,
    policy_seconds: float | None = None,
) -> None:
    """Sets the given settings; the others come from the environment or are defaults. README.md explains each.

    You can call it again: events recorded before are still sent with the previous settings. Raises ConfigurationError.
    """
    _runtime.configure(**{name: value for name, value in locals().items() if value is not None})


def flush(timeout: float = 10.0) -> bool:
    """Sends all recorded events and waits up to `timeout` seconds. Returns whether LLMLab has received all of them."""
    runtime = _runtime.current()
    return runtime is None or runtime.outbox.flush(timeout)


def stats() -> Stats:
    """Counts of the events that this process has recorded since `configure`."""
    runtime = _runtime.current()
    if runtime is None:
        return Stats(0, 0, 0, 0, 0, 0)
    return runtime.outbox.stats()._replace(unchecked=runtime.guard.unchecked)
