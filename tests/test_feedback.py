"""Feedback: one rating of a call by each member, and what remains after deletions."""

from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from tests.conftest import client_of, running, settings_for
from tests.support.team import PASSWORD, Caller, Member, assert_problem, join, new_api_key, sign_up
from utils.ids import event_uuid


async def rate(caller: Caller, event_id: str, rating: int, **more: Any) -> dict[str, Any]:
    """Creates a rating."""
    response = await caller.request("POST", "/feedback", json={"event_id": event_id, "rating": rating, **more})
    assert response.status_code == 201, response.text
    given: dict[str, Any] = response.json()
    return given


@pytest.mark.both_roads
async def test_a_rating_keeps_what_matters_of_the_call(ada: Member) -> None:
    tracked = (await ada.track(project="search", timestamp="2026-03-01T10:00:00Z")).json()
    given = await rate(ada, tracked["event_id"], 5, comment="Spot on")
    assert {name: value for name, value in given.items() if name not in ("id", "created_at", "updated_at")} == {
        "event_id": tracked["event_id"], "rated_by": ada.session["user_id"], "rating": 5, "comment": "Spot on",
        "provider": "openai", "model": "gpt-4o", "project": "search", "cost": 0.0075,
        "called_at": "2026-03-01T10:00:00Z",
    }  # fmt: skip
    assert given["created_at"] == given["updated_at"]
    listed = await ada.get("/feedback")
    assert listed == {"count": 1, "feedback": [given], "next_cursor": None} == await ada.get("/api/feedback")


async def test_a_call_is_found_by_either_id(ada: Member) -> None:
    event_id = (await ada.track(id="mine")).json()["event_id"]
    for named in ({"event_id": "mine"}, {"llm_call_id": "mine"}, {"llm_call_id": event_id}):
        response = await ada.request("POST", "/api/feedback", json={**named, "rating": 4})
        assert (response.status_code, response.json()["event_id"]) == (201, event_id)
    assert (await ada.get("/feedback"))["count"] == 1


@pytest.mark.both_roads
async def test_an_unknown_call_is_not_found(ada: Member, bob: Member) -> None:
    theirs = (await bob.track(id="theirs")).json()["event_id"]
    for unknown in (theirs, "theirs", "nothing", "01a1d8a0-0000-7000-8000-000000000000"):
        response = await ada.request("POST", "/feedback", json={"event_id": unknown, "rating": 1})
        assert_problem(response, 404, "Event not found")
    assert (await ada.get("/feedback"))["count"] == (await bob.get("/feedback"))["count"] == 0


async def test_rating_again_replaces_the_rating(ada: Member) -> None:
    await ada.track(id="mine")
    application, other = await new_api_key(ada), await new_api_key(ada)
    first = await rate(ada, "mine", 5, comment="Great")
    for key in (application, other):
        assert (await rate(key, "mine", 3))["rated_by"] == key.id
    again = await rate(ada, "mine", 1)
    assert (again["id"], again["created_at"]) == (first["id"], first["created_at"])
    assert (again["rating"], again["comment"]) == (1, None)
    assert again["updated_at"] > first["updated_at"]
    assert [row["rating"] for row in (await ada.get("/feedback"))["feedback"]] == [3, 3, 1]


async def test_invalid_ratings_are_refused(ada: Member) -> None:
    await ada.track(id="mine")
    for wrong in (
        {"rating": 0}, {"rating": 6}, {"rating": 4.5}, {"rating": "5"}, {"rating": None}, {"comment": "x" * 2001},
        {"comment": "\0"}, {"event_id": ""}, {"stars": 5},
    ):  # fmt: skip
        body = {"event_id": "mine", "rating": 5, **wrong}
        assert_problem(await ada.request("POST", "/feedback", json=body), 422)
    assert_problem(await ada.request("POST", "/feedback", json={"rating": 5}), 422)
    assert (await ada.get("/feedback"))["count"] == 0


