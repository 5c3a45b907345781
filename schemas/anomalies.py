"""Anomalies in costs and errors."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field

from models import Answer, DateRange, Usd

AnomalyScope = Literal["workspace", "project", "provider", "model"]
AnomalyKind = Literal["spike", "drop", "level_shift", "stop", "new_model", "new_project", "errors", "outage"]
AnomalyCause = Literal["calls", "tokens_per_call", "cache_hit_rate", "price", "priced_share", "new", "vanished"]


class AnomalyContributor(Answer):
    """How much of a difference in cost came from one cause at one model of a project."""

    project: str | None
    provider: str
    model: str
    cause: AnomalyCause
    effect: Usd = Field(description="USD by which it changed the cost")


class Anomaly(Answer):
    """When something cost far more or less than usual, or failed far more often."""

    date: Annotated[date, Field(description="The day it began on, in the time zone asked for")]
    hour: int | None = Field(description="The hour of that day it began with; null when whole days are meant")
    start: datetime
    end: datetime = Field(description="When it was over, or until when it is known to last")
    scope: AnomalyScope = Field(description="What it is about; a model is one in a project when that is named")
    about: str = Field(description="The same by name")
    project: str | None
    provider: str | None
    model: str | None
    measure: Literal["cost", "errors"] = Field(description="Whether cost was unusual, or how many calls failed")
    kind: AnomalyKind = Field(
        description="level_shift: for three days or longer; outage: half of the calls or more failed"
    )
    calls: int
    errors: int
    expected_errors: float = Field(description="At the usual rate of failures; 0 when the measure is cost")
    cost: Usd
    expected_cost: Usd = Field(description="What was usual at such a time, by what came before")
    expected_low: Usd = Field(description="The lower end of what would not have been told: USD, or failed calls")
    expected_high: Usd = Field(description="The upper end of it")
    excess_cost: Usd = Field(description="cost - expected_cost; negative when it cost less")
    z_score: float = Field(description="Robust standard deviations from what was expected, at its peak")
    severity: Literal["low", "medium", "high"] = Field(description="|z_score| from the threshold, from 3, from 4")
    cause: str = Field(description="Why, in a sentence")
    contributors: list[AnomalyContributor] = Field(
        description="What makes up the difference to the mean of the same hours of up to four weeks before (of up "
        "to seven days before where there are no weeks yet): the ten largest, largest first"
    )


class Anomalies(Answer):
    """The anomalies of a window, newest first."""

    count: int
    anomalies: list[Anomaly]
    analysis_period: DateRange
