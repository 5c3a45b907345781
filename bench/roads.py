"""The three roads to Postgres side by side: the embedded server, a server over TCP, and PostgREST over HTTP."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from bench import data
from bench.load import closed_loop, request
from bench.plan import Bench
from bench.report import Figure, Goal, Row, ratio
from bench.server import Lab, Server, free_port, lab
from roads.embedded import EmbeddedPostgres
from tests.support.supabase_project import SECRET_KEY
from tests.support.supabase_server import SupabaseServer, postgrest
from utils import json

_TRACK_CONNECTIONS = 16
_BATCH_CONNECTIONS = 4
_BATCH = 500
_READS = {"/api/costs/summary?days=30": 200, "/api/events/?limit=100": 100, "/api/recommendations": 20}
_ROADS = ("embedded", "over TCP", "over PostgREST")


@dataclass
class Side:
    """A server, and what was measured of it."""

    server: Server
    token: str
    figures: dict[str, list[float]] = field(default_factory=dict)

    def requests(self, method: str, path: str, bodies: Sequence[bytes] = (b"",)) -> list[bytes]:
        """Requests of its account."""
        return [request(method, path, token=self.token, body=body) for body in bodies]

    def note(self, measured: str, figure: float) -> None:
        """Adds a figure."""
        self.figures.setdefault(measured, []).append(figure)


async def compare(bench: Bench) -> None:
    """Single events, batches and reads; each turn measures the roads one after the other."""
    if postgrest() is None:
        bench.report.rows.append(Row("The three roads", excuse="not measured: run ./run.sh test once"))
        return
    random = Random(1)
    events = [json.dumps(data.event(random)) for _ in range(500)]
    batches = data.batches(max(8, bench.sizes.batches // 2), _BATCH)
    with lab() as place, ExitStack() as stack:
        sides = {
            road: Side(server, (await server.sign_up(road.replace(" ", "-"))).token)
            for road, server in _servers(await _migrated(place), stack)
        }
        for turn in bench.turns("batches"):
            for side in sides.values():
                outcome = await closed_loop(
                    side.server.port,
                    side.requests("POST", "/api/events/batch", batches),
                    connections=_BATCH_CONNECTIONS,
                    count=len(batches),
                )
                side.note("batch", outcome.per_second * _BATCH)
            bench.show(turn, _shown(sides, "batch", "events/s"))
        # The first turn warms up.
        for turn in bench.turns("single events", bench.sizes.repeats + 1):
            for side in sides.values():
                outcome = await closed_loop(
                    side.server.port,
                    side.requests("POST", "/api/events/track", events),
                    connections=_TRACK_CONNECTIONS,
                    seconds=bench.sizes.seconds,
                )
                if turn > 1:
                    side.note("track", outcome.per_second)
                    side.note("track p50", outcome.percentile(50) * 1000)
            if turn > 1:
                bench.show(turn, _shown(sides, "track", "requests/s"))
        for path, count in _READS.items():
            for turn in bench.turns(path):
                for side in sides.values():
                    outcome = await closed_loop(
                        side.server.port, side.requests("GET", path), connections=1, count=count
                    )
                    side.note(path, outcome.percentile(50) * 1000)
                bench.show(turn, _shown(sides, path, "ms"))
    _report(bench, sides)


async def _migrated(place: Lab) -> Lab:
    """The lab with a migrated database, whose schema PostgREST reads when it starts."""
    await (await place.connect()).close()
    return place


def _servers(place: Lab, stack: ExitStack) -> Iterator[tuple[str, Server]]:
    """A server on each road. PostgREST has the database of the embedded one; the server over TCP has its own."""
    rest = SupabaseServer(place.folder / "rest", place.url)
    stack.callback(rest.stop)
    key = {"SECRET_KEY": "bench" * 8}
    settings: tuple[dict[str, str], ...] = (
        {},
        {"DATABASE_URL": stack.enter_context(_over_tcp(place.folder / "tcp")), **key},
        {"SUPABASE_URL": rest.url, "SUPABASE_KEY": SECRET_KEY, **key},
    )
    for road, its in zip(_ROADS, settings, strict=True):
        yield road, stack.enter_context(place.product(**its))


@contextmanager
def _over_tcp(folder: Path) -> Iterator[str]:
    """The connection string of a server like the embedded one that listens on a port."""
    postgres, port = EmbeddedPostgres(folder), free_port()
    postgres.start()
    try:
        user = postgres._prepare_user()
        data_folder = folder / "postgres"
        options = f"-h 127.0.0.1 -p {port} -k '{data_folder}' -c wal_init_zero=off -c autovacuum_vacuum_cost_delay=20ms"
        postgres._run("pg_ctl", "stop", "-w", "-s", user=user)
        postgres._run(
            "pg_ctl", "start", "-w", "-s", "-l", str(data_folder / "server.log"), "-o", options, user=user
        )  # fmt: skip
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    finally:
        postgres.stop()


def _shown(sides: dict[str, Side], measured: str, unit: str) -> str:
    return ", ".join(f"{road} {side.figures[measured][-1]:,.1f}" for road, side in sides.items()) + f" {unit}"


def _report(bench: Bench, sides: dict[str, Side]) -> None:
    rows = (
        ("track", f"POST /api/events/track, {_TRACK_CONNECTIONS} connections", "requests/s"),
        ("track p50", f"POST /api/events/track, {_TRACK_CONNECTIONS} connections, p50", "ms"),
        ("batch", f"POST /api/events/batch of {_BATCH}, {_BATCH_CONNECTIONS} connections", "events/s"),
        *((path, f"GET {path}, p50", "ms") for path in _READS),
    )
    embedded = sides[_ROADS[0]].figures
    for measured, title, unit in rows:
        for road in _ROADS[1:]:
            found = Figure.of(sides[road].figures[measured])
            goal = Goal("at least", 0.6) if (measured, road) == ("track", _ROADS[2]) else None
            bench.report.rows.append(
                ratio(f"{title}, {road}", found, unit, "embedded", Figure.of(embedded[measured]), goal)
            )
    more = Figure.of(sides[_ROADS[2]].figures["track p50"]).median - Figure.of(embedded["track p50"]).median
    bench.report.notes.append(
        f"The p50 of POST /api/events/track over PostgREST is {more:.1f} ms above that of the embedded server."
    )
