"""The recommendations engine: what stands out, and what would have cost less. It says nothing the data does not."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from statistics import mean, stdev
from uuid import UUID
from zoneinfo import ZoneInfo

from database import Database
from engines.comparison import cell_of, explain
from engines.forecast import HISTORY_DAYS, forecast
from models import (
    Anomalies,
    Anomaly,
    ComparedCosts,
    ComparedPeriod,
    CostComparison,
    DailyCosts,
    DateRange,
    Forecast,
    ForecastPeriod,
    Identity,
    ModelSwitch,
    ModelSwitches,
    ModelUsage,
    Optimization,
    PeriodRest,
    PeriodUsage,
    Recommendations,
    TwoPeriods,
)
from providers import NO_OWN_PRICES, OwnPrices, PriceBook
from utils.time import last_days, now

_DAYS = 30
_THRESHOLD = 2.0
_FEWEST_DAYS = 6
# Nobody is told of less: in standard deviations, and in USD above what was expected.
_FAR = 3.0
_WORTH_TELLING = Decimal(1)
# A forecast is made for so many budgets.
_MOST_BUDGETS = 50
# So many pairs of project and model of two periods are compared one by one.
_MOST_CELLS = 1_000
_MOMENT = timedelta(microseconds=1)
_PICODOLLAR = Decimal("0.000000000001")
_USE_CASE = (
    "Calls that do not need the larger model's full ability, such as classification, extraction and short answers. "
    "The saving is priced on the tokens you used; whether the quality suffices only a test on your own prompts tells."
)


class RecommendationsEngine:
    """Finds anomalies, cheaper models and avoidable cost in what a workspace spent."""

    def __init__(self, database: Database, prices: PriceBook) -> None:
        self._database = database
        self._prices = prices

    async def recommend(self, identity: Identity, days: int, tz: str) -> Recommendations:
        """Everything at once, for the last days."""
        at = now()
        start, end = last_days(days, tz, at)
        usages = await self._database.model_usage(identity.workspace_id, start, end)
        series = await self._database.model_daily_costs(identity.workspace_id, start, end, tz)
        own = await self._own_prices(identity)
        return Recommendations(
            optimizations=optimizations(usages, self._prices, at, own),
            model_recommendations=switches(usages, self._prices, start, at, own),
            anomalies=anomalies(series, _THRESHOLD),
            last_updated=at,
        )

    async def anomalies(self, identity: Identity, days: int, threshold: float, tz: str) -> Anomalies:
        """Days that stand out by more than `threshold` standard deviations."""
        start, end = last_days(days, tz, now())
        found = anomalies(await self._database.model_daily_costs(identity.workspace_id, start, end, tz), threshold)
        return Anomalies(count=len(found), anomalies=found, analysis_period=DateRange(start=start, end=end))

    async def unusual(self, workspace_id: UUID, tz: str, at: datetime) -> list[Anomaly]:
        """What somebody should be told: yesterday's and today's costs far above the usual, by dollars and by spread."""
        start, end = last_days(_DAYS, tz, at)
        found = anomalies(await self._database.model_daily_costs(workspace_id, start, end, tz), _FAR)
        yesterday = at.astimezone(ZoneInfo(tz)).date() - timedelta(days=1)
        return [day for day in found if day.date >= yesterday and day.cost - day.expected_cost >= _WORTH_TELLING]

    async def model_switching(self, identity: Identity, days: int, tz: str) -> ModelSwitches:
        """Cheaper models of the same vendor, priced on what was really used."""
        at = now()
        start, end = last_days(days, tz, at)
        usages = await self._database.model_usage(identity.workspace_id, start, end)
        found = switches(usages, self._prices, start, at, await self._own_prices(identity))
        return ModelSwitches(
            count=len(found),
            recommendations=found,
            total_potential_savings=sum((switch.estimated_monthly_savings for switch in found), Decimal(0)),
        )

    async def compare(self, identity: Identity, wanted: TwoPeriods, limit: int) -> CostComparison:
        """Why the cost of two periods differs, with the `limit` largest changes."""
        before, after = wanted.resolve(now())
        costs = await self._database.cost_compare(identity.workspace_id, before, after, _MOST_CELLS)
        return await asyncio.to_thread(_compared, costs, self._prices, before, after, limit)

    async def forecast(self, identity: Identity, horizon: int, period: ForecastPeriod, tz: str) -> Forecast:
        """What the days from today on will cost, the whole period, and the budgets."""
        at = now()
        stored = await self._database.spend_forecast(identity.workspace_id, tz, HISTORY_DAYS, _MOST_BUDGETS, at)
        return await asyncio.to_thread(forecast, stored, period, tz, horizon, at)

    async def _own_prices(self, identity: Identity) -> OwnPrices:
        return OwnPrices(await self._database.price_list(identity.workspace_id))


def anomalies(series: Iterable[DailyCosts], threshold: float) -> list[Anomaly]:
    """The days whose cost lies more than `threshold` sample standard deviations from the mean of all the model's days.

    z = (cost - mean) / s with s the sample standard deviation (n - 1), over the days from the model's first cost on.
    Fewer than 6 days, or days that all cost the same, say nothing. The last day is usually not over yet, so that it
    cost little is no anomaly. Newest first.
    """
    found = []
    for model in series:
        costs = [float(cost) for cost in model.costs]
        if len(costs) < _FEWEST_DAYS:
            continue
        spread = stdev(costs)
        if spread == 0:
            continue
        expected = mean(costs)
        for offset, cost in enumerate(costs):
            z_score = (cost - expected) / spread
            unfinished = offset == len(costs) - 1
            if abs(z_score) < threshold or (unfinished and z_score < 0):
                continue
            found.append(
                Anomaly(
                    date=model.first_day + timedelta(days=offset),
                    provider=model.provider,
                    model=model.model,
                    cost=model.costs[offset],
                    expected_cost=_money(sum(model.costs, Decimal(0)) / len(model.costs)),
                    z_score=round(z_score, 4),
                    severity="high" if abs(z_score) >= 4 else "medium" if abs(z_score) >= 3 else "low",
                )
            )
    return sorted(found, key=lambda anomaly: (anomaly.date, abs(anomaly.z_score)), reverse=True)


def switches(
    usages: Sequence[ModelUsage], prices: PriceBook, start: datetime, at: datetime, own: OwnPrices = NO_OWN_PRICES
) -> list[ModelSwitch]:
    """For each model with a smaller one in its vendor's line-up, what the window's tokens would have cost there.

    Both sides are priced at today's rates, the workspace's own first, on the same tokens, so that a difference is one
    of the models and not of dates. The monthly saving is the window's, divided by the days from the first call in it to
    now and times 30. A model that would not have been cheaper is not suggested. Largest saving first.
    """
    found = []
    for used in usages:
        smaller = prices.smaller(used.provider, used.model)
        calls = used.calls - used.unpriced_calls
        if smaller is None or used.unpriced_calls or calls == 0:
            continue
        prompt = used.usage().prompt_tokens // used.calls
        current = _cost_at(prices, used, used.model, prompt, at, own)
        suggested = _cost_at(prices, used, smaller, prompt, at, own)
        if current is None or suggested is None or suggested >= current:
            continue
        days = max((at - max(used.first_at, start)) / timedelta(days=1), 1.0)
        found.append(
            ModelSwitch(
                provider=used.provider,
                current_model=used.model,
                suggested_model=smaller,
                calls=calls,
                current_cost_per_call=_money(current / calls),
                suggested_cost_per_call=_money(suggested / calls),
                estimated_monthly_savings=_money((current - suggested) / Decimal(days) * 30),
                use_case=_USE_CASE,
            )
        )
    return sorted(found, key=lambda switch: switch.estimated_monthly_savings, reverse=True)


def optimizations(
    usages: Sequence[ModelUsage], prices: PriceBook, at: datetime, own: OwnPrices = NO_OWN_PRICES
) -> list[Optimization]:
    """What was paid for nothing: calls that failed, and prompt caching that cost more than it saved.

    A model's cache loss is what its cached tokens cost at today's cache rates less what they would have cost as plain
    input. Largest first.
    """
    found = []
    for used in usages:
        if used.error_cost > 0:
            found.append(
                Optimization(
                    type="failed_calls",
                    provider=used.provider,
                    model=used.model,
                    description=f"{used.errors} of {used.calls} calls of {used.model} failed or timed out and were "
                    "paid for; find out why, and retry less",
                    cost=used.error_cost,
                )
            )
        loss = _cache_loss(used, prices, at, own)
        if loss > 0:
            found.append(
                Optimization(
                    type="cache_loss",
                    provider=used.provider,
                    model=used.model,
                    description=f"Prompt caching of {used.model} cost more than it saved: "
                    f"{used.cache_write_5m_tokens + used.cache_write_1h_tokens} tokens were written to the cache and "
                    f"{used.cache_read_tokens} read from it; cache only what is read again before it expires",
                    cost=_money(loss),
                )
            )
    return sorted(found, key=lambda optimization: optimization.cost, reverse=True)


def _compared(
    costs: ComparedCosts,
    prices: PriceBook,
    before: tuple[datetime, datetime],
    after: tuple[datetime, datetime],
    limit: int,
) -> CostComparison:
    """The comparison of two periods, each at the rates that held when it ended."""
    own = OwnPrices(costs.prices)
    explanation = explain(
        [cell_of(used, prices, before[1] - _MOMENT, own) for used in costs.before],
        [cell_of(used, prices, after[1] - _MOMENT, own) for used in costs.after],
        (costs.before_rest.cost, costs.after_rest.cost),
    )
    found = {
        **explanation.__dict__,
        "projects": explanation.projects[:limit],
        "models": explanation.models[:limit],
        "unpriced": explanation.unpriced[:limit],
    }
    return CostComparison(
        **found,
        before=_period(before, costs.before, costs.before_rest),
        after=_period(after, costs.after, costs.after_rest),
        project_count=len(explanation.projects),
        model_count=len(explanation.models),
    )


def _period(span: tuple[datetime, datetime], cells: Sequence[PeriodUsage], rest: PeriodRest) -> ComparedPeriod:
    return ComparedPeriod(
        start=span[0],
        end=span[1],
        call_count=int(sum(used.calls for used in cells)) + rest.calls,
        unpriced_calls=int(sum(used.unpriced_calls for used in cells)) + rest.unpriced_calls,
    )


def _cost_at(
    prices: PriceBook, used: ModelUsage, model: str, prompt: int, at: datetime, own: OwnPrices
) -> Decimal | None:
    """The window's tokens at a model's rates for a prompt of average length."""
    rates = prices.rates(used.provider, model, prompt, at, own)
    cost = None if rates is None else rates.cost(used.usage())
    return None if cost is None or rates is None else cost + rates.request * (used.calls - 1)


def _cache_loss(used: ModelUsage, prices: PriceBook, at: datetime, own: OwnPrices) -> Decimal:
    rates = prices.rates(used.provider, used.model, used.usage().prompt_tokens // max(used.calls, 1), at, own)
    if rates is None or rates.input is None:
        return Decimal(0)
    return sum(
        (
            tokens * ((rate if rate is not None else rates.input) - rates.input)
            for tokens, rate in (
                (used.cache_read_tokens, rates.cache_read),
                (used.cache_write_5m_tokens, rates.cache_write_5m),
                (used.cache_write_1h_tokens, rates.cache_write_1h),
            )
        ),
        Decimal(0),
    )


def _money(amount: Decimal) -> Decimal:
    return amount.quantize(_PICODOLLAR)
