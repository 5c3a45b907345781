"""Recommendations, and none without enough data."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.team import Member, call


async def test_an_empty_workspace_has_no_recommendations(ada: Member) -> None:
    advice = await ada.get("/api/recommendations")
    assert (advice["optimizations"], advice["model_recommendations"], advice["anomalies"]) == ([], [], [])
    assert (await ada.get("/api/recommendations/anomalies"))["count"] == 0


@pytest.mark.both_roads
async def test_advice_from_stored_calls(ada: Member, bob: Member) -> None:
    noon = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    events = [call(timestamp=(noon - timedelta(days=day)).isoformat(), cost=33 if day == 3 else 1) for day in range(10)]
    await ada.batch(*events, call(status="error"))
    found = await ada.get("/api/recommendations", days=30)
    assert [entry["cost"] for entry in found["anomalies"]] == [33]
    assert (await bob.get("/api/recommendations"))["model_recommendations"] == []
