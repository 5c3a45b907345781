"""Token estimates for text whose usage the provider has not reported: one token per three bytes.

For English text this is about a third too high. For scripts with letters of two or three bytes it is about right. A
reservation should rather be too high than too low.
"""

from collections.abc import Mapping
from typing import Any

_BYTES_PER_TOKEN = 3
# Keys whose values are not prompt text: roles, types, and references to images, audio and files.
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
_MAX_DEPTH = 32


def estimate_tokens(prompt: Any) -> int:
    """The estimated tokens of a prompt: text, or nested lists, mappings and models. An integer counts as one token."""
    return tokens_of_bytes(_bytes(prompt))


def tokens_of_bytes(size: int) -> int:
    """The estimated tokens of a text with `size` bytes, rounded up."""
    return -(-size // _BYTES_PER_TOKEN)


def bytes_of(text: str) -> int:
    """The length of a text in UTF-8 bytes."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def _bytes(value: Any, depth: int = 0) -> int:
    if isinstance(value, str):
        return bytes_of(value)
    if isinstance(value, bytes) or value is None or isinstance(value, bool) or depth > _MAX_DEPTH:
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
