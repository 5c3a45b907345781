"""Converts rows to events. Fields from --map and --set override those of the preset."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

from llmlab._bounds import bounded
from llmlab._ids import is_unique
from llmlab_cli.imports.presets import FIELDS, PRESETS, Fields
from llmlab_cli.imports.values import InvalidValue, count, lookup, moment, number, usd

Event = dict[str, Any]
_COUNTS = tuple(name for name in FIELDS if name.endswith("_tokens"))
_MAX_ID_LENGTH = 128
_DAY_MS = 86_400_000
# Model name prefixes by provider, used only where a file does not name the provider.
VENDORS = (
    ("gpt-", "openai"),
    ("chatgpt-", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("text-embedding-", "openai"),
    ("claude", "anthropic"),
    ("gemini", "google"),
    ("mistral", "mistral"),
    ("ministral", "mistral"),
    ("codestral", "mistral"),
    ("magistral", "mistral"),
    ("devstral", "mistral"),
    ("command", "cohere"),
    ("grok", "x-ai"),
    ("deepseek", "deepseek"),
)
_FAILED = frozenset({"error", "failure", "failed"})


def is_field(name: str) -> bool:
    """Whether an event has a field of that name."""
    kind, dot, key = name.partition(".")
    return name in FIELDS or (bool(dot and key) and kind in ("tag", "metadata"))


@dataclass(frozen=True)
class Reader:
    """Converts rows to events. `maps` are columns by field, `sets` are fixed values by field."""

    preset: str = "plain"
    maps: Mapping[str, str] = field(default_factory=dict)
    sets: Mapping[str, str] = field(default_factory=dict)
    trust_costs: bool = False
    input_without_cache: bool = False

    def events(self, row: Mapping[str, Any], digest: str, repeat: int) -> Iterator[Event]:
        """The events of a row. Raises InvalidValue.

        `digest` is the digest of the row, and `repeat` the number of equal rows before it. They identify an event that
        has no id, independent of its file and position.
        """
        mapped = {name: lookup(row, column) for name, column in self.maps.items()}
        for found in PRESETS[self.preset].read(row, datetime.now(timezone.utc)):
            yield self._event({**found, **mapped, **self.sets}, digest, repeat)

    def _event(self, fields: Fields, digest: str, repeat: int) -> Event:
        model = str(fields.get("model") or "")
        if not model:
            raise InvalidValue("the model is missing")
        provider = str(fields.get("provider") or "").strip().lower() or vendor_of(model)
        status = _status(fields.get("status"))
        event: Event = {"provider": provider, "model": model, "status": status}
        event.update(self._counts(fields, status))
        at = _read("timestamp", moment, fields.get("timestamp"))
        if at is None:
            raise InvalidValue("the timestamp is missing; name its column with --map timestamp=COLUMN")
        event["timestamp"] = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        latency = _read("latency_ms", number, fields.get("latency_ms"))
        if latency is not None and 0 <= latency <= _DAY_MS:
            event["latency_ms"] = float(latency)
        for name in ("project", "error_message"):
            if fields.get(name) is not None:
                event[name] = str(fields[name])
        for kind in ("tag", "metadata"):
            if parts := _parts(fields, kind):
                event["tags" if kind == "tag" else kind] = parts
        event.update(self._cost(fields))
        event |= _identity(fields, digest, repeat)
        return bounded(event)

    def _counts(self, fields: Fields, status: str) -> dict[str, int]:
        counts = {name: _read(name, count, fields.get(name)) for name in _COUNTS}
        known = {name: value for name, value in counts.items() if value is not None}
        if status == "success" and not {"input_tokens", "output_tokens"} & known.keys():
            # Without counts the call would be priced at 0.
            raise InvalidValue("token counts are missing; name their columns with --map, as in input_tokens=COLUMN")
        cached = sum(known.get(f"cache_{way}_tokens", 0) for way in ("read", "write", "write_1h"))
        known["input_tokens"] = known.get("input_tokens", 0) + (cached if self.input_without_cache else 0)
        known.setdefault("output_tokens", 0)
        return {name: value for name, value in known.items() if value or name in ("input_tokens", "output_tokens")}

    def _cost(self, fields: Fields) -> dict[str, str]:
        """The cost in the file, as `fallback_cost`, or as `cost` if it overrides LLMLab's price.

        Many programs write 0 where they have no price, so 0 is ignored unless costs are trusted.
        """
        cost = Decimal(0) if fields.get("free") else _read("cost", usd, fields.get("cost"))
        if cost is None or (cost == 0 and not (self.trust_costs or fields.get("free"))):
            return {}
        trusted = self.trust_costs or bool(fields.get("trusted") or fields.get("free"))
        return {"cost" if trusted else "fallback_cost": f"{cost:f}"}


def vendor_of(model: str) -> str:
    """The provider of a model, from its name; `unknown` if the name does not show it."""
    name = model.lower()
    before, slash, _ = name.partition("/")
    if slash and before:
        return before
    return next((vendor for begin, vendor in VENDORS if name.startswith(begin)), "unknown")


def digest_of(row: Mapping[str, Any]) -> str:
    """A digest of the row, independent of the order of its columns."""
    return hashlib.sha256(json.dumps(row, sort_keys=True, default=str).encode()).hexdigest()


def _read(name: str, how: Callable[[Any], Any], value: Any) -> Any:
    try:
        return how(value)
    except InvalidValue as wrong:
        raise InvalidValue(f"{name}: {wrong}") from None


def _status(value: Any) -> str:
    text = str(value or "success").strip().lower()
    if "timeout" in text:
        return "timeout"
    if text in ("success", "ok", "succeeded") or (text.isdigit() and 200 <= int(text) < 300):
        return "success"
    if text in _FAILED or text.isdigit():
        return "error"
    raise InvalidValue(f"status: {text[:40]!r} is not success, error or timeout")


def _parts(fields: Fields, kind: str) -> dict[str, Any]:
    """The tags or the metadata among the fields. Tag values are strings."""
    found = {
        name.partition(".")[2]: value
        for name, value in fields.items()
        if name.startswith(f"{kind}.") and value is not None and value != ""
    }
    if kind == "tag":
        return {key: str(value) for key, value in found.items()}
    return {key: str(value) if isinstance(value, Decimal) else value for key, value in found.items()}


def _identity(fields: Fields, digest: str, repeat: int) -> dict[str, str]:
    """The id of an event, which stays the same when a call is imported again, also from another file."""
    if line := fields.get("line"):
        return {"id": f"line:{hashlib.sha256(str(line).encode()).hexdigest()}"}
    own = fields.get("id")
    if own is None:
        return {"id": f"row:{digest}" + (f":{repeat}" if repeat else "")}
    own = str(own)
    if fields.get("is_response_id") and is_unique(own):
        return {"response_id": own}
    return {"id": own if len(own) <= _MAX_ID_LENGTH else f"id:{hashlib.sha256(own.encode()).hexdigest()}"}
