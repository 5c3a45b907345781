"""What stands out, and silence where the data says nothing."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from engines.recommendations import anomalies
from models import DailyCosts
from tests.team import Member, assert_problem, call


def series(*costs: float) -> DailyCosts:
    return DailyCosts(
        provider="openai", model="gpt-4o", first_day=date(2026, 11, 1), costs=[Decimal(str(cost)) for cost in costs]
    )


def test_a_spike_stands_out_by_its_z_score() -> None:
    # Mean 2, sample variance (9 x 1 + 81) / 9 = 10.
    (anomaly,) = anomalies([series(1, 1, 1, 1, 1, 1, 11, 1, 1, 1)], 2)
    assert anomaly.date == date(2026, 11, 7)
    assert anomaly.cost == 11
    assert anomaly.expected_cost == 2
    assert anomaly.z_score == 2.846
    assert anomaly.severity == "low"


def test_severity_rises_with_the_z_score() -> None:
    # n equal days and one other: z of the other is (n - 1) / sqrt(n) for n days in all.
    for days, severity in ((10, "low"), (14, "medium"), (20, "high")):
        (anomaly,) = anomalies([series(*[1] * (days - 1), 5)], 2)
        assert anomaly.severity == severity


def test_a_day_without_calls_is_an_anomaly_but_not_one_that_is_not_over() -> None:
    (anomaly,) = anomalies([series(*[10] * 5, 0, *[10] * 5)], 2)
    assert anomaly.cost == 0
    assert anomaly.z_score < 0
    assert anomalies([series(*[10] * 10, 0)], 2) == []


@pytest.mark.parametrize("costs", [(), (1,), (1, 1, 1, 1, 100), (5, 5, 5, 5, 5, 5, 5)])
def test_few_days_or_equal_days_say_nothing(costs: tuple[float, ...]) -> None:
    assert anomalies([series(*costs)], 1) == []


def test_the_threshold_decides() -> None:
    spike = series(1, 1, 1, 1, 1, 1, 11, 1, 1, 1)
    assert len(anomalies([spike], 2.8)) == 1
    assert anomalies([spike], 2.9) == []


async def test_an_empty_workspace_is_told_nothing(ada: Member) -> None:
    advice = await ada.get("/api/recommendations")
    assert (advice["optimizations"], advice["model_recommendations"], advice["anomalies"]) == ([], [], [])
    assert (await ada.get("/api/recommendations/anomalies"))["count"] == 0


async def test_advice_from_stored_calls(ada: Member, bob: Member) -> None:
    noon = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    events = [call(timestamp=(noon - timedelta(days=day)).isoformat(), cost=11 if day == 3 else 1) for day in range(10)]
    await ada.batch(*events, call(status="error"))
    found = await ada.get("/api/recommendations/anomalies", days=30)
    assert found["count"] == 1
    assert found["anomalies"][0]["date"] == (noon - timedelta(days=3)).date().isoformat()
    assert found["anomalies"][0]["cost"] == 11
    assert (await ada.get("/api/recommendations/anomalies", threshold=5))["count"] == 0
    assert (await bob.get("/api/recommendations"))["model_recommendations"] == []


@pytest.mark.parametrize("query", [{"threshold": 0.5}, {"threshold": 5.1}, {"threshold": "nan"}, {"days": 0}], ids=str)
async def test_bad_parameters_are_refused(ada: Member, query: dict[str, Any]) -> None:
    assert_problem(await ada.request("GET", "/api/recommendations/anomalies", params=query), 422)
