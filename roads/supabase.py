"""To a Supabase project over HTTPS, through the Supabase client: one `rpc` for each call.

Importing that client takes longer than importing all other packages of a road, so `database.py` imports this module
only for a Supabase project.
"""

import base64
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import orjson
from postgrest.exceptions import APIError

from roads.migrations import newest_version
from roads.road import OVERTAKEN, REFUSALS, Overtaken, Pause, polling, repeated
from roads.shares import Shares
from supabase import AsyncClient, AsyncClientOptions, create_async_client
from utils.errors import StartError, TooSlow, Unavailable
from utils.tls import trusted

# Calls that one workspace may have in progress. PostgREST has ten connections unless it is configured otherwise.
_SHARE = 4
# SQLSTATE of a statement that was stopped at its time limit.
_STOPPED = "57014"
_PUSH = "run `supabase db push` (from version 3 of the Supabase CLI on: `supabase db push --remote`)"

log = logging.getLogger("llmlab.database")


class SupabaseRoad:
    """A client of the REST interface of a Supabase project."""

    def __init__(self, client: AsyncClient, http: httpx.AsyncClient) -> None:
        self._client = client
        self._http = http
        self._shares = Shares(_SHARE)

    @classmethod
    async def open(cls, url: str, key: str) -> "SupabaseRoad":
        """Checks the key and the schema. It does not migrate; `supabase db push` does."""
        if not _is_secret(key):
            raise StartError("SUPABASE_KEY is a publishable key; use the project's secret key")
        http = httpx.AsyncClient(timeout=60, verify=trusted(), event_hooks={"response": [_refuse_gateway_errors]})
        options = AsyncClientOptions(httpx_client=http)
        # With its default, the client emits a deprecation warning about its own parameter.
        options.postgrest_client_timeout = None  # type: ignore[assignment]
        road = cls(await create_async_client(url, key, options), http)
        try:
            await road._check_schema(url)
        except BaseException:
            await road.close()
            raise
        return road

    async def _check_schema(self, url: str) -> None:
        needed = newest_version()
        try:
            found = await self.call("schema_version", {})
        except (APIError, Unavailable) as error:
            raise StartError(f"The schema of {url} cannot be read; {_PUSH} ({error})") from error
        if found < needed:
            raise StartError(f"The schema of {url} is at version {found}, but {needed} is required; {_PUSH}")

    async def call(self, function: str, parameters: Mapping[str, Any]) -> Any:
        plain = orjson.loads(orjson.dumps(parameters, default=str))
        return await repeated(lambda: self._call(function, plain))

    async def _call(self, function: str, plain: Mapping[str, Any]) -> Any:
        try:
            async with self._shares.turn(function, plain):
                return (await self._client.rpc(function, dict(plain)).execute()).data
        except httpx.HTTPError as error:
            raise Unavailable from error
        except APIError as error:
            if error.code in REFUSALS:
                raise REFUSALS[error.code](error.message) from None
            if error.code in OVERTAKEN:
                raise Overtaken from error
            if error.code == _STOPPED:
                log.warning("%s was stopped after its limit", function)
                raise TooSlow from error
            if _is_outage(str(error.code)):
                raise Unavailable from error
            raise

    @asynccontextmanager
    async def listening(self, channel: str, on_notification: Callable[[str], None]) -> AsyncIterator[Pause]:
        yield polling

    def connections(self) -> dict[str, int]:
        return {}

    async def close(self) -> None:
        await self._http.aclose()


def _is_outage(code: str) -> bool:
    """Whether an error code says that Postgres cannot be reached, has ended the statement or is too busy.

    PostgREST answers with an empty one when it loses the connection between two statements.
    """
    return code == "" or (code.startswith(("5", "PGRST00", "08")) and not code.startswith("54"))


async def _refuse_gateway_errors(response: httpx.Response) -> None:
    """Raises Unavailable for an answer of the gateway in place of the database. It has no error code to go by."""
    if response.status_code > 500:
        raise Unavailable


def _is_secret(key: str) -> bool:
    """Whether a Supabase key is one that bypasses row security: sb_secret_..., or a JWT of the service role."""
    if key.startswith("sb_"):
        return key.startswith("sb_secret_")
    try:
        payload = key.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return bool(claims["role"] == "service_role")
    except (IndexError, KeyError, TypeError, ValueError):
        return False
