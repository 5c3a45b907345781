"""Acknowledged events survive crashes of the server and of Postgres, and the server survives those of Postgres."""

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import asyncpg
import httpx
import pytest

from roads.embedded import EmbeddedPostgres
from roads.migrations import migrate
from tests.conftest import SIGNING_KEY
from tests.support.events import recount, varied
from tests.support.product import PATIENCE, Server, postgres_processes
from tests.support.supabase_project import SECRET_KEY
from tests.support.supabase_server import SupabaseServer
from tests.support.team import Member, assert_problem, sign_up
from utils.ids import event_uuid

SENDERS = 16


class Load:
    """Concurrent senders that track each event until it is acknowledged, and their answers."""

    def __init__(self, ada: Member) -> None:
        self.ada = ada
        self.sent = 0
        self.acknowledged: set[int] = set()
        self.refused = 0
        self.cut_off = 0
        self._stopping = False

    async def send(self) -> None:
        """Sends one event after the other, and retries each that is refused."""
        while not self._stopping:
            number, self.sent = self.sent, self.sent + 1
            try:
                response = await self.ada.track(**varied(number))
                while response.status_code == 503:
                    assert_problem(response, 503)
                    self.refused += 1
                    await asyncio.sleep(0.02)
                    response = await self.ada.track(**varied(number))
            except httpx.TransportError:
                self.cut_off += 1
                return
            # One that was stored but not acknowledged is known when it comes again.
            assert response.status_code in (200, 201), response.text
            self.acknowledged.add(number)

    async def more(self, number: int) -> None:
        """Waits until this number of further events is acknowledged."""
        enough = len(self.acknowledged) + number
        async with asyncio.timeout(PATIENCE):
            while len(self.acknowledged) < enough:
                await asyncio.sleep(0.01)

    @asynccontextmanager
    async def going(self) -> AsyncIterator[None]:
        """Sends in the block; at its end all started requests are finished."""
        async with asyncio.TaskGroup() as senders:
            for _ in range(SENDERS):
                senders.create_task(self.send())
            yield
            self._stopping = True


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[tuple[EmbeddedPostgres, str]]:
    """A Postgres of its own for a test, and its address."""
    postgres = EmbeddedPostgres(tmp_path / "lab")
    url = postgres.start()
    yield postgres, url
    postgres.stop()


def control(postgres: EmbeddedPostgres, *arguments: str) -> None:
    """Runs pg_ctl as the user of this Postgres."""
    log = str(postgres._data / "server.log")
    postgres._run("pg_ctl", *arguments, "-w", "-s", "-l", log, user=postgres._prepare_user())


def end(postgres: EmbeddedPostgres, by: signal.Signals) -> None:
    """Ends Postgres without waiting, because another may be started at once."""
    os.kill(int((postgres._data / "postmaster.pid").read_text().split()[0]), by)


async def survives(server: Server, url: str, outages: Sequence[Callable[[], None]]) -> None:
    """Under load, the server survives each outage, and every event is stored exactly once."""
    assert server.process is not None
    limits = httpx.Limits(max_connections=SENDERS)
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE, limits=limits) as client:
        load = Load(await sign_up(client, "Ada"))
        async with load.going():
            for outage in outages:
                await load.more(100)
                refused = load.refused
                await asyncio.to_thread(outage)
                async with asyncio.timeout(PATIENCE):
                    while load.refused == refused:
                        await asyncio.sleep(0.01)
                await load.more(100)
        assert (load.cut_off, len(load.acknowledged)) == (0, load.sent)
        assert (await client.get("/api/health")).status_code == 200
    assert server.process.poll() is None
    sql = await asyncpg.connect(url)
    assert (await recount(sql, load.ada.session["workspace_id"]))[0] == load.sent
    await sql.close()


@pytest.mark.long
async def test_a_postgres_that_is_restarted_under_load(lab: tuple[EmbeddedPostgres, str], tmp_path: Path) -> None:
    postgres, url = lab
    server = Server(tmp_path / "data", DATABASE_URL=url, SECRET_KEY=SIGNING_KEY)
    server.start()
    try:
        restarts = [partial(control, postgres, "restart", "-m", mode) for mode in ("fast", "immediate")]
        await survives(server, url, restarts)
    finally:
        server.stop()


