"""Forecasts of costs and budgets."""

from datetime import date, datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from pydantic import Field

from models import Answer, Period, Row, Usd
from schemas.budgets import Budget

ForecastPeriod = Literal["day", "week", "month", "quarter"]


class Estimated(Answer):
    """An estimate in USD with intervals, rounded to cents, below $1 to three digits."""

    expected: Usd = Field(description="Median")
    low_80: Usd = Field(description="Lower end of the 80% interval")
    high_80: Usd = Field(description="Upper end of the 80% interval")
    low_95: Usd = Field(description="Lower end of the 95% interval")
    high_95: Usd = Field(description="Upper end of the 95% interval")


class ForecastDay(Estimated):
    """Forecast cost of a day; today includes the spend so far."""

    date: date


class BacktestedModel(Answer):
    """Error of a model in the rolling backtest, 1 to 28 days ahead."""

    model: str
    mae: Usd = Field(description="Mean absolute error per day")
    mase: float | None = Field(
        description="Mean absolute scaled error: mae divided by the error of repeating the cost of a week before; null "
        "if that has no error"
    )


class BudgetForecast(Answer):
    """Forecast for a budget in its current period."""

    id: UUID
    name: str
    scope: dict[str, str]
    limit: Usd
    period: Period
    tz: str
    period_start: datetime
    period_end: datetime
    current_spend: Usd
    exceeded: bool = Field(description="Whether the budget is already exceeded")
    probability: float | None = Field(
        description="Probability that it is exceeded by the end of `until`; null without a forecast"
    )
    exceeds_on: date | None = Field(
        description="Median day of the outcomes that exceed it; null if there are none, or it is already exceeded"
    )
    until: date | None = Field(description="Last day of the period, at most the 92nd from today")
    total: Estimated | None = Field(description="Spend of the period by the end of `until`")
    model: str | None
    backtest: list[BacktestedModel]
    missing: str | None = Field(description="Reason why there is no forecast")


class Forecast(Answer):
    """Cost forecast by the model with the smallest error in the backtest."""

    as_of: datetime
    tz: str
    period: ForecastPeriod
    period_start: date
    period_end: date = Field(description="Last day of the period")
    spent: Usd = Field(description="Spend of the period so far, exact")
    total: Estimated | None = Field(description="Total of the period: spend so far plus forecast")
    days: list[ForecastDay] = Field(description="Forecast by day, from today on")
    model: str | None = Field(description="Model with the smallest error in the backtest")
    backtest: list[BacktestedModel]
    missing: str | None = Field(description="Reason why there is no forecast, and when there will be one")
    budgets: list[BudgetForecast]
    budgets_left_out: int = Field(description="Number of budgets beyond the oldest 50, which have no forecast")


# Internal values, never sent to a caller


class SpendSeries(Row):
    """Cost of each whole day, from the first day that cost anything: of a budget, or else of the workspace.

    `usual_share` is the part of a day's cost that usually falls before the current time of day.
    """

    budget_id: UUID | None
    today: date
    costs: list[Decimal]
    spent_today: Decimal
    usual_share: Decimal


class StoredSpend(Row):
    """The input of a forecast: some of the budgets, and the daily costs of those that rollups can answer."""

    budget_count: int
    budgets: list[Budget]
    series: list[SpendSeries]
