"""Rate limits: what each class of requests may send in a minute, how a refusal is reported, and where it is counted."""

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.errors import StorageError
from starlette.types import Message, Receive, Scope, Send

from config import Settings
from database import Database
from engines.refusals import RefusalEngine
from limiter import RateLimitMiddleware
from routes import limit_of
from schemas.identities import ROLE_SCOPES, Identity
from schemas.refusals import LimitName, Refusal
from tests.conftest import client_of, running, settings_for
from tests.support.ports import free_port
from tests.support.product import PATIENCE
from tests.support.team import Application, Member, assert_problem, new_api_key, new_email, sign_up
from utils.errors import Unavailable
from utils.rate_limits import Buckets, RateLimits, rate_storage


async def test_200_concurrent_requests_are_limited_exactly(url: str, tmp_path: Path) -> None:
    async with (
        running(settings_for(tmp_path, database_url=url, rate_limit_per_minute=100)) as app,
        client_of(app) as client,
    ):
        ada = await sign_up(client, "Ada")
        one, another = [await new_api_key(ada, scopes=["read"]) for _ in range(2)]
        responses = await asyncio.gather(*[one.request("GET", "/api/events") for _ in range(200)])
        assert sorted(response.status_code for response in responses) == [200] * 100 + [429] * 100
        refused = next(response for response in responses if response.status_code == 429)
        assert assert_problem(refused, 429)["limit"] == "key_requests"
        assert refused.headers["x-ratelimit-limit"] == "100"
        assert refused.headers["x-ratelimit-remaining"] == "0"
        assert 1 <= int(refused.headers["retry-after"]) <= 61
        other = await another.request("GET", "/api/events")
        assert other.status_code == 200
        assert other.headers["x-ratelimit-remaining"] == "99"
        assert (await ada.request("GET", "/api/events")).headers["x-ratelimit-limit"] == "3000"


async def test_workers_that_share_redis_share_the_limit(url: str, tmp_path: Path, redis_url: str) -> None:
    settings = settings_for(tmp_path, database_url=url, rate_limit_per_minute=100, redis_url=redis_url)
    async with running(settings) as one, running(settings) as other, client_of(one) as here, client_of(other) as there:
        ada = await sign_up(here, "Ada")
        application = await new_api_key(ada, scopes=["read"])
        workers = [Application(worker, application.key, application.id) for worker in (here, there)]
        answers = await asyncio.gather(
            *[workers[number % 2].request("GET", "/api/llm/models?limit=1") for number in range(200)]
        )
        assert sorted(answer.status_code for answer in answers) == [200] * 100 + [429] * 100


async def test_processes_that_share_redis_share_the_buckets(redis_url: str) -> None:
    storage = rate_storage(redis_url)
    assert isinstance(storage, RedisStorage)
    here, there = [Buckets("events", 60, storage, clock=Clock()) for _ in range(2)]
    here.take("a", 20)
    there.take("a", 39)
    for _ in range(2):
        # The first learns of the second in its next round, since the second had shared nothing before.
        here.take("a", 0)
        await here.share()
        await there.share()
    assert [buckets.left("a") for buckets in (here, there)] == [(1, 59)] * 2
    there.take("a", 5)
    await there.share()
    here.take("a", 1)
    await here.share()
    assert here.left("a") == (0, 65)
    assert there.left("a") == (0, 64)
    bridge: Any = storage.bridge
    await bridge.get_connection().connection_pool.disconnect()


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


# Classes of requests


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.time = 1_000.0

    def __call__(self) -> float:
        return self.time


class Limiter:
    """The middleware in front of an application that answers every request with 200 and reads no body."""

    def __init__(self, **changes: int) -> None:
        self.clock = Clock()
        settings = settings_for(Path("data"), **{"rate_limit_per_minute": 100, **changes})
        self.limits = RateLimits.of(
            MemoryStorage(),
            requests=settings.rate_limit_per_minute,
            user_requests=settings.user_rate_limit_per_minute,
            events=settings.ingest_events_per_minute,
            bytes=settings.ingest_bytes_per_minute,
            clock=self.clock,
        )
        self.refused: list[tuple[Identity | None, LimitName]] = []
        self._app = RateLimitMiddleware(
            self._answer, self.limits, limit_of, lambda identity, limit: self.refused.append((identity, limit))
        )

    async def send(
        self, identity: Identity, method: str, path: str, body: bytes = b"", *, chunked: bool = False
    ) -> tuple[int, dict[str, str]]:
        """The status and the headers of the answer to a request."""
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "identity": identity,
            "headers": [(b"transfer-encoding", b"chunked")] if chunked else [(b"content-length", b"%d" % len(body))],
        }
        answer: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body}

        async def send(message: Message) -> None:
            answer.append(message)

        await self._app(scope, receive, send)
        return answer[0]["status"], {str(name, "ascii"): str(value, "ascii") for name, value in answer[0]["headers"]}

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def new_caller(workspace_id: UUID, *, key: bool) -> Identity:
    """A caller that no other request had."""
    user_id, other = uuid4(), uuid4()
    scopes = ROLE_SCOPES["admin"]
    return Identity(user_id, workspace_id, scopes, key_id=other if key else None, session_id=None if key else other)


