"""Rate limits: the exact number of requests in any minute, and the headers that report it."""

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from limits.aio.storage import MemoryStorage
from limits.errors import StorageError

from tests.conftest import client_of, running, settings_for
from tests.support.ports import free_port
from tests.support.product import PATIENCE
from tests.support.team import Application, assert_problem, new_api_key, new_email, sign_up


async def test_200_concurrent_requests_are_limited_exactly(url: str, tmp_path: Path) -> None:
    async with (
        running(settings_for(tmp_path, database_url=url, rate_limit_per_minute=100)) as app,
        client_of(app) as client,
    ):
        ada, bob = await sign_up(client, "Ada"), await sign_up(client, "Bob")
        responses = await asyncio.gather(*[ada.request("GET", "/api/auth/me") for _ in range(200)])
        assert sorted(response.status_code for response in responses) == [200] * 100 + [429] * 100
        refused = next(response for response in responses if response.status_code == 429)
        assert_problem(refused, 429)
        assert refused.headers["x-ratelimit-limit"] == "100"
        assert refused.headers["x-ratelimit-remaining"] == "0"
        assert 1 <= int(refused.headers["retry-after"]) <= 61
        other = await bob.request("GET", "/api/auth/me")
        assert other.status_code == 200
        assert other.headers["x-ratelimit-remaining"] == "99"


async def test_workers_that_share_redis_share_the_limit(url: str, tmp_path: Path, redis_url: str) -> None:
    settings = settings_for(tmp_path, database_url=url, rate_limit_per_minute=100, redis_url=redis_url)
    async with running(settings) as one, running(settings) as other, client_of(one) as here, client_of(other) as there:
        ada = await sign_up(here, "Ada")
        application = await new_api_key(ada)
        workers = [Application(worker, application.key, application.id) for worker in (here, there)]
        answers = await asyncio.gather(*[workers[number % 2].track() for number in range(200)])
        assert sorted(answer.status_code for answer in answers) == [201] * 100 + [429] * 100
        # The admin is counted apart: this is their second call.
        assert (await ada.request("GET", "/api/auth/me")).headers["x-ratelimit-remaining"] == "98"


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """A Redis server for the test."""
    program = shutil.which("redis-server")
    assert program, "./run.sh test installs redis-server where it can"
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
    end = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), PATIENCE).close()
            break
        except OSError:
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.02)
    yield f"redis://127.0.0.1:{port}/0"
    process.kill()
    process.wait()


async def test_requests_without_a_token_are_limited_by_address(url: str, tmp_path: Path) -> None:
    async with (
        running(settings_for(tmp_path, database_url=url, rate_limit_per_minute=5)) as app,
        client_of(app) as client,
    ):
        statuses = [(await client.get("/api/health")).status_code for _ in range(3)]
        statuses += [(await client.get("/api/events")).status_code for _ in range(3)]
        assert statuses == [200] * 3 + [401] * 2 + [429]


async def test_an_unreachable_rate_limiter_is_reported(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object, **__: object) -> bool:
        raise StorageError(ConnectionError())

    monkeypatch.setattr(MemoryStorage, "acquire_entry", away)
    async with (
        running(settings_for(tmp_path, database_url=url, rate_limit_per_minute=5)) as app,
        client_of(app) as client,
    ):
        assert_problem(await client.get("/api/health"), 503)
    async with running(settings_for(tmp_path, database_url=url)) as app, client_of(app) as client:
        assert_problem(await client.post("/api/auth/login", json={"email": new_email(), "password": "x"}), 503)


async def test_browsers_of_an_allowed_origin_may_call(url: str, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, database_url=url, cors_origins="https://app.example.com, http://localhost:5173")
    async with running(settings) as app, client_of(app) as client:
        ask = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}
        preflight = await client.options("/api/events/track", headers=ask)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == "https://app.example.com"
        refused = await client.get("/api/events", headers={"Origin": "http://localhost:5173"})
        assert_problem(refused, 401)
        assert refused.headers["access-control-allow-origin"] == "http://localhost:5173"
        stranger: httpx.Response = await client.get("/api/health", headers={"Origin": "https://evil.example.com"})
        assert "access-control-allow-origin" not in stranger.headers
