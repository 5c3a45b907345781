"""The latency of reads in a large workspace, compared with a small one."""

import time
from dataclasses import dataclass
from uuid import uuid4

import asyncpg

from bench import data
from bench.load import Client, percentile, request, undisturbed
from bench.plan import Bench
from bench.report import Figure, Goal, Row, ratio
from bench.server import Account, BenchError, lab
from utils import json

_BUDGETS = 50
_PERIODS = ("daily", "weekly", "monthly", "quarterly", "yearly")
_PAGE = 100
# Postgres may plan a prepared statement again for its first five executions, so these are not measured.
_WARM_UP = 10
_TURN = 5


@dataclass(frozen=True)
class Workspace:
    """An account and the number of its events."""

    events: int
    account: Account

    def get(self, path: str) -> bytes:
        """A GET request of the account."""
        return request("GET", path, token=self.account.token)

    def check(self) -> bytes:
        """A request that checks a call against the budgets."""
        call = {"provider": "openai", "model": "gpt-4o", "input_tokens": 1000, "max_output_tokens": 500}
        return request("POST", "/api/budgets/check", token=self.account.token, body=json.dumps(call))


async def grow(bench: Bench) -> None:
    """The p95 of summaries, event pages, budgets and recommendations, compared with a small workspace."""
    sizes = (bench.sizes.small_workspace, *bench.sizes.large_workspaces)
    with lab() as place, place.product() as product:
        connection = await place.connect()
        workspaces = [Workspace(size, await product.sign_up(f"reads{size}")) for size in sizes]
        for workspace in workspaces:
            await _fill(bench, connection, workspace)
        bench.step("vacuum")
        # asyncpg runs a statement without arguments outside of a transaction, as vacuum requires.
        await connection.execute("vacuum analyze", timeout=3600)
        await connection.close()
        small, *large = workspaces
        async with Client(product.port) as client:
            for workspace in workspaces:
                await _check(client, workspace)
            for workspace in large:
                await _compare_all(bench, client, small, workspace)


async def _compare_all(bench: Bench, client: Client, small: Workspace, large: Workspace) -> None:
    page = min(bench.sizes.page, large.events // _PAGE - 1)
    summary, budgets, first = "/api/costs/summary?days=30", "/api/budgets", f"/api/events/?limit={_PAGE}"
    advice, switching = "/api/recommendations", "/api/recommendations/model-switching"
    bench.step(f"reading up to page {page:,}")
    later = f"{first}&cursor={await _cursor(client, large, page - 1)}"
    at, than = f"p95 at {large.events:,} events", f"at {small.events:,}"
    for measured, ours, against, theirs, goal in (
        (f"GET {summary}, {at}", summary, f"the same {than}", summary, Goal("at most", 1.5, 1.1)),
        (f"GET {first}, first page, {at}", first, f"the same {than}", first, Goal("at most", 2, 1.2)),
        (f"GET {first}, page {page:,}, {at}", later, f"first page {than}", first, Goal("at most", 2, 1.2)),
        (f"GET {budgets}, {_BUDGETS} budgets, {at}", budgets, f"the same {than}", budgets, Goal("at most", 1.5, 1.1)),
        (f"GET {advice}, {at}", advice, f"the same {than}", advice, Goal("at most", 3)),
        (f"GET {switching}, {at}", switching, f"the same {than}", switching, Goal("at most", 3)),
    ):
        row = await _compare(bench, client, measured, large.get(ours), against, small.get(theirs), goal)
        bench.report.rows.append(row)
    check = f"POST /api/budgets/check, {_BUDGETS} budgets, {at}"
    goal = Goal("at most", 1.5, 1.1)
    row = await _compare(bench, client, check, large.check(), f"the same {than}", small.check(), goal)
    bench.report.rows.append(row)


async def _compare(
    bench: Bench, client: Client, measured: str, ours: bytes, against: str, theirs: bytes, goal: Goal
) -> Row:
    await _ask(client, ours, _WARM_UP)
    await _ask(client, theirs, _WARM_UP)
    tails: dict[bytes, list[float]] = {ours: [], theirs: []}
    for turn in bench.turns(measured):
        seconds: dict[bytes, list[float]] = {ours: [], theirs: []}
        end = time.perf_counter() + bench.sizes.seconds
        with undisturbed():
            while len(seconds[ours]) < bench.sizes.reads and (time.perf_counter() < end or not seconds[ours]):
                for asked in (ours, theirs):
                    seconds[asked] += await _ask(client, asked, _TURN)
        for asked in (ours, theirs):
            tails[asked].append(percentile(seconds[asked], 95) * 1000)
        bench.show(turn, f"{tails[ours][-1]:.2f} ms, small {tails[theirs][-1]:.2f} ms")
    return ratio(measured, Figure.of(tails[ours]), "ms", against, Figure.of(tails[theirs]), goal)


async def _ask(client: Client, asked: bytes, times: int) -> list[float]:
    return [(await client.ask(asked))[0] for _ in range(times)]


async def _cursor(client: Client, workspace: Workspace, pages: int) -> str:
    """The cursor after `pages` pages, read in strides of ten pages and then page by page."""
    cursor = ""
    left = pages
    while left:
        stride = 10 if left >= 10 else 1
        path = f"/api/events/?limit={_PAGE * stride}" + (f"&cursor={cursor}" if cursor else "")
        _, page = await client.ask(workspace.get(path))
        cursor = page["next_cursor"]
        left -= stride
    return cursor


async def _fill(bench: Bench, connection: "asyncpg.Connection[asyncpg.Record]", workspace: Workspace) -> None:
    account = workspace.account
    # By SQL, because the API allows one budget of the whole workspace per period; and before the events, because
    # building the rollups also counts them for the budgets.
    await connection.executemany(
        'insert into public.budgets (workspace_id, id, user_id, name, "limit", period, scope, hard, thresholds, tz,'
        " created_at, updated_at) values ($1, $2, $3, $4, 1000, $5, $6, false, '{50,80,100}', 'UTC', now(), now())",
        [
            (account.workspace_id, uuid4(), account.user_id, f"Budget {n}", _PERIODS[n % 5], f'{{"bench": "{n}"}}')
            for n in range(_BUDGETS)
        ],
    )
    started = time.perf_counter()
    await data.fill(
        connection,
        account.workspace_id,
        account.user_id,
        workspace.events,
        lambda reached: bench.step(f"loading {workspace.events:,} events, {reached}"),
    )
    bench.report.notes.append(
        f"Loading {workspace.events:,} events by COPY and building their rollups took "
        f"{time.perf_counter() - started:.0f} s."
    )


async def _check(client: Client, workspace: Workspace) -> None:
    """Checks that the answers include all events and budgets."""
    _, summary = await client.ask(workspace.get("/api/costs/summary?days=120"))
    if summary["call_count"] != workspace.events:
        raise BenchError(f"The summary includes {summary['call_count']} of {workspace.events} events")
    _, budgets = await client.ask(workspace.get("/api/budgets"))
    if len(budgets["budgets"]) != _BUDGETS:
        raise BenchError(f"There are {len(budgets['budgets'])} budgets instead of {_BUDGETS}")
