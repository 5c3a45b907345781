"""Random keys that are shown once and stored only as a hash."""

import hashlib
import secrets

API_KEY_PREFIX = "llmlab_sk_"
INVITATION_PREFIX = "llmlab_inv_"
WEBHOOK_SECRET_PREFIX = "llmlab_whsec_"  # noqa: S105


def new_key(prefix: str) -> str:
    """A new key: the prefix and 256 random bits."""
    return prefix + secrets.token_urlsafe(32)


def key_hash(key: str) -> str:
    """SHA-256 in hex. A slow hash is not needed, because 256 random bits cannot be guessed."""
    return hashlib.sha256(key.encode()).hexdigest()