@pytest.mark.long
async def test_an_embedded_postgres_that_ends_under_load_is_started_again(
    servers: tuple[Server, Server], tmp_path: Path
) -> None:
    postgres = EmbeddedPostgres(tmp_path / "data")
    url = servers[0].database
    # Two ways to stop it immediately, and the signal of the out-of-memory killer.
    ends = [partial(end, postgres, by) for by in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)]
    await survives(servers[0], url, ends)
    servers[0].stop()
    assert postgres_processes(tmp_path / "data") == []


@pytest.mark.long
async def test_a_supabase_project_that_is_briefly_unavailable(
    lab: tuple[EmbeddedPostgres, str], tmp_path: Path
) -> None:
    postgres, url = lab
    sql = await asyncpg.connect(url)
    await migrate(sql)
    await sql.close()
    supabase = SupabaseServer(tmp_path / "supabase", url)
    server = Server(tmp_path / "data", SUPABASE_URL=supabase.url, SUPABASE_KEY=SECRET_KEY, SECRET_KEY=SIGNING_KEY)

    def restart_the_interface() -> None:
        supabase.stop()
        supabase.start()

    try:
        server.start()
        restart_postgres = partial(control, postgres, "restart", "-m", "immediate")
        await survives(server, url, [restart_postgres, restart_the_interface])
    finally:
        server.stop()
        supabase.stop()


@pytest.mark.long
async def test_a_server_that_stops_under_load_finishes_what_it_accepted(
    servers: tuple[Server, Server], tmp_path: Path
) -> None:
    server = servers[0]
    assert server.process is not None
    limits = httpx.Limits(max_connections=SENDERS)
    with socket.create_connection(("127.0.0.1", server.port)) as slow:
        # A client that never finishes its request must not keep the server alive.
        slow.sendall(b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE, limits=limits) as client:
            load = Load(await sign_up(client, "Ada"))
            async with load.going():
                await load.more(300)
                server.process.send_signal(signal.SIGTERM)
                while load.cut_off < SENDERS:
                    await asyncio.sleep(0.01)
        await asyncio.to_thread(server.process.wait, PATIENCE)
    assert server.process.returncode == 0
    assert postgres_processes(tmp_path / "data") == []

    postgres = EmbeddedPostgres(tmp_path / "data")
    sql = await asyncpg.connect(postgres.start())
    stored = {row["id"] for row in await sql.fetch("select id from public.events")}
    assert {event_uuid(f"call-{number}") for number in load.acknowledged} <= stored
    # Events of interrupted requests may be stored without an answer.
    events, _ = await recount(sql, load.ada.session["workspace_id"])
    assert len(load.acknowledged) <= events <= load.sent
    await sql.close()
    postgres.stop()


@pytest.mark.parametrize("number_is_taken", [True, False])
async def test_a_postgres_that_was_killed_starts_although_another_process_has_its_number(
    tmp_path: Path, number_is_taken: bool
) -> None:
    first = EmbeddedPostgres(tmp_path / "data")
    sql = await asyncpg.connect(first.start())
    await sql.execute("create table kept (number integer)")
    await sql.close()
    end(first, signal.SIGKILL)
    pid_file = first._data / "postmaster.pid"
    pid, rest = pid_file.read_text().split("\n", 1)
    while Path("/proc", pid).exists():
        await asyncio.sleep(0.01)
    assert first._use is not None
    # As when the container is killed with all its processes.
    first._use.close()
    user = first._prepare_user()
    somebody = subprocess.Popen(["sleep", "60"], user=user)
    try:
        if number_is_taken:
            pid_file.write_text(f"{somebody.pid}\n{rest}")
        second = EmbeddedPostgres(tmp_path / "data")
        sql = await asyncpg.connect(second.start())
        assert await sql.fetchval("select count(*) from kept") == 0
        await sql.close()
        second.stop()
    finally:
        somebody.kill()
        somebody.wait()
