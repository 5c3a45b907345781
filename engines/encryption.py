"""Moving stored secrets to the newest encryption key."""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from schemas.keys import SealedKey
from utils.cipher import Cipher


async def reencrypt(
    cipher: Cipher,
    workspace_id: UUID,
    sealed: Sequence[SealedKey],
    place: Callable[[UUID, UUID], str],
    store: Callable[[UUID, UUID, str, str], Awaitable[bool]],
) -> int:
    """Encrypts secrets under an older key again under the newest one; returns how many were stored.

    `place(workspace_id, id)` is the place that a secret is bound to; `store(workspace_id, id, old, new)` replaces its
    ciphertext. Raises CannotDecrypt when one was encrypted under a key that is not set any more.
    """
    changed = 0
    for secret in sealed:
        if not cipher.is_current(secret.ciphertext):
            at = place(workspace_id, secret.id)
            fresh = cipher.encrypt(cipher.decrypt(secret.ciphertext, at), at)
            changed += await store(workspace_id, secret.id, secret.ciphertext, fresh)
    return changed
