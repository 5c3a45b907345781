"""The application for every test of it.

A test that takes `client` or `app` runs straight to Postgres. Mark it `both_roads` if the road can make a difference:
in the type or the digits of an answer, in errors, in limits on rows or sizes, or under concurrency. It then runs
through PostgREST as well, as over HTTPS to a Supabase project. `test_roads.py` shows that each SQL function returns the
same on both.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from passlib.hash import bcrypt_sha256
from pydantic import SecretStr

import channels.outbound
import utils.passwords
from config import Settings
from main import create_app
from tests.support.ledger import Ledger, fill, furnish
from tests.support.plugin import drop_database, new_database, new_project
from tests.support.product import Server
from tests.support.supabase_project import SECRET_KEY
from tests.support.supabase_server import SupabaseServer
from tests.support.team import Member, sign_up
from utils.addresses import Unresolved
from utils.background import Background

SIGNING_KEY = "a signing key for tests, of 32 characters or more"
NewMember = Callable[[], Awaitable[Member]]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes hashing passwords fast."""
    hasher = bcrypt_sha256.using(rounds=4)  # type: ignore[no-untyped-call]
    monkeypatch.setattr(utils.passwords, "hasher", hasher)


@pytest.fixture
def no_deliveries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Alerts are not delivered, and no host is looked up."""

    async def rest(_: Background) -> None:
        """Returns immediately."""

    async def unknown(host: str, port: int, *, allow_private: bool) -> list[str]:
        raise Unresolved(f"The host {host} has no address")

    monkeypatch.setattr(Background, "run", rest)
    monkeypatch.setattr(channels.outbound, "addresses_of", unknown)


@pytest.fixture
def url(postgres_url: str) -> Iterator[str]:
    """The connection string of a fresh, migrated database."""
    url = asyncio.run(new_database(postgres_url))
    yield url
    asyncio.run(drop_database(url))


@pytest.fixture
def project_url(postgres_url: str) -> Iterator[str]:
    """The connection string of a fresh database of a Supabase project, whose owner is no superuser."""
    url = asyncio.run(new_project(postgres_url))
    yield url
    asyncio.run(drop_database(url))


@pytest.fixture
async def sql(url: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """A connection to the test's database, for what the API does not show."""
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
def supabase(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SupabaseServer]:
    """The REST interface of a Supabase project, shared by its tests; each has its own workspace."""
    url = asyncio.run(new_project(postgres_url))
    server = SupabaseServer(tmp_path_factory.mktemp("supabase"), url)
    yield server
    server.stop()


def settings_for(data_dir: Path, **changes: Any) -> Settings:
    """Settings of a test's server."""
    return Settings.model_validate(
        {
            "data_dir": data_dir,
            "secret_key": SecretStr(SIGNING_KEY),
            "rate_limit_per_minute": 0,
            # A built dashboard must not change a test.
            "dashboard": "off",
            **changes,
        }
    )


@pytest.fixture(scope="session")
def shared_url(postgres_url: str) -> str:
    """The connection string of a migrated database that tests share; each has its own workspaces."""
    return asyncio.run(new_database(postgres_url))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs a test marked `both_roads` straight to Postgres and through PostgREST."""
    if metafunc.definition.get_closest_marker("both_roads"):
        metafunc.parametrize("settings", ["postgres", "supabase"], indirect=True)


@pytest.fixture
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """The settings of a road; straight to Postgres unless the test is marked `both_roads`."""
    if getattr(request, "param", "postgres") == "supabase":
        server: SupabaseServer = request.getfixturevalue("supabase")
        return settings_for(tmp_path, supabase_url=server.url, supabase_key=SECRET_KEY)
    # A test that reads the database has its own.
    url = request.getfixturevalue("url" if "url" in request.fixturenames else "shared_url")
    return settings_for(tmp_path, database_url=url)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[FastAPI]:
    """The application, started."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield app


def client_of(app: FastAPI) -> httpx.AsyncClient:
    """A client of the application that is not signed in."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    """The application on each road."""
    async with running(settings) as app:
        yield app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client that is not signed in."""
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
async def ledger(url: str, no_deliveries: None, sql: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path) -> Ledger:
    """The workspaces Alpha and Bravo, and copies of Alpha's rows."""
    async with running(settings_for(tmp_path, database_url=url)) as app, client_of(app) as client:
        # The oldest workspaces also come first in every index.
        third = UUID((await sign_up(client, "Third")).session["workspace_id"])
        bravo = await furnish(client, "bravo", "weekly", days=7)
        alpha = await furnish(client, "alpha", "monthly", days=5)
    return await fill(sql, alpha, bravo, third)


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    """Two servers over one data folder; the first is running."""
    pair = Server(tmp_path / "data"), Server(tmp_path / "data")
    pair[0].start()
    yield pair
    for server in pair:
        if server.process is not None and server.process.poll() is None:
            server.stop()
