"""What stands before a call: the workspace's settings, and money held for it."""

import json
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx

from llmlab._bounds import bounded
from llmlab._errors import BudgetExceeded, LLMLabError, ModelDisabled, TokenLimitExceeded, Unreachable
from llmlab._http import Http, detail, retry_after
from llmlab._logs import complain
from llmlab._settings import Settings

# What is held for a call of which nobody said how large it may get.
ASSUMED_INPUT_TOKENS = 4_096
ASSUMED_OUTPUT_TOKENS = 4_096
_THREADS = 16
_LONGEST_PAUSE_SECONDS = 5.0


@dataclass(frozen=True)
class Policy:
    """What of the workspace's settings an application has to obey."""

    disabled_models: tuple[str, ...] = ()
    max_tokens_per_request: int | None = None
    enable_caching: bool = False
    _disabled: dict[str, bool] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> "Policy":
        """The policy as LLMLab tells it."""
        return cls(tuple(answer["disabled_models"]), answer["max_tokens_per_request"], answer["enable_caching"])

    def obey(self, model: str | None, tokens: int) -> None:
        """Raises ModelDisabled or TokenLimitExceeded for a call of at least so many tokens."""
        if self.disabled_models and model is not None:
            disabled = self._disabled.get(model)
            if disabled is None:
                if len(self._disabled) > 1000:
                    self._disabled.clear()
                disabled = self._disabled[model] = any(fits(pattern, model) for pattern in self.disabled_models)
            if disabled:
                raise ModelDisabled(f"The settings of this workspace disable the model {model!r}")
        most = self.max_tokens_per_request
        if most is not None and tokens > most:
            raise TokenLimitExceeded(f"The settings of this workspace allow {most} tokens per request, not {tokens}")


def fits(pattern: str, name: str) -> bool:
    """Whether a name is one of those the pattern stands for: * is anything, capital letters do not matter."""
    first, *rest = pattern.lower().split("*")
    name = name.lower()
    if not rest:
        return name == first
    if not name.startswith(first):
        return False
    *middle, last = rest
    at = len(first)
    for part in middle:
        found = name.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return name.endswith(last) and len(name) - len(last) >= at


class Guard:
    """Knows the policy, and holds money for calls."""

    def __init__(self, settings: Settings, http: Http) -> None:
        self.policy: Policy | None = None
        self.policy_due = 0.0
        self._settings = settings
        self._http = http
        self.after_fork()

    def after_fork(self) -> None:
        """In the child nobody holds a lock any more, and there are no threads."""
        self._asking = threading.Lock()
        self._making_threads = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None
        self._failures = 0
        self._quiet_until = 0.0

    def refresh(self) -> None:
        """Learns the policy anew if it is time; keeps the old one if LLMLab cannot be asked."""
        now = time.monotonic()
        if now < self.policy_due:
            return
        self.policy_due = now + self._settings.policy_seconds
        try:
            response = self._http.request("GET", "/api/settings/policy", timeout=self._settings.timeout)
            if response.is_success:
                self.policy = Policy.of(response.json())
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            # Whoever sends the events says that LLMLab is away.
            return

    def submit(self, planned: dict[str, Any]) -> "Future[str | None]":
        """`admit` in a thread, for callers with an event loop."""
        with self._making_threads:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="llmlab-guard")
            threads = self._threads
        return threads.submit(self.admit, planned)

    def admit(self, planned: dict[str, Any]) -> str | None:
        """Obeys the policy and holds the money for a call; returns the reservation's id, or None without one.

        Raises ModelDisabled, TokenLimitExceeded, BudgetExceeded and Unreachable.
        """
        if self.policy is None:
            with self._asking:
                if self.policy is None and not self._is_quiet():
                    self.refresh()
        if self.policy is not None:
            self.policy.obey(planned["model"], (planned["input_tokens"] or 0) + (planned["max_output_tokens"] or 0))
        if self._is_quiet():
            self._without("LLMLab did not answer a moment ago")
            return None
        known = bounded({key: value for key, value in planned.items() if value is not None})
        assumed = {
            "model": "unknown",
            "input_tokens": ASSUMED_INPUT_TOKENS,
            "max_output_tokens": ASSUMED_OUTPUT_TOKENS,
        }
        try:
            response = self._http.request(
                "POST", "/api/budgets/reservations", timeout=self._settings.timeout, json={**assumed, **known}
            )
            body = json.loads(response.content, parse_float=Decimal)
        except Exception as error:
            # Whatever it is, it must not become an error of the user's call.
            self._pause()
            self._without(f"LLMLab cannot be reached: {type(error).__name__}")
            return None
        if response.status_code == 201:
            self._failures = 0
            return str(body["id"])
        refusal = _refusal(response.status_code, body)
        if refusal is not None:
            self._failures = 0
            raise refusal
        self._pause(retry_after(response))
        self._without(f"LLMLab cannot hold the money for a call: {detail(response)}")
        return None

    def give_back(self, asked: "Future[str | None]") -> None:
        """Gives back what an admission holds; without an answer it lapses by itself."""
        if asked.cancelled() or asked.exception() is not None:
            return
        reservation = asked.result()
        if reservation is not None:
            try:
                self._http.request("DELETE", f"/api/budgets/reservations/{reservation}", timeout=self._settings.timeout)
            except httpx.HTTPError:
                return

    def close(self) -> None:
        """Ends the threads."""
        if self._threads is not None:
            self._threads.shutdown(wait=False)

    def _is_quiet(self) -> bool:
        return time.monotonic() < self._quiet_until

    def _pause(self, asked: float = 0.0) -> None:
        """Leaves LLMLab alone for a while, so that not every call waits for it in vain."""
        self._failures = min(self._failures + 1, 8)
        self._quiet_until = time.monotonic() + max(min(0.25 * 2**self._failures, _LONGEST_PAUSE_SECONDS), asked)

    def _without(self, why: str) -> None:
        """Lets a call be made without a reservation. Raises Unreachable if that is not wanted."""
        if self._settings.on_unreachable == "refuse":
            raise Unreachable(why)
        complain("guard", f"{why}; calls are made without asking whether the budget allows them")


def _refusal(status: int, body: Any) -> LLMLabError | None:
    if not isinstance(body, dict):
        return None
    said, reason = str(body.get("detail")), body.get("reason")
    if status == 402:
        remaining = body.get("remaining")
        return BudgetExceeded(
            said,
            budget_id=body.get("budget_id"),
            budget=body.get("budget"),
            remaining=None if remaining is None else Decimal(remaining),
        )
    if status == 403 and reason == "model_disabled":
        return ModelDisabled(said)
    if status == 403 and reason == "token_limit":
        return TokenLimitExceeded(said)
    return None
