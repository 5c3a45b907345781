"""Services for the tests of the server, the SDK and the command line."""

import asyncio
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from config import Settings
from roads.embedded import EmbeddedPostgres
from roads.migrations import migrate
from tests.support.product import Server
from tests.support.supabase_project import create_project
from tests.support.workspace import Double, Workspace

TEMPLATE = "template_migrated"
# The same as a Supabase project has it.
PROJECT_TEMPLATE = "template_project"
_OWN_FOLDER = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-cases", action="store_true", help="test the API with every generated request, not a tenth")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    # Each HTTP client reads all authorities, which takes 50 ms. No test speaks TLS.
    os.environ["SSL_CERT_FILE"] = str(Path(__file__).parent.parent / "data" / "authority.crt")
    # Settings of the machine or of a .env must not change a test.
    for name in Settings.model_fields:
        os.environ.pop(name.upper(), None)
    Settings.model_config["env_file"] = None
    _use_own_folder(config)


def _use_own_folder(config: pytest.Config) -> None:
    """Creates a folder for the run.

    Each start of pytest closes the folder that it shares with other runs to other users, and then Postgres, which as
    root runs as a user of its own, could no longer read its files.
    """
    if config.option.basetemp is None:
        config.stash[_OWN_FOLDER] = config.option.basetemp = tempfile.mkdtemp(prefix="llmlab-tests-")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_unconfigure(config: pytest.Config) -> None:
    if _OWN_FOLDER in config.stash:
        shutil.rmtree(config.stash[_OWN_FOLDER], ignore_errors=True)


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A folder that all processes of this run share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if hasattr(request.config, "workerinput") else folder


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """A lock between the processes of this run."""
    with (folder / "turn").open("wb") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield


def database_url(url: str, name: str) -> str:
    """The connection string of another database of the same server."""
    return urlsplit(url)._replace(path=f"/{name}").geturl()


@pytest.fixture(scope="session")
def postgres_url(run_folder: Path) -> Iterator[str]:
    """One Postgres server for the run, with migrated databases to clone. The first process makes them."""
    server = EmbeddedPostgres(run_folder / "postgres")
    with one_at_a_time(run_folder):
        url = server.start()
        if asyncio.run(_configure(url)):
            server.stop()
            server.start()
            asyncio.run(_make_templates(url))
    yield url
    with one_at_a_time(run_folder):
        server.stop()


async def _configure(url: str) -> bool:
    """Sets parameters that take effect at the next start; False if they are set already."""
    connection = await asyncpg.connect(url)
    is_new = await connection.fetchval("select not exists (select from pg_database where datname = $1)", TEMPLATE)
    if is_new:
        await connection.execute("alter system set max_connections = 500")
        # The tests that need durable commits start a server of their own.
        await connection.execute("alter system set fsync = off")
    await connection.close()
    return bool(is_new)


async def _make_templates(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("create database new_template")
    migrated = await asyncpg.connect(database_url(url, "new_template"))
    await migrate(migrated)
    await migrated.close()
    await create_project(url, PROJECT_TEMPLATE)
    # It has this name only when all templates are complete.
    await connection.execute(f"alter database new_template rename to {TEMPLATE}")
    await connection.close()


async def copied_database(url: str) -> str:
    """The connection string of a copy of a database without connections."""
    name = f"test_{uuid4().hex}"
    connection = await asyncpg.connect(database_url(url, "postgres"))
    await connection.execute(f"create database {name} template {urlsplit(url).path[1:]} strategy file_copy")
    await connection.close()
    return database_url(url, name)


async def new_database(server: str) -> str:
    """The connection string of a fresh, migrated database."""
    return await copied_database(database_url(server, TEMPLATE))


async def new_project(server: str) -> str:
    """The connection string of a fresh database of a Supabase project, for a superuser; its owner is none."""
    return await copied_database(database_url(server, PROJECT_TEMPLATE))


async def drop_database(url: str) -> None:
    """Drops a database and its connections."""
    connection = await asyncpg.connect(database_url(url, "postgres"))
    await connection.execute(f"drop database {urlsplit(url).path[1:]} with (force)")
    await connection.close()


@pytest.fixture(scope="session")
def server(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running LLMLab for tests that each have their own workspace."""
    url = asyncio.run(new_database(postgres_url))
    folder = tmp_path_factory.mktemp("llmlab") / "data"
    server = Server(folder, DATABASE_URL=url, SECRET_KEY="s" * 32, ACCESS_TOKEN_EXPIRE_MINUTES="1440")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def workspace(server: Server) -> Workspace:
    """A new workspace for the test."""
    return Workspace(server.url)


@pytest.fixture
def double() -> Iterator[Double]:
    """A stand-in for LLMLab, for answers that a real one gives rarely."""
    double = Double()
    yield double
    double.stop()
