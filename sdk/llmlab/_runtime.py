"""What a process has one of: its settings, and what works by them."""

import atexit
import os
import threading
from typing import Any

from llmlab._cache import ResponseCache
from llmlab._errors import ConfigurationError
from llmlab._guard import Guard
from llmlab._http import Http
from llmlab._logs import complain, log
from llmlab._outbox import Outbox
from llmlab._settings import Settings


class Runtime:
    """The settings at work."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.http = Http(settings)
        self.guard = Guard(settings, self.http)
        self.cache = ResponseCache(settings.cache_bytes, settings.cache_seconds)
        self.outbox = Outbox(settings, self.http, self.guard.refresh)

    @property
    def caching(self) -> bool:
        """Whether the workspace lets calls be answered from a cache."""
        policy = self.guard.policy
        return policy is not None and policy.enable_caching

    def obey(self, model: str | None, input_tokens: int | None, max_output_tokens: int | None) -> None:
        """Raises ModelDisabled or TokenLimitExceeded by the policy, as far as it is known by now."""
        policy = self.guard.policy
        if policy is None:
            self.outbox.start()
        else:
            policy.obey(model, (input_tokens or 0) + (max_output_tokens or 0))

    def close(self) -> None:
        """Sends what is left, or keeps it on disk."""
        self.outbox.close(self.settings.exit_timeout)
        self.guard.close()
        self.http.close()

    def after_fork(self) -> None:
        """Makes the child's own: the parent keeps its events, its threads and its connections."""
        self.http.after_fork()
        self.guard.after_fork()
        self.cache.after_fork()
        self.outbox.after_fork()


_lock = threading.Lock()
_first = threading.Lock()
_runtime: Runtime | None = None
_configured = False


def current() -> Runtime | None:
    """What is at work; None, with one warning, if there is no API key."""
    return _runtime if _configured else _from_environment()


def configure(**given: Any) -> None:
    """Puts settings to work. Raises ConfigurationError."""
    global _runtime, _configured
    settings = Settings.of(**given)
    if settings.api_key is None and settings.enforce_budget:
        raise ConfigurationError("enforce_budget needs an api_key")
    new = None if settings.api_key is None else Runtime(settings)
    if new is None:
        _warn()
    with _lock:
        old, _runtime, _configured = _runtime, new, True
    if old is not None:
        old.close()


def _from_environment() -> Runtime | None:
    global _configured
    with _first:
        if not _configured:
            try:
                configure()
            except ConfigurationError as error:
                if os.environ.get("LLMLAB_ON_UNREACHABLE", "").strip() == "refuse":
                    raise
                _configured = True
                log.warning("LLMLab is not used: %s", error)
    return _runtime


def _warn() -> None:
    log.warning("LLMLab is not used: set LLMLAB_API_KEY or call llmlab.configure(api_key=...)")


def shut() -> None:
    """Sends what is left and forgets the settings."""
    global _runtime, _configured
    with _lock:
        old, _runtime, _configured = _runtime, None, False
    if old is not None:
        old.close()


def _at_exit() -> None:
    try:
        if _runtime is not None:
            _runtime.close()
    except Exception:
        complain("exit", "What was left could not be sent", fault=True)


def _after_fork() -> None:
    global _first, _lock
    _first, _lock = threading.Lock(), threading.Lock()
    if _runtime is not None:
        _runtime.after_fork()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
