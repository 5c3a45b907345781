"""Reads model, id and usage from a provider's answer: streams event by event, other answers at once."""

from collections.abc import Mapping
from typing import Any

from llmlab._estimates import bytes_of
from llmlab._usage import counts, merge


class Reader:
    """Reads one call. `usage` has the provider's field names; `text` is the number of bytes of text so far."""

    def __init__(self) -> None:
        self.model: str | None = None
        self.call_id: str | None = None
        self.usage: dict[str, Any] = {}
        self.error: str | None = None
        self.text = 0
        # Whether the provider has reported the complete usage.
        self.complete = False

    def read(self, data: Mapping[str, Any]) -> bool:
        """Reads an answer, or an event of a stream. Returns True for an event that contains only the usage."""
        raise NotImplementedError

    @property
    def response(self) -> dict[str, Any]:
        """The model and usage in the format of the provider's response body."""
        return {"model": self.model, "usage": self.usage}

    @property
    def counts(self) -> dict[str, int]:
        """The usage in LLMLab's names; empty if it is unknown."""
        return counts(self.response) if self.usage else {}

    def _identify(self, data: Mapping[str, Any]) -> None:
        self.call_id = data.get("id") or self.call_id
        self.model = data.get("model") or self.model

    def _count(self, usage: Any) -> None:
        """Adds a report of the usage. Counts of a stream are cumulative, so the largest value is kept."""
        if isinstance(usage, Mapping):
            self.usage = merge(self.usage, dict(usage))

    def _add_text(self, *texts: Any) -> None:
        self.text += sum(bytes_of(text) for text in texts if isinstance(text, str))


def as_dict(value: Any) -> dict[str, Any]:
    """A part of a client's answer as a dictionary with the names in the provider's JSON; empty for None."""
    if value is None or isinstance(value, dict):
        return value or {}
    dumped: dict[str, Any] = value.model_dump(by_alias=True, exclude_none=True, mode="json", warnings=False)
    return dumped
