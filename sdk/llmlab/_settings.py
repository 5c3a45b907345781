"""Settings from `llmlab.configure`, environment variables, or defaults, in this order."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from llmlab._errors import ConfigurationError

_VARIABLES = {"base_url": "LLMLAB_URL"}


def _spool_dir() -> Path | None:
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    try:
        return Path(state).expanduser() / "llmlab" / "spool"
    except RuntimeError:
        return None


@dataclass(frozen=True)
class Settings:
    """The settings. Environment variables are `LLMLAB_` and the name in capitals, but LLMLAB_URL for base_url."""

    api_key: str | None = field(default=None, repr=False)
    base_url: str = "http://127.0.0.1:8000"
    project: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    enforce_budget: bool = False
    on_unreachable: Literal["allow", "refuse"] = "allow"
    # Timeout in seconds for requests to LLMLab before a call.
    timeout: float = 2.0
    # Seconds to collect events before they are sent.
    flush_interval: float = 2.0
    # Maximum delay of the process exit in seconds.
    exit_timeout: float = 5.0
    queue_size: int = 10_000
    spool_dir: Path | None = field(default_factory=_spool_dir)
    spool_bytes: int = 64 * 2**20
    cache_bytes: int = 64 * 2**20
    cache_seconds: float = 3600.0
    policy_seconds: float = 30.0

    def __post_init__(self) -> None:
        url = urlsplit(self.base_url)
        if url.scheme not in ("http", "https") or not url.netloc:
            raise ConfigurationError(f"base_url must be an http or https URL, not {self.base_url!r}")
        if self.api_key is not None and not (self.api_key.isascii() and self.api_key.isprintable()):
            raise ConfigurationError("api_key must consist of printable ASCII characters")
        if self.on_unreachable not in ("allow", "refuse"):
            raise ConfigurationError(f"on_unreachable must be 'allow' or 'refuse', not {self.on_unreachable!r}")
        if len(self.tags) > 8:
            raise ConfigurationError("tags must have at most 8 entries")
        for name in ("timeout", "flush_interval", "exit_timeout", "queue_size", "policy_seconds"):
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or not value > 0:
                raise ConfigurationError(f"{name} must be a number greater than 0, not {value!r}")

    @classmethod
    def of(cls, **given: Any) -> "Settings":
        """The given settings, with the others from the environment or defaults. Raises ConfigurationError."""
        known = {setting.name: setting for setting in fields(cls)}
        unknown = given.keys() - known.keys()
        if unknown:
            raise ConfigurationError(f"unknown setting: {', '.join(sorted(unknown))}")
        values = dict(given)
        for name in known.keys() - given.keys():
            variable = _VARIABLES.get(name, f"LLMLAB_{name.upper()}")
            text = os.environ.get(variable, "").strip()
            if text:
                values[name] = _read(name, variable, text)
        if "spool_dir" in values and values["spool_dir"] is not None:
            values["spool_dir"] = Path(values["spool_dir"]).expanduser()
        if "base_url" in values:
            values["base_url"] = str(values["base_url"]).rstrip("/")
        return cls(**values)


def _read(name: str, variable: str, text: str) -> Any:
    """Parses a setting from an environment variable."""
    default = cast("Any", Settings.__dataclass_fields__[name]).default
    try:
        if name == "tags":
            pairs = (pair.split("=", 1) for pair in text.split(",") if pair.strip())
            return {key.strip(): value.strip() for key, value in pairs}
        if isinstance(default, bool):
            return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[text.lower()]
        if isinstance(default, (int, float)):
            return type(default)(text)
    except (KeyError, ValueError):
        raise ConfigurationError(f"{variable} has an invalid value: {text!r}") from None
    return text
