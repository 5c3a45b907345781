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
    """An estimate in USD, rounded to cents, below 1 USD to three digits: as likely too low as too high."""

    expected: Usd = Field(description="The median of the outcomes")
    low_80: Usd = Field(description="With low 80 and high 80, an interval that holds the outcome in 80 % of all cases")
    high_80: Usd
    low_95: Usd = Field(description="The same for 95 %")
    high_95: Usd


class ForecastDay(Estimated):
    """What a day will cost; today with what is spent already."""

    date: date


class BacktestedModel(Answer):
    """How far off a model was in the rolling backtest, one to 28 days ahead."""

    model: str
    mae: Usd = Field(description="Mean absolute error of a day")
    mase: float | None = Field(
        description="mae over that of the cost of a week before, one week ahead; null if that is always right"
    )


class BudgetForecast(Answer):
    """Whether a budget will be exceeded in its current period."""

    id: UUID
    name: str
    scope: dict[str, str]
    limit: Usd
    period: Period
    tz: str
    period_start: datetime
    period_end: datetime
    current_spend: Usd
    exceeded: bool = Field(description="Whether it is exceeded already")
    probability: float | None = Field(description="That it is exceeded by the end of `until`; null without a forecast")
    exceeds_on: date | None = Field(
        description="If it is, the day: the median of the outcomes that exceed it; null if none does or it is exceeded"
    )
    until: date | None = Field(description="The last day of the period, or the 92nd from today if that is earlier")
    total: Estimated | None = Field(description="The spend of the period by the end of `until`")
    model: str | None
    backtest: list[BacktestedModel]
    missing: str | None = Field(description="Why there is no forecast")


class Forecast(Answer):
    """What will be spent, by the model that would have done best so far."""

    as_of: datetime
    tz: str
    period: ForecastPeriod
    period_start: date
    period_end: date = Field(description="The last day of the period")
    spent: Usd = Field(description="In the period so far, to the last digit")
    total: Estimated | None = Field(description="Of the period: what is spent and what will be")
    days: list[ForecastDay] = Field(description="From today on")
    model: str | None = Field(description="The one of the backtest with the smallest error")
    backtest: list[BacktestedModel]
    missing: str | None = Field(description="Why there is no forecast, and from when on there will be")
    budgets: list[BudgetForecast]
    budgets_left_out: int = Field(description="How many budgets there are beyond the oldest 50")


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
