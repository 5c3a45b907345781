"""Avoidable cost, each finding with the numbers that it rests on, and the data that more findings would need."""

from collections.abc import Callable, Iterator
from decimal import Decimal

from engines.analysis import caching, detectors
from engines.analysis.workloads import Window
from schemas.recommendations import MissingEvidence, Optimization

_ZERO = Decimal(0)
_DETECTORS: tuple[Callable[[Window], Iterator[Optimization]], ...] = (
    detectors.failed_calls,
    detectors.retry_storms,
    caching.cache_losses,
    caching.caching_unused,
    detectors.batches,
    detectors.oversized,
    detectors.unused_limits,
    detectors.price_cuts,
    detectors.retirements,
)


def optimizations(window: Window) -> list[Optimization]:
    """All findings, largest monthly saving first, then highest cost."""
    found = [optimization for detect in _DETECTORS for optimization in detect(window)]
    return sorted(
        found,
        key=lambda one: (-(one.estimated_monthly_savings or _ZERO), -one.cost, one.type, one.model, one.project or ""),
    )


def missing_evidence(window: Window) -> list[MissingEvidence]:
    """What to send for more findings. Empty for a window without calls."""
    if not window.workloads:
        return []
    sample = window.usage.sample
    missing = []
    hashed = any(call.prefix_hash or call.prompt_hash for call in sample)
    if not hashed and any(caching.could_be_cached(window, call) for call in sample):
        missing.append(
            MissingEvidence(
                what="repeated beginnings of prompts",
                why="Prompts that begin alike could be cached; without a hash nobody knows which do.",
                how='"metadata": {"prefix_hash": "<hash of the instructions, tools and documents that repeat>", '
                '"prefix_tokens": 1800} with each event',
            )
        )
    if not window.usage.newest:
        missing.append(
            MissingEvidence(
                what="prompts sent again",
                why="The same prompt within a minute is a retry that is paid for twice.",
                how='"metadata": {"prompt_hash": "<hash of the whole prompt>"} with each event',
            )
        )
    if not any(call.tier for call in sample) and any(window.prices.batch(load.provider) for load in window.workloads):
        missing.append(
            MissingEvidence(
                what="calls that may wait",
                why="Vendors take half off calls that may take a day; only nightly bursts show without a tag.",
                how='"tags": {"tier": "batch"} with events whose answer nobody waits for',
            )
        )
    if not any(call.max_tokens for call in sample):
        missing.append(
            MissingEvidence(
                what="output limits",
                why="A limit far above what is written holds money of budgets that could be spent.",
                how='"metadata": {"max_tokens": 1000} with each event',
            )
        )
    if not window.usage.ratings:
        missing.append(
            MissingEvidence(
                what="ratings",
                why="What a cheaper model loses in quality is known only from what people think of its answers.",
                how="POST /api/feedback with the event's id and a rating from 1 to 5",
            )
        )
    unpriced = [load.model for load in window.workloads if load.unpriced_calls]
    if unpriced:
        missing.append(
            MissingEvidence(
                what="prices",
                why=f"Calls of {', '.join(unpriced[:10])} have no price, so nothing can be said of their cost.",
                how="POST /api/prices with your own price, or `cost` with each event",
            )
        )
    return missing
