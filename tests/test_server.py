"""The server as a whole: health, logs, and settings that it refuses."""

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
from pydantic import ValidationError

from config import Settings
from database import Database
from roads.migrations import MIGRATIONS, migrate
from roads.postgres import PostgresRoad
from roads.supabase import SupabaseRoad
from tests.conftest import SIGNING_KEY, client_of, running, settings_for
from tests.support.product import PATIENCE
from tests.support.supabase_project import ANON_KEY, PUBLISHABLE_KEY, SECRET_KEY, SERVICE_ROLE_KEY, token
from tests.support.supabase_server import SupabaseServer
from tests.support.team import PASSWORD, Member, assert_problem, new_email, sign_up
from utils.errors import StartError, Unavailable
from utils.logs import JsonLines, PlainLines, configure_logs


@pytest.mark.both_roads
async def test_health_asks_the_database(client: httpx.AsyncClient) -> None:
    for path in ("/health", "/api/health"):
        response = await client.get(path)
        assert response.status_code == 200
        body = response.json()
        assert body.keys() == {"status", "version", "uptime_seconds", "database_connected", "timestamp", "extras"}
        assert (body["status"], body["version"], body["database_connected"]) == ("healthy", "0.1.0", True)


async def test_health_reports_an_unavailable_database(url: str, tmp_path: Path) -> None:
    async with running(settings_for(tmp_path, database_url=url)) as app, client_of(app) as client:
        ada = await sign_up(client, "Ada")
        assert (await ada.track()).status_code == 201
        road: PostgresRoad = app.state.engines.costs._database._road
        await road.close()
        health = await client.get("/api/health")
        assert health.status_code == 503
        assert (health.json()["status"], health.json()["database_connected"]) == ("degraded", False)
        assert_problem(await ada.track(), 503)
        assert_problem(await client.post("/api/auth/login", json={"email": ada.email, "password": PASSWORD}), 503)


async def test_events_are_recorded_while_reports_use_every_other_connection(url: str, tmp_path: Path) -> None:
    async with running(settings_for(tmp_path, database_url=url)) as app, client_of(app) as client:
        ada = await sign_up(client, "Ada")
        assert (await ada.track()).status_code == 201
        pool = app.state.engines.costs._database._road._pool
        held = [await pool.acquire() for _ in range(pool.get_max_size())]
        try:
            async with asyncio.timeout(PATIENCE):
                assert (await ada.track()).status_code == 201
        finally:
            # Otherwise the server waits for them when it stops, and the test never fails.
            for connection in held:
                await pool.release(connection)


async def test_the_root_path_describes_the_api(client: httpx.AsyncClient) -> None:
    about = (await client.get("/")).json()
    assert (about["name"], about["docs"]) == ("LLMLab", "/docs")
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert (await client.get(path)).status_code == 200


async def test_every_protected_operation_documents_its_security(client: httpx.AsyncClient) -> None:
    schema = (await client.get("/openapi.json")).json()
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (method, path)
            response = await client.request(method, path.replace("{event_id}", "x").replace("{budget_id}", "x"))
            # Signing out without a session succeeds.
            guarded = response.status_code == 401 or path == "/api/auth/logout"
            assert ("security" in operation) == guarded, (method, path)


