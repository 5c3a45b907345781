"""Checks before a call: the workspace's policy, and a reservation against budgets."""

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
from llmlab._logs import warn
from llmlab._settings import Settings

# Token counts to reserve for a call of unknown size.
ASSUMED_INPUT_TOKENS = 4_096
ASSUMED_OUTPUT_TOKENS = 4_096
_THREADS = 16
_MAX_PAUSE_SECONDS = 5.0


@dataclass(frozen=True)
class Policy:
    """The workspace's settings that apply to calls."""

    disabled_models: tuple[str, ...] = ()
    max_tokens_per_request: int | None = None
    enable_caching: bool = False
    _disabled: dict[str, bool] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> "Policy":
        """The policy from the answer of GET /api/settings/policy."""
        return cls(tuple(answer["disabled_models"]), answer["max_tokens_per_request"], answer["enable_caching"])

    def check(self, model: str | None, tokens: int) -> None:
        """Raises ModelDisabled or TokenLimitExceeded for a call with at least `tokens` tokens."""
        if self.disabled_models and model is not None:
            disabled = self._disabled.get(model)
            if disabled is None:
                if len(self._disabled) > 1000:
                    self._disabled.clear()
                disabled = self._disabled[model] = any(matches(pattern, model) for pattern in self.disabled_models)
            if disabled:
                raise ModelDisabled(f"The settings of this workspace disable the model {model!r}")
        limit = self.max_tokens_per_request
        if limit is not None and tokens > limit:
            raise TokenLimitExceeded(f"The settings of this workspace allow {limit} tokens per request, not {tokens}")


def matches(pattern: str, name: str) -> bool:
    """Whether a name matches a pattern, ignoring case. * matches any text."""
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
    """Checks calls against the policy and reserves budget for them."""

    def __init__(self, settings: Settings, http: Http) -> None:
        self.policy: Policy | None = None
        self.policy_due = 0.0
        self._settings = settings
        self._http = http
        self.after_fork()

    def after_fork(self) -> None:
        """Replaces locks and threads in the child process; their owners do not exist there."""
        self._refreshing = threading.Lock()
        self._starting_threads = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None
        self._failures = 0
        self._quiet_until = 0.0

    def refresh(self) -> None:
        """Requests the policy if it is due. Keeps the previous one if LLMLab cannot be reached."""
        now = time.monotonic()
        if now < self.policy_due:
            return
        self.policy_due = now + self._settings.policy_seconds
        try:
            response = self._http.request("GET", "/api/settings/policy", timeout=self._settings.timeout)
            if response.is_success:
                self.policy = Policy.of(response.json())
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            # The outbox warns when LLMLab cannot be reached.
            return

    def submit(self, planned: dict[str, Any]) -> "Future[str | None]":
        """Runs `admit` in a thread, for callers with an event loop."""
        with self._starting_threads:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="llmlab-guard")
            threads = self._threads
        return threads.submit(self.admit, planned)

    def admit(self, planned: dict[str, Any]) -> str | None:
        """Checks the policy and reserves budget for a call. Returns the reservation's id, or None without one.

        Raises ModelDisabled, TokenLimitExceeded, BudgetExceeded and Unreachable.
        """
        if self.policy is None:
            with self._refreshing:
                if self.policy is None and not self._is_paused():
                    self.refresh()
        if self.policy is not None:
            self.policy.check(planned["model"], (planned["input_tokens"] or 0) + (planned["max_output_tokens"] or 0))
        if self._is_paused():
            self._skip_reservation("LLMLab did not answer a moment ago")
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
            # No error here may reach the user's call.
            self._pause()
            self._skip_reservation(f"LLMLab cannot be reached: {type(error).__name__}")
            return None
        if response.status_code == 201:
            self._failures = 0
            return str(body["id"])
        refusal = _refusal(response.status_code, body)
        if refusal is not None:
            self._failures = 0
            raise refusal
        self._pause(retry_after(response))
        self._skip_reservation(f"LLMLab could not reserve budget for a call: {detail(response)}")
        return None

    def release(self, admission: "Future[str | None]") -> None:
        """Deletes the reservation of an admission. If that fails, it expires on the server."""
        if admission.cancelled() or admission.exception() is not None:
            return
        reservation = admission.result()
        if reservation is not None:
            try:
                self._http.request("DELETE", f"/api/budgets/reservations/{reservation}", timeout=self._settings.timeout)
            except httpx.HTTPError:
                return

    def close(self) -> None:
        """Shuts down the threads."""
        if self._threads is not None:
            self._threads.shutdown(wait=False)

    def _is_paused(self) -> bool:
        return time.monotonic() < self._quiet_until

    def _pause(self, retry_after: float = 0.0) -> None:
        """Sends no reservations for a while, so that not every call waits for a timeout."""
        self._failures = min(self._failures + 1, 8)
        self._quiet_until = time.monotonic() + max(min(0.25 * 2**self._failures, _MAX_PAUSE_SECONDS), retry_after)

    def _skip_reservation(self, reason: str) -> None:
        """Allows a call without a reservation. Raises Unreachable if `on_unreachable` is `refuse`."""
        if self._settings.on_unreachable == "refuse":
            raise Unreachable(reason)
        warn("guard", f"{reason}; calls are made without a budget check")


def _refusal(status: int, body: Any) -> LLMLabError | None:
    if not isinstance(body, dict):
        return None
    message, reason = str(body.get("detail")), body.get("reason")
    if status == 402:
        remaining = body.get("remaining")
        return BudgetExceeded(
            message,
            budget_id=body.get("budget_id"),
            budget=body.get("budget"),
            remaining=None if remaining is None else Decimal(remaining),
        )
    if status == 403 and reason == "model_disabled":
        return ModelDisabled(message)
    if status == 403 and reason == "token_limit":
        return TokenLimitExceeded(message)
    return None
