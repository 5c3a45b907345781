"""Live updates: a client that watches a workspace receives its changes from every server."""

import asyncio
import json
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, urlsplit
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

import engines.live
import roads.postgres
from config import Settings
from database import Database
from engines.live import LiveEngine, Watch
from schemas.live import Change, LiveMessage
from tests.conftest import client_of, running, settings_for
from tests.support.product import PATIENCE, Server
from tests.support.supabase_project import SECRET_KEY
from tests.support.supabase_server import SupabaseServer
from tests.support.team import Caller, Member, assert_problem, call, new_api_key, sign_up
from tests.support.threads import ThreadServer, two_servers
from utils.errors import TooManyRequests, Unavailable

# Seconds, far more than any step needs.
LISTENER = "llmlab live updates"
LISTENERS = (
    f"select count(*) from pg_stat_activity where application_name = '{LISTENER}' and datname = current_database()"
)


class Message(NamedTuple):
    """A message of a stream."""

    event: str
    id: str
    version: int
    what: list[str]


class Stream:
    """The messages to a client that watches its workspace."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def next(self) -> Message:
        """The next message."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(PATIENCE):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if name:
                    fields[name] = value
                elif "event" in fields:
                    data = json.loads(fields["data"])
                    assert data.keys() == {"version", "changed_at", "what"}
                    return Message(fields["event"], fields["id"], data["version"], data["what"])
        raise AssertionError("the stream has ended")

    async def until(self, *kinds: str) -> Message:
        """The message that completes these kinds, and no others."""
        heard: set[str] = set()
        while True:
            message = await self.next()
            assert message.event == "change"
            heard.update(message.what)
            assert heard <= set(kinds)
            if heard == set(kinds):
                return message

    async def end(self) -> None:
        """Waits for the end of the stream, without another message."""
        async with asyncio.timeout(PATIENCE):
            assert [line async for line in self._lines if line and not line.startswith(":")] == []


@asynccontextmanager
async def watching(somebody: Caller, last_event_id: str | None = None) -> AsyncIterator[Stream]:
    """A stream of a member."""
    headers = somebody.headers | ({} if last_event_id is None else {"Last-Event-ID": last_event_id})
    async with somebody._client.stream("GET", "/api/stream", headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        yield Stream(response)


async def eventually(holds: Callable[[], Awaitable[object]]) -> None:
    """Waits until the condition holds."""
    async with asyncio.timeout(PATIENCE):
        while not await holds():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def client_at(server: Server | ThreadServer) -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE, limits=limits) as client:
        yield client


@pytest.fixture
def pair(
    request: pytest.FixtureRequest, url: str, tmp_path: Path, quick_passwords: None
) -> Iterator[tuple[ThreadServer, ThreadServer]]:
    """Two running servers over one database, on each road to it; the direct one by default."""
    road = getattr(request, "param", "direct")
    if road == "supabase":
        supabase: SupabaseServer = request.getfixturevalue("supabase")
        settings = settings_for(tmp_path, supabase_url=supabase.url, supabase_key=SECRET_KEY)
    else:
        if road == "pooled":
            # The port identifies a transaction pooler.
            (folder,) = parse_qs(urlsplit(url).query)["host"]
            (tmp_path / ".s.PGSQL.6543").symlink_to(Path(folder) / ".s.PGSQL.5432")
            url = f"postgresql://postgres@{quote(str(tmp_path), safe='')}:6543{urlsplit(url).path}"
        settings = settings_for(tmp_path, database_url=url)
    with two_servers(settings) as servers:
        yield servers


@pytest.mark.parametrize("pair", ["direct", "pooled", "supabase"], indirect=True)
async def test_a_change_reaches_the_watchers_of_its_workspace_on_every_server(
    pair: tuple[ThreadServer, ThreadServer],
) -> None:
    async with client_at(pair[0]) as one, client_at(pair[1]) as two:
        ada, bob = await sign_up(one, "Ada"), await sign_up(one, "Bob")
        async with watching(Member(two, ada.session, "")) as hers, watching(Member(two, bob.session, "")) as his:
            hello = await hers.next()
            assert (hello.event, hello.what) == ("hello", [])
            assert (await his.next()).event == "hello"
            assert (await ada.track()).status_code == 201
            assert (await hers.next())[2:] == (hello.version + 1, ["events"])
            assert (await ada.request("POST", "/api/budgets", json={"limit": 1})).status_code == 201
            assert (await hers.next())[2:] == (hello.version + 2, ["budgets"])
            assert (await bob.request("POST", "/api/projects", json={"name": "his"})).status_code == 201
            assert await his.next() == Message("change", "1", 1, ["projects"])
            response = hers.response
            assert response.headers["content-type"].startswith("text/event-stream")
            assert response.headers["cache-control"] == "no-store"
            assert response.headers["x-accel-buffering"] == "no"