async def test_an_internal_error_is_a_500_without_details(
    client: httpx.AsyncClient, ada: Member, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr(Database, "budget_list", broken)
    with caplog.at_level(logging.INFO, "llmlab.requests"):
        response = await ada.request("GET", "/api/budgets", headers={"Origin": "https://x.example.com"})
    problem = assert_problem(response, 500)
    assert "secret" not in response.text
    logged = json.loads(JsonLines().format(caplog.records[-1]))
    assert logged["request_id"] == problem["request_id"]
    assert "the secret of the house" in logged["error"]
    assert "the secret of the house" in PlainLines("%(message)s").format(caplog.records[-1])


async def test_a_request_is_logged_in_one_line_without_secrets(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    email = new_email()
    with caplog.at_level(logging.INFO):
        signup = {"email": email, "password": PASSWORD, "name": "Ada"}
        ada = Member(client, (await client.post("/api/auth/signup", json=signup)).json(), email)
        await ada.track(metadata={"word": "xyzzy"})
        await client.post("/api/auth/login", json={"email": email, "password": "wrong-password"})
        await client.get(f"/api/events?cursor={ada.session['refresh_token']}", headers=ada.headers)
    lines = [json.loads(JsonLines().format(record)) for record in caplog.records if record.name == "llmlab.requests"]
    assert len(lines) == 4
    assert (lines[1]["method"], lines[1]["path"], lines[1]["status"]) == ("POST", "/api/events/track", 201)
    assert (lines[1]["user_id"], lines[1]["error"]) == (ada.session["user_id"], None)
    everything = json.dumps(lines)
    for secret in (PASSWORD, "wrong-password", ada.session["access_token"], ada.session["refresh_token"], "xyzzy"):
        assert secret not in everything


def test_logs_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    kept = root.handlers, root.level
    try:
        for debug in (True, False):
            configure_logs(debug=debug)
            try:
                raise RuntimeError("the reason")
            except RuntimeError:
                logging.getLogger("x").exception("what happened")
            assert "the reason" in capsys.readouterr().err
    finally:
        root.handlers, root.level = kept[0], kept[1]


def test_a_line_is_logged_after_its_event_loop_has_ended(capsys: pytest.CaptureFixture[str]) -> None:
    async def tell(what: str, seconds: float = 0) -> None:
        logging.getLogger("x").warning(what)
        await asyncio.sleep(seconds)

    root = logging.getLogger()
    kept = root.handlers, root.level
    try:
        configure_logs(debug=False)
        asyncio.run(tell("first"))
        asyncio.run(tell("second", 0.2))
        messages = [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()]
    finally:
        root.handlers, root.level = kept[0], kept[1]
    assert [message for message in messages if message in ("first", "second")] == ["first", "second"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"database_url": "postgresql://x"}, "SECRET_KEY"),
        ({"supabase_url": "https://x.supabase.co", "supabase_key": "sb_secret_x"}, "SECRET_KEY"),
        ({"secret_key": "short"}, "at least 32 characters"),
        ({"supabase_url": "https://x.supabase.co", "secret_key": SIGNING_KEY}, "SUPABASE_KEY"),
        ({"port": 70000}, "65535"),
        ({"algorithm": "none"}, "HS256"),
    ],
)
def test_invalid_settings_are_refused_by_name(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Settings.model_validate(settings)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_SECRET", SIGNING_KEY)
    monkeypatch.setenv("CORS_ORIGINS", "https://a.example.com, https://b.example.com")
    monkeypatch.setenv("DATABASE_URL", "")
    settings = Settings()
    assert settings.signing_key() == SIGNING_KEY
    assert settings.cors_origins == ["https://a.example.com", "https://b.example.com"]
    assert settings.road == "embedded"
    assert SIGNING_KEY not in repr(settings)


def test_a_signing_key_is_created_once_and_readable_only_by_its_owner(tmp_path: Path) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path / "data"})
    key = settings.signing_key()
    assert len(key) >= 32
    assert settings.signing_key() == key
    assert (tmp_path / "data" / "secret_key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["secret_key"]


async def test_migrations_run_once_and_are_recorded_as_the_supabase_cli_does(
    sql: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    assert await migrate(sql) == []
    recorded = await sql.fetch("select version, name from supabase_migrations.schema_migrations order by version")
    assert [f"{row['version']}_{row['name']}.sql" for row in recorded] == sorted(
        path.name for path in MIGRATIONS.glob("*.sql")
    )


async def test_the_roles_of_a_supabase_project_have_only_granted_rights(
    sql: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    for role in ("anon", "authenticated"):
        await sql.execute(f"set role {role}")
        for statement in (
            "select * from public.users",
            "select * from public.events",
            "select public.schema_version()",
            "select public.event_one(gen_random_uuid(), gen_random_uuid())",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await sql.execute(statement)
        await sql.execute("reset role")


@pytest.mark.parametrize(
    "key",
    [
        PUBLISHABLE_KEY,
        ANON_KEY,
        token("authenticated"),
        "eyJhbGciOiJIUzI1NiJ9.e30.x",
        "nonsense",
        "a.b.c",
    ],
)
async def test_a_publishable_supabase_key_is_refused(key: str) -> None:
    with pytest.raises(StartError, match="secret key"):
        await SupabaseRoad.open("http://127.0.0.1:9", key)


@pytest.mark.parametrize("key", ["sb_secret_of_another_project", f"{SERVICE_ROLE_KEY}x"])
async def test_an_unknown_supabase_key_is_refused(key: str, supabase: SupabaseServer) -> None:
    with pytest.raises(StartError, match="Invalid API key"):
        await SupabaseRoad.open(supabase.url, key)


@pytest.mark.parametrize("key", [SECRET_KEY, SERVICE_ROLE_KEY], ids=["secret", "service_role"])
async def test_both_kinds_of_secret_supabase_keys_record(key: str, supabase: SupabaseServer, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, supabase_url=supabase.url, supabase_key=key)
    async with running(settings) as app, client_of(app) as client:
        ada = await sign_up(client, "Ada")
        assert (await ada.track()).status_code == 201
        assert (await ada.get("/api/costs/summary"))["call_count"] == 1


async def test_an_unmigrated_supabase_project_is_refused_with_the_command(
    supabase: SupabaseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StartError, match="supabase db push"):
        await SupabaseRoad.open("http://127.0.0.1:9", SERVICE_ROLE_KEY)

    async def old(*_: object) -> str:
        return "20200101000000"

    monkeypatch.setattr(SupabaseRoad, "call", old)
    with pytest.raises(StartError, match="supabase db push"):
        await SupabaseRoad.open(supabase.url, SECRET_KEY)


@pytest.mark.parametrize("stop", [SupabaseServer.stop, SupabaseServer.break_down], ids=["gateway", "postgrest"])
async def test_a_supabase_project_that_stops_is_reported_as_unavailable(
    stop: Callable[[SupabaseServer], None], url: str, tmp_path: Path
) -> None:
    server = SupabaseServer(tmp_path, url)
    road = await SupabaseRoad.open(server.url, SECRET_KEY)
    try:
        stop(server)
        for _ in range(2):
            # On the open connection, and on a new one.
            with pytest.raises(Unavailable):
                await road.call("schema_version", {})
    finally:
        await road.close()
        server.stop()


async def test_an_unavailable_database_is_reported_plainly(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="DATABASE_URL"):
        await Database.open(settings_for(tmp_path, database_url="postgresql://postgres@127.0.0.1:9/x"))


async def test_times_are_in_utc_whatever_the_database_is_set_to(
    url: str, sql: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path
) -> None:
    await sql.execute(f"alter database {urlsplit(url).path[1:]} set timezone = 'Asia/Kathmandu'")
    async with running(settings_for(tmp_path, database_url=url)) as app, client_of(app) as client:
        ada = await sign_up(client, "Ada")
        event_id = (await ada.track(timestamp="2026-01-31T23:30:00Z")).json()["event_id"]
        assert (await ada.get(f"/api/events/{event_id}"))["timestamp"] == "2026-01-31T23:30:00Z"
        summary = await ada.get("/api/costs/summary", start="2026-01-31", end="2026-01-31")
        assert (summary["call_count"], summary["date_range_start"]) == (1, "2026-01-31T00:00:00Z")
