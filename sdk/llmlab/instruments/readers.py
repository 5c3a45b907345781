"""What a vendor's answer says of a call. A stream is read event by event, any other answer at once."""

from collections.abc import Mapping
from typing import Any

from llmlab._estimates import bytes_of
from llmlab._usage import counts, most


class Reader:
    """Reads one call. `usage` is in the vendor's own words; `text` is how many bytes of text were answered so far."""

    def __init__(self) -> None:
        self.model: str | None = None
        self.call_id: str | None = None
        self.usage: dict[str, Any] = {}
        self.error: str | None = None
        self.text = 0
        # Whether the vendor has said all that it will charge for.
        self.complete = False

    def read(self, data: Mapping[str, Any]) -> bool:
        """Takes in an answer, or an event of a stream. True for an event that tells the usage and nothing else."""
        raise NotImplementedError

    @property
    def response(self) -> dict[str, Any]:
        """The model and usage as they stand in the vendor's response body."""
        return {"model": self.model, "usage": self.usage}

    @property
    def counts(self) -> dict[str, int]:
        """What is known of the usage in LLMLab's names; empty when nothing is."""
        return counts(self.response) if self.usage else {}

    def _identify(self, data: Mapping[str, Any]) -> None:
        self.call_id = data.get("id") or self.call_id
        self.model = data.get("model") or self.model

    def _count(self, usage: Any) -> None:
        """Takes in a report of the usage. The counts of a stream are cumulative, so the larger one holds."""
        if isinstance(usage, Mapping):
            self.usage = most(self.usage, dict(usage))

    def _wrote(self, *texts: Any) -> None:
        self.text += sum(bytes_of(text) for text in texts if isinstance(text, str))


def plain(value: Any) -> dict[str, Any]:
    """A part of a client's answer as the dictionary it came from; empty for None."""
    if value is None or isinstance(value, dict):
        return value or {}
    dumped: dict[str, Any] = value.model_dump(by_alias=True, exclude_none=True, mode="json", warnings=False)
    return dumped
