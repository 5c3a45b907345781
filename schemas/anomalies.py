"""Anomalies in costs and errors."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field

from models import Answer, DateRange, Usd

AnomalyScope = Literal["workspace", "project", "provider", "model"]
AnomalyKind = Literal["spike", "drop", "level_shift", "stop", "new_model", "new_project", "errors", "outage"]
AnomalyCause = Literal["calls", "tokens_per_call", "cache_hit_rate", "price", "priced_share", "new", "vanished"]


class AnomalyContributor(Answer):
    """The share of a difference in cost that one cause has at one model of a project."""

    project: str | None
    provider: str
    model: str
    cause: AnomalyCause
    effect: Usd = Field(description="Change in cost in USD")


class Anomaly(Answer):
    """A period in which costs were far from usual, or calls failed far more often."""

    date: Annotated[date, Field(description="First day, in the requested time zone")]
    hour: int | None = Field(description="First hour of that day; null for whole days")
    start: datetime
    end: datetime = Field(description="End, or the end of the known data while it lasts")
    scope: AnomalyScope = Field(description="What is unusual; for a model with a project, the model in that project")
    about: str = Field(description="Name of what is unusual")
    project: str | None
    provider: str | None
    model: str | None
    measure: Literal["cost", "errors"] = Field(
        description="cost: the cost is unusual; errors: the number of failed calls is"
    )
    kind: AnomalyKind = Field(
        description="level_shift: lasts three days or longer; outage: at least half of the calls failed"
    )
    calls: int
    errors: int
    expected_errors: float = Field(description="Failed calls at the usual error rate; 0 when the measure is cost")
    cost: Usd
    expected_cost: Usd = Field(description="Expected cost, from the history before it")
    expected_low: Usd = Field(description="Lower end of the normal range: USD, or failed calls")
    expected_high: Usd = Field(description="Upper end of the normal range")
    excess_cost: Usd = Field(description="cost - expected_cost; negative when the cost is lower than expected")
    z_score: float = Field(description="Robust standard deviations from the expected value, at the peak")
    severity: Literal["low", "medium", "high"] = Field(
        description="By |z_score|: low from the threshold on, medium from 3, high from 4"
    )
    cause: str = Field(description="The cause, in one sentence")
    contributors: list[AnomalyContributor] = Field(
        description="The ten largest parts of the difference to the mean of the same hours of up to four weeks before "
        "(up to seven days before without a whole week of history), largest first"
    )


class Anomalies(Answer):
    """The anomalies of a period, newest first."""

    count: int
    anomalies: list[Anomaly]
    analysis_period: DateRange
