"""Password hashes: bcrypt over SHA-256 (bcrypt alone ignores bytes after the 72nd), computed in a thread."""

import asyncio

from passlib.hash import bcrypt_sha256

hasher = bcrypt_sha256.using(rounds=12)  # type: ignore[no-untyped-call]

# The hash of a discarded password. A login without an account is checked against it, to take the same time.
_UNKNOWN_ACCOUNT = "$bcrypt-sha256$v=2,t=2b,r=12$ZG/i398qNVUABQ6qeRvvP.$0FG.qRkmJqnjcJq70FihoaQ43tz3iNm"


async def hash_password(password: str) -> str:
    """A salted hash of the password."""
    return await asyncio.to_thread(hasher.hash, password)


async def verify_password(password: str, password_hash: str | None) -> bool:
    """Whether the password matches the hash. Without a hash returns False, after the same time."""
    matches = await asyncio.to_thread(hasher.verify, password, password_hash or _UNKNOWN_ACCOUNT)
    return matches and password_hash is not None