WORKSPACE = UUID(int=1)
RECORDING = ["/api/events/track", "/api/events/batch", "/api/llm/log-call", "/api/ingest/litellm", "/v1/traces"]
GUARD = [
    ("POST", "/api/budgets/check"),
    ("POST", "/api/budgets/reservations"),
    ("DELETE", "/api/budgets/reservations/01234567-89ab-7def-8123-456789abcdef"),
]


async def test_recording_is_never_refused_for_its_number_of_requests() -> None:
    limiter = Limiter()
    keys = [new_caller(WORKSPACE, key=True) for _ in range(12)]
    for number in range(144):
        for key in keys:
            path = RECORDING[number % len(RECORDING)]
            assert (await limiter.send(key, "POST", path, b"x" * 1_000))[0] == 200
            limiter.limits.events.take(WORKSPACE)
    for number in range(300):
        assert (await limiter.send(keys[0], *GUARD[number % len(GUARD)]))[0] == 200


async def test_a_person_who_clicks_is_never_refused() -> None:
    limiter = Limiter()
    person = new_caller(WORKSPACE, key=False)
    for number in range(1_000):
        status, headers = await limiter.send(person, "GET", "/api/costs/summary")
        assert status == 200
        assert headers["x-ratelimit-limit"] == "3000"
        assert headers["x-ratelimit-remaining"] == str(2_999 - number)


async def test_more_keys_are_no_way_around_a_limit() -> None:
    limiter = Limiter(rate_limit_per_minute=5, ingest_events_per_minute=100)
    keys = [new_caller(WORKSPACE, key=True) for _ in range(20)]
    answers = [(await limiter.send(key, "GET", "/api/events"))[0] for _ in range(5) for key in keys]
    assert answers == [200] * 50 + [429] * 50
    assert {limit for _, limit in limiter.refused} == {"workspace_requests"}
    answers = [(await limiter.send(key, "POST", "/api/budgets/check"))[0] for _ in range(10) for key in keys]
    assert answers == [200] * 100 + [429] * 100
    # Another workspace is not affected.
    assert (await limiter.send(new_caller(UUID(int=2), key=True), "GET", "/api/events"))[0] == 200


async def test_a_user_is_limited_in_all_workspaces_together() -> None:
    limiter = Limiter(user_rate_limit_per_minute=5)
    person = new_caller(WORKSPACE, key=False)
    elsewhere = replace(person, workspace_id=UUID(int=2))
    answers = [(await limiter.send(who, "GET", "/api/events"))[0] for _ in range(3) for who in (person, elsewhere)]
    assert answers == [200] * 5 + [429]
    assert limiter.refused == [(elsewhere, "user_requests")]


async def test_the_request_that_reaches_the_limit_is_taken_whole() -> None:
    limiter = Limiter(ingest_events_per_minute=600)
    key = new_caller(WORKSPACE, key=True)
    limiter.limits.events.take(WORKSPACE, 599)
    assert (await limiter.send(key, "POST", "/v1/traces"))[0] == 200
    limiter.limits.events.take(WORKSPACE, 250)
    status, headers = await limiter.send(key, "POST", "/v1/traces")
    # Exporters give up a batch if they are asked to wait for ten seconds, here for 25.
    assert (status, headers["retry-after"]) == (429, "9")
    assert limiter.refused == [(key, "ingest_events")]
    limiter.clock.time += 24.9
    assert (await limiter.send(key, "POST", "/v1/traces"))[1]["retry-after"] == "1"
    limiter.clock.time += 0.1
    assert (await limiter.send(key, "POST", "/v1/traces"))[0] == 200


@pytest.mark.parametrize("chunked", [False, True])
async def test_recording_is_limited_by_its_bytes(chunked: bool) -> None:
    limiter = Limiter(ingest_bytes_per_minute=1_000)
    key = new_caller(WORKSPACE, key=True)
    answers = [(await limiter.send(key, "POST", "/api/events/batch", b"x" * 400, chunked=chunked))[0] for _ in "1234"]
    assert answers == [200, 200, 200, 429]
    assert limiter.refused == [(key, "ingest_bytes")]


