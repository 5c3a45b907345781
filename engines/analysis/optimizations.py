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
                what="repeated prompt prefixes",
                why="Repeated prefixes could be cached, but without a hash they cannot be recognised.",
                how='"metadata": {"prefix_hash": "<hash of the repeated instructions, tools and documents>", '
                '"prefix_tokens": 1800} with each event',
            )
        )
    if not window.usage.newest:
        missing.append(
            MissingEvidence(
                what="repeated prompts",
                why="A prompt that is repeated within a minute is a retry that is charged again.",
                how='"metadata": {"prompt_hash": "<hash of the whole prompt>"} with each event',
            )
        )
    if not any(call.tier for call in sample) and any(window.prices.batch(load.provider) for load in window.workloads):
        missing.append(
            MissingEvidence(
                what="calls that allow delay",
                why="Batch APIs have a discount of up to half; without a tag, only nightly bursts are recognised.",
                how='"tags": {"tier": "batch"} with events that are not time-critical',
            )
        )
    if not any(call.max_tokens for call in sample):
        missing.append(
            MissingEvidence(
                what="output limits",
                why="An output limit far above the actual output reserves more of a budget than necessary.",
                how='"metadata": {"max_tokens": 1000} with each event',
            )
        )
    if not window.usage.ratings:
        missing.append(
            MissingEvidence(
                what="ratings",
                why="Only ratings show how the quality of a cheaper model compares.",
                how="POST /api/feedback with the event's id and a rating from 1 to 5",
            )
        )
    unpriced = [load.model for load in window.workloads if load.unpriced_calls]
    if unpriced:
        missing.append(
            MissingEvidence(
                what="prices",
                why=f"Calls of {', '.join(unpriced[:10])} have no known price, so their cost cannot be analysed.",
                how="POST /api/prices with a custom price, or `cost` with each event",
            )
        )
    return missing
