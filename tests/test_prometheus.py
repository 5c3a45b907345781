"""The metrics for Prometheus: correct numbers, few labels, and access only with permission."""

import asyncio
import math
import os
import signal
import subprocess
from pathlib import Path
from typing import NamedTuple

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr, ValidationError

from config import Settings
from roads.postgres import PostgresRoad
from tests.conftest import client_of, running, settings_for
from tests.support.product import PATIENCE, Server
from tests.support.team import assert_problem, call, sign_up
from utils import metrics

TOKEN = "a-token-for-Prometheus"
PATH = "/metrics/prometheus"
COUNT = "llmlab_http_request_duration_seconds_count"


class Numbers(dict[tuple[str, frozenset[tuple[str, str]]], float]):
    """The values of a scrape, by name and labels."""

    def of(self, name: str, **labels: str) -> float:
        """One number; 0 if nothing was counted yet."""
        return self.get((name, frozenset(labels.items())), 0.0)

    def requests(self, method: str, route: str, status: int) -> float:
        """The number of requests with this answer."""
        return self.of(COUNT, method=method, route=route, status=str(status))

    def labelled(self, label: str) -> set[str]:
        """All values of a label."""
        return {value for _, labels in self for name, value in labels if name == label}


def numbers(text: str) -> Numbers:
    """The values of a scrape."""
    return Numbers(
        {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
    )


async def scrape(client: httpx.AsyncClient) -> Numbers:
    """Reads the metrics with the token."""
    response = await client.get(PATH, headers={"Authorization": f"Bearer {TOKEN}"})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/plain; version=")
    return numbers(response.text)


def with_token(settings: Settings) -> Settings:
    return settings.model_copy(update={"metrics_token": SecretStr(TOKEN)})


@pytest.mark.both_roads
async def test_requests_are_counted_by_method_route_and_status(settings: Settings) -> None:
    async with running(with_token(settings)) as app, client_of(app) as client:
        before = await scrape(client)
        ada = await sign_up(client, "Ada")
        event_id = (await ada.track()).json()["event_id"]
        for _ in range(2):
            await ada.get(f"/api/events/{event_id}")
        await ada.request("GET", "/api/events/no-such-event/")
        await ada.request("POST", f"/api/events/{event_id}")
        await ada.request("GET", f"/wp-login/{event_id}")
        await client.get(f"/wp-admin/{event_id}")
        await ada.request("BREW", f"/coffee/{event_id}")
        after = await scrape(client)
        text = (await client.get(PATH, headers={"Authorization": f"Bearer {TOKEN}"})).text

    def more(method: str, route: str, status: int) -> float:
        return after.requests(method, route, status) - before.requests(method, route, status)

    assert more("POST", "/api/events/track", 201) == 1
    assert more("GET", "/api/events/{event_id}", 200) == 2
    assert more("GET", "/api/events/{event_id}", 404) == 1
    assert more("POST", "/api/events/{event_id}", 405) == 1
    assert (more("GET", "none", 404), more("GET", "none", 401), more("other", "none", 404)) == (1, 1, 1)
    assert more("GET", PATH, 200) == 1
    for raw in (event_id, "no-such-event", "wp-", "coffee", "BREW"):
        assert raw not in text


async def test_commits_and_their_queue_are_measured(
    url: str, sql: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path
) -> None:
    # The write waits for as long as it takes to measure its queue.
    await sql.execute("alter function public.record_events set statement_timeout = '10min'")
    settings = with_token(settings_for(tmp_path, database_url=url))
    async with running(settings) as app, client_of(app) as client:
        ada = await sign_up(client, "Ada")
        before = await scrape(client)
        assert before.of("llmlab_write_queue_events") == 0
        async with sql.transaction():
            await sql.execute("lock table public.events")
            tracking = asyncio.create_task(ada.batch(*[call()] * 7))
            async with asyncio.timeout(PATIENCE):
                # Background tasks of the server also use a connection at times.
                while True:
                    waiting = await scrape(client)
                    queue = waiting.of("llmlab_write_queue_events")
                    if (queue, waiting.of("llmlab_database_connections", state="in_use")) == (7, 1):
                        break
                    await asyncio.sleep(0.01)
        await tracking
        after = await scrape(client)
        assert after.of("llmlab_write_queue_events") == 0
        for name, expected in (
            ("llmlab_commit_events_sum", 7),
            ("llmlab_commit_events_count", 1),
            ("llmlab_commit_duration_seconds_count", 1),
            ("llmlab_commit_failures_total", 0),
        ):
            assert after.of(name) - before.of(name) == expected, name
        assert after.of("process_resident_memory_bytes") > 1e6
        assert after.of("process_cpu_seconds_total") > 0


async def test_the_outbox_is_measured_and_an_unavailable_database_reported(
    url: str, sql: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path, no_deliveries: None
) -> None:
    settings = with_token(settings_for(tmp_path, database_url=url, allow_private_webhooks=True))
    async with running(settings) as app, client_of(app) as client:
        assert (await scrape(client)).of("llmlab_outbox_pending") == 0
        for name in ("Ada", "Bob"):
            member = await sign_up(client, name)
            await member.request("POST", "/api/budgets", json={"limit": 0.001, "thresholds": [50, 100]})
            await sql.execute(
                "insert into public.alert_channels (workspace_id, id, kind, name, target, ciphertext, created_by,"
                " created_at) select $1, gen_random_uuid(), 'webhook', 'hook', 'x', 'x', $2, now()",
                member.session["workspace_id"],
                member.session["user_id"],
            )
            await member.track()
        # A recent result is answered again.
        assert (await scrape(client)).of("llmlab_outbox_pending") == 0
        app.state.engines.server._outbox.forget()
        assert (await scrape(client)).of("llmlab_outbox_pending") == 4

        road: PostgresRoad = app.state.engines.costs._database._road
        await road.close()
        app.state.engines.server._outbox.forget()
        away = await scrape(client)
        assert away.of("llmlab_database_up") == 0
        assert math.isnan(away.of("llmlab_outbox_pending"))


async def test_refused_requests_are_counted_by_limit(settings: Settings) -> None:
    settings = with_token(settings).model_copy(update={"ingest_events_per_minute": 1})
    async with running(settings) as app, client_of(app) as client:
        ada = await sign_up(client, "Ada")
        before = await scrape(client)
        statuses = [(await ada.track()).status_code for _ in range(3)]
        assert statuses == [201, 429, 429]
        after = await scrape(client)
    counted = [scraped.of("llmlab_refused_requests_total", limit="ingest_events") for scraped in (before, after)]
    assert counted[1] - counted[0] == 2


async def asked(app: FastAPI, address: str, host: str, **headers: str) -> httpx.Response:
    """The answer to a client at an address."""
    transport = httpx.ASGITransport(app, client=(address, 1234))
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
        return await client.get(
            PATH, headers={name.encode(): value.encode("latin-1") for name, value in headers.items()}
        )


class Case(NamedTuple):
    """A client, and the answer it gets."""

    address: str
    host: str
    headers: dict[str, str]
    status: int


LOCAL = [
    Case("127.0.0.1", "127.0.0.1:8000", {}, 200),
    Case("127.0.0.1", "localhost", {}, 200),
    Case("127.8.8.8", "LocalHost:8000", {}, 200),
    Case("::1", "[::1]:8000", {}, 200),
    Case("::ffff:127.0.0.1", "127.0.0.1", {}, 200),
    Case("10.0.0.1", "127.0.0.1:8000", {}, 404),
    Case("::ffff:10.0.0.1", "127.0.0.1:8000", {}, 404),
    Case("", "127.0.0.1:8000", {}, 404),
    Case("127.0.0.1", "llmlab.example.com", {}, 404),
    Case("127.0.0.1", "localhost.example.com", {}, 404),
    Case("127.0.0.1", "127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 404),
    Case("127.0.0.1", "127.0.0.1", {"X-Forwarded-For": ""}, 404),
    Case("127.0.0.1", "127.0.0.1", {"X-Forwarded-Host": "llmlab.example.com"}, 404),
    Case("127.0.0.1", "127.0.0.1", {"X-Forwarded-Proto": "https"}, 404),
    Case("127.0.0.1", "127.0.0.1", {"X-Real-IP": "10.0.0.1"}, 404),
    Case("127.0.0.1", "127.0.0.1", {"Forwarded": "for=10.0.0.1"}, 404),
    Case("127.0.0.1", "127.0.0.1", {"Via": "1.1 proxy"}, 404),
]


async def test_without_a_token_only_programs_on_the_same_machine_may_read(url: str, tmp_path: Path) -> None:
    async with running(settings_for(tmp_path, database_url=url)) as app:
        for case in LOCAL:
            response = await asked(app, case.address, case.host, **case.headers)
            assert response.status_code == case.status, case
        token = {"Authorization": f"Bearer {TOKEN}"}
        assert (await asked(app, "10.0.0.1", "x", **token)).status_code == 404


async def test_with_a_token_configured_only_the_token_gives_access(url: str, tmp_path: Path) -> None:
    settings = with_token(settings_for(tmp_path, database_url=url))
    async with running(settings) as app, client_of(app) as client:
        ada = await sign_up(client, "Ada")
        unknown = assert_problem(await ada.request("GET", "/nowhere"), 404)
        for wrong in (f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", "Bearer", "Bearer \xfc", ""):
            response = await asked(app, "127.0.0.1", "127.0.0.1", Authorization=wrong)
            assert_problem(response, 404, unknown["detail"])
        assert_problem(await asked(app, "127.0.0.1", "127.0.0.1"), 404, unknown["detail"])
        assert_problem(await ada.request("GET", PATH), 404, unknown["detail"])
        token = {"Authorization": f"Bearer {TOKEN}"}
        assert (await asked(app, "10.0.0.1", "x", **token)).status_code == 200


@pytest.mark.parametrize("token", ["short", "a token with spaces in it", "ein-Schlüssel-für-Zahlen"])
def test_a_token_that_does_not_fit_in_a_header_is_refused(token: str) -> None:
    with pytest.raises(ValidationError, match="METRICS_TOKEN"):
        Settings.model_validate({"metrics_token": token})


def counted(folder: Path, pid: int, value: float) -> Path:
    """The metrics file of a worker that has counted something."""
    path = folder / f"counter_{pid}.db"
    numbers = MmapedDict(str(path))  # type: ignore[no-untyped-call]
    key = mmap_key("calls", "calls_total", ["to"], ["gpt-4o"], "Calls")
    numbers.write_value(key, value, 0.0)  # type: ignore[no-untyped-call]
    numbers.close()  # type: ignore[no-untyped-call]
    return path


def test_a_scrape_succeeds_while_workers_start_and_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(metrics.FOLDER_VARIABLE, str(tmp_path))
    counted(tmp_path, 1, 3)
    counted(tmp_path, 2, 4)
    whole = counted(tmp_path, 3, 5).read_bytes()
    (tmp_path / "counter_3.db").unlink()

    def scrape_with(name: str, content: bytes) -> tuple[float, float]:
        (tmp_path / name).write_bytes(content)
        read = numbers(metrics.exposition().decode())
        return read.of("calls_total", to="gpt-4o"), read.of("llmlab_metrics_unreadable_files")

    used = int.from_bytes(whole[:4], "little")
    assert scrape_with("counter_3.db", b"") == (7, 0), "it starts"
    assert scrape_with("counter_3.db", bytes(len(whole))) == (7, 0), "it has counted nothing yet"
    for size in range(1, used):
        assert scrape_with("counter_3.db", whole[:size]) == (7, 1), f"cut short after {size} bytes"
    for position in range(4, used - 16):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        calls, _ = scrape_with("counter_3.db", bytes(damaged))
        assert calls in (7, 12), f"byte {position} is damaged"
    assert scrape_with("counter_3.db", whole) == (12, 0)
    ended = subprocess.Popen(["true"])
    ended.wait()
    assert scrape_with(f"gauge_liveall_{ended.pid}.db", whole[:10]) == (12, 0), "it has ended and its gauges with it"


@pytest.mark.long
async def test_each_of_several_workers_answers_for_all(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", WORKERS="2")
    server.start()
    try:

        async def ask(path: str) -> httpx.Response:
            # A connection of its own, so that either worker may get it.
            async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as client:
                return await client.get(path)

        async def workers() -> set[str]:
            return numbers((await ask(PATH)).text).labelled("pid")

        async with asyncio.timeout(PATIENCE):
            while len(await workers()) < 2:
                await asyncio.sleep(0.1)
        # The start has requested it too.
        started = numbers((await ask(PATH)).text).requests("GET", "/health", 200)
        for _ in range(30):
            assert (await ask("/health")).status_code == 200
        for _ in range(6):
            assert numbers((await ask(PATH)).text).requests("GET", "/health", 200) == started + 30

        before = await workers()
        os.kill(int(min(before)), signal.SIGKILL)
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    now = await workers()
                except httpx.TransportError:
                    continue
                if len(now) == 2 and now != before:
                    break
                await asyncio.sleep(0.1)
        assert now - before
        assert min(before) not in now
        assert numbers((await ask(PATH)).text).requests("GET", "/health", 200) == started + 30
    finally:
        server.stop()
