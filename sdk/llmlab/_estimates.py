"""How many tokens a text may have: one for three bytes of it, where the vendor has not said, or not yet.

That is a third more than English text has, and about what is true of scripts whose letters take two or three bytes:
an estimate that holds money for a call should rather be too high.
"""

from collections.abc import Mapping
from typing import Any

_BYTES_PER_TOKEN = 3
# Names of roles and kinds, and what is in place of text: pictures, sound, files.
_NOT_TEXT = frozenset(
    {
        "data",
        "file_data",
        "file_id",
        "id",
        "image",
        "image_url",
        "images",
        "inline_data",
        "role",
        "source",
        "type",
        "url",
    }
)
_DEEPEST = 32


def estimate_tokens(prompt: Any) -> int:
    """How many tokens a prompt may have, however it is written. A whole number in it stands for a token."""
    return tokens_of_bytes(_bytes(prompt))


def tokens_of_bytes(size: int) -> int:
    """So many bytes of text in tokens, rounded up."""
    return -(-size // _BYTES_PER_TOKEN)


def bytes_of(text: str) -> int:
    """How many bytes a text has in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def _bytes(value: Any, depth: int = 0) -> int:
    if isinstance(value, str):
        return bytes_of(value)
    if isinstance(value, bytes) or value is None or isinstance(value, bool) or depth > _DEEPEST:
        return 0
    if isinstance(value, int):
        return _BYTES_PER_TOKEN
    if isinstance(value, Mapping):
        return sum(_bytes(part, depth + 1) for name, part in value.items() if name not in _NOT_TEXT)
    if isinstance(value, list | tuple):
        return sum(_bytes(part, depth + 1) for part in value)
    if hasattr(type(value), "model_fields"):
        return _bytes(vars(value), depth + 1)
    return 0
