"""The encryption of stored secrets: where each belongs, and moving them to the newest key."""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from database import Database
from schemas.keys import SealedKey
from utils.cipher import Cipher


def provider_key_place(workspace_id: UUID, key_id: UUID) -> str:
    """The place that the ciphertext of a provider key is bound to."""
    return f"provider_keys/{workspace_id}/{key_id}"


def channel_place(workspace_id: UUID, channel_id: UUID) -> str:
    """The place that the ciphertext of an alert channel is bound to."""
    return f"alert_channels/{workspace_id}/{channel_id}"


class EncryptionEngine:
    """Moves secrets that are encrypted under an older key to the newest one."""

    def __init__(self, database: Database, cipher: Cipher) -> None:
        self._database = database
        self._cipher = cipher

    async def reencrypt(self, workspace_id: UUID) -> int:
        """Moves the provider keys and alert channels of a workspace; returns how many.

        Raises CannotDecrypt when one was encrypted under a key that is not set any more.
        """
        database = self._database
        keys = await database.provider_key_ciphertexts(workspace_id)
        channels = await database.channel_ciphertexts(workspace_id)
        return await self._move(
            workspace_id, keys, provider_key_place, database.provider_key_reencrypt
        ) + await self._move(workspace_id, channels, channel_place, database.channel_reencrypt)

    async def _move(
        self,
        workspace_id: UUID,
        sealed: Sequence[SealedKey],
        place: Callable[[UUID, UUID], str],
        store: Callable[[UUID, UUID, str, str], Awaitable[bool]],
    ) -> int:
        moved = 0
        for secret in sealed:
            if not self._cipher.is_current(secret.ciphertext):
                at = place(workspace_id, secret.id)
                fresh = self._cipher.encrypt(self._cipher.decrypt(secret.ciphertext, at), at)
                moved += await store(workspace_id, secret.id, secret.ciphertext, fresh)
        return moved
