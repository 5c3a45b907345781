"""Keys: those applications call with, and the team's own at its providers."""

from collections.abc import Callable
from uuid import UUID

from database import Database
from schemas.identities import Identity
from schemas.keys import ApiKey, ApiKeyIn, ApiKeys, NewApiKey, ProviderKey, ProviderKeyIn, ProviderKeys
from utils.cipher import Cipher
from utils.errors import Invalid
from utils.ids import uuid7
from utils.keys import API_KEY_PREFIX, key_hash, new_key
from utils.time import now


class KeyEngine:
    """Hands out API keys and keeps provider keys. `rights_changed` is called whenever a key ends."""

    def __init__(self, database: Database, cipher: Cipher, rights_changed: Callable[[], None]) -> None:
        self._database = database
        self._cipher = cipher
        self._rights_changed = rights_changed

    async def api_keys(self, identity: Identity) -> ApiKeys:
        """The keys that were not revoked."""
        return ApiKeys(keys=await self._database.api_key_list(identity.workspace_id))

    async def create_api_key(self, identity: Identity, new: ApiKeyIn) -> NewApiKey:
        """A new key, shown this once. Raises NotFound for a project that is not there."""
        at = now()
        if new.expires_at is not None and new.expires_at <= at:
            raise Invalid("expires_at lies in the past", loc=("body", "expires_at"))
        key = new_key(API_KEY_PREFIX)
        made = await self._database.api_key_create(identity, uuid7(at), new, key_hash(key), key[-4:], at)
        return NewApiKey(**made.model_dump(), key=key)

    async def rename_api_key(self, identity: Identity, key_id: UUID, name: str) -> ApiKey:
        """Gives a key another name. Raises NotFound."""
        return await self._database.api_key_rename(identity, key_id, name, now())

    async def revoke_api_key(self, identity: Identity, key_id: UUID) -> None:
        """Ends a key for good, on every worker within a second. Raises NotFound."""
        await self._database.api_key_revoke(identity, key_id, now())
        self._rights_changed()

    async def provider_keys(self, identity: Identity) -> ProviderKeys:
        """The provider keys, without their secrets."""
        return ProviderKeys(keys=await self._database.provider_key_list(identity.workspace_id))

    async def create_provider_key(self, identity: Identity, new: ProviderKeyIn) -> ProviderKey:
        """Keeps a provider's key, encrypted. Raises Conflict when the provider has one of that name."""
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
        sealed = self._cipher.encrypt(secret, _place(identity.workspace_id, key.id))
        await self._database.provider_key_create(identity, key, sealed)
        return key

    async def delete_provider_key(self, identity: Identity, key_id: UUID) -> None:
        """Forgets a provider's key. Raises NotFound."""
        await self._database.provider_key_delete(identity, key_id, now())

    async def reencrypt(self, workspace_id: UUID) -> int:
        """Encrypts what is under an older key under the newest one; returns how many secrets that were.

        Raises CannotDecrypt when one was encrypted under a key that is not set any more.
        """
        changed = 0
        for key in await self._database.provider_key_ciphertexts(workspace_id):
            if not self._cipher.is_current(key.ciphertext):
                place = _place(workspace_id, key.id)
                fresh = self._cipher.encrypt(self._cipher.decrypt(key.ciphertext, place), place)
                changed += await self._database.provider_key_reencrypt(workspace_id, key.id, key.ciphertext, fresh)
        return changed


def _place(workspace_id: UUID, key_id: UUID) -> str:
    return f"provider_keys/{workspace_id}/{key_id}"
