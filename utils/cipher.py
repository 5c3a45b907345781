"""Encryption of secrets at rest: AES-256-GCM with key rotation, bound to the place of each secret."""

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
    """No configured key decrypts this, or it was moved or changed."""


class Cipher:
    """Encrypts with the first key, and decrypts with any key.

    A ciphertext is base64 of a version byte, the key's fingerprint (4 bytes), a nonce (12 bytes) and the sealed text.
    `place`, such as a table row, is authenticated too, so a ciphertext moved to another place does not decrypt.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("a cipher requires a key")
        derived = [_derive(key) for key in keys]
        self._current = _fingerprint(derived[0])
        # If two keys have the same fingerprint, the first wins.
        self._keys = {_fingerprint(key): AESGCM(key) for key in reversed(derived)}

    def encrypt(self, text: str, place: str) -> str:
        """Encrypts a text for a place."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._keys[self._current].encrypt(nonce, text.encode(), place.encode())
        return base64.b64encode(_VERSION + self._current + nonce + sealed).decode()

    def decrypt(self, ciphertext: str, place: str) -> str:
        """Decrypts a ciphertext stored at a place. Raises CannotDecrypt."""
        sealed = base64.b64decode(ciphertext)
        fingerprint, sealed = sealed[1 : 1 + _FINGERPRINT_BYTES], sealed[1 + _FINGERPRINT_BYTES :]
        key = self._keys.get(fingerprint)
        if key is None:
            raise CannotDecrypt("A secret is encrypted with a key that is not in ENCRYPTION_KEY")
        try:
            return key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place.encode()).decode()
        except InvalidTag:
            raise CannotDecrypt("A secret was modified, or copied from another place") from None

    def is_current(self, ciphertext: str) -> bool:
        """Whether a ciphertext was made with the first key."""
        return base64.b64decode(ciphertext)[1 : 1 + _FINGERPRINT_BYTES] == self._current


def _derive(secret: str) -> bytes:
    """A key of 256 bits from a secret of any length (HKDF, RFC 5869)."""
    return HKDF(SHA256(), 32, salt=None, info=b"llmlab secrets at rest").derive(secret.encode())


def _fingerprint(key: bytes) -> bytes:
    """Identifies a key without revealing it."""
    digest = Hash(SHA256())
    digest.update(b"fingerprint" + key)
    return digest.finalize()[:_FINGERPRINT_BYTES]
