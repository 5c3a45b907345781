"""API keys, and the workspace's keys at providers."""

from datetime import datetime
from uuid import UUID

from queries.functions import Functions, function
from schemas.identities import Identity
from schemas.keys import ApiKey, ApiKeyIn, KeyIdentity, ProviderKey, SealedKey


class KeyQueries(Functions):
    @function
    async def api_key_use(self, key_hash: str, now: datetime) -> KeyIdentity | None: ...

    @function
    async def api_key_list(self, workspace_id: UUID, key_id: UUID | None, now: datetime) -> list[ApiKey]: ...

    async def api_key_create(
        self, by: Identity, key_id: UUID, new: ApiKeyIn, key_hash: str, last_four: str, now: datetime
    ) -> ApiKey:
        (key,) = await self._ask(
            list[ApiKey],
            "api_key_create",
            by,
            user_id=by.user_id,
            key_id=key_id,
            name=new.name,
            key_hash=key_hash,
            last_four=last_four,
            scopes=new.scopes,
            project=new.project,
            now=now,
            expires_at=new.expires_at,
        )
        return key

    async def api_key_rename(self, by: Identity, key_id: UUID, name: str, now: datetime) -> ApiKey:
        (key,) = await self._ask(list[ApiKey], "api_key_rename", by, key_id=key_id, name=name, now=now)
        return key

    @function
    async def api_key_revoke(self, by: Identity, key_id: UUID, now: datetime) -> None: ...

    @function
    async def provider_key_list(self, workspace_id: UUID) -> list[ProviderKey]: ...

    async def provider_key_create(self, by: Identity, key: ProviderKey, ciphertext: str) -> None:
        await self._do(
            "provider_key_create",
            by,
            user_id=by.user_id,
            key_id=key.id,
            provider=key.provider,
            name=key.name,
            ciphertext=ciphertext,
            last_four=key.last_four,
            now=key.created_at,
        )

    @function
    async def provider_key_delete(self, by: Identity, key_id: UUID, now: datetime) -> None: ...

    @function
    async def provider_key_ciphertexts(self, workspace_id: UUID) -> list[SealedKey]: ...

    @function
    async def provider_key_reencrypt(self, workspace_id: UUID, key_id: UUID, before: str, after: str) -> bool:
        """Replaces a ciphertext; false if it is no longer `before`."""
