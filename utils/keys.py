"""Random keys that are handed out once and known by their hash from then on."""

import hashlib
import secrets

API_KEY_PREFIX = "llmlab_sk_"
INVITATION_PREFIX = "llmlab_inv_"
WEBHOOK_SECRET_PREFIX = "llmlab_whsec_"  # noqa: S105


def new_key(prefix: str) -> str:
    """The prefix and 256 random bits."""
    return prefix + secrets.token_urlsafe(32)


def key_hash(key: str) -> str:
    """SHA-256 in hex. Slow hashes are for what people choose; 256 random bits cannot be guessed either way."""
    return hashlib.sha256(key.encode()).hexdigest()
