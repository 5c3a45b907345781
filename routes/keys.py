"""API keys, and the team's own keys at its providers."""

from typing import Annotated
from uuid import UUID

from fastapi import Path

from routes.exact import Call, needs, problems, router
from schemas.keys import ApiKey, ApiKeyIn, ApiKeys, KeyName, NewApiKey, ProviderKey, ProviderKeyIn, ProviderKeys

keys = router("/api/keys", "keys")
provider_keys = router("/api/provider-keys", "keys")
KeyId = Annotated[UUID, Path(description="A key's id")]


@keys.get("", summary="The API keys of this workspace")
@needs("admin")
async def listing(call: Call) -> ApiKeys:
    return await call.keyring.api_keys(call.caller)


@keys.post("", status_code=201, responses=problems(404, 409), summary="Create an API key; it is shown this once")
@needs("admin")
async def create(call: Call, new: ApiKeyIn) -> NewApiKey:
    return await call.keyring.create_api_key(call.caller, new)


@keys.patch("/{key_id}", responses=problems(404), summary="Rename an API key")
@needs("admin")
async def rename(call: Call, key_id: KeyId, change: KeyName) -> ApiKey:
    return await call.keyring.rename_api_key(call.caller, key_id, change.name)


@keys.delete("/{key_id}", status_code=204, responses=problems(404), summary="Revoke an API key")
@needs("admin")
async def revoke(call: Call, key_id: KeyId) -> None:
    return await call.keyring.revoke_api_key(call.caller, key_id)


@provider_keys.get("", summary="The provider keys kept, without their secrets")
@needs("admin")
async def provider_listing(call: Call) -> ProviderKeys:
    return await call.keyring.provider_keys(call.caller)


@provider_keys.post("", status_code=201, responses=problems(409), summary="Keep a provider's key, encrypted")
@needs("admin")
async def keep(call: Call, new: ProviderKeyIn) -> ProviderKey:
    return await call.keyring.create_provider_key(call.caller, new)


@provider_keys.delete("/{key_id}", status_code=204, responses=problems(404), summary="Forget a provider's key")
@needs("admin")
async def forget(call: Call, key_id: KeyId) -> None:
    return await call.keyring.delete_provider_key(call.caller, key_id)
