"""The key engine: API keys for applications, and the team's own keys at its providers."""

from uuid import UUID

from database import Database
from engines.access import Access
from engines.encryption import provider_key_place
from schemas.identities import Identity
from schemas.keys import ApiKey, ApiKeyIn, ApiKeys, NewApiKey, ProviderKey, ProviderKeyIn, ProviderKeys
from utils.cipher import Cipher
from utils.errors import Invalid
from utils.ids import uuid7
from utils.keys import API_KEY_PREFIX, key_hash, new_key
from utils.time import now


class KeyEngine:
    """Issues API keys and stores provider keys. Tells `access` when an API key is revoked."""

    def __init__(self, database: Database, cipher: Cipher, access: Access) -> None:
        self._database = database
        self._cipher = cipher
        self._access = access

    async def api_keys(self, identity: Identity) -> ApiKeys:
        """The keys that were not revoked."""
        return ApiKeys(keys=await self._database.api_key_list(identity.workspace_id, None, now()))

    async def create_api_key(self, identity: Identity, new: ApiKeyIn) -> NewApiKey:
        """A new key, shown only now. Raises NotFound for a project that does not exist."""
        at = now()
        if new.expires_at is not None and new.expires_at <= at:
            raise Invalid("expires_at must be in the future", loc=("body", "expires_at"))
        key = new_key(API_KEY_PREFIX)
        made = await self._database.api_key_create(identity, uuid7(at), new, key_hash(key), key[-4:], at)
        return NewApiKey(**made.model_dump(), key=key)

    async def rename_api_key(self, identity: Identity, key_id: UUID, name: str) -> ApiKey:
        """Renames a key. Raises NotFound."""
        return await self._database.api_key_rename(identity, key_id, name, now())

    async def revoke_api_key(self, identity: Identity, key_id: UUID) -> None:
        """Revokes a key permanently, on every worker within a second. Raises NotFound."""
        await self._database.api_key_revoke(identity, key_id, now())
        self._access.changed()

    async def provider_keys(self, identity: Identity) -> ProviderKeys:
        """The provider keys, without their secrets."""
        return ProviderKeys(keys=await self._database.provider_key_list(identity.workspace_id))

    async def create_provider_key(self, identity: Identity, new: ProviderKeyIn) -> ProviderKey:
        """Stores a provider's key, encrypted. Raises Conflict when the provider has one of that name."""
        at = now()
        secret = new.key.get_secret_value()
        key = ProviderKey(
            id=uuid7(at),
            provider=new.provider,
            name=new.name,
            last_four=secret[-4:],
            created_by=identity.user_id,
            created_at=at,
        )
        sealed = self._cipher.encrypt(secret, provider_key_place(identity.workspace_id, key.id))
        await self._database.provider_key_create(identity, key, sealed)
        return key

    async def delete_provider_key(self, identity: Identity, key_id: UUID) -> None:
        """Deletes a provider's key. Raises NotFound."""
        await self._database.provider_key_delete(identity, key_id, now())