async def test_every_member_rates_and_admins_read_ratings(ada: Member, client: httpx.AsyncClient) -> None:
    await ada.track(id="mine")
    viewer = await sign_up(client, "Vera")
    await join(ada, viewer)
    assert (await rate(viewer, "mine", 2))["rated_by"] == viewer.session["user_id"]
    assert_problem(await viewer.request("GET", "/feedback"), 403, "Admin access required")
    reader = await new_api_key(ada, scopes=["read"])
    refused = await reader.request("POST", "/feedback", json={"event_id": "mine", "rating": 5})
    assert_problem(refused, 403, "This API key does not have the scope events:write")
    for path in ("/feedback", "/api/feedback"):
        assert_problem(await client.get(path), 401)
        assert_problem(await client.post(path, json={"event_id": "mine", "rating": 5}), 401)


async def test_ratings_are_searched_and_come_page_by_page(ada: Member) -> None:
    await ada.batch(*[{"id": f"{n}", "provider": "openai", "model": f"gpt-{n}", "input_tokens": 1, "output_tokens": 1}
                      for n in range(5)])  # fmt: skip
    for number in range(5):
        await rate(ada, f"{number}", 1 + number % 2, comment=f"100% {'Wrong' if number % 2 else 'right_answer'}")

    async def models(**query: Any) -> list[str]:
        return [row["model"] for row in (await ada.get("/feedback", **query))["feedback"]]

    assert await models() == ["gpt-4", "gpt-3", "gpt-2", "gpt-1", "gpt-0"]
    assert await models(rating=2) == ["gpt-3", "gpt-1"]
    assert await models(search="WRONG") == ["gpt-3", "gpt-1"]
    assert await models(search="T-2") == ["gpt-2"]
    assert await models(event_id="3") == await models(event_id=str(event_uuid("3"))) == ["gpt-3"]
    assert await models(event_id="3", rating=1) == await models(event_id="5") == []
    assert await models(search="wrong", rating=1) == []
    # Nothing in a search is a wildcard.
    assert await models(search="t_answer") == ["gpt-4", "gpt-2", "gpt-0"]
    assert await models(search="%r") == await models(search="right%") == []
    first = await ada.get("/feedback", limit=2)
    second = await ada.get("/feedback", limit=2, cursor=first["next_cursor"])
    third = await ada.get("/feedback", limit=2, cursor=second["next_cursor"])
    assert [row["model"] for page in (first, second, third) for row in page["feedback"]] == await models()
    assert third["next_cursor"] is None
    for wrong in ({"rating": 6}, {"search": ""}, {"cursor": "x"}, {"limit": 0}):
        assert_problem(await ada.request("GET", "/feedback", params=wrong), 422)


async def test_a_rating_outlives_its_event(url: str, sql: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path) -> None:
    async with running(settings_for(tmp_path, database_url=url)) as app, client_of(app) as client:
        ada = await sign_up(client, "Ada")
        await ada.track(id="mine", timestamp="2026-03-01T10:00:00Z")
        given = await rate(ada, "mine", 5)
        march = {"start": "2026-03-01", "end": "2026-03-31"}
        quality = await ada.get("/metrics/quality", **march)
        await sql.execute("delete from public.events")
        assert (await ada.get("/feedback"))["feedback"] == [given]
        assert await ada.get("/metrics/quality", **march) == quality
        assert quality["data"][0]["cost_per_good_answer"] == 0.0075
        await sql.execute("delete from public.workspaces")
        assert await sql.fetchval("select count(*) from public.feedback") == 0


async def test_deleting_an_account_deletes_its_comments(ada: Member, client: httpx.AsyncClient) -> None:
    await ada.track(id="mine")
    viewer = await sign_up(client, "Vera")
    await join(ada, viewer)
    await rate(viewer, "mine", 2, comment="my words")
    await rate(await new_api_key(ada), "mine", 3)
    assert (await viewer.request("DELETE", "/api/auth/me", json={"current_password": PASSWORD})).status_code == 204
    assert [row["rating"] for row in (await ada.get("/feedback"))["feedback"]] == [3]