def test_a_bucket_owes_a_minute_at_most_and_is_forgotten_when_it_is_full() -> None:
    clock = Clock()
    buckets = Buckets("events", 60, clock=clock)
    assert buckets.wait("a") == 0
    buckets.take("a", 1_000_000)
    assert buckets.wait("a") == 61
    clock.time += 119
    assert buckets.left("a") == (59, 1)
    asyncio.run(buckets.share())
    assert buckets._full_at
    clock.time += 1
    asyncio.run(buckets.share())
    assert not buckets._full_at


def test_a_limit_of_0_is_none() -> None:
    buckets = Buckets("events", 0)
    buckets.take("a", 1_000_000)
    assert buckets.wait("a") == 0


@pytest.mark.both_roads
async def test_refused_calls_are_seen_on_the_page_of_the_key_and_make_an_alert(settings: Settings) -> None:
    settings = settings.model_copy(update={"ingest_events_per_minute": 1})
    async with running(settings) as app, client_of(app) as client:
        ada = await sign_up(client, "Ada")
        key, other = await new_api_key(ada, name="search"), await new_api_key(ada)
        assert (await key.track()).status_code == 201
        refused = assert_problem(await key.track(), 429)
        assert refused["limit"] == "ingest_events"
        assert refused["detail"].startswith("This workspace has sent 1 events within a minute")
        assert datetime.fromisoformat(refused["resets_at"]) > datetime.now(UTC)
        assert (await other.track()).status_code == (await key.track()).status_code == 429
        assert (await ada.track()).status_code == 429
        # Exporters get the refusal in their own format.
        exported = await ada.request("POST", "/v1/traces", json={"resourceSpans": []})
        assert (exported.status_code, exported.json().keys()) == (429, {"message"})
        assert 1 <= int(exported.headers["retry-after"]) <= 9
        await app.state.engines.refusals.close()
        keys = {each["id"]: each["refused"] for each in (await ada.get("/api/keys"))["keys"]}
        assert keys == {
            key.id: [{"limit": "ingest_events", "requests": 2}],
            other.id: [{"limit": "ingest_events", "requests": 1}],
        }
        (alert,) = (await ada.get("/api/alerts"))["alerts"]
        assert (alert["kind"], alert["subject"]) == ("refused_calls", "ingest_events")
        # Counts add up, and there is one alert a day.
        assert (await key.track()).status_code == 429
        await app.state.engines.refusals.close()
        keys = {each["id"]: each["refused"] for each in (await ada.get("/api/keys"))["keys"]}
        assert keys[key.id] == [{"limit": "ingest_events", "requests": 3}]
        assert len((await ada.get("/api/alerts"))["alerts"]) == 1


async def test_counts_that_the_database_did_not_take_are_stored_later(
    app: FastAPI, ada: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> bool:
        raise Unavailable

    key = await new_api_key(ada)
    refusals: RefusalEngine = app.state.engines.refusals
    caller = Identity(UUID(ada.session["user_id"]), UUID(ada.session["workspace_id"]), frozenset(), key_id=UUID(key.id))
    gone = replace(caller, workspace_id=uuid4())
    with monkeypatch.context() as patch:
        patch.setattr(Database, "refusals_note", away)
        refusals.note(caller, "guard_requests")
        await refusals.close()
    refusals.note(caller, "guard_requests")
    refusals.note(gone, "guard_requests")
    await refusals.close()
    (shown,) = (await ada.get("/api/keys"))["keys"]
    assert shown["refused"] == [{"limit": "guard_requests", "requests": 2}]


async def test_counts_older_than_two_days_are_deleted(
    app: FastAPI, ada: Member, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    key = await new_api_key(ada)
    workspace_id, caller_id = UUID(ada.session["workspace_id"]), UUID(key.id)
    at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    database: Database = app.state.engines.refusals._database
    for hours in (0, 25, 49):
        hour = at + timedelta(hours=hours)
        await database.refusals_note(workspace_id, [Refusal(caller_id, hour, "guard_requests", 1)], hour)
    rows = await sql.fetch("select hour from public.refusals order by hour")
    assert [row["hour"] for row in rows] == [at + timedelta(hours=25), at + timedelta(hours=49)]
    (shown,) = await database.api_key_list(workspace_id, None, at + timedelta(hours=49))
    assert [(each.limit, each.requests) for each in shown.refused] == [("guard_requests", 1)]


# Other middleware


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