async def test_many_streams_share_one_listening_connection(
    pair: tuple[ThreadServer, ThreadServer], sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async with client_at(pair[0]) as client, AsyncExitStack() as stack:
        people = [await sign_up(client, "Ada") for _ in range(5)]
        # Before the first stream.
        assert await sql.fetchval(LISTENERS) == 0
        streams = [await stack.enter_async_context(watching(people[number % 5])) for number in range(50)]
        for stream in streams:
            assert (await stream.next()).event == "hello"
        for ada in people:
            await ada.track()
        for stream in streams:
            await stream.until("events")
        assert await sql.fetchval(LISTENERS) == 1


async def test_no_change_is_missed_when_the_database_drops_every_connection(
    pair: tuple[ThreadServer, ThreadServer], sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async with client_at(pair[0]) as one, client_at(pair[1]) as two:
        ada = await sign_up(one, "Ada")
        async with watching(Member(two, ada.session, "")) as stream:
            await stream.next()
            for path, body, kind in (
                ("/api/budgets", {"limit": 1}, "budgets"),
                ("/api/projects", {"name": "search"}, "projects"),
                ("/api/events/track", call(), "events"),
            ):
                await eventually(partial(sql.fetchval, LISTENERS))
                dropped = await sql.fetchval(
                    "select count(pg_terminate_backend(pid)) from pg_stat_activity"
                    " where pid <> pg_backend_pid() and datname = current_database()"
                )
                assert dropped >= 2

                async def answered(path: str = path, body: Any = body) -> bool:
                    # After a 503 the client sends it again, although it may have been stored.
                    return (await ada.request("POST", path, json=body)).status_code in (201, 409)

                await eventually(answered)
                while kind not in (await stream.next()).what:
                    pass


@pytest.mark.parametrize(
    ("workers", "signal_number"), [("1", signal.SIGINT), ("1", signal.SIGTERM), ("2", signal.SIGTERM)]
)
@pytest.mark.long
async def test_a_server_with_open_streams_stops_on_a_signal(
    workers: str, signal_number: signal.Signals, tmp_path: Path
) -> None:
    server = Server(tmp_path / "data", WORKERS=workers)
    server.start()
    try:
        async with client_at(server) as client, AsyncExitStack() as stack:
            ada = await sign_up(client, "Ada")
            streams = [await stack.enter_async_context(watching(ada)) for _ in range(5)]
            for stream in streams:
                await stream.next()
            await asyncio.to_thread(server.stop, signal_number)
            for stream in streams:
                await stream.end()
    finally:
        if server.process is not None and server.process.poll() is None:
            server.stop()


async def test_a_stream_that_is_closed_makes_room_for_another(pair: tuple[ThreadServer, ThreadServer]) -> None:
    async with client_at(pair[0]) as client:
        ada = await sign_up(client, "Ada")
        async with AsyncExitStack() as stack:
            for _ in range(20):
                await stack.enter_async_context(watching(ada))
            problem = assert_problem(await ada.request("GET", "/api/stream"), 429)
            assert problem["detail"] == "A caller can have at most 20 open streams; close one first; try again in 15 s"
            assert problem["limit"] == "streams"
            # Another member has their own streams.
            async with watching(await sign_up(client, "Bob")):
                pass

        async def there_is_room() -> bool:
            return (await ada.request("GET", "/api/stream?limit=1")).status_code == 200

        await eventually(there_is_room)


async def test_the_streams_of_a_workspace_are_limited_together(
    app: FastAPI, ada: Member, bob: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines.live, "_MOST_STREAMS_OF_A_WORKSPACE", 2)
    live: LiveEngine = app.state.engines.live

    async def watch(member: Member) -> Watch:
        token = member.session["access_token"]
        return await live.watch(await app.state.engines.identities.identify(token), token, None)

    watches = [await watch(ada) for _ in range(2)]
    with pytest.raises(TooManyRequests, match="A workspace can have at most 2 open streams"):
        await watch(ada)
    watches.append(await watch(bob))
    watches[0].close()
    watches.append(await watch(ada))
    for each in watches:
        each.close()


@pytest.mark.both_roads
async def test_a_reconnected_client_receives_missed_changes(client: httpx.AsyncClient, ada: Member) -> None:
    async def first(last_event_id: int | None = None) -> Message:
        headers = {} if last_event_id is None else {"Last-Event-ID": str(last_event_id)}
        response = await ada.request("GET", "/api/stream?limit=1", headers=headers)
        return await Stream(response).next()

    hello = await first()
    assert (hello.event, hello.what) == ("hello", [])
    await ada.track()
    seen = await first(hello.version)
    assert seen == Message("change", str(hello.version + 1), hello.version + 1, ["events"])
    await ada.request("POST", "/api/budgets", json={"limit": 1})
    await ada.request("POST", "/api/projects", json={"name": "search"})

    async def both_counted() -> bool:
        return (await first(seen.version)).what == ["budgets", "projects"]

    await eventually(both_counted)
    # A client at the current version receives the next one.
    present = await first()
    waiting = asyncio.create_task(first(present.version))
    await ada.track()
    assert (await waiting)[2:] == (present.version + 1, ["events"])
    # A version beyond the current one comes from another database.
    assert (await first(present.version + 100)).event == "hello"


async def test_a_stream_ends_after_the_requested_number_of_messages(client: httpx.AsyncClient, ada: Member) -> None:
    response = await ada.request("GET", "/api/stream?limit=1")
    assert (response.status_code, response.text.count("\n\n")) == (200, 1)
    for wrong in ("limit=0", "limit=1001", "limit=x", "since=1"):
        assert_problem(await ada.request("GET", f"/api/stream?{wrong}"), 422)
    for wrong in ("-1", "x", str(2**53)):
        assert_problem(await ada.request("GET", "/api/stream", headers={"Last-Event-ID": wrong}), 422)


async def test_the_number_of_streams_is_limited(
    client: httpx.AsyncClient, ada: Member, bob: Member, monkeypatch: pytest.MonkeyPatch, app: FastAPI
) -> None:
    monkeypatch.setattr(engines.live, "_MOST_STREAMS", 1)
    watch = await watch_of(app, ada)
    assert_problem(await bob.request("GET", "/api/stream"), 503)
    watch.close()
    assert (await bob.request("GET", "/api/stream?limit=1")).status_code == 200


# Inside one server


async def watch_of(app: FastAPI, somebody: Caller) -> Watch:
    """A view of their workspace."""
    token = somebody.headers["Authorization"].removeprefix("Bearer ")
    named = somebody.headers.get("X-Workspace-Id")
    identity = await app.state.engines.identities.identify(token, UUID(named) if named else None)
    watch: Watch = await app.state.engines.live.watch(identity, token, None)
    return watch


async def messages_of(watch: Watch) -> list[LiveMessage | None]:
    """All messages, until the stream ends."""
    async with asyncio.timeout(PATIENCE):
        return [message async for message in watch.messages()]


class Ending(NamedTuple):
    """A client that watches, and the request of an admin or of its own that ends the stream."""

    watcher: Caller
    by: Caller
    method: str
    path: str


async def endings(ada: Member, bob: Member) -> list[Ending]:
    """Every way in which a stream can end."""
    key = await new_api_key(ada, scopes=["read"])
    invitation = (await ada.request("POST", "/api/workspaces/invitations", json={"email": bob.email})).json()
    joined = await bob.request("POST", "/api/workspaces/invitations/accept", json={"token": invitation["token"]})
    bob.workspace_id = joined.json()["id"]
    return [
        Ending(key, ada, "DELETE", f"/api/keys/{key.id}"),
        Ending(bob, ada, "DELETE", f"/api/workspaces/members/{bob.session['user_id']}"),
        Ending(ada, ada, "POST", "/api/auth/logout"),
    ]


async def test_a_stream_ends_when_its_caller_loses_access(
    ada: Member, bob: Member, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The stream does not wait for the next heartbeat.
    monkeypatch.setattr(engines.live, "_SIGN_OF_LIFE_SECONDS", 3600.0)
    for ending in await endings(ada, bob):
        reading = asyncio.create_task(messages_of(await watch_of(app, ending.watcher)))
        response = await ending.by.request(ending.method, ending.path)
        assert response.status_code in (200, 204), response.text
        assert {message.event for message in await reading if message} <= {"hello"}


@pytest.mark.both_roads
async def test_a_stream_ends_when_another_server_removes_its_caller(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines.live, "_SIGN_OF_LIFE_SECONDS", 0.05)
    async with running(settings) as one, running(settings) as two, client_of(one) as client:
        for ending in await endings(await sign_up(client, "Ada"), await sign_up(client, "Bob")):
            reading = asyncio.create_task(messages_of(await watch_of(two, ending.watcher)))
            await ending.by.request(ending.method, ending.path)
            assert {message.event for message in await reading if message} <= {"hello"}


@pytest.mark.both_roads
async def test_streams_survive_an_unavailable_database(
    app: FastAPI, ada: Member, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(engines.live, "_SIGN_OF_LIFE_SECONDS", 0.05)
    messages = (await watch_of(app, ada)).messages()
    while await anext(messages) is None:
        pass
    refused = 0

    async def away(*_: object) -> Any:
        nonlocal refused
        refused += 1
        raise Unavailable

    with caplog.at_level(logging.WARNING, "llmlab.live"), monkeypatch.context() as broken:
        for function in ("session_use", "changes_note", "changes_of"):
            broken.setattr(Database, function, away)
        app.state.engines.live.changes.note(UUID(ada.session["workspace_id"]), "events")
        async with asyncio.timeout(PATIENCE):
            while refused < 10:
                assert await anext(messages) is None
    async with asyncio.timeout(PATIENCE):
        while (message := await anext(messages)) is None:
            pass
    assert (message.event, message.what) == ("change", ["events"])
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == len(set(said)), "each is said once"
    assert "Publishing changes: paused: The database cannot be reached; try again in a moment" in said


async def test_a_listening_server_is_notified_and_does_not_poll(
    url: str, sql: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roads.postgres, "_LISTENING_SECONDS", 3600.0)
    settings = settings_for(tmp_path, database_url=url)
    async with running(settings) as one, running(settings) as two, client_of(one) as client:
        ada = await sign_up(client, "Ada")
        messages = (await watch_of(two, ada)).messages()
        await anext(messages)
        for _ in range(3):
            await eventually(partial(sql.fetchval, LISTENERS))
            await ada.track()
            async with asyncio.timeout(PATIENCE):
                assert (message := await anext(messages))
                assert message.what == ["events"]
            # When its connection is dropped it listens again.
            listener = await sql.fetchval(
                "select pid from pg_stat_activity where application_name = $1 and datname = current_database()",
                LISTENER,
            )
            await sql.execute("select pg_terminate_backend($1, 10000)", listener)


async def test_the_last_changes_are_counted_when_the_server_stops(
    url: str, sql: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path
) -> None:
    async with running(settings_for(tmp_path, database_url=url)) as app, client_of(app) as client:
        ada = await sign_up(client, "Ada")
        messages = (await watch_of(app, ada)).messages()
        await anext(messages)
        await ada.track()
        await anext(messages)
        # A recent count is not repeated.
        assert (await ada.request("POST", "/api/budgets", json={"limit": 1})).status_code == 201
    assert json.loads(await sql.fetchval("select kinds from public.changes")).keys() == {"events", "budgets"}


@pytest.mark.both_roads
async def test_a_deleted_workspace_does_not_prevent_counting_others(bob: Member, app: FastAPI) -> None:
    messages = (await watch_of(app, bob)).messages()
    await anext(messages)
    app.state.engines.live.changes.note(uuid4(), "events")
    await bob.track()
    async with asyncio.timeout(PATIENCE):
        message = await anext(messages)
    assert message
    assert (message.version, message.what) == (1, ["events"])


def change(version: int, **kinds: int) -> Change:
    """A change of a workspace; later changes have higher versions."""
    return Change(
        workspace_id=UUID(int=1),
        version=version,
        changed_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=version),
        kinds=kinds,
    )


async def test_a_slow_reader_receives_many_changes_as_one() -> None:
    watch = Watch(uuid4(), 10, may_watch, lambda: None)
    for version in range(11, 1000):
        watch.notify(change(version, events=version, budgets=700, prices=9))
    # Late and repeated changes are ignored.
    watch.notify(change(999, events=999))
    watch.notify(change(500, prices=500))
    messages = watch.messages()
    message = await anext(messages)
    assert message == LiveMessage("change", 999, change(999).changed_at, ["budgets", "events"])
    watch.notify(change(1000, events=1000))
    watch.end()
    assert [message async for message in messages] == []


async def test_versions_start_over_after_a_restore_from_a_backup() -> None:
    watch = Watch(uuid4(), 100, may_watch, lambda: None)
    watch.notify(change(100))
    restored = change(51).model_copy(update={"changed_at": datetime(2026, 6, 1, tzinfo=UTC)})
    watch.notify(restored)
    message = await anext(watch.messages())
    assert message == LiveMessage("hello", 51, restored.changed_at, [])


async def may_watch() -> None:
    """Access is not withdrawn."""
