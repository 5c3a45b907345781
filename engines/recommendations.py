"""The recommendations engine: what stands out, and what would have cost less. It says nothing the data does not."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from database import Database
from engines.anomalies import Grid, Leaf, find
from engines.causes import tell
from engines.comparison import cell_of, explain
from engines.forecast import HISTORY_DAYS, forecast
from models import (
    Anomalies,
    Anomaly,
    ComparedCosts,
    ComparedPeriod,
    CostComparison,
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
    UsageHistory,
)
from providers import NO_OWN_PRICES, OwnPrices, PriceBook
from utils.time import last_days, midnight, now

_DAYS = 30
_THRESHOLD = 2.0
# What is usual is learnt from so many days before the first that is judged, of so many pairs of project and model.
_HISTORY = timedelta(days=42)
_MOST_SERIES, _MOST_HOURLY_DAYS = 100, 90
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
        found = await self._anomalies(identity.workspace_id, days, _THRESHOLD, tz, at)
        own = await self._own_prices(identity)
        return Recommendations(
            optimizations=optimizations(usages, self._prices, at, own),
            model_recommendations=switches(usages, self._prices, start, at, own),
            anomalies=found,
            last_updated=at,
        )

    async def anomalies(self, identity: Identity, days: int, threshold: float, tz: str) -> Anomalies:
        """What was unusual by more than `threshold` robust standard deviations, and why."""
        at = now()
        start, end = last_days(days, tz, at)
        found = await self._anomalies(identity.workspace_id, days, threshold, tz, at)
        return Anomalies(count=len(found), anomalies=found, analysis_period=DateRange(start=start, end=end))

    async def unusual(self, workspace_id: UUID, tz: str, at: datetime) -> list[Anomaly]:
        """What somebody should be told: cost far above the usual since yesterday, by dollars and by spread."""
        found = await self._anomalies(workspace_id, _DAYS, _FAR, tz, at)
        yesterday = at.astimezone(ZoneInfo(tz)).date() - timedelta(days=1)
        return [
            one
            for one in found
            if one.measure == "cost" and one.date >= yesterday and one.excess_cost >= _WORTH_TELLING
        ]

    async def _anomalies(self, workspace_id: UUID, days: int, threshold: float, tz: str, at: datetime) -> list[Anomaly]:
        """The anomalies of the last days: by hours those of 90 days at most, by days all of them."""
        today = at.astimezone(ZoneInfo(tz)).date()
        start, by_hours = today - timedelta(days=days - 1), today - timedelta(days=min(days, _MOST_HOURLY_DAYS) - 1)
        grid = Grid(first=start - _HISTORY, hours_from=by_hours - _HISTORY, start=start, at=at, tz=tz)
        history = await self._database.spend_series(
            workspace_id,
            midnight(grid.first, tz),
            midnight(grid.hours_from, tz),
            # Calls may be dated a little ahead; those wait until then.
            grid.moment(grid.now + 1),
            tz,
            _MOST_SERIES,
        )
        return await asyncio.to_thread(_unusual, history, grid, threshold, self._prices)

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


def _unusual(history: UsageHistory, grid: Grid, threshold: float, prices: PriceBook) -> list[Anomaly]:
    leaves = [Leaf(series, grid) for series in history.series]
    return tell(find(leaves, grid, threshold), leaves, grid, prices, OwnPrices(history.prices))


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
