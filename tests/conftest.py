"""Real Postgres for every test: a server per test process, a database per test, cloned from a migrated template.

API tests take `client` (or `app`) and so run on both roads: straight to Postgres, and through Supabase's REST server.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from passlib.hash import bcrypt_sha256
from pydantic import SecretStr

import database
import utils.outbound
import utils.passwords
from config import Settings
from main import create_app
from tests.product import Server
from tests.supabase_server import SECRET_KEY, SupabaseServer
from tests.team import Member, sign_up
from utils.addresses import Unresolved
from utils.background import Background
from utils.postgres import EmbeddedPostgres

SIGNING_KEY = "a signing key for tests, of 32 characters or more"
NewMember = Callable[[], Awaitable[Member]]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing slowly is the point of bcrypt, but not here."""
    hasher = bcrypt_sha256.using(rounds=4)  # type: ignore[no-untyped-call]
    monkeypatch.setattr(utils.passwords, "hasher", hasher)


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine or a .env happens to say must not change a test."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setitem(Settings.model_config, "env_file", None)


@pytest.fixture
def no_deliveries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Alerts stay where they are, and no host is looked up."""

    async def rest(_: Background) -> None:
        """Ends at once."""

    async def unknown(host: str, port: int, *, allow_private: bool) -> list[str]:
        raise Unresolved(f"The host {host} has no address")

    monkeypatch.setattr(Background, "run", rest)
    monkeypatch.setattr(utils.outbound, "addresses_of", unknown)


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of this test process's own."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("data"))
    yield server.start()
    server.stop()


def database_url(server: str, name: str) -> str:
    """The connection string of another database of a server."""
    return server.replace("/postgres?", f"/{name}?")


@pytest.fixture(scope="session")
async def template(postgres_url: str) -> str:
    """The name of a migrated database to clone."""
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("create database template_migrated")
    # The tests that need durable commits start a server of their own.
    await connection.execute("alter system set fsync = off")
    await connection.execute("select pg_reload_conf()")
    await connection.close()
    migrated = await asyncpg.connect(database_url(postgres_url, "template_migrated"))
    await database.migrate(migrated)
    await migrated.close()
    return "template_migrated"


@pytest.fixture
async def url(postgres_url: str, template: str) -> AsyncIterator[str]:
    """The connection string of a fresh, migrated database."""
    name = f"test_{uuid4().hex}"
    connection = await asyncpg.connect(postgres_url)
    await connection.execute(f'create database "{name}" template "{template}"')
    yield database_url(postgres_url, name)
    await connection.execute(f'drop database "{name}" with (force)')
    await connection.close()


@pytest.fixture
async def sql(url: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """A connection to the test's database, to look behind the API."""
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
async def supabase(
    postgres_url: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[SupabaseServer]:
    """A Supabase REST server over one migrated database, shared by its tests; each has its own workspace."""
    connection = await asyncpg.connect(postgres_url)
    await connection.execute(f'create database supabase template "{template}"')
    await connection.close()
    (socket_folder,) = parse_qs(urlsplit(postgres_url).query)["host"]
    server = SupabaseServer(tmp_path_factory.mktemp("supabase"), socket_folder, "supabase")
    yield server
    server.stop()


def settings_for(data_dir: Path, **changes: Any) -> Settings:
    """Settings of a test's server."""
    return Settings.model_validate(
        {
            "data_dir": data_dir,
            "secret_key": SecretStr(SIGNING_KEY),
            "rate_limit_per_minute": 0,
            # Whether somebody has built it must not change a test.
            "dashboard": "off",
            **changes,
        }
    )


@pytest.fixture(params=["postgres", "supabase"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """The settings of each road."""
    if request.param == "supabase":
        server: SupabaseServer = request.getfixturevalue("supabase")
        return settings_for(tmp_path, supabase_url=server.url, supabase_key=SECRET_KEY)
    return settings_for(tmp_path, database_url=request.getfixturevalue("url"))


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[FastAPI]:
    """The application, started."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield app


def client_of(app: FastAPI) -> httpx.AsyncClient:
    """Somebody nobody knows yet, who can call the application."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    """The application on each road."""
    async with running(settings) as app:
        yield app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who is not signed in."""
    async with client_of(app) as client:
        yield client


@pytest.fixture
async def ada(client: httpx.AsyncClient) -> Member:
    """The admin of a new workspace."""
    return await sign_up(client, "Ada")


@pytest.fixture
async def bob(client: httpx.AsyncClient) -> Member:
    """The admin of another workspace."""
    return await sign_up(client, "Bob")


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    """Two servers over one data folder; the first is running."""
    pair = Server(tmp_path / "data"), Server(tmp_path / "data")
    pair[0].start()
    yield pair
    for server in pair:
        if server.process is not None and server.process.poll() is None:
            server.stop()
