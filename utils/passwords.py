"""Passwords: bcrypt over SHA-256 (bcrypt alone ignores what stands behind 72 bytes), computed off the event loop."""

import asyncio

from passlib.hash import bcrypt_sha256

hasher = bcrypt_sha256.using(rounds=12)  # type: ignore[no-untyped-call]

# What a login is checked against when there is no such account, so that both answers take the same time: the hash of a
# password that nobody kept.
_NOBODY = "$bcrypt-sha256$v=2,t=2b,r=12$ZG/i398qNVUABQ6qeRvvP.$0FG.qRkmJqnjcJq70FihoaQ43tz3iNm"


async def hash_password(password: str) -> str:
    """A salted hash to keep."""
    return await asyncio.to_thread(hasher.hash, password)


async def verify_password(password: str, password_hash: str | None) -> bool:
    """Whether the password belongs to the hash; without a hash false, in the time a check takes."""
    matches = await asyncio.to_thread(hasher.verify, password, password_hash or _NOBODY)
    return matches and password_hash is not None
