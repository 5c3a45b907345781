"""Alerts of the watch: anomalies once per day and model, digests to the channels that request them."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI

from engines.alerts import message
from engines.anomalies import AnomalyEngine
from schemas.alerts import DueDelivery
from schemas.anomalies import Anomaly
from tests.support.team import Member, assert_problem, call, sign_up
from utils.errors import TooSlow

# A Wednesday, at noon in UTC.
NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
pytestmark = pytest.mark.usefixtures("no_deliveries")


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> "Clock":
    """The watch's clock."""
    clock = Clock()
    monkeypatch.setattr("engines.watch.now", lambda: clock.time)
    return clock


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.time = NOON


async def spend(admin: Member, cost: str, when: datetime, model: str = "gpt-4o") -> None:
    await admin.batch(call(model=model, cost=cost, timestamp=when.isoformat()))


async def quiet_days(admin: Member, model: str = "gpt-4o") -> None:
    """Twenty days that cost two dollars each, up to the day before yesterday."""
    for days in range(2, 22):
        await spend(admin, "2", NOON - timedelta(days=days), model)


async def look(app: FastAPI) -> None:
    """Checks every workspace that is due."""
    while await app.state.engines.watch.look():
        pass


async def alerts_of(admin: Member, kind: str) -> list[dict[str, Any]]:
    return [alert for alert in (await admin.get("/api/alerts"))["alerts"] if alert["kind"] == kind]


async def add_channel(admin: Member, name: str, digest: str | None = None) -> dict[str, Any]:
    body = {"kind": "other", "name": name, "url": "json://127.0.0.1/x", **({"digest": digest} if digest else {})}
    response = await admin.request("POST", "/api/alert-channels", json=body)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


# Anomalies


@pytest.mark.both_roads
async def test_an_expensive_day_creates_one_alert(app: FastAPI, ada: Member, at: Clock) -> None:
    await quiet_days(ada)
    await quiet_days(ada, "gpt-4o-mini")
    await spend(ada, "50", NOON)
    await look(app)
    (alert,) = await alerts_of(ada, "anomaly")
    assert alert["subject"] == "openai/gpt-4o"
    assert alert["period_start"] == "2026-11-18T00:00:00Z"
    assert alert["details"]["cost"] == 50
    assert alert["details"]["expected_cost"] == pytest.approx(2)
    assert alert["details"]["cause"] == "higher prices of gpt-4o (+$48.00)."
    for hours in (1, 2, 14):
        at.time = NOON + timedelta(hours=hours)
        await look(app)
    assert len(await alerts_of(ada, "anomaly")) == 1


async def test_each_day_and_series_has_its_own_alert(app: FastAPI, ada: Member, at: Clock) -> None:
    await quiet_days(ada)
    await quiet_days(ada, "gpt-4o-mini")
    for model in ("gpt-4o", "gpt-4o-mini"):
        await spend(ada, "500", NOON - timedelta(days=1), model)
    await look(app)
    # Both are of one provider and are reported as one.
    assert [alert["subject"] for alert in await alerts_of(ada, "anomaly")] == ["openai"]
    at.time = NOON + timedelta(days=1)
    await spend(ada, "900", at.time)
    await look(app)
    assert [(alert["period_start"][:10], alert["subject"]) for alert in await alerts_of(ada, "anomaly")] == [
        ("2026-11-19", "openai/gpt-4o"),
        ("2026-11-17", "openai"),
    ]


@pytest.mark.parametrize(("cost", "days_ago"), [("1.9", 0), ("50", 2)], ids=["pennies", "long ago"])
async def test_small_and_old_anomalies_create_no_alert(
    app: FastAPI, ada: Member, at: Clock, cost: str, days_ago: int
) -> None:
    for days in range(3, 23):
        await spend(ada, "1", NOON - timedelta(days=days))
    await spend(ada, "1", NOON - timedelta(days=1))
    await spend(ada, cost, NOON - timedelta(days=days_ago))
    await look(app)
    assert await alerts_of(ada, "anomaly") == []


