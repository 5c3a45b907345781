"""Reservations for several calls: granted within a tenth of what is left, settled and released call by call."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

import engines.budgets
from tests.conftest import client_of, running, settings_for
from tests.support.budgets import CENT_SPENT, last_month, reserve, set_budget, the_budget
from tests.support.team import Member, assert_problem, call, new_api_key, sign_up


@pytest.mark.both_roads
async def test_several_calls_get_a_tenth_of_what_is_left_and_at_least_one(ada: Member) -> None:
    assert (await reserve(ada, calls=100)).json()["calls"] == 100
    await set_budget(ada, hard=True)
    first = (await reserve(ada, calls=100)).json()
    assert (first["calls"], first["estimated_cost"]) == (10, 0.01)
    assert await the_budget(ada) == (0, 0.1, 0.9)
    assert (await reserve(ada, calls=5)).json()["calls"] == 5
    assert (await reserve(ada, input_tokens=4000 * 80, calls=2)).json()["calls"] == 1
    assert await the_budget(ada) == (0, 0.95, 0.05)
    assert (await reserve(ada, calls=100)).json()["calls"] == 1
    assert_problem(await reserve(ada, input_tokens=4000 * 5, calls=2), 402)


@pytest.mark.parametrize("calls", [0, 101, 1.5, None])
async def test_a_number_of_calls_is_from_1_to_100(ada: Member, calls: Any) -> None:
    assert (await reserve(ada, calls=calls)).status_code == 422


@pytest.mark.both_roads
async def test_each_new_event_settles_one_call_and_the_last_the_reservation(ada: Member) -> None:
    await set_budget(ada, hard=True)
    held = (await reserve(ada, calls=3)).json()["id"]
    await ada.track(**CENT_SPENT, id="a", reservation_id=held)
    assert await the_budget(ada) == (0.01, 0.02, 0.97)
    # Sent again, alone, twice in one batch, and in a batch with another new event.
    await ada.track(**CENT_SPENT, id="a", reservation_id=held)
    event = {**CENT_SPENT, "reservation_id": held}
    await ada.batch({**event, "id": "a"}, {**event, "id": "b"}, {**event, "id": "b"})
    assert await the_budget(ada) == (0.02, 0.01, 0.97)
    await ada.batch({**event, "id": "c"}, {**event, "id": "d"})
    assert await the_budget(ada) == (0.04, 0, 0.96)
    assert_problem(await ada.request("DELETE", f"/api/budgets/reservations/{held}"), 404)


@pytest.mark.both_roads
async def test_some_calls_or_the_rest_are_released(ada: Member) -> None:
    await set_budget(ada, hard=True)
    path = f"/api/budgets/reservations/{(await reserve(ada, calls=10)).json()['id']}"
    assert (await ada.request("DELETE", path, params={"calls": 4})).status_code == 204
    assert await the_budget(ada) == (0, 0.06, 0.94)
    assert (await ada.request("DELETE", path)).status_code == 204
    assert await the_budget(ada) == (0, 0, 1)
    assert_problem(await ada.request("DELETE", path), 404)
    other = f"/api/budgets/reservations/{(await reserve(ada, calls=2)).json()['id']}"
    # More than there are.
    assert (await ada.request("DELETE", other, params={"calls": 100})).status_code == 204
    assert await the_budget(ada) == (0, 0, 1)


async def test_a_reservation_holds_in_the_next_period_too(ada: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    at = datetime.now(UTC).replace(hour=23, minute=59)
    monkeypatch.setattr(engines.budgets, "now", lambda: at)
    await set_budget(ada, hard=True, period="daily")
    await reserve(ada, calls=10)
    at += timedelta(minutes=2)
    assert await the_budget(ada) == (0, 0.1, 0.9)


async def test_calls_without_a_check_are_counted_in_the_budgets_that_include_them(ada: Member) -> None:
    application = await new_api_key(ada)
    await set_budget(ada, name="all", hard=True)
    await set_budget(ada, name="mini", hard=True, scope={"model": "gpt-4o-mini"})
    await set_budget(ada, name="key", period="daily", scope={"api_key": application.id})
    await ada.track(**CENT_SPENT)
    await ada.track(**CENT_SPENT, id="a", unchecked=True)
    await application.batch(
        {**CENT_SPENT, "id": "a", "unchecked": True}, {**CENT_SPENT, "unchecked": True},
        {**CENT_SPENT, "unchecked": False},
    )  # fmt: skip

    async def unchecked() -> dict[str, int]:
        return {budget["name"]: budget["unchecked_calls"] for budget in (await ada.get("/api/budgets"))["budgets"]}

    assert await unchecked() == {"all": 2, "mini": 0, "key": 1}
    # Setting the budget again recounts its spend, and keeps this count.
    await set_budget(ada, name="all", hard=True, limit=2)
    assert await unchecked() == {"all": 2, "mini": 0, "key": 1}


@pytest.mark.parametrize("seed", range(4))
async def test_held_and_spent_and_free_are_always_the_limit(
    ada: Member, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = random.Random(seed)
    at = last_month()
    monkeypatch.setattr(engines.budgets, "now", lambda: at)
    await set_budget(ada, hard=True)
    # By reservation: the cents of a call, the calls left, and the end.
    held: dict[str, tuple[int, int, datetime]] = {}
    recorded: list[dict[str, Any]] = []
    spent = 0
    for step in range(60):
        action = chance.randrange(5)
        if action == 0 or not held:
            cents, calls, seconds = chance.choice([1, 2, 7]), chance.choice([1, 3, 100]), chance.choice([5, 60])
            answer = await reserve(ada, input_tokens=4000 * cents, calls=calls, seconds=seconds)
            free = 100 - spent - sum(a * b for a, b, _ in held.values())
            if free < cents:
                assert answer.status_code == 402
            else:
                granted = max(1, min(calls, free // (10 * cents)))
                assert answer.json()["calls"] == granted
                held[answer.json()["id"]] = (cents, granted, at + timedelta(seconds=seconds))
        elif action in (1, 2):
            events = []
            for number in range(chance.randrange(1, 4)):
                id = chance.choice(list(held))
                cents, calls, end = held[id]
                if calls > 0:
                    events.append(call(input_tokens=4000 * cents, output_tokens=0, id=f"{step}-{number}",
                                       timestamp=at.isoformat(),
                                       reservation_id=id))  # fmt: skip
                    held[id] = cents, calls - 1, end
                    spent += cents
            again = chance.sample(recorded, min(len(recorded), 2))
            if events or again:
                await ada.batch(*events, *again, *events[:1])
            recorded += events
        elif action == 3:
            id = chance.choice(list(held))
            cents, calls, end = held[id]
            some = chance.choice([1, 2, None])
            query = {} if some is None else {"calls": some}
            answer = await ada.request("DELETE", f"/api/budgets/reservations/{id}", params=query)
            assert answer.status_code == (204 if calls else 404)
            held[id] = cents, 0 if some is None else max(0, calls - some), end
        else:
            at += timedelta(seconds=chance.choice([1, 10]))
        held = {id: of for id, of in held.items() if of[1] and of[2] > at}
        reserved = sum(cents * calls for cents, calls, _ in held.values())
        found = tuple(round(100 * amount) for amount in await the_budget(ada))
        assert found == (spent, reserved, 100 - spent - reserved)
        assert spent + reserved <= 100


async def test_concurrent_leases_events_and_releases_stay_within_the_limit(
    url: str, tmp_path: Path, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    settings = settings_for(tmp_path, database_url=url)
    async with running(settings) as one, running(settings) as other, client_of(one) as here, client_of(other) as there:
        ada = await sign_up(here, "Ada")
        await set_budget(ada, hard=True)
        members = [ada, Member(there, ada.session, ada.email)]
        made = 0

        async def work(number: int) -> None:
            nonlocal made
            me = members[number % 2]
            for turn in range(6):
                answer = await reserve(me, calls=4)
                if answer.status_code == 402:
                    continue
                lease = answer.json()
                used = (number + turn) % (lease["calls"] + 1)
                events = [{**CENT_SPENT, "id": f"{number}-{turn}-{n}", "reservation_id": lease["id"]}
                          for n in range(used)]  # fmt: skip
                made += used
                await asyncio.gather(*[members[n % 2].batch(event, event) for n, event in enumerate(events)])
                if rest := lease["calls"] - used:
                    path = f"/api/budgets/reservations/{lease['id']}"
                    assert (await me.request("DELETE", path, params={"calls": rest})).status_code == 204

        await asyncio.gather(*[work(number) for number in range(12)])
        assert 0 < made <= 100
        spent, reserved, _ = await the_budget(ada)
        assert (round(100 * spent), reserved) == (made, 0)
        assert await sql.fetchval("select count(*) from public.reservations") == 0
        assert await sql.fetchval("select count(*) from public.holds") == 0
