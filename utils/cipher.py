"""Secrets at rest: AES-256-GCM, bound to where each is kept, under keys that can be exchanged."""

import base64
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_VERSION = b"\x01"
_FINGERPRINT_BYTES = 4
_NONCE_BYTES = 12


class CannotDecrypt(Exception):
    """No key that is set opens this, or it was kept elsewhere or changed."""


class Cipher:
    """Encrypts with the first of its keys, decrypts with any.

    A ciphertext is base64 of a version byte, 4 bytes that tell which key, a nonce of 12 bytes, and the sealed text.
    `place` (a row of a table, say) is authenticated with it: what is moved elsewhere does not open.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("a cipher needs a key")
        derived = [_derive(key) for key in keys]
        self._current = _fingerprint(derived[0])
        # The first key wins should two ever share a fingerprint.
        self._keys = {_fingerprint(key): AESGCM(key) for key in reversed(derived)}

    def encrypt(self, text: str, place: str) -> str:
        """The ciphertext of a text."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._keys[self._current].encrypt(nonce, text.encode(), place.encode())
        return base64.b64encode(_VERSION + self._current + nonce + sealed).decode()

    def decrypt(self, ciphertext: str, place: str) -> str:
        """The text of a ciphertext kept at that place. Raises CannotDecrypt."""
        sealed = base64.b64decode(ciphertext)
        fingerprint, sealed = sealed[1 : 1 + _FINGERPRINT_BYTES], sealed[1 + _FINGERPRINT_BYTES :]
        key = self._keys.get(fingerprint)
        if key is None:
            raise CannotDecrypt("This was encrypted with a key that is not among those of ENCRYPTION_KEY")
        try:
            return key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place.encode()).decode()
        except InvalidTag:
            raise CannotDecrypt("This was changed, or was kept elsewhere when it was encrypted") from None

    def is_current(self, ciphertext: str) -> bool:
        """Whether a ciphertext was made with the first key."""
        return base64.b64decode(ciphertext)[1 : 1 + _FINGERPRINT_BYTES] == self._current


def _derive(secret: str) -> bytes:
    """A key of 256 bits from a secret of any length (HKDF, RFC 5869)."""
    return HKDF(SHA256(), 32, salt=None, info=b"llmlab secrets at rest").derive(secret.encode())


def _fingerprint(key: bytes) -> bytes:
    """What tells one key from another and says nothing about it."""
    digest = Hash(SHA256())
    digest.update(b"fingerprint" + key)
    return digest.finalize()[:_FINGERPRINT_BYTES]
