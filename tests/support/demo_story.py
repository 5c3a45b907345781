"""The calls of the demo."""

from datetime import UTC, datetime
from functools import cache
from random import Random
from typing import Any

from demo.story import make_story

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


@cache
def demo_events() -> list[dict[str, Any]]:
    """The ninety days up to `NOW`, made once for a process. Do not change them."""
    return make_story(NOW, Random(1)).events
