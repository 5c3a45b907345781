"""API keys and provider keys."""

from typing import Annotated
from uuid import UUID

from fastapi import Path

from routes.call import Call
from routes.router import Router
from routes.schema import problems
from schemas.keys import ApiKey, ApiKeyIn, ApiKeys, KeyName, NewApiKey, ProviderKey, ProviderKeyIn, ProviderKeys

keys = Router("/api/keys", "keys")
provider_keys = Router("/api/provider-keys", "keys")
KeyId = Annotated[UUID, Path(description="A key's id")]


@keys.get("", needs="admin", summary="List API keys")
async def listing(call: Call) -> ApiKeys:
    return await call.engines.keys.api_keys(call.caller)


@keys.post(
    "",
    needs="admin",
    status_code=201,
    responses=problems(404, 409),
    summary="Create an API key, which is shown only once",
)
async def create(call: Call, new: ApiKeyIn) -> NewApiKey:
    return await call.engines.keys.create_api_key(call.caller, new)


@keys.patch("/{key_id}", needs="admin", responses=problems(404), summary="Rename an API key")
async def rename(call: Call, key_id: KeyId, change: KeyName) -> ApiKey:
    return await call.engines.keys.rename_api_key(call.caller, key_id, change.name)


@keys.delete("/{key_id}", needs="admin", status_code=204, responses=problems(404), summary="Revoke an API key")
async def revoke(call: Call, key_id: KeyId) -> None:
    return await call.engines.keys.revoke_api_key(call.caller, key_id)


@provider_keys.get("", needs="admin", summary="List provider keys, without their secrets")
async def provider_listing(call: Call) -> ProviderKeys:
    return await call.engines.keys.provider_keys(call.caller)


@provider_keys.post(
    "", needs="admin", status_code=201, responses=problems(409), summary="Store a provider key, encrypted"
)
async def keep(call: Call, new: ProviderKeyIn) -> ProviderKey:
    return await call.engines.keys.create_provider_key(call.caller, new)


@provider_keys.delete(
    "/{key_id}", needs="admin", status_code=204, responses=problems(404), summary="Delete a provider key"
)
async def forget(call: Call, key_id: KeyId) -> None:
    return await call.engines.keys.delete_provider_key(call.caller, key_id)
