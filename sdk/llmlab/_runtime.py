"""The state of the process: the settings and the objects that use them."""

import atexit
import os
import threading
from typing import Any

from llmlab._cache import ResponseCache
from llmlab._errors import ConfigurationError
from llmlab._guard import Guard
from llmlab._http import Http
from llmlab._logs import log, warn
from llmlab._outbox import Outbox
from llmlab._settings import Settings


class Runtime:
    """The objects for one set of settings."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.http = Http(settings)
        self.cache = ResponseCache(settings.cache_bytes, settings.cache_seconds)
        self.outbox = Outbox(settings, self.http)
        self.guard = Guard(settings, self.http, self.outbox.catch_up, self.outbox.nudge)
        self.outbox.also_run(self.guard.idle, self.guard.due, self.close)

    @property
    def caching(self) -> bool:
        """Whether the workspace's policy enables the response cache."""
        policy = self.guard.policy
        return policy is not None and policy.enable_caching

    def check_policy(self, model: str | None, input_tokens: int | None, max_output_tokens: int | None) -> None:
        """Raises ModelDisabled or TokenLimitExceeded if the policy is known and forbids the call."""
        policy = self.guard.policy
        if policy is None:
            self.outbox.start()
        else:
            policy.check(model, (input_tokens or 0) + (max_output_tokens or 0))

    def close(self) -> None:
        """Sends the remaining events, or writes them to disk."""
        self.outbox.close(self.settings.exit_timeout)
        self.guard.close(self.settings.exit_timeout)
        self.http.close()

    def after_fork(self) -> None:
        """Resets the state of a forked child. Events, threads and connections stay with the parent."""
        self.http.after_fork()
        self.guard.after_fork()
        self.cache.after_fork()
        self.outbox.after_fork()


_lock = threading.Lock()
_first = threading.Lock()
_runtime: Runtime | None = None
_configured = False


def current() -> Runtime | None:
    """The runtime, configured from the environment on first use. None, with one warning, if there is no API key."""
    return _runtime if _configured else _from_environment()


def configure(**given: Any) -> None:
    """Replaces the runtime. Raises ConfigurationError."""
    global _runtime, _configured
    settings = Settings.of(**given)
    if settings.api_key is None and settings.enforce_budget:
        raise ConfigurationError("enforce_budget needs an api_key")
    new = None if settings.api_key is None else Runtime(settings)
    if new is None:
        _warn_without_key()
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
                log.warning("Calls are not recorded: %s", error)
    return _runtime


def _warn_without_key() -> None:
    log.warning("Calls are not recorded: set LLMLAB_API_KEY or call llmlab.configure(api_key=...)")


def shutdown() -> None:
    """Sends the remaining events and discards the settings."""
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
        warn("exit", "Could not send the remaining events", traceback=True)


def _after_fork() -> None:
    global _first, _lock
    _first, _lock = threading.Lock(), threading.Lock()
    if _runtime is not None:
        _runtime.after_fork()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
