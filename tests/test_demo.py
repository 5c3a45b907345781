"""The demo: its story is visible in the data, and its accounts exist only there."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from demo import story
from demo.__main__ import ADMIN, VIEWER, prepare
from demo.story import DAYS, OUTAGE_PROVIDER, SPIKE_PROJECT, make_story, outage_day, spike_day
from providers import PriceBook
from schemas.usage import Usage
from tests.support.demo_story import NOW, demo_events
from tests.support.product import PATIENCE, ROOT, Server


@pytest.fixture
def events() -> list[dict[str, Any]]:
    return demo_events()


def cost(event: dict[str, Any]) -> Decimal | None:
    usage = Usage.of_prompt(
        input_tokens=event["input_tokens"],
        cache_read_tokens=event.get("cache_read_tokens", 0),
        output_tokens=event["output_tokens"],
    )
    return PriceBook().price(event["provider"], event["model"], usage, event["timestamp"]).cost


def by_day(events: list[dict[str, Any]], **of: str) -> Counter[date]:
    return Counter(
        event["timestamp"].date() for event in events if all(event.get(key) == value for key, value in of.items())
    )


def test_the_story_covers_ninety_days_up_to_now(events: list[dict[str, Any]]) -> None:
    times = [event["timestamp"] for event in events]
    assert times == sorted(times)
    assert (times[0].date(), times[-1].date()) == (NOW.date() - timedelta(days=DAYS - 1), NOW.date())
    assert times[-1] <= NOW
    assert len({event["id"] for event in events}) == len(events) > 50_000


def test_only_the_in_house_model_has_no_price(events: list[dict[str, Any]]) -> None:
    assert {event["model"] for event in events if cost(event) is None} == {"support-7b-v3"}


@pytest.mark.parametrize("offset", range(7))
def test_the_spike_stands_out_on_any_weekday(offset: int, monkeypatch: pytest.MonkeyPatch) -> None:
    now = NOW + timedelta(days=offset)
    monkeypatch.setattr(story, "TRAFFIC", [traffic for traffic in story.TRAFFIC if traffic.project == SPIKE_PROJECT])
    calls = by_day(make_story(now, Random(2)).events, project=SPIKE_PROJECT)
    (day, most), (_, next_most) = calls.most_common(2)
    assert day == spike_day(now.date())
    assert most > 2 * next_most


def test_the_outage_shows_in_the_errors(events: list[dict[str, Any]]) -> None:
    failed = [event for event in events if "status" in event]
    (day, most), (_, next_most) = by_day(failed, provider=OUTAGE_PROVIDER).most_common(2)
    assert day == outage_day(NOW.date())
    assert most > 5 * next_most


def test_support_grows(events: list[dict[str, Any]]) -> None:
    calls = by_day(events, project="support bot")
    first, last = (sum(calls[NOW.date() - timedelta(days=ago + n)] for n in range(7)) for ago in (DAYS - 7, 1))
    assert last > 2.5 * first


def test_only_a_folder_of_the_demo_is_recreated(tmp_path: Path) -> None:
    folder, today = tmp_path / "demo", NOW.date()
    assert prepare(folder, today)
    (folder / "left over").touch()
    assert prepare(folder, today), "it was never filled"
    (folder / "DEMO").write_text(today.isoformat())
    (folder / "kept").touch()
    assert not prepare(folder, today)
    assert (folder / "kept").exists()
    assert prepare(folder, today + timedelta(days=1))
    assert not (folder / "kept").exists()
    (folder / "DEMO").unlink()
    with pytest.raises(SystemExit, match="is not a demo"):
        prepare(folder, today)


class Demo(Server):
    """The demo as its users start it."""

    program = ("-m", "demo")


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Server]:
    server = Demo(tmp_path / "data")
    server.start()
    yield server
    server.stop()


def signed_in(demo: Server, who: dict[str, str]) -> httpx.Client:
    body = {"email": who["email"], "password": who["password"]}
    answer = httpx.post(f"{demo.url}/api/auth/login", json=body, timeout=PATIENCE)
    assert answer.status_code == 200, answer.text
    return httpx.Client(
        base_url=demo.url, timeout=PATIENCE, headers={"Authorization": f"Bearer {answer.json()['access_token']}"}
    )


@pytest.mark.long
def test_the_demo_workspace_is_the_same_for_admin_and_viewer_and_served_only_as_a_demo(demo: Server) -> None:
    with signed_in(demo, ADMIN) as admin, signed_in(demo, VIEWER) as viewer:
        for who, role in ((admin, "admin"), (viewer, "viewer")):
            (workspace,) = who.get("/api/workspaces").json()["workspaces"]
            assert (workspace["name"], workspace["role"]) == ("Example company", role)
            summary = who.get("/api/costs/summary?days=90").json()
            assert len(summary["by_date"]) == DAYS
            assert summary["unpriced_calls"] > 0
            assert len(who.get("/api/budgets").json()["budgets"]) == 3
        refused = {key["name"]: key["refused"] for key in admin.get("/api/keys").json()["keys"]}
        assert refused == {"nightly import": [{"limit": "ingest_events", "requests": 412}], "reports": []}
        (unread,) = viewer.get("/api/ingest/unread-spans").json()["unread_spans"]
        assert (unread["scope"], unread["spans"]) == ("gateway", 12)
        good = {row["model"]: row for row in admin.get("/api/metrics/quality?days=90").json()["data"]}
        assert good["claude-sonnet-4-5"]["average_rating"] > good["gpt-4o-mini"]["average_rating"]
        assert viewer.post("/api/projects", json={"name": "mine"}).status_code == 403

    environment = {**demo.environment, "DATA_DIR": str(Path(demo.environment["DATA_DIR"]) / "demo")}
    ended = subprocess.run(
        [sys.executable, ROOT / "main.py"],
        cwd=demo.data_dir.parent,
        env=environment,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 1
    assert b"holds the demo" in ended.stderr
