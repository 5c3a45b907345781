"""Who has a project's publishable key, or is signed in to it, reaches nothing of LLMLab through its REST interface."""

from collections.abc import Iterator
from typing import NamedTuple

import asyncpg
import httpx
import pytest

from tests.support.product import PATIENCE
from tests.support.supabase_project import ANON_KEY, PUBLISHABLE_KEY, SECRET_KEY, token
from tests.support.supabase_server import SupabaseServer

TABLES = "select relname from pg_class where relnamespace = $1::regnamespace and relkind in ('r', 'v', 'm', 'p', 'f')"
FUNCTIONS = "select proname, coalesce(proargnames[1:pronargs], '{}') from pg_proc where pronamespace = $1::regnamespace"


class Visitor(NamedTuple):
    """The headers of a caller, and the status that refuses them."""

    headers: dict[str, str]
    refused: int


VISITORS = {
    "publishable key": Visitor({"apikey": PUBLISHABLE_KEY}, 401),
    "anon key": Visitor({"apikey": ANON_KEY}, 401),
    "signed in": Visitor({"apikey": PUBLISHABLE_KEY, "Authorization": f"Bearer {token('authenticated')}"}, 403),
}


class Request(NamedTuple):
    """A request that the service role may make."""

    method: str
    path: str
    body: dict[str, None] | None = None


async def requests(database: str, schema: str) -> list[Request]:
    """What reads and changes every table and view of a schema, and calls every function."""
    sql = await asyncpg.connect(database)
    tables = [row[0] for row in await sql.fetch(TABLES, schema)]
    functions = await sql.fetch(FUNCTIONS, schema)
    await sql.close()
    assert len(functions) > 15
    return [
        *(Request(method, f"/rest/v1/{table}") for table in tables for method in ("GET", "DELETE")),
        *(Request(method, f"/rest/v1/{table}", {}) for table in tables for method in ("POST", "PATCH")),
        *(Request("POST", f"/rest/v1/rpc/{name}", dict.fromkeys(names)) for name, names in functions),
    ]


@pytest.fixture
def client(supabase: SupabaseServer) -> Iterator[httpx.Client]:
    """A client of the project."""
    with httpx.Client(base_url=supabase.url, timeout=PATIENCE) as client:
        yield client


def answer(client: httpx.Client, request: Request, headers: dict[str, str]) -> httpx.Response:
    return client.request(request.method, request.path, json=request.body, headers=headers)


@pytest.mark.parametrize("name", VISITORS)
async def test_every_table_and_function_is_refused(name: str, client: httpx.Client, supabase: SupabaseServer) -> None:
    visitor = VISITORS[name]
    reachable = []
    for request in await requests(supabase.database, "public"):
        refusal = answer(client, request, visitor.headers)
        if refusal.status_code != visitor.refused or '"code":"42501"' not in refusal.text:
            reachable.append((request.method, request.path, refusal.status_code, refusal.text))
    assert reachable == []
    assert client.get("/rest/v1/", headers=visitor.headers).json()["paths"].keys() == {"/"}


@pytest.mark.parametrize("headers", [visitor.headers for visitor in VISITORS.values()] + [{"apikey": SECRET_KEY}])
async def test_the_private_schema_is_not_exposed(
    headers: dict[str, str], client: httpx.Client, supabase: SupabaseServer
) -> None:
    for request in await requests(supabase.database, "llmlab_private"):
        assert answer(client, request, headers).status_code == 404, request
        profile = {"Accept-Profile": "llmlab_private", "Content-Profile": "llmlab_private"}
        assert answer(client, request, headers | profile).status_code == 406, request


async def test_requests_without_a_known_key_stop_at_the_gateway(client: httpx.Client) -> None:
    for headers, said in (
        ({}, "No API key found in request"),
        ({"apikey": "sb_secret_of_another_project"}, "Invalid API key"),
        ({"apikey": token("service_role")[:-2]}, "Invalid API key"),
        ({"Authorization": f"Bearer {token('service_role')}"}, "No API key found in request"),
    ):
        refusal = client.post("/rest/v1/rpc/schema_version", headers=headers)
        assert (refusal.status_code, refusal.json()["message"]) == (401, said)
    assert client.post("/rpc/schema_version", headers={"apikey": SECRET_KEY}).status_code == 404
    forged = {"apikey": PUBLISHABLE_KEY, "Authorization": f"Bearer {token('service_role')[:-2]}"}
    assert client.post("/rest/v1/rpc/schema_version", headers=forged).status_code == 401


async def test_the_service_role_is_not_refused(client: httpx.Client) -> None:
    for key in (SECRET_KEY, token("service_role")):
        assert client.post("/rest/v1/rpc/schema_version", headers={"apikey": key}).status_code == 200
