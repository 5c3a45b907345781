"""How each model was used in a window, and what the same calls cost at other prices.

Every part of a call (plain input, cache reads, cache writes, output, reasoning) has its own rate, and a long prompt may
move all of them to higher ones. The totals of each part are known exactly; how they spread over short and long prompts
is known from a sample. So with T[k] the window's tokens of part k, S[k] those of the sample and S[k, s] those of its
calls whose prompt falls between two thresholds of the other model, where it charges r[k, s]:

    cost = sum over k of T[k] x (sum over s of S[k, s] x r[k, s]) / S[k], and calls x its price of a request

A model without such thresholds has one s, and its cost is exact.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

from providers import CustomPrices, PriceBook
from schemas.usage import Rates
from schemas.usage_history import ModelUsage, SampledCall, UsedDay

MONTH = 30
_PICODOLLAR = Decimal("0.000000000001")
_ZERO = Decimal(0)
_ONE = Decimal(1)
# Share of the calls below which a model cannot do the job.
_MUST_FIT = Decimal("0.9")

# Tokens of plain input, cache reads, cache writes for 5 minutes and for an hour, output without reasoning, reasoning.
Counts = tuple[int, ...]


@dataclass(frozen=True)
class Window:
    """The usage from `start` to `at`, the caller's `today` at that moment, and the prices to compare with."""

    usage: ModelUsage
    prices: PriceBook
    own: CustomPrices
    start: datetime
    at: datetime
    today: date

    def days_since(self, first_at: datetime) -> Decimal:
        """Days from a first use in the window to now, at least one."""
        since = self.at - max(first_at, self.start)
        return max(Decimal(since // timedelta(microseconds=1)) / 86_400_000_000, _ONE)

    def monthly(self, amount: Decimal, first_at: datetime) -> Decimal:
        """An amount of the window per 30 days: amount / days since the first use x 30."""
        return money(amount / self.days_since(first_at) * MONTH)

    def rates(self, provider: str, model: str, prompt: int) -> Rates | None:
        """Today's rates of a model for a prompt of this length."""
        return self.prices.rates(provider, model, prompt, self.at, self.own)

    @cached_property
    def workloads(self) -> list["Workload"]:
        """The calls of each model, most expensive first."""
        days: dict[tuple[str, str], list[UsedDay]] = {}
        for day in self.usage.days:
            days.setdefault((day.provider, day.model), []).append(day)
        sample: dict[tuple[str, str], list[SampledCall]] = {}
        for call in self.usage.sample:
            sample.setdefault((call.provider, call.model), []).append(call)
        loads = [Workload(of_model, sample.get(key, ())) for key, of_model in days.items()]
        return sorted(loads, key=lambda load: (-load.cost, load.provider, load.model))


class Workload:
    """The calls of one model in a window: exact totals by day, and a sample."""

    def __init__(self, days: Sequence[UsedDay], sample: Sequence[SampledCall]) -> None:
        self.provider, self.model = days[0].provider, days[0].model
        self.days = days
        self.first_at = min(day.first_at for day in days)
        self.calls = sum(day.calls for day in days)
        self.errors = sum(day.errors for day in days)
        self.unpriced_calls = sum(day.unpriced_calls for day in days)
        self.cost = sum((day.cost for day in days), _ZERO)
        self.error_cost = sum((day.error_cost for day in days), _ZERO)
        self.counts = _added(token_counts(day) for day in days)
        self.sample = sample
        ordered = sorted((sum(token_counts(call)[:4]), token_counts(call)) for call in sample)
        # Without a sample, every call counts as the average one.
        ordered = ordered or [(self.prompt_tokens // max(self.calls, 1), self.counts)]
        self.prompts = [prompt for prompt, _ in ordered]
        nothing: Counts = (0,) * 6
        self._reached = list(accumulate((counts for _, counts in ordered), _sum, initial=nothing))

    @property
    def prompt_tokens(self) -> int:
        """All tokens of the prompts, cached ones included."""
        return sum(self.counts[:4])

    @property
    def average_prompt(self) -> int:
        """The length of the average prompt."""
        return self.prompt_tokens // max(self.calls, 1)

    def blend(
        self,
        window: Window,
        provider: str,
        model: str,
        factor: Decimal = _ONE,
        context_window: int | None = None,
    ) -> "Blend | None":
        """The average charge of a model for those of these calls that its context window holds.

        A call fits when its prompt and an answer of average length do. `factor` is how many tokens the model counts for
        each one of these. None when it takes less than nine tenths of the calls, or has no price for what they use.
        """
        whole = self._reached[-1]
        fitting = len(self.prompts)
        if context_window is not None:
            answer = sum(self.counts[4:]) // max(self.calls, 1)
            fitting = bisect_right(self.prompts, context_window / factor - answer)
        fits = Decimal(fitting) / len(self.prompts)
        if fits < _MUST_FIT:
            return None
        thresholds = window.prices.thresholds(provider, model, window.at)
        edges = [min(bisect_right(self.prompts, threshold / factor), fitting) for threshold in thresholds]
        average = window.rates(provider, model, int(self.average_prompt * factor))
        charged = [_ZERO] * 6
        request = _ZERO
        for low, first, last in zip((-1, *thresholds), (0, *edges), (*edges, fitting), strict=True):
            rates = window.rates(provider, model, low + 1) if last > first else None
            if rates is not None:
                request += rates.request * (last - first)
                for part, rate in enumerate(rates[:6]):
                    tokens = self._reached[last][part] - self._reached[first][part]
                    if rate is None and tokens:
                        return None
                    charged[part] += (rate or _ZERO) * tokens
        if average is None:
            return None
        per_token = []
        for part, (tokens, sampled, rate) in enumerate(zip(self.counts, whole, average[:6], strict=True)):
            if tokens and not sampled and rate is None:
                return None
            per_token.append((charged[part] / sampled if sampled else (rate or _ZERO) * fits) * factor)
        held = Decimal(sum(self._reached[fitting])) / sum(whole) if sum(whole) else fits
        return Blend(tuple(per_token), request / len(self.prompts), fits, _ONE - held)


class Blend(NamedTuple):
    """USD per token of each part and per call, averaged over calls of which the share `fits` is moved.

    `stays` is the share of the current cost that the others keep costing, by their share of the tokens.
    """

    per_token: tuple[Decimal, ...]
    per_call: Decimal
    fits: Decimal
    stays: Decimal

    def cost(self, counts: Counts, calls: int) -> Decimal:
        """USD for these tokens of each part in this number of calls."""
        return sum((rate * tokens for rate, tokens in zip(self.per_token, counts, strict=True)), self.per_call * calls)


def money(amount: Decimal) -> Decimal:
    """USD rounded to the 12 places that answers have."""
    return amount.quantize(_PICODOLLAR)


def token_counts(used: UsedDay | SampledCall) -> Counts:
    """The tokens of each part."""
    return (
        used.input_tokens,
        used.cache_read_tokens,
        used.cache_write_5m_tokens,
        used.cache_write_1h_tokens,
        used.output_tokens - used.reasoning_tokens,
        used.reasoning_tokens,
    )


def _sum(left: Counts, right: Counts) -> Counts:
    return tuple(one + other for one, other in zip(left, right, strict=True))


def _added(rows: Iterable[Counts]) -> Counts:
    return tuple(map(sum, zip(*rows, strict=True)))
