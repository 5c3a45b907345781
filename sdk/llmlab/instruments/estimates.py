"""What a prompt is about: four characters are taken for a token. Used where the vendor has not said, or not yet."""

from collections.abc import Mapping
from typing import Any

CHARACTERS_PER_TOKEN = 4
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


def tokens(characters: int) -> int:
    """So many characters in tokens, rounded up."""
    return -(-characters // CHARACTERS_PER_TOKEN)


def characters(value: Any, depth: int = 0) -> int:
    """How much text there is in a prompt, however it is written. A number stands for a token."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, bytes) or value is None or isinstance(value, bool) or depth > _DEEPEST:
        return 0
    if isinstance(value, int):
        return CHARACTERS_PER_TOKEN
    if isinstance(value, Mapping):
        return sum(characters(part, depth + 1) for name, part in value.items() if name not in _NOT_TEXT)
    if isinstance(value, list | tuple):
        return sum(characters(part, depth + 1) for part in value)
    if hasattr(type(value), "model_fields"):
        return characters(vars(value), depth + 1)
    return 0
