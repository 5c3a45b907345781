"""Settings from environment variables, the configuration file, or defaults, in this order."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from llmlab_cli.errors import Failure

DEFAULT_URL = "http://127.0.0.1:8000"


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise Failure(f"url must be an http or https URL, not {text!r}.")
    if parts.username or parts.password:
        raise Failure("url must not contain a user name or password. Set api_key instead.")
    return text.rstrip("/")


def _api_key(text: str) -> str:
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise Failure("api_key must consist of printable ASCII characters without spaces.")
    return text


def _tz(text: str) -> str:
    if not text or len(text) > 64:
        raise Failure("tz must be a time zone name, such as Europe/Berlin.")
    return text


# Each setting with its environment variable and its check.
SETTINGS: dict[str, tuple[str, Callable[[str], str]]] = {
    "url": ("LLMLAB_URL", _url),
    "api_key": ("LLMLAB_API_KEY", _api_key),
    "tz": ("LLMLAB_TZ", _tz),
}
SECRETS = frozenset({"api_key"})


@dataclass(frozen=True)
class Settings:
    """The settings. `origin` maps each setting that is set to its source, `environment` or `file`."""

    url: str = DEFAULT_URL
    api_key: str | None = field(default=None, repr=False)
    tz: str | None = None
    origin: dict[str, str] = field(default_factory=dict)


def config_file() -> Path:
    """The path of the configuration file: under XDG_CONFIG_HOME if that is set, or in ~/.llmlab."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    # The XDG specification says to ignore relative paths.
    return (Path(base) / "llmlab" if Path(base).is_absolute() else _home() / ".llmlab") / "config.json"


def state_folder() -> Path:
    """The folder for checkpoints of imports."""
    base = os.environ.get("XDG_STATE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else _home() / ".local" / "state") / "llmlab" / "imports"


def stored() -> dict[str, str]:
    """The contents of the configuration file. Raises Failure if it cannot be read."""
    path = config_file()
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        raise Failure(f"Cannot read {path}. To delete it, run llmlab config --reset.") from None
    if not isinstance(found, dict):
        raise Failure(f"Cannot read {path}. To delete it, run llmlab config --reset.")
    return {name: value for name, value in found.items() if name in SETTINGS and isinstance(value, str)}


def store(values: dict[str, str]) -> None:
    """Replaces the configuration file, with mode 0600."""
    write_private(config_file(), values)


def load() -> Settings:
    """The effective settings. Raises Failure if one is not valid."""
    file, values, origin = stored(), {}, {}
    for name, (variable, checked) in SETTINGS.items():
        if text := os.environ.get(variable, "").strip():
            values[name], origin[name] = checked(text), "environment"
        elif name in file:
            values[name], origin[name] = checked(file[name]), "file"
    return Settings(**values, origin=origin)


def masked(name: str, value: str) -> str:
    """The value for display. A secret keeps its first 10 and last 4 characters."""
    if name not in SECRETS:
        return value
    return f"{value[:10]}...{value[-4:]}" if len(value) >= 24 else "..."


def write_private(path: Path, value: Any) -> None:
    """Writes JSON atomically to a file of mode 0600 in a folder of mode 0700. Raises Failure."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        part = path.with_name(f"{path.name}.{os.getpid()}")
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(value, file, indent=2)
            file.write("\n")
        part.replace(path)
    except OSError as error:
        raise Failure(f"Cannot write {path}: {error.strerror}.") from None


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:
        raise Failure("There is no home folder. Set XDG_CONFIG_HOME and XDG_STATE_HOME.") from None