async def test_a_workspace_that_takes_too_long_does_not_delay_others(
    app: FastAPI, ada: Member, at: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = await sign_up(ada._client, "Bob")
    for admin in (ada, bob):
        await quiet_days(admin)
        await spend(admin, "50", NOON)
    # The database also has the workspaces of other tests.
    own = {UUID(admin.session["workspace_id"]): admin for admin in (ada, bob)}
    find, asked = AnomalyEngine.find, []

    async def find_slowly(self: AnomalyEngine, workspace_id: UUID, *rest: Any) -> list[Anomaly]:
        if workspace_id in own:
            asked.append(workspace_id)
            if len(asked) == 1:
                raise TooSlow
        return await find(self, workspace_id, *rest)

    monkeypatch.setattr(AnomalyEngine, "find", find_slowly)
    with pytest.raises(TooSlow):
        await look(app)
    # Those that were not in the same claim.
    await look(app)
    assert [len(await alerts_of(own[id], "anomaly")) for id in asked] == [0, 1]


async def test_a_workspace_is_checked_at_most_once_an_hour(app: FastAPI, ada: Member, at: Clock) -> None:
    await quiet_days(ada)
    await look(app)
    await spend(ada, "50", NOON)
    at.time = NOON + timedelta(minutes=59)
    await look(app)
    assert await alerts_of(ada, "anomaly") == []
    at.time = NOON + timedelta(minutes=60)
    await asyncio.gather(*[look(app) for _ in range(4)])
    assert len(await alerts_of(ada, "anomaly")) == 1


async def test_alerts_go_only_to_their_workspace(app: FastAPI, ada: Member, bob: Member, at: Clock) -> None:
    await quiet_days(ada)
    await spend(ada, "50", NOON)
    await add_channel(bob, "daily", "daily")
    await look(app)
    assert await alerts_of(bob, "anomaly") == []
    (digest,) = await alerts_of(bob, "digest")
    assert digest["details"]["cost"] == 0


# Digests


@pytest.mark.both_roads
async def test_a_daily_digest_goes_to_its_channels(app: FastAPI, ada: Member, at: Clock) -> None:
    for name, digest in (("none", None), ("each day", "daily"), ("each week", "weekly")):
        await add_channel(ada, name, digest)
    await spend(ada, "1.25", NOON - timedelta(days=1))
    await spend(ada, "0.5", NOON - timedelta(days=1), "gpt-4o-mini")
    await spend(ada, "3", NOON - timedelta(days=2))
    await spend(ada, "100", NOON)
    await ada.track(**call(provider="no-vendor", model="nothing", timestamp=(NOON - timedelta(days=1)).isoformat()))
    await look(app)
    daily, weekly = sorted(await alerts_of(ada, "digest"), key=lambda alert: str(alert["subject"]))
    assert daily["details"] == {
        "start": "2026-11-17",
        "end": "2026-11-17",
        "tz": "UTC",
        "cost": 1.75,
        "previous_cost": 3,
        "calls": 3,
        "unpriced_calls": 1,
        "models": [
            {"provider": "openai", "model": "gpt-4o", "cost": 1.25},
            {"provider": "openai", "model": "gpt-4o-mini", "cost": 0.5},
        ],
    }
    assert [delivery["channel"] for delivery in daily["deliveries"]] == ["each day"]
    # The last whole week, Monday to Sunday.
    assert (weekly["details"]["start"], weekly["details"]["end"]) == ("2026-11-09", "2026-11-15")
    assert weekly["details"]["cost"] == 0
    assert [delivery["channel"] for delivery in weekly["deliveries"]] == ["each week"]


async def test_a_digest_is_created_once_from_seven_o_clock(app: FastAPI, ada: Member, at: Clock) -> None:
    await add_channel(ada, "each day", "daily")
    days = []
    for hour in (0, 6, 7, 8, 23, 24, 30, 31, 32, 47):
        at.time = datetime(2026, 11, 18, tzinfo=UTC) + timedelta(hours=hour)
        before = len(await alerts_of(ada, "digest"))
        await look(app)
        if len(await alerts_of(ada, "digest")) > before:
            days.append(at.time.isoformat()[:13])
    assert days == ["2026-11-18T07", "2026-11-19T07"]


async def test_a_digest_covers_a_day_in_the_time_zone_of_the_workspace(app: FastAPI, ada: Member, at: Clock) -> None:
    response = await ada.request("PUT", "/api/settings", json={"tz": "Pacific/Auckland"})
    assert response.status_code == 200, response.text
    await add_channel(ada, "each day", "daily")
    # Eleven in the evening of the 17th in UTC is noon of the 18th there, and the day began at eleven UTC.
    await spend(ada, "1", datetime(2026, 11, 17, 23, tzinfo=UTC))
    await spend(ada, "2", datetime(2026, 11, 17, 10, tzinfo=UTC))
    at.time = datetime(2026, 11, 18, 18, tzinfo=UTC)
    await look(app)
    (digest,) = await alerts_of(ada, "digest")
    assert (digest["details"]["start"], digest["details"]["cost"]) == ("2026-11-18", 1)
    assert digest["details"]["previous_cost"] == 2


async def test_the_digest_of_a_channel_can_be_changed(app: FastAPI, ada: Member, at: Clock) -> None:
    channel = await add_channel(ada, "channel")
    await look(app)
    assert await alerts_of(ada, "digest") == []
    path = f"/api/alert-channels/{channel['id']}"
    changed = (await ada.request("PATCH", path, json={"digest": "weekly"})).json()
    assert changed == {**{key: channel[key] for key in changed}, "digest": "weekly"}
    # The digest does not wait for the next hour.
    await look(app)
    assert len(await alerts_of(ada, "digest")) == 1
    assert (await ada.request("PATCH", path, json={"digest": None})).json()["digest"] is None
    at.time += timedelta(days=8)
    await look(app)
    assert len(await alerts_of(ada, "digest")) == 1
    assert [entry["action"] for entry in (await ada.get("/api/audit"))["entries"]][:2] == ["channel.updated"] * 2
    assert_problem(await ada.request("PATCH", path, json={"digest": "hourly"}), 422)


# Texts


def due(alert: dict[str, Any]) -> DueDelivery:
    return DueDelivery.model_validate(
        {
            "id": UUID(int=1), "workspace_id": UUID(int=2), "workspace": "W", "attempt": 1, "channel_id": UUID(int=3),
            "channel_kind": "other", "ciphertext": "", "budget": None,
            "alert": {
                "id": UUID(int=4), "budget_id": None, "period_start": NOON, "threshold": None, "spend": None,
                "created_at": NOON, **alert,
            },
        }
    )  # fmt: skip


def test_the_text_of_an_anomaly() -> None:
    details = {
        "date": "2026-11-18", "provider": "openai", "model": "gpt-4o", "cost": Decimal(50), "severity": "high",
        "expected_cost": Decimal("4.09090909"), "z_score": 4.4679,
    }  # fmt: skip
    title, text = message(due({"kind": "anomaly", "subject": "openai/gpt-4o", "details": details}), "http://here")
    assert title == "openai/gpt-4o cost far more than usual"
    assert text.splitlines() == [
        "$50.00 on 2026-11-18, expected $4.09 (4.5 standard deviations)",
        "Workspace: W",
        "http://here",
    ]
    caused = {**details, "hour": 9, "project": "bot", "kind": "spike", "cause": "bot: 25 times the usual calls."}
    title, text = message(due({"kind": "anomaly", "subject": "bot: openai/gpt-4o", "details": caused}), "http://here")
    assert title == "bot: openai/gpt-4o cost far more than usual"
    assert text.splitlines()[:2] == [
        "$50.00 on 2026-11-18 from 09:00, expected $4.09 (4.5 standard deviations)",
        "Cause: bot: 25 times the usual calls.",
    ]


def test_the_text_of_refused_calls() -> None:
    for subject, unit in (("ingest_events", "events"), ("ingest_bytes", "bytes")):
        title, text = message(due({"kind": "refused_calls", "subject": subject, "details": {}}), "http://here")
        assert title == "Calls were refused by the ingest limit; they may be lost"
        assert text.startswith(f"The workspace has sent more {unit} per minute than this server takes.\n")


def test_the_text_of_a_digest() -> None:
    details = {
        "start": "2026-11-09", "end": "2026-11-15", "tz": "Europe/Berlin", "cost": "12.3456", "previous_cost": "10",
        "calls": 7, "unpriced_calls": 2, "models": [{"provider": "openai", "model": "gpt-4o", "cost": "12.3"}],
    }  # fmt: skip
    title, text = message(due({"kind": "digest", "subject": "weekly", "details": details}), "http://here")
    assert title == "Weekly digest for 2026-11-09 to 2026-11-15: $12.35"
    assert text.splitlines() == [
        "$12.35 in 7 calls (Europe/Berlin)",
        "Previous week: $10.00",
        "2 calls without a known price are not included.",
        "Most expensive models:",
        "- openai/gpt-4o: $12.30",
        "Workspace: W",
        "http://here",
    ]
