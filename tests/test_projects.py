"""Projects: made on first use, renamed without moving an event, archived."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support.team import Member, assert_problem, call, new_api_key


async def projects(member: Member, **query: Any) -> dict[str, dict[str, Any]]:
    """The projects listed, by name."""
    page = await member.get("/api/projects", **query)
    return {project["name"]: project for project in page["projects"]}


async def costs(member: Member) -> dict[str | None, int]:
    """The calls by project."""
    rows = (await member.get("/api/costs/by-project"))["project_costs"]
    return {row["project"]: row["call_count"] for row in rows}


async def test_an_unknown_project_is_created_on_first_use(ada: Member) -> None:
    await ada.track(project="search")
    await ada.batch(call(project="search"), call(project="chat"), call())
    found = await projects(ada)
    assert {name: (row["call_count"], row["total_cost"]) for name, row in found.items()} == {
        "chat": (1, 0.0075),
        "search": (2, 0.015),
    }
    assert await costs(ada) == {"search": 2, "chat": 1, None: 1}


@pytest.mark.both_roads
async def test_concurrent_events_create_a_project_once(ada: Member) -> None:
    tracked = await asyncio.gather(*[ada.track(project=f"p{number % 3}") for number in range(30)])
    assert [response.status_code for response in tracked] == [201] * 30
    assert {name: row["call_count"] for name, row in (await projects(ada)).items()} == {"p0": 10, "p1": 10, "p2": 10}


async def test_renaming_keeps_the_events_and_frees_the_name(ada: Member) -> None:
    first = (await ada.track(project="search")).json()
    project = (await projects(ada))["search"]
    renamed = await ada.request("PATCH", f"/api/projects/{project['id']}", json={"name": "discovery"})
    assert renamed.json()["name"] == "discovery"
    assert renamed.json()["call_count"] == 1
    assert (await ada.get(f"/api/events/{first['event_id']}"))["project"] == "discovery"
    # By its new name, by its id, and a new project by the old name.
    await ada.track(project="discovery")
    await ada.track(project=project["id"])
    await ada.track(project=project["id"].upper())
    await ada.track(project="search")
    assert await costs(ada) == {"discovery": 4, "search": 1}
    listed = await ada.get("/api/events", project="search")
    assert [event["project"] for event in listed["events"]] == ["search"]
    assert (await ada.get("/api/events", project=project["id"]))["count"] == 4
    assert (await ada.get("/api/events", project="nowhere"))["count"] == 0
    series = await ada.get("/api/costs/timeseries", bucket="day", by="project", days=1)
    assert [split["name"] for split in series["points"][-1]["split"]] == ["discovery", "search"]


@pytest.mark.both_roads
async def test_a_project_name_is_unique(ada: Member) -> None:
    made = await ada.request("POST", "/api/projects", json={"name": "one"})
    assert made.status_code == 201
    assert made.json()["total_cost"] == 0
    assert_problem(
        await ada.request("POST", "/api/projects", json={"name": "one"}), 409, "Another project has this name"
    )
    other = await ada.request("POST", "/api/projects", json={"name": "two"})
    path = f"/api/projects/{other.json()['id']}"
    assert_problem(await ada.request("PATCH", path, json={"name": "one"}), 409, "Another project has this name")
    assert (await ada.request("PATCH", path, json={"name": "two"})).status_code == 200
    assert_problem(await ada.request("PATCH", f"/api/projects/{uuid4()}", json={"name": "x"}), 404, "Project not found")


async def test_an_archived_project_is_hidden_and_still_accepts_events(ada: Member) -> None:
    await ada.track(project="old")
    path = f"/api/projects/{(await projects(ada))['old']['id']}"
    assert (await ada.request("PATCH", path, json={"archived": True})).json()["archived"] is True
    assert await projects(ada) == {}
    await ada.track(project="old")
    assert (await projects(ada, archived=True))["old"]["call_count"] == 2
    assert (await ada.request("PATCH", path, json={"archived": False})).json()["archived"] is False
    assert list(await projects(ada)) == ["old"]


async def test_projects_come_page_by_page(ada: Member) -> None:
    names = ["B", "a", "b", "c", "é"]
    await ada.batch(*[call(project=name) for name in names])
    found, cursor = [], None
    while True:
        page = await ada.get("/api/projects", limit=2, **({"cursor": cursor} if cursor else {}))
        found += [project["name"] for project in page["projects"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == names


async def test_the_events_of_a_project_key_go_to_its_project_only(ada: Member, client: httpx.AsyncClient) -> None:
    await ada.request("POST", "/api/projects", json={"name": "search"})
    await ada.request("POST", "/api/projects", json={"name": "chat"})
    bound = await new_api_key(ada, project="search")
    await bound.track()
    await bound.track(project="chat")
    assert await costs(ada) == {"search": 1, "chat": 1}
    refused = await bound.track(project="mine")
    assert_problem(refused, 422, "The project 'mine' does not exist, and this API key may not create projects")
    answer = await bound.batch(call(project="mine"), call())
    assert (answer["recorded"], [rejection["index"] for rejection in answer["rejected"]]) == (1, [0])
    free = await new_api_key(ada)
    assert (await free.track(project="mine")).status_code == 201
    assert [key["project"] for key in (await ada.get("/api/keys"))["keys"]] == [None, "search"]


async def test_an_id_is_never_read_as_a_name(ada: Member, bob: Member) -> None:
    await bob.track(project="theirs")
    theirs = (await projects(bob))["theirs"]["id"]
    for unknown in (theirs, str(uuid4())):
        assert_problem(await ada.track(project=unknown), 422, f"The project '{unknown}' does not exist")
    assert await projects(ada) == {}
    assert (await ada.get("/api/events", project=theirs))["count"] == 0


async def test_a_refused_event_creates_no_project(ada: Member) -> None:
    impossible = {"project": "ghost", "cache_read_tokens": 2000}
    assert_problem(await ada.track(**impossible), 422)
    assert len((await ada.batch(call(**impossible)))["rejected"]) == 1
    assert await projects(ada) == {}


async def test_a_made_up_cursor_is_refused(ada: Member) -> None:
    for cursor in ("a\0b", "WzFd", "WyJhXHUwMDAwIl0", "search"):
        assert_problem(await ada.request("GET", "/api/projects", params={"cursor": cursor}), 422)
